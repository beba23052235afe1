"""Plays months of production in minutes: what `monitor` would have seen, decided and said."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import Engine

from insurance_predictor.base.errors import BadInput, Unreachable
from insurance_predictor.base.settings import Settings
from insurance_predictor.log.database import OUTCOMES
from insurance_predictor.log.prediction_log import Entry, Failure, PredictionLog
from insurance_predictor.serving import served_model
from insurance_predictor.serving.served_model import Served
from insurance_predictor.table.read import Table, read_table
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
MONTHLY = "month"  # the schedule
KNOWN = 0.8  # of quotes, whose charges are known in the end
LATENCY, SLOW = 20.0, 2000.0  # milliseconds
PATIENCE = 60.0  # seconds until a log on this machine has taken a month's quotes
AWAY = "the registry is away in this story."


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
        lacking = SCENARIOS[one].lacking(served.predictor.columns)
        if lacking:
            version, names = served.facts.version, ", ".join(lacking)
            yield f"  not played: version {version} has no such column as {names}."
            yield ""
            continue
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
                dice = np.random.default_rng([seed, month.number])
                waiting += _play(thrown_away, month, served, dice)
                waiting = _record_known(engine, waiting, month.end)
                window = Window(month.start, month.end, month.start, MONTHLY)
                problem = AWAY if month.ends_without_registry else None
                assessment = assess(
                    thrown_away, version, reference, window, log, registry_problem=problem
                )
                decision = incident_store.record(
                    engine, assessment, settings.incident, month.end, announce=lambda change: ()
                )
                yield Played(month, assessment, decision)


def _play(
    settings: Settings, month: Month, served: Served, dice: np.random.Generator
) -> list[dict[str, Any]]:
    """Give a month's quotes by way of the spool; returns what will be known of them one day."""
    asked = list(_asked(month, served, dice))
    late = [one for one in asked if month.is_in(month.no_database, one.time)]
    in_time = [one for one in asked if not month.is_in(month.no_database, one.time)]
    _write(settings, in_time, month.start)
    _write(settings, late, month.at(month.no_database[1]))
    charges = dict(zip((one.id for one in asked), month.charges, strict=True))
    return [
        dict.fromkeys(("time", "recorded"), one.time + DELAY)
        | {"id": one.id, "charges": float(charges[one.id])}
        for one in asked
        if isinstance(one, Entry) and dice.random() < KNOWN
    ]


def _asked(month: Month, served: Served, dice: np.random.Generator) -> Iterator[Entry | Failure]:
    """What became of each quote that somebody asked for."""
    answers = served.predictor.pair.predict(month.seen).to_numpy().tolist()
    seconds = np.sort(dice.uniform(0, (month.end - month.start).total_seconds(), len(answers)))
    # A column with a missing value would give NaN, which is no NULL.
    people = month.logged.astype(object).where(month.logged.notna(), None)
    told: dict[str, Any] = {"source": "app", "incarnation": served.facts.incarnation}
    for second, person, (premium, low, high) in zip(
        seconds, people.to_dict("records"), answers, strict=True
    ):
        time = month.start + timedelta(seconds=float(second))
        given = told | {"version": served.facts.version, "id": _identifier(dice), "time": time}
        latency = SLOW if dice.random() < month.slow else dice.normal(LATENCY, 2)
        if month.is_in(month.no_service, time):
            yield Failure(**given, error="TimeoutError", latency_ms=latency)
            continue
        yield Entry(
            **given,
            person=person,
            premium=premium,
            low=low,
            high=high,
            latency_ms=latency,
            stale=month.is_in(month.no_registry, time),
        )


def _write(settings: Settings, asked: Sequence[Entry | Failure], arrival: datetime) -> None:
    """Bring them into the log, where they arrive at that moment."""
    if not asked:
        return
    with PredictionLog(settings, lambda: arrival) as log:
        log.write(asked)
        if not log.flush(PATIENCE):
            raise Unreachable(f"{settings.prediction_log_url} takes no quotes. Is the disk full?")


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
    if assessment.registry_problem:
        yield "    the registry is away: judged from the last good version and the log"
    for verdict in assessment.alarms:
        money = verdict_text.money(verdict, "en", assessment.columns)
        title = verdict_text.title(verdict, "en", assessment.columns)
        yield f"    seen: {title}" + (f" ({money})" if money else "")
    links = MessageLinks(report=None, runbook=settings.runbook_url)
    for change in played.decision.told:
        message = plain_text(incident_message(change, assessment, links, "en"))
        yield f"    told: {message.partition(chr(10))[0]}"
