"""An incident opens on evidence, is spoken of sparingly, and ends."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from scipy.stats import combine_pvalues

from insurance_predictor.base.settings import IncidentRules
from monitoring.domain.assessment import KINDS, Assessment, Kind, Status, Window
from monitoring.domain.incidents import (
    PUNCTUALITY,
    IncidentDecision,
    IncidentHistory,
    PastAssessment,
    combined_p_value,
    decide,
    is_abandoned,
)
from tests.monitoring.assessments import LIMIT, MODEL, Diary, alarms, assessment, day, verdict

RULES = IncidentRules(cooldown_hours=24 * 3, quiet_hours=24 * 3)


@pytest.fixture
def monitor() -> Diary:
    return Diary(RULES)


def test_drift_opens_an_incident_when_two_windows_together_are_evidence(monitor):
    assert monitor.say(alarms(0, "drift.bmi")) == []
    assert monitor.say(alarms(1, "drift.bmi")) == [("opened", "drift", ("drift.bmi",))]
    assert monitor.open["drift"].opened == day(1)


def test_strong_evidence_opens_an_incident_at_once(monitor):
    limit = LIMIT * RULES.evidence
    assert monitor.say(alarms(0, "drift.bmi", p_value=1.01 * limit)) == []
    monitor = Diary(RULES)
    found = monitor.say(alarms(0, "drift.bmi", p_value=0.99 * limit))
    assert found == [("opened", "drift", ("drift.bmi",))]


def test_windows_that_share_quotes_are_no_second_evidence(monitor):
    for number in range(7):
        assert monitor.say(alarms(number, "drift.bmi", days=7)) == []
    assert monitor.say(alarms(7, "drift.bmi", days=7)) == [("opened", "drift", ("drift.bmi",))]


def test_a_campaign_of_a_day_that_is_seen_in_seven_looks_opens_nothing(monitor):
    for number in range(7):
        assert monitor.say(alarms(number, "drift.bmi", days=7)) == []
    for number in range(7, 30):
        assert monitor.say(alarms(number, days=7)) == []


def test_windows_that_were_late_by_seconds_are_told_apart_by_their_quotes(monitor):
    late = day(0) + timedelta(seconds=20)
    seen = alarms(0, "drift.bmi", days=7)
    window = replace(seen.window, end=late, start=seen.window.start + timedelta(seconds=20))
    assert monitor.say(replace(seen, window=window), late) == []
    assert monitor.say(alarms(7, "drift.bmi", days=7)) == []
    assert monitor.say(alarms(8, "drift.bmi", days=7)) == [("opened", "drift", ("drift.bmi",))]


def test_one_p_value_of_several_is_stouffers():
    found = combined_p_value([0.01, 0.2, 0.7])

    assert found == pytest.approx(combine_pvalues([0.01, 0.2, 0.7], "stouffer").pvalue)
    assert combined_p_value([0.03]) == pytest.approx(0.03)
    assert 0 < combined_p_value([0.0, 1.0, 0.0]) < 1e-4


def test_an_alarm_between_quiet_windows_opens_nothing(monitor):
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
    assert monitor.say(alarms(8)) == [("resolved", "drift", ())]


def test_what_comes_back_soon_is_the_same_incident_and_ends_when_it_stays_away(monitor):
    fault, over = [verdict("service.error_rate")], [verdict("service.error_rate", "quiet")]
    (opened,) = monitor.see(assessment(0, fault)).told
    assert monitor.say(assessment(1, over)) == [("resolved", "service", ())]
    for number in range(2, 10, 2):  # a day yes, a day no: told once, and once more when it is back
        back = monitor.say(assessment(number, fault))
        expected = [("reopened", "service", ("service.error_rate",))] if number == 4 else []
        assert back == expected
        assert monitor.say(assessment(number + 1, over)) == []
    assert monitor.open["service"].id == opened.incident.id
    assert monitor.say(assessment(10, over)) == []
    assert monitor.say(assessment(11, over)) == [("resolved", "service", ())]


def test_what_comes_back_after_the_quiet_period_is_another_incident(monitor):
    fault, over = [verdict("service.error_rate")], [verdict("service.error_rate", "quiet")]
    (first,) = monitor.see(assessment(0, fault)).told
    monitor.see(assessment(1, over))
    (second,) = monitor.see(assessment(4, fault)).told
    assert (first.event, second.event) == ("opened", "opened")
    assert first.incident.id != second.incident.id


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


def test_a_stretch_that_somebody_chose_changes_and_says_nothing(monitor):
    seen = assessment(5, [verdict("schema.null.smoker")])
    decision = monitor.see(replace(seen, window=replace(seen.window, schedule="")))
    assert (decision.counts, decision.changes) == (False, ())
    assert monitor.past == {}


def test_a_window_in_the_future_that_was_once_kept_stops_nothing(monitor):
    later = alarms(400, "drift.bmi")
    monitor.past[day(400)] = PastAssessment(
        slot=day(400), start=later.window.start, end=day(400), version="1", p_values={}
    )
    assert monitor.see(alarms(0, "drift.bmi")).counts
    assert monitor.say(alarms(1, "drift.bmi")) == [("opened", "drift", ("drift.bmi",))]


def test_an_incident_of_a_schedule_that_nobody_keeps_is_over():
    length = timedelta(days=1)
    last = Window(day(0) - length, day(0), day(0), "1d")
    found = assessment(9, days=7)
    monitor = Diary(RULES)
    monitor.see(assessment(0, [verdict("schema.null.smoker")]))
    (incident,) = monitor.open.values()
    wait = length + timedelta(hours=RULES.quiet_hours)
    assert not is_abandoned(last, RULES, day(0) + wait)
    assert is_abandoned(last, RULES, day(0) + wait + timedelta(seconds=1))
    assert is_abandoned(None, RULES, day(0))
    (change,) = decide(IncidentHistory(abandoned=[incident]), found, RULES, day(9)).told
    assert (change.event, change.is_abandoned) == ("resolved", True)
    assert change.incident.resolved == day(9)


def test_an_older_window_changes_and_says_nothing(monitor):
    monitor.see(assessment(5, [verdict("schema.null.smoker")]))
    before = dict(monitor.open)
    decision = monitor.see(assessment(4, [verdict("schema.null.smoker", "quiet")]), day(5))
    assert not decision.counts
    assert decision.told == ()
    assert monitor.open == before


def test_a_window_that_ends_earlier_on_the_same_day_is_an_older_one(monitor):
    """At midnight the fault of the night was not in the window yet."""

    def until(hour: float, status: Status) -> Assessment:
        found = assessment(5 + hour / 24, [verdict("schema.null.smoker", status)])
        return replace(found, window=replace(found.window, slot=day(5)))

    monitor.see(until(6, "alarm"))
    before = dict(monitor.open)
    decision = monitor.see(until(0, "quiet"), day(5.5))
    assert (decision.counts, decision.told) == (False, ())
    assert monitor.open == before
    assert monitor.see(until(7, "quiet")).counts


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
    ready = day(1) + PUNCTUALITY * timedelta(hours=RULES.cooldown_hours)
    assert monitor.say(last, ready - timedelta(seconds=1)) == []
    assert monitor.say(last, ready) == [("updated", "drift", ("drift.age", "drift.bmi"))]
    assert monitor.say(last, day(9)) == []


def test_a_daily_look_that_is_seconds_early_is_not_within_a_cooldown_of_a_day():
    monitor = Diary(IncidentRules(cooldown_hours=24))
    monitor.see(assessment(0, [verdict("schema.null.smoker")]))
    more = [verdict("schema.null.smoker"), verdict("schema.unseen.region")]
    (change,) = monitor.see(assessment(1, more), day(1) - timedelta(seconds=20)).told
    assert change.event == "updated"


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
    assert monitor.say(assessment(9, [*more, verdict("service.backlog")])) == [
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


def test_windows_from_before_a_version_was_away_do_not_count(monitor):
    monitor.see(alarms(0, "drift.bmi"))
    monitor.see(alarms(1, version="2"))
    assert monitor.say(alarms(2, "drift.bmi")) == []


def test_a_fault_of_the_inputs_outlives_a_new_version_and_is_told_of_it(monitor):
    monitor.see(assessment(0, [verdict("schema.null.smoker")]))
    fault = assessment(5, [verdict("schema.null.smoker")], version="2")
    (change,) = monitor.see(fault).told
    assert (change.event, change.incident.version) == ("updated", "2")
    assert change.appeared == change.disappeared == ()


def test_a_new_version_with_strong_evidence_ends_one_incident_and_opens_the_next(monitor):
    monitor.see(alarms(0, "drift.bmi", p_value=1e-9))
    assert monitor.say(alarms(1, "drift.bmi", version="2", p_value=1e-9)) == [
        ("resolved", "drift", ()),
        ("opened", "drift", ("drift.bmi",)),
    ]
    assert monitor.open["drift"].version == "2"


COOLDOWN = timedelta(hours=RULES.cooldown_hours)
NAMES = ("drift.bmi", "drift.age", "performance.ratio", "schema.null.smoker", "service.latency")
STATUSES = st.sampled_from(["quiet", "alarm", "unknown"])


class AnyHistory(RuleBasedStateMachine):
    """Whatever happens, in whatever order, what people hear makes sense."""

    def __init__(self) -> None:
        super().__init__()
        self.monitor = Diary(RULES)
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
        """A quiet period ends everything."""
        for _ in range(4):
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
            for before, after in pairwise(events):
                assert (before == "resolved") == (after == "reopened")

    @invariant()
    def nothing_is_said_twice_or_too_soon(self) -> None:
        for said in self.heard.values():
            for before, after in pairwise(said):
                assert before[1:3] != after[1:3]
                waited = after[3] - before[3]
                assert after[0] == "resolved" or waited >= PUNCTUALITY * COOLDOWN

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
