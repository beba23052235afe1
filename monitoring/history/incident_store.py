"""Assessments and incidents, kept beside the prediction log, one transaction an assessment.

A message is queued in the transaction that changes its incident: either both are there or
neither is, whenever a process dies. Whoever delivers the outbox does so afterwards.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, Row, func, select

from insurance_predictor.base.settings import IncidentRules
from monitoring.domain.assessment import KINDS, Assessment, Kind, Window
from monitoring.domain.incidents import (
    Change,
    Incident,
    IncidentDecision,
    IncidentHistory,
    PastAssessment,
    decide,
    is_abandoned,
)
from monitoring.history.tables import ASSESSMENTS, INCIDENTS, OUTBOX, SNOOZES

HISTORY_LOCK = 0x10CC  # any number, the same for everybody who changes the history
PAST = 100  # assessments that a decision goes back to; what was decided before them has no vote


@dataclass(frozen=True, kw_only=True)
class QueuedMessage:
    """What to bring to a channel; `report` is what goes along, a page in the folder of a run."""

    channel: str
    content: Mapping[str, Any]
    report: Path | None = None


@dataclass(frozen=True, kw_only=True)
class KeptAssessment:
    """An assessment as it is kept: `verdicts` has status, value, p_value and money by name."""

    schedule: str
    slot: datetime
    version: str
    start: datetime
    end: datetime
    rows: int
    outcomes: int
    verdicts: Mapping[str, Mapping[str, Any]]
    run_id: str | None


Announce = Callable[[Change], Iterable[QueuedMessage]]


def record(
    engine: Engine,
    assessment: Assessment,
    rules: IncidentRules,
    now: datetime,
    announce: Announce,
    run_id: str | None = None,
    incarnation: str | None = None,
) -> IncidentDecision:
    """Keep `assessment`, what it changes, and the messages that `announce` makes of what is told.

    `now` is aware; `run_id` is the MLflow run with the report, `incarnation` the model's. Several
    processes may do this at once: they take turns. Raises sqlalchemy's errors, which
    `tables.opened` translates.
    """
    with _turn(engine) as connection:
        history = _history(connection, assessment, rules, now)
        decision = decide(history, assessment, rules, now)
        if decision.counts:
            _keep_assessment(connection, assessment, run_id)
        for change in decision.changes:
            _keep_incident(connection, change.incident)
        for change in decision.told:
            model = (assessment.model_name, incarnation)
            _queue(connection, announce(change), now, str(change.event), model, change.incident.id)
    return decision


def preview(
    engine: Engine, assessment: Assessment, rules: IncidentRules, now: datetime
) -> IncidentDecision:
    """What `record` would decide; nothing is kept and nothing queued."""
    with engine.begin() as connection:
        return decide(_history(connection, assessment, rules, now), assessment, rules, now)


def snooze(engine: Engine, model_name: str, kinds: Sequence[Kind], until: datetime | None) -> None:
    """Say nothing about `kinds` until then, aware; None ends the silence at once."""
    with _turn(engine) as connection:
        of_model = SNOOZES.c.model_name == model_name
        connection.execute(SNOOZES.delete().where(of_model, SNOOZES.c.kind.in_(kinds)))
        rows = [{"model_name": model_name, "kind": kind, "until": until} for kind in kinds]
        if until is not None and rows:
            connection.execute(SNOOZES.insert(), rows)


def snoozes(engine: Engine, model_name: str) -> dict[Kind, datetime]:
    """Until when each kind was last silenced, which may be over."""
    with engine.begin() as connection:
        return _snoozes(connection, model_name)


def open_incidents(engine: Engine, model_name: str) -> tuple[Incident, ...]:
    """The incidents that go on, the oldest first."""
    with engine.begin() as connection:
        return _open(connection, model_name)


def incidents(engine: Engine, model_name: str, most: int = 1000) -> tuple[Incident, ...]:
    """The newest `most` incidents, open or over, the newest first."""
    asked = select(INCIDENTS).where(INCIDENTS.c.model_name == model_name)
    newest = asked.order_by(INCIDENTS.c.opened.desc(), INCIDENTS.c.kind).limit(most)
    with engine.begin() as connection:
        return tuple(_incident(row) for row in connection.execute(newest))


def assessments(engine: Engine, model_name: str, most: int = 1000) -> tuple[KeptAssessment, ...]:
    """The newest `most` assessments, the newest first."""
    with engine.begin() as connection:
        return _assessments(connection, model_name, most)


def judged_until(engine: Engine, model_name: str, now: datetime) -> datetime | None:
    """The end of the last window that was judged by `now`; None without any."""
    end = ASSESSMENTS.c.end
    asked = select(func.max(end)).where(ASSESSMENTS.c.model_name == model_name, end <= now)
    with engine.begin() as connection:
        found: datetime | None = connection.scalar(asked)
    return found


def queue(
    engine: Engine,
    messages: Iterable[QueuedMessage],
    event: str,
    now: datetime,
    model_name: str | None = None,
    incarnation: str | None = None,
) -> None:
    """Queue messages about no incident, like a test; only who monitors that model sends them."""
    with engine.begin() as connection:
        _queue(connection, messages, now, event, (model_name, incarnation))


def was_queued(engine: Engine, event: str) -> bool:
    """Whether there ever was a message of that event."""
    with engine.begin() as connection:
        asked = select(OUTBOX.c.id).where(OUTBOX.c.event == event)
        return connection.execute(asked).first() is not None


@contextmanager
def _turn(engine: Engine) -> Iterator[Connection]:
    """A transaction that nobody else's runs beside; SQLite's are so by themselves."""
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(HISTORY_LOCK)))
        yield connection


def _history(
    connection: Connection, assessment: Assessment, rules: IncidentRules, now: datetime
) -> IncidentHistory:
    """What is known of the schedule of `assessment`, and of those that nobody keeps any more."""
    name, schedule = assessment.model_name, assessment.window.schedule
    found = _assessments(connection, name, PAST, schedule)
    every = _open(connection, name)
    return IncidentHistory(
        past=[_past(one) for one in found],
        open={one.kind: one for one in every if one.schedule == schedule},
        ended=_ended(connection, name, schedule),
        snoozes=_snoozes(connection, name),
        abandoned=[
            one
            for one in every
            if one.schedule != schedule
            and is_abandoned(_last_window(connection, one, now), rules, now)
        ],
    )


def _last_window(connection: Connection, incident: Incident, now: datetime) -> Window | None:
    """The last window of the incident's schedule that was judged by now."""
    found = _assessments(connection, incident.model_name, PAST, incident.schedule)
    judged = (one for one in found if one.slot <= now)
    return next((Window(one.start, one.end, one.slot, one.schedule) for one in judged), None)


def _assessments(
    connection: Connection, model_name: str, most: int, schedule: str | None = None
) -> tuple[KeptAssessment, ...]:
    """The newest first, of one schedule or of all."""
    asked = select(ASSESSMENTS).where(ASSESSMENTS.c.model_name == model_name)
    if schedule is not None:
        asked = asked.where(ASSESSMENTS.c.schedule == schedule)
    found = connection.execute(asked.order_by(ASSESSMENTS.c.slot.desc()).limit(most)).mappings()
    names = [one.name for one in fields(KeptAssessment)]
    return tuple(KeptAssessment(**{name: row[name] for name in names}) for row in found)


def _past(assessment: KeptAssessment) -> PastAssessment:
    found = {name: verdict["p_value"] for name, verdict in assessment.verdicts.items()}
    return PastAssessment(
        slot=assessment.slot,
        start=assessment.start,
        end=assessment.end,
        version=assessment.version,
        p_values={name: p_value for name, p_value in found.items() if p_value is not None},
    )


def _ended(connection: Connection, model_name: str, schedule: str) -> dict[Kind, Incident]:
    """The last incident of each kind that is over."""
    asked = select(INCIDENTS).where(
        INCIDENTS.c.model_name == model_name,
        INCIDENTS.c.schedule == schedule,
        INCIDENTS.c.resolved.is_not(None),
    )
    found: dict[Kind, Incident] = {}
    for kind in KINDS:
        newest = asked.where(INCIDENTS.c.kind == kind).order_by(INCIDENTS.c.resolved.desc())
        for row in connection.execute(newest.limit(1)):
            found[kind] = _incident(row)
    return found


def _open(connection: Connection, model_name: str) -> tuple[Incident, ...]:
    asked = select(INCIDENTS).where(
        INCIDENTS.c.model_name == model_name, INCIDENTS.c.resolved.is_(None)
    )
    found = connection.execute(asked.order_by(INCIDENTS.c.opened, INCIDENTS.c.kind))
    return tuple(_incident(row) for row in found)


def _incident(row: Row[Any]) -> Incident:
    lists = {"findings": tuple(row.findings), "told": tuple(row.told)}
    return Incident(**row._asdict() | lists)


def _snoozes(connection: Connection, model_name: str) -> dict[Kind, datetime]:
    asked = select(SNOOZES.c.kind, SNOOZES.c.until).where(SNOOZES.c.model_name == model_name)
    return {row.kind: row.until for row in connection.execute(asked)}


def _keep_assessment(connection: Connection, assessment: Assessment, run_id: str | None) -> None:
    """In the place of an earlier one of its schedule with the same slot."""
    window = assessment.window
    key = {
        "model_name": assessment.model_name,
        "schedule": window.schedule,
        "slot": window.slot,
    }
    connection.execute(ASSESSMENTS.delete().filter_by(**key))
    verdicts = {
        verdict.name: {
            "status": verdict.status,
            "value": verdict.value,
            "p_value": verdict.p_value,
            "money": verdict.money,
        }
        for verdict in assessment.verdicts
    }
    row = key | {
        "version": assessment.version,
        "start": window.start,
        "end": window.end,
        "rows": assessment.rows,
        "outcomes": assessment.outcomes,
        "verdicts": verdicts,
        "run_id": run_id,
    }
    connection.execute(ASSESSMENTS.insert(), row)


def _keep_incident(connection: Connection, incident: Incident) -> None:
    """All but the thread, which is known to whoever delivered the first message."""
    row = vars(incident) | {"findings": list(incident.findings), "told": list(incident.told)}
    del row["thread"]
    known = INCIDENTS.update().where(INCIDENTS.c.id == incident.id)
    if not connection.execute(known, row).rowcount:
        connection.execute(INCIDENTS.insert(), row)


def _queue(
    connection: Connection,
    messages: Iterable[QueuedMessage],
    now: datetime,
    event: str,
    model: tuple[str | None, str | None],
    incident_id: str | None = None,
) -> None:
    model_name, incarnation = model
    rows = [
        {
            "id": str(uuid4()),
            "time": now,
            "model_name": model_name,
            "incarnation": incarnation,
            "incident_id": incident_id,
            "event": event,
            "message": dict(message.content),
            "channel": message.channel,
            "report": message.report and "/".join(message.report.parts[-2:]),
            "attempts": 0,
            "is_in_doubt": False,
        }
        for message in messages
    ]
    if rows:
        connection.execute(OUTBOX.insert(), rows)
