"""An incident opens when enough assessments agree, is spoken of sparingly, and ends."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from insurance_predictor.base.settings import IncidentRules
from monitoring.domain.assessment import KINDS, Assessment, Kind
from monitoring.domain.incidents import (
    Incident,
    IncidentDecision,
    IncidentHistory,
    PastAssessment,
    decide,
)
from tests.monitoring.assessments import MODEL, alarms, assessment, day, verdict

RULES = IncidentRules(votes=2, windows=3, cooldown_hours=24 * 3)


class Monitor:
    """Remembers between assessments, as the store does."""

    def __init__(self, rules: IncidentRules = RULES) -> None:
        self.rules = rules
        self.past: dict[datetime, PastAssessment] = {}
        self.open: dict[Kind, Incident] = {}
        self.snoozes: dict[Kind, datetime] = {}

    def see(self, seen: Assessment, now: datetime | None = None) -> IncidentDecision:
        history = IncidentHistory(
            past=list(self.past.values()), open=self.open, snoozes=self.snoozes
        )
        decision = decide(history, seen, self.rules, now or seen.window.slot)
        if decision.counts:
            statuses = {verdict.name: verdict.status for verdict in seen.verdicts}
            slot = seen.window.slot
            self.past[slot] = PastAssessment(slot=slot, version=seen.version, statuses=statuses)
        self.open = {incident.kind: incident for incident in decision.open}
        return decision

    def say(self, seen: Assessment, now: datetime | None = None) -> list[tuple]:
        """What is told of an assessment: event, kind, findings."""
        told = self.see(seen, now).told
        return [(one.event, one.incident.kind, one.incident.confirmed) for one in told]


@pytest.fixture
def monitor() -> Monitor:
    return Monitor()


def test_drift_opens_an_incident_when_two_of_three_assessments_agree(monitor):
    assert monitor.say(alarms(0, "drift.bmi")) == []
    assert monitor.say(alarms(1)) == []
    assert monitor.say(alarms(2, "drift.bmi")) == [("opened", "drift", ("drift.bmi",))]
    assert monitor.open["drift"].opened == day(2)


def test_alarms_that_are_too_far_apart_open_nothing(monitor):
    for number in range(0, 12, 3):
        assert monitor.say(alarms(number, "drift.bmi")) == []
        assert monitor.say(alarms(number + 1)) == []
        assert monitor.say(alarms(number + 2)) == []


def test_alarms_of_different_features_do_not_add_up(monitor):
    assert monitor.say(alarms(0, "drift.bmi")) == []
    assert monitor.say(alarms(1, "drift.age")) == []


def test_features_that_move_together_are_one_incident(monitor):
    monitor.see(alarms(0, "drift.bmi", "drift.age"))
    assert monitor.say(alarms(1, "drift.bmi", "drift.age")) == [
        ("opened", "drift", ("drift.age", "drift.bmi"))
    ]


def test_an_assessment_without_enough_data_has_no_vote(monitor):
    monitor.see(alarms(0, "drift.bmi"))
    for number in range(1, 6):
        assert monitor.say(assessment(number, [verdict("drift.bmi", "unknown")])) == []
    assert monitor.say(alarms(6, "drift.bmi")) == [("opened", "drift", ("drift.bmi",))]
    assert monitor.say(assessment(7, [verdict("drift.bmi", "unknown")])) == []
    assert "drift" in monitor.open


def test_faults_of_inputs_and_service_open_and_end_at_once(monitor):
    faulty = [verdict("schema.null.smoker"), verdict("service.error_rate")]
    assert monitor.say(assessment(0, faulty)) == [
        ("opened", "schema", ("schema.null.smoker",)),
        ("opened", "service", ("service.error_rate",)),
    ]
    repaired = [replace(one, status="quiet") for one in faulty]
    assert monitor.say(assessment(1, repaired)) == [
        ("resolved", "schema", ()),
        ("resolved", "service", ()),
    ]
    assert monitor.open == {}


def test_a_fault_goes_on_while_nobody_can_tell(monitor):
    monitor.see(assessment(0, [verdict("schema.null.smoker")]))
    assert monitor.say(assessment(1, [verdict("schema.null.smoker", "unknown")])) == []
    assert "schema" in monitor.open


def test_the_same_window_twice_says_nothing_twice(monitor):
    first = monitor.see(assessment(0, [verdict("schema.null.smoker")]))
    again = monitor.see(assessment(0, [verdict("schema.null.smoker")]))
    assert [change.event for change in first.told] == ["opened"]
    assert again.told == ()
    assert again.open == first.open


def test_the_same_window_twice_is_one_vote(monitor):
    monitor.see(alarms(0, "drift.bmi"))
    assert monitor.say(alarms(0, "drift.bmi")) == []
    assert monitor.open == {}


def test_assessing_again_replaces_the_vote_of_the_window(monitor):
    monitor.see(alarms(0, "drift.bmi"))
    monitor.see(alarms(0))
    assert monitor.say(alarms(1, "drift.bmi")) == []


def test_an_older_window_changes_and_says_nothing(monitor):
    monitor.see(assessment(5, [verdict("schema.null.smoker")]))
    before = dict(monitor.open)
    decision = monitor.see(assessment(4, [verdict("schema.null.smoker", "quiet")]))
    assert not decision.counts
    assert decision.told == ()
    assert monitor.open == before


def test_an_incident_is_told_again_when_it_changes_and_not_before_the_cooldown(monitor):
    monitor.see(alarms(0, "drift.bmi"))
    monitor.see(alarms(1, "drift.bmi"))
    assert monitor.say(alarms(2, "drift.bmi", "drift.age")) == []
    assert monitor.say(alarms(3, "drift.bmi", "drift.age")) == []  # confirmed, and too soon
    decision = monitor.see(alarms(4, "drift.bmi", "drift.age"))
    (change,) = decision.told
    assert change.event == "updated"
    assert change.appeared == ("drift.age",)
    assert change.disappeared == ()
    assert monitor.say(alarms(9, "drift.bmi", "drift.age")) == []


def test_the_first_run_after_the_cooldown_tells_what_is_pending_even_of_the_same_window(monitor):
    for number in range(2):
        monitor.see(alarms(number, "drift.bmi"))
    for number in range(2, 4):
        assert monitor.say(alarms(number, "drift.bmi", "drift.age")) == []
    last = alarms(3, "drift.bmi", "drift.age")
    assert monitor.say(last, day(4) - timedelta(seconds=1)) == []
    assert monitor.say(last, day(4)) == [("updated", "drift", ("drift.age", "drift.bmi"))]
    assert monitor.say(last, day(9)) == []


def test_a_change_that_is_undone_within_the_cooldown_is_never_told(monitor):
    monitor.see(assessment(0, [verdict("schema.null.smoker")]))
    monitor.see(assessment(1, [verdict("schema.null.smoker"), verdict("schema.unseen.region")]))
    back = [verdict("schema.null.smoker"), verdict("schema.unseen.region", "quiet")]
    assert monitor.say(assessment(2, back)) == []
    assert monitor.say(assessment(9, back)) == []


def test_what_is_over_is_told_at_once_whatever_the_cooldown(monitor):
    monitor.see(assessment(0, [verdict("schema.null.smoker"), verdict("schema.unseen.region")]))
    over = [verdict("schema.null.smoker", "quiet"), verdict("schema.unseen.region", "quiet")]
    (change,) = monitor.see(assessment(0, over), day(0) + timedelta(minutes=1)).told
    assert change.event == "resolved"
    assert change.disappeared == ("schema.null.smoker", "schema.unseen.region")
    assert change.incident.findings == ("schema.null.smoker", "schema.unseen.region")
    assert change.incident.resolved == day(0) + timedelta(minutes=1)


def test_a_snooze_silences_an_incident_that_opens_and_ends_in_it(monitor):
    monitor.snoozes["schema"] = day(5)
    assert monitor.say(assessment(0, [verdict("schema.null.smoker")])) == []
    assert "schema" in monitor.open
    assert monitor.say(assessment(4, [verdict("schema.null.smoker", "quiet")])) == []
    assert monitor.open == {}
    assert monitor.say(assessment(6)) == []


def test_what_was_silenced_and_goes_on_is_told_when_the_snooze_ends(monitor):
    monitor.snoozes["schema"] = day(5)
    monitor.see(assessment(0, [verdict("schema.null.smoker")]))
    (change,) = monitor.see(assessment(5, [verdict("schema.null.smoker")])).told
    assert change.event == "opened"
    assert change.incident.opened == day(0)


def test_a_snooze_silences_updates_and_their_end_and_no_other_kind(monitor):
    monitor.see(assessment(0, [verdict("schema.null.smoker")]))
    monitor.snoozes["schema"] = day(9)
    more = [verdict("schema.null.smoker"), verdict("schema.unseen.region")]
    assert monitor.say(assessment(7, [*more, verdict("service.backlog")])) == [
        ("opened", "service", ("service.backlog",))
    ]
    assert monitor.say(assessment(9, more)) == [
        ("updated", "schema", ("schema.null.smoker", "schema.unseen.region"))
    ]


def test_the_end_of_what_was_told_is_silenced_too(monitor):
    monitor.see(assessment(0, [verdict("schema.null.smoker")]))
    monitor.snoozes["schema"] = day(9)
    over = assessment(1, [verdict("schema.null.smoker", "quiet")])
    assert monitor.say(over) == []
    assert monitor.open == {}


def test_a_new_version_ends_what_was_found_with_the_old_one(monitor):
    monitor.see(alarms(0, "drift.bmi"))
    monitor.see(alarms(1, "drift.bmi"))
    (change,) = monitor.see(alarms(2, "drift.bmi", version="2")).told
    assert (change.event, change.replaced_by, change.incident.version) == ("resolved", "2", "1")
    assert monitor.say(alarms(3, "drift.bmi", version="2")) == [("opened", "drift", ("drift.bmi",))]


def test_votes_from_before_a_version_was_away_do_not_count(monitor):
    monitor.see(alarms(0, "drift.bmi"))
    monitor.see(alarms(1, version="2"))
    assert monitor.say(alarms(2, "drift.bmi")) == []


def test_a_fault_of_the_inputs_outlives_a_new_version_and_is_told_of_it(monitor):
    monitor.see(assessment(0, [verdict("schema.null.smoker")]))
    fault = assessment(5, [verdict("schema.null.smoker")], version="2")
    (change,) = monitor.see(fault).told
    assert (change.event, change.incident.version) == ("updated", "2")
    assert change.appeared == change.disappeared == ()


def test_with_one_vote_a_new_version_ends_one_incident_and_opens_the_next():
    monitor = Monitor(RULES.model_copy(update={"votes": 1, "windows": 1}))
    monitor.see(alarms(0, "drift.bmi"))
    assert monitor.say(alarms(1, "drift.bmi", version="2")) == [
        ("resolved", "drift", ()),
        ("opened", "drift", ("drift.bmi",)),
    ]
    assert monitor.open["drift"].version == "2"


NAMES = ("drift.bmi", "drift.age", "performance.ratio", "schema.null.smoker", "service.latency")
STATUSES = st.sampled_from(["quiet", "alarm", "unknown"])


class AnyHistory(RuleBasedStateMachine):
    """Whatever happens, in whatever order, what people hear makes sense."""

    def __init__(self) -> None:
        super().__init__()
        self.monitor = Monitor()
        self.day = 0
        self.version = "1"
        self.last = assessment(0)
        self.heard: dict[str, list[tuple]] = {}

    def see(self, seen: Assessment, now: datetime) -> IncidentDecision:
        decision = self.monitor.see(seen, now)
        for change in decision.told:
            said = (change.event, change.incident.confirmed, change.incident.version, now)
            self.heard.setdefault(change.incident.id, []).append(said)
        self.last, self.now = seen, now
        return decision

    @rule(statuses=st.tuples(*[STATUSES] * len(NAMES)), days=st.integers(1, 3))
    def a_new_window(self, statuses: tuple, days: int) -> None:
        self.day += days
        verdicts = [verdict(name, status) for name, status in zip(NAMES, statuses, strict=True)]
        self.see(assessment(self.day, verdicts, self.version), day(self.day))

    @rule()
    def the_same_window_again(self) -> None:
        if self.monitor.past:
            before = dict(self.monitor.open)
            assert self.see(self.last, self.now).told == ()
            assert self.monitor.open == before

    @rule(back=st.integers(1, 9))
    def an_older_window(self, back: int) -> None:
        if self.monitor.past:
            last, before = self.last, dict(self.monitor.open)
            decision = self.see(assessment(self.day - back, map(verdict, NAMES)), self.now)
            assert (decision.counts, decision.told) == (False, ())
            assert self.monitor.open == before
            self.last = last

    @rule(kind=st.sampled_from(KINDS), days=st.integers(0, 5))
    def a_snooze(self, kind: Kind, days: int) -> None:
        until = max(day(self.day + days), self.monitor.snoozes.get(kind, day(0)))
        self.monitor.snoozes[kind] = until

    @rule(version=st.sampled_from(["1", "2"]))
    def a_promotion(self, version: str) -> None:
        self.version = version

    @rule()
    def quiet_times(self) -> None:
        """Three quiet windows end everything."""
        for _ in range(3):
            self.day += 1
            quiet = [verdict(name, "quiet") for name in NAMES]
            self.see(assessment(self.day, quiet, self.version), day(self.day))
        assert self.monitor.open == {}

    @invariant()
    def every_story_begins_and_ends_once(self) -> None:
        for said in self.heard.values():
            events = [event for event, *_ in said]
            assert events[0] == "opened"
            assert events.count("opened") == 1
            assert "resolved" not in events[:-1]

    @invariant()
    def nothing_is_said_twice_or_too_soon(self) -> None:
        for said in self.heard.values():
            for before, after in pairwise(said):
                assert before[1:3] != after[1:3]
                waited = after[3] - before[3]
                assert after[0] == "resolved" or waited >= timedelta(hours=RULES.cooldown_hours)

    @invariant()
    def there_is_one_incident_of_a_kind_and_it_has_findings(self) -> None:
        for kind, incident in self.monitor.open.items():
            assert (incident.kind, incident.model_name) == (kind, MODEL)
            assert incident.findings
            assert incident.resolved is None


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = hypothesis_settings(
    max_examples=150, stateful_step_count=25, database=None
)


def names(changes: Iterable) -> list[str]:
    return [change.incident.kind for change in changes]


def test_kinds_come_in_a_fixed_order(monitor):
    everything = assessment(0, [verdict("service.latency"), verdict("schema.null.smoker")])
    assert names(monitor.see(everything).changes) == ["schema", "service"]
