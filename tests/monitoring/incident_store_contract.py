"""What the store keeps, checked on SQLite here and on PostgreSQL in tests/integration."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Engine, select

from insurance_predictor.base.settings import IncidentRules, Settings
from monitoring.domain.incidents import Change
from monitoring.history.incident_store import QueuedMessage, open_incidents, record, snooze
from monitoring.history.tables import OUTBOX
from tests.monitoring.assessments import MODEL, alarms, assessment, day, verdict
from tests.predictions import at_once, process

RULES = IncidentRules()
PROCESSES = 4
# Each assesses the same window, once a line has told it to go on, and says what it would say.
ASSESS_AT_ONCE = """
from monitoring.history.tables import opened
from monitoring.history.incident_store import record
from tests.monitoring.incident_store_contract import RULES, announce
from tests.monitoring.assessments import alarms, day
print("ready", flush=True)
sys.stdin.readline()
with opened(log_settings.prediction_log_url) as engine:
    decision = record(engine, alarms(1, "drift.bmi"), RULES, day(1), announce)
print(*(change.event for change in decision.told), flush=True)
"""


def announce(change: Change) -> Sequence[QueuedMessage]:
    """One message on each of two channels."""
    content = {"text": f"{change.event} {' '.join(change.incident.confirmed)}".strip()}
    return [QueuedMessage(channel=name, content=content) for name in ("slack_bot", "other")]


def nothing(change: Change) -> Sequence[QueuedMessage]:
    return []


def queued(engine: Engine) -> list[dict[str, Any]]:
    with engine.begin() as connection:
        rows = connection.execute(select(OUTBOX).order_by(OUTBOX.c.time, OUTBOX.c.channel))
        return [dict(row) for row in rows.mappings()]


def texts(engine: Engine) -> list[str]:
    return [row["message"]["text"] for row in queued(engine) if row["channel"] == "other"]


def check_that_an_incident_and_its_messages_are_kept(engine: Engine) -> None:
    """From the first vote to the end, by what another connection finds."""
    for number, told in [(0, 0), (1, 2), (2, 2)]:
        decision = record(engine, alarms(number, "drift.bmi"), RULES, day(number), announce)
        assert len(queued(engine)) == told
        assert open_incidents(engine, MODEL) == decision.open
    (incident,) = open_incidents(engine, MODEL)
    assert (incident.kind, incident.version, incident.findings) == ("drift", "1", ("drift.bmi",))
    assert (incident.opened, incident.told_at) == (day(1), day(1))
    for number in (3, 4):
        record(engine, alarms(number), RULES, day(number), announce)
    assert open_incidents(engine, MODEL) == ()
    assert texts(engine) == ["opened drift.bmi", "resolved"]
    assert {row["incident_id"] for row in queued(engine)} == {incident.id}


def check_that_a_failure_in_the_middle_keeps_nothing(engine: Engine) -> None:
    """Neither the vote nor the incident nor a message."""
    record(engine, alarms(0, "drift.bmi"), RULES, day(0), announce)

    def break_down(change: Change) -> Sequence[QueuedMessage]:
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        record(engine, alarms(1, "drift.bmi"), RULES, day(1), break_down)
    assert open_incidents(engine, MODEL) == ()
    record(engine, alarms(1, "drift.bmi"), RULES, day(1), announce)
    assert texts(engine) == ["opened drift.bmi"]


def check_that_processes_take_turns(engine: Engine, settings: Settings) -> None:
    """Several monitors assess the same window at once: one of them says it."""
    record(engine, alarms(0, "drift.bmi"), RULES, day(0), announce)
    several = [process(ASSESS_AT_ONCE, settings) for _ in range(PROCESSES)]
    assert sorted(at_once(several)) == ["\n"] * (PROCESSES - 1) + ["opened\n"]
    assert texts(engine) == ["opened drift.bmi"]
    assert len(open_incidents(engine, MODEL)) == 1


def check_that_a_snooze_is_kept(engine: Engine) -> None:
    """Silence until its end or until it is lifted, for the kinds that were named."""
    fault = [verdict("schema.null.smoker"), verdict("service.backlog")]
    snooze(engine, MODEL, ["schema", "drift"], day(9))
    record(engine, assessment(0, fault), RULES, day(0), announce)
    assert texts(engine) == ["opened service.backlog"]
    snooze(engine, MODEL, ["schema"], day(1))
    record(engine, assessment(0, fault), RULES, day(1), announce)
    assert texts(engine) == ["opened service.backlog", "opened schema.null.smoker"]
