"""History is kept beside the prediction log, and its messages with it or not at all."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from insurance_predictor.base.settings import Settings
from insurance_predictor.log.prediction_log import PredictionLog
from monitoring.domain.assessment import KINDS
from monitoring.history import incident_store
from monitoring.history.incident_store import QueuedMessage, record
from monitoring.history.tables import INCIDENTS, opened
from tests.monitoring import incident_store_contract as history
from tests.monitoring.assessments import MODEL, alarms, assessment, day, verdict
from tests.monitoring.incident_store_contract import RULES, announce, nothing, queued, texts
from tests.predictions import entry, kept, log_in


@pytest.fixture
def log_settings(tmp_path: Path) -> Settings:
    return log_in(tmp_path)


@pytest.fixture
def engine(log_settings: Settings) -> Iterator[Engine]:
    with opened(log_settings.prediction_log_url) as running:
        yield running


def test_an_incident_and_its_messages_are_kept(engine):
    history.check_that_an_incident_and_its_messages_are_kept(engine)


def test_a_failure_in_the_middle_keeps_nothing(engine):
    history.check_that_a_failure_in_the_middle_keeps_nothing(engine)


def test_processes_that_assess_at_once_say_it_once(engine, log_settings):
    history.check_that_processes_take_turns(engine, log_settings)


def test_a_snooze_is_kept(engine):
    history.check_that_a_snooze_is_kept(engine)


def test_a_snooze_is_lifted(engine):
    incident_store.snooze(engine, MODEL, KINDS, day(9))
    assert incident_store.snoozes(engine, MODEL) == dict.fromkeys(KINDS, day(9))
    incident_store.snooze(engine, MODEL, ["schema"], None)
    assert "schema" not in incident_store.snoozes(engine, MODEL)
    record(engine, assessment(0, [verdict("schema.null.smoker")]), RULES, day(0), announce)
    assert texts(engine) == ["opened schema.null.smoker"]


def test_a_message_waits_as_it_was_written(engine):
    def with_report(change) -> list[QueuedMessage]:
        content = {"text": "é <b>", "blocks": [{"type": "divider"}]}
        return [
            QueuedMessage(channel="slack_bot", content=content, report=Path("reports/one.html"))
        ]

    record(engine, assessment(0, [verdict("service.latency")]), RULES, day(0), with_report)
    (row,) = queued(engine)
    (incident,) = incident_store.open_incidents(engine, MODEL)
    assert (row["event"], row["incident_id"], row["time"]) == ("opened", incident.id, day(0))
    assert row["message"] == {"text": "é <b>", "blocks": [{"type": "divider"}]}
    assert (row["report"], row["channel"]) == ("reports/one.html", "slack_bot")
    assert (row["attempts"], row["is_in_doubt"], row["sent"]) == (0, False, None)
    assert (row["gave_up"], row["trouble"]) == (None, None)


def test_an_assessment_is_remembered_and_replaced_by_the_next_of_its_slot(engine):
    given = replace(verdict("drift.bmi"), p_value=0.001, value=float("inf"), money=-12.5)
    record(engine, assessment(0, [verdict("drift.age")]), RULES, day(0), nothing, run_id="first")
    record(engine, assessment(0, [given]), RULES, day(0), nothing, run_id="second")
    record(engine, assessment(3), RULES, day(3), nothing)
    third, second = incident_store.assessments(engine, MODEL)
    assert (third.slot, third.run_id, third.verdicts) == (day(3), None, {})
    assert (second.slot, second.start, second.end) == (day(0), day(-1), day(0))
    assert (second.rows, second.outcomes, second.run_id) == (400, 0, "second")
    expected = {"status": "alarm", "value": None, "p_value": 0.001, "money": -12.5}
    assert second.verdicts == {"drift.bmi": expected}
    assert [one.slot for one in incident_store.assessments(engine, MODEL, most=1)] == [day(3)]


def test_an_older_assessment_is_not_remembered(engine):
    record(engine, assessment(3), RULES, day(3), announce)
    decision = record(engine, assessment(2, [verdict("service.latency")]), RULES, day(3), announce)
    assert not decision.counts
    assert [one.slot for one in incident_store.assessments(engine, MODEL)] == [day(3)]
    assert queued(engine) == []


def test_each_length_of_window_has_a_history_of_its_own(engine):
    fault, over = [verdict("schema.null.smoker")], [verdict("schema.null.smoker", "quiet")]
    record(engine, assessment(1, fault, days=7), RULES, day(1), announce)
    record(engine, assessment(1.4, over, days=0.5), RULES, day(1.4), announce)
    decision = record(engine, assessment(1.5, over, days=7), RULES, day(1.5), announce)
    assert decision.counts
    assert texts(engine) == ["opened schema.null.smoker", "resolved"]
    found = {(one.schedule, one.slot) for one in incident_store.assessments(engine, MODEL)}
    assert found == {("7d", day(1)), ("12h", day(1.4)), ("7d", day(1.5))}


def test_an_incident_of_a_length_that_nobody_looks_at_any_more_is_over_and_said(engine):
    fault = [verdict("schema.null.smoker")]
    record(engine, assessment(0, fault, days=1), RULES, day(0), announce)
    for number in range(1, 10):
        record(engine, assessment(number, days=7), RULES, day(number), announce)
        is_open = bool(incident_store.open_incidents(engine, MODEL))
        assert is_open == (number <= 8)  # a quiet period of 7 days after the next one was due
    assert texts(engine) == ["opened schema.null.smoker", "resolved"]


def test_what_comes_back_is_the_incident_that_was_there(engine):
    fault, over = [verdict("schema.null.smoker")], [verdict("schema.null.smoker", "quiet")]
    (first,) = record(engine, assessment(0, fault), RULES, day(0), announce).open
    record(engine, assessment(1, over), RULES, day(1), announce)
    (back,) = record(engine, assessment(2, fault), RULES, day(2), announce).open
    assert (back.id, back.opened, back.reopened) == (first.id, day(0), day(2))
    assert incident_store.incidents(engine, MODEL) == (back,)
    expected = "schema.null.smoker"
    assert texts(engine) == [f"opened {expected}", "resolved", f"reopened {expected}"]


def test_a_window_in_the_future_that_was_kept_once_hides_nothing(engine):
    record(engine, assessment(400), RULES, day(400), announce)
    found = record(engine, assessment(0, [verdict("schema.null.smoker")]), RULES, day(0), announce)
    assert found.counts
    assert texts(engine) == ["opened schema.null.smoker"]


def test_a_preview_decides_the_same_and_keeps_nothing(engine):
    seen = assessment(0, [verdict("schema.null.smoker")])
    first = incident_store.preview(engine, seen, RULES, day(0))
    again = incident_store.preview(engine, seen, RULES, day(0))
    assert [change.event for change in first.told] == ["opened"]
    assert [change.event for change in again.told] == ["opened"]
    assert (
        incident_store.assessments(engine, MODEL)
        == incident_store.open_incidents(engine, MODEL)
        == ()
    )
    assert [change.event for change in record(engine, seen, RULES, day(0), nothing).told] == [
        "opened"
    ]


def test_models_have_histories_of_their_own(engine):
    fault = assessment(0, [verdict("schema.null.smoker")])
    other = replace(fault, model_name="another")
    for seen in (fault, other):
        record(engine, seen, RULES, day(0), announce)
    incident_store.snooze(engine, "another", KINDS, day(9))
    assert len(incident_store.open_incidents(engine, MODEL)) == 1
    assert len(incident_store.open_incidents(engine, "another")) == 1
    assert incident_store.snoozes(engine, MODEL) == {}


def test_what_is_over_stays_in_the_history_the_newest_first(engine):
    for number, name in enumerate(["schema.null.smoker", "service.latency"]):
        before = [verdict("schema.null.smoker", "quiet")] if number else []
        record(engine, assessment(number, [verdict(name), *before]), RULES, day(number), nothing)
    newest, oldest = incident_store.incidents(engine, MODEL)
    assert (newest.kind, newest.resolved) == ("service", None)
    assert (oldest.kind, oldest.resolved) == ("schema", day(1))
    assert oldest.findings == ("schema.null.smoker",)
    assert incident_store.incidents(engine, MODEL, most=1) == (newest,)


def test_one_incident_of_a_kind_is_open_whoever_writes(engine):
    record(engine, assessment(0, [verdict("schema.null.smoker")]), RULES, day(0), nothing)
    (incident,) = incident_store.open_incidents(engine, MODEL)
    second = vars(incident) | {"id": "second", "findings": [], "told": []}
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(INCIDENTS.insert(), second)


def test_the_thread_that_delivery_found_outlives_the_next_assessment(engine):
    seen = assessment(0, [verdict("schema.null.smoker")])
    record(engine, seen, RULES, day(0), announce)
    with engine.begin() as connection:
        connection.execute(INCIDENTS.update().values(thread="C1:17.5"))
    (incident,) = record(engine, seen, RULES, day(0), announce).open
    assert incident.thread == "C1:17.5"
    assert incident_store.open_incidents(engine, MODEL)[0].thread == "C1:17.5"


def test_a_test_message_is_about_no_incident(engine):
    incident_store.queue(
        engine, [QueuedMessage(channel="other", content={"text": "test"})], "test", day(0)
    )
    (row,) = queued(engine)
    assert (row["event"], row["incident_id"]) == ("test", None)


def test_quotes_are_logged_while_history_is_kept(engine, log_settings):
    with PredictionLog(log_settings) as log:
        for number in range(20):
            log.write([entry()])
            record(engine, alarms(number, "drift.bmi"), RULES, day(number), announce)
        assert log.flush(60)
    assert len(kept(log_settings.prediction_log_url)) == 20
