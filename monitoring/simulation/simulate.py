"""Plays months of production in minutes: what `monitor` would have seen, decided and said."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import Engine

from insurance_predictor.base.errors import BadInput
from insurance_predictor.base.settings import Settings
from insurance_predictor.log.database import FAILURES, OUTCOMES, PREDICTIONS
from insurance_predictor.serving import served_model
from insurance_predictor.serving.served_model import Served
from insurance_predictor.table.read import Table, read_table
from insurance_predictor.table.schema import FEATURE_NAMES
from monitoring.alerts.messages import MessageLinks, incident_message, plain_text
from monitoring.checks.assess import assess
from monitoring.domain.assessment import Assessment, Window
from monitoring.domain.incidents import IncidentDecision
from monitoring.history import incident_store
from monitoring.history.tables import opened
from monitoring.simulation.scenarios import SCENARIOS, Month, Scenario, play
from monitoring.window.reader import ModelLog
from monitoring.window.reference import build
from monitoring.words import verdict_text

ALL = "all"
DELAY = timedelta(days=30)  # until the charges of a quote are known
KNOWN = 0.8  # of quotes, whose charges are known in the end
LATENCY, SLOW = 20.0, 2000.0  # milliseconds


@dataclass(frozen=True)
class Played:
    """One month as `monitor` saw it at its end."""

    month: Month
    assessment: Assessment
    decision: IncidentDecision


def simulate(settings: Settings, name: str, months: int, seed: int) -> Iterator[str]:
    """The story of one scenario, or of `all` of them, line by line as it unfolds.

    The version in production answers; the log is thrown away and nothing is sent. Raises BadInput
    for a scenario that does not exist, and what `served_model.refresh` and `read_table` raise.
    """
    if name not in (ALL, *SCENARIOS):
        raise BadInput(f"SCENARIO={name!r} does not exist. Give {', '.join(SCENARIOS)} or all.")
    served = served_model.refresh(settings, served_model.read(settings))
    table = read_table(settings)
    for one in SCENARIOS if name == ALL else (name,):
        yield f"{one}: {SCENARIOS[one].story}"
        for played in play_months(settings, served, table, SCENARIOS[one], months, seed):
            yield from _told(settings, played)
        yield ""


def play_months(
    settings: Settings, served: Served, table: Table, scenario: Scenario, months: int, seed: int
) -> Iterator[Played]:
    """Each month of a scenario, judged at its end with the charges that were known by then."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        thrown_away = settings.model_copy(
            update={
                "prediction_log_url": f"sqlite:///{folder / 'log.db'}",
                "prediction_spool": folder / "spool",
            }
        )
        with opened(thrown_away.prediction_log_url) as engine:
            version, reference = served.facts.version, build(served)
            log = ModelLog(engine, settings.model_name, served.facts.incarnation)
            waiting: list[dict[str, Any]] = []
            for month in play(scenario, table, served.predictor, months, seed):
                waiting += _log(engine, month, served, np.random.default_rng([seed, month.number]))
                waiting = _record_known(engine, waiting, month.end)
                window = Window(month.start, month.end, month.start)
                assessment = assess(thrown_away, version, reference, window, log)
                decision = incident_store.record(
                    engine, assessment, settings.incident, month.end, announce=lambda change: ()
                )
                yield Played(month, assessment, decision)


def _log(
    engine: Engine, month: Month, served: Served, dice: np.random.Generator
) -> list[dict[str, Any]]:
    """Write a month's quotes and failures; returns the outcomes that will be known one day."""
    version = served.facts.version
    answers = served.predictor.pair.predict(month.seen)
    seconds = np.sort(dice.uniform(0, (month.end - month.start).total_seconds(), len(answers)))
    times = [month.start + timedelta(seconds=float(second)) for second in seconds]
    facts: dict[str, Any] = {"version": version, "source": "app"}
    # A column with a missing value would give NaN, which is no NULL.
    people = month.logged.astype(object).where(month.logged.notna(), None)
    rows = [
        facts
        | {"id": _identifier(dice), "time": time, "stale": bool(dice.random() < month.stale)}
        | {"latency_ms": SLOW if dice.random() < month.slow else dice.normal(LATENCY, 2)}
        | dict(zip(FEATURE_NAMES, person, strict=True))
        | dict(zip(("premium", "low", "high"), answer, strict=True))
        for time, person, answer in zip(
            times,
            people[list(FEATURE_NAMES)].itertuples(index=False),
            answers.to_numpy().tolist(),
            strict=True,
        )
    ]
    failures = [
        {"id": _identifier(dice), "time": time, "error": "TimeoutError"} | facts
        for time in times[: month.failed]
    ]
    with engine.begin() as connection:
        connection.execute(PREDICTIONS.insert(), rows)
        if failures:
            connection.execute(FAILURES.insert(), failures)
    return [
        dict.fromkeys(("time", "recorded"), row["time"] + DELAY)
        | {"id": row["id"], "charges": float(charges)}
        for row, charges in zip(rows, month.charges, strict=True)
        if dice.random() < KNOWN
    ]


def _record_known(
    engine: Engine, waiting: list[dict[str, Any]], now: datetime
) -> list[dict[str, Any]]:
    """Write the outcomes that are known by now; returns the others."""
    known = [row for row in waiting if row["time"] < now]
    if known:
        with engine.begin() as connection:
            connection.execute(OUTCOMES.insert(), known)
    return [row for row in waiting if row["time"] >= now]


def _identifier(dice: np.random.Generator) -> str:
    return str(UUID(bytes=dice.bytes(16), version=4))


def _told(settings: Settings, played: Played) -> Iterator[str]:
    """The month in a line, its alarms, and what the team would have been told."""
    assessment = played.assessment
    known = f"{assessment.rows:,} quotes, {assessment.outcomes:,} outcomes"
    yield f"  {played.month.start:%Y-%m}: {known}: {'alarm' if assessment.alarms else 'quiet'}"
    for verdict in assessment.alarms:
        money = verdict_text.money(verdict, "en")
        yield f"    seen: {verdict_text.title(verdict, 'en')}" + (f" ({money})" if money else "")
    links = MessageLinks(report=None, runbook=settings.runbook_url)
    for change in played.decision.told:
        message = plain_text(incident_message(change, assessment, links, "en"))
        yield f"    told: {message.partition(chr(10))[0]}"
