"""Each scenario's expected verdicts, over the months in which they are expected."""

import pytest

from insurance_predictor.base.errors import BadInput
from insurance_predictor.serving import served_model
from insurance_predictor.table.read import Table
from monitoring.simulation.scenarios import SCENARIOS
from monitoring.simulation.simulate import Played, play_months, simulate
from tests.monitoring.logged_quotes import in_folder

MONTHS = 6

# The findings that an incident must have at the end of the third to the sixth month, by scenario;
# the first two months are ordinary. What is found beside them is drift that goes along.
EXPECTED: dict[str, list[set[str]]] = {
    "none": [set(), set(), set(), set()],
    "bmi_units": [
        {"schema.outside.bmi"},
        *[{"schema.outside.bmi", "drift.bmi", "drift.premium"}] * 3,
    ],
    "inflation": [set(), set(), *[{"performance.ratio"}] * 2],
    "new_region": [{"schema.unseen.region"}] * 4,
    "ageing": [set(), {"drift.age"}, {"drift.age", "drift.premium"}, {"drift.age"}],
    "smoker_nulls": [{"schema.null.smoker"}] * 4,
    "outage": [
        {f"service.{check}" for check in ("error_rate", "stale", "latency", "backlog")},
        *[set()] * 3,
    ],
    "seasonal": [{"drift.age"}, set(), set(), set()],
}
KINDS = {
    "none": set(),
    "bmi_units": {"schema", "drift", "performance"},
    "inflation": {"performance"},
    "new_region": {"schema"},
    "ageing": {"drift", "performance"},  # charges over premium depend on age a little
    "smoker_nulls": {"schema", "drift", "performance"},
    "outage": {"service"},
    "seasonal": {"drift"},
}


@pytest.fixture
def story(settings, production, sample: Table, tmp_path):
    """Plays one scenario against the version in production."""
    own = in_folder(settings, tmp_path)
    served = served_model.refresh(own, None)

    def play(name: str) -> list[Played]:
        return list(play_months(own, served, sample, SCENARIOS[name], MONTHS, seed=0))

    return play


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_scenario_is_seen_for_what_it_is(story, name: str):
    played = story(name)
    found = [
        {finding for incident in one.decision.open for finding in incident.findings}
        for one in played
    ]
    assert found[:2] == [set(), set()]
    for month, expected in zip(found[2:], EXPECTED[name], strict=True):
        assert expected <= month
    kinds = {incident.kind for one in played for incident in one.decision.open}
    assert kinds <= KINDS[name]


def test_a_seasonal_month_is_an_incident_while_it_lasts(story):
    told = [
        [(change.incident.kind, change.event) for change in one.decision.told]
        for one in story("seasonal")
    ]
    assert told == [[], [], [("drift", "opened")], [("drift", "resolved")], [], []]


def test_an_outage_goes_the_way_of_a_real_one(story):
    _, before, during, after, *_ = story("outage")
    verdicts = {verdict.name: verdict for verdict in during.assessment.verdicts}
    assert during.assessment.registry_problem
    assert before.assessment.registry_problem is after.assessment.registry_problem is None
    assert verdicts["service.stale"].value == pytest.approx(0.4, abs=0.08)
    assert verdicts["service.error_rate"].value == pytest.approx(0.06, abs=0.04)
    days = verdicts["service.backlog"].effects["longest_minutes"] / 60 / 24
    assert days == pytest.approx(0.35 * 31, abs=1)
    failures = int(verdicts["service.error_rate"].effects["rows"])
    assert during.assessment.rows == 400 - failures


def test_an_outage_is_told_when_it_begins_and_when_it_is_over(story):
    played = story("outage")
    told = [
        [(change.incident.kind, change.event) for change in one.decision.told] for one in played
    ]
    assert told == [[], [], [("service", "opened")], [("service", "resolved")], [], []]


def test_the_story_is_told_in_words(settings, production, tmp_path):
    lines = list(simulate(in_folder(settings, tmp_path), "outage", 4, 0))
    assert lines[0].startswith("outage: In the third month")
    assert [line[2:9] for line in lines if line.startswith("  2026")] == [
        "2026-01",
        "2026-02",
        "2026-03",
        "2026-04",
    ]
    assert any("told: 🟢 Service: incident resolved" in line for line in lines)


def test_a_scenario_that_does_not_exist_is_named(settings, production, tmp_path):
    with pytest.raises(BadInput, match="SCENARIO='flood' does not exist"):
        list(simulate(in_folder(settings, tmp_path), "flood", 6, 0))
