"""The studies behind the docs measure what they say, on the sample or a part of it."""

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from insurance_predictor.base.settings import GateThresholds, MonitorThresholds
from insurance_predictor.model.cross_validation import Scores, make_folds
from insurance_predictor.model.estimators import make_candidates
from insurance_predictor.model.evaluation import IntervalScore
from insurance_predictor.model.fitting import features, target
from insurance_predictor.model.preprocessing import EFFECTS
from insurance_predictor.table.read import Table
from insurance_predictor.table.schema import FEATURE_NAMES
from tests.studies import drift_calibration, gate_calibration, incident_calibration, quality
from tests.studies.drift_calibration import CHANGES
from tests.studies.markdown import markdown_table

PEOPLE = 500
OURS = quality.OURS


@pytest.fixture(scope="module")
def table(sample: Table) -> pd.DataFrame:
    return sample.frame.head(PEOPLE)


@pytest.fixture(scope="module")
def measured(table: pd.DataFrame) -> tuple[list[quality.Quality], Scores]:
    people, charges = features(table), target(table)
    with threadpool_limits(limits=1):
        return quality.measure_candidates(people, charges, make_folds(people, splits=3, repeats=2))


@pytest.fixture(scope="module")
def quoted(table: pd.DataFrame, measured) -> list[quality.Quoted]:
    people, charges = features(table), target(table)
    folds = make_folds(people, splits=3, repeats=2)
    return quality.quote_nested(measured[1], people, charges, folds, splits=4, repeats=1)


@pytest.fixture(scope="module")
def watched(sample: Table):
    return drift_calibration.calibrate(sample.frame, MonitorThresholds(), splits=3)


@pytest.fixture(scope="module")
def calibration(sample: Table):
    # Everybody: of fewer people the gate cannot tell premiums × 0.95 (docs/gate.md).
    return gate_calibration.calibrate(
        sample.frame, GateThresholds(), resamples=1, resamples_of_bad=1
    )


def test_every_candidate_is_measured_and_beats_the_textbook(measured):
    found = {each.name: each for each in measured[0]}
    textbook = found.pop("textbook")

    assert set(found) == {"typical_plus_mean", "ridge", "gradient_boosting"}
    assert all(len(each.pooled) == 2 for each in found.values())
    assert all(each.mean("rmse") < textbook.mean("rmse") for each in found.values())
    assert all(0.7 < each.mean("r2") < 0.95 for each in found.values())
    assert all(abs(each.mean("total_bias")) < 0.02 for each in found.values())
    assert all(each.fit_seconds > 0 for each in found.values())


def test_the_chosen_candidate_has_the_lowest_fold_error(measured):
    found, chosen = measured

    lowest = min((each for each in found if each.name != "textbook"), key=lambda e: e.fold_rmse)
    assert chosen.candidate.name == lowest.name
    assert lowest.name in quality.candidates_table(found).splitlines()[2]


def test_nested_intervals_cover_each_smoker_group(quoted, table):
    judged = quality.judge_intervals(quoted, features(table), target(table), OURS)

    assert set(judged) == {"everybody", "no", "yes"}
    assert all(0.85 < found.coverage < 0.99 for found in judged.values())
    assert all(found.winkler >= found.mean_width > 0 for found in judged.values())


def test_the_slack_keeps_the_coverage_when_quotes_drift_a_little(quoted, table):
    people, charges = features(table), target(table)

    def coverage(name: str, drift: float) -> float:
        judged = quality.judge_intervals(quoted, people, charges, name, drift)
        return judged["everybody"].coverage

    assert coverage(OURS, 0.01) > coverage(OURS, 0.0) - 0.02
    assert coverage("ours without slack", 0.03) < coverage(OURS, 0.03)
    assert coverage(OURS, 0.10) < coverage(OURS, 0.01)


def test_intervals_are_judged_on_people_they_were_not_fitted_on(quoted):
    for each in quoted:
        assert not set(each.fold.train) & set(each.fold.test)
    assert len({each.intervals[OURS].offsets["no"] for each in quoted}) == len(quoted)


def test_the_shortest_interval_is_the_shortest_that_holds_nine_in_ten():
    residual = np.sort(np.random.default_rng(0).exponential(1000, 400) - 1000)

    low, high = quality._shortest(residual)
    central_low, central_high = quality._central(residual)

    assert np.mean((low <= residual) & (residual <= high)) >= 0.90
    assert high - low < central_high - central_low


def test_a_smoker_on_the_edge_of_obesity_changes_the_error(table):
    people = features(table).copy()
    smoker = people.index[people["smoker"] == "yes"][0]
    people.loc[smoker, "bmi"] = 30.0
    candidate = make_candidates(EFFECTS)[0]

    found = quality.judge_edge(candidate, people, target(table), splits=3, repeats=1)

    assert len(found) == len(set(found.values())) == 3
    assert all(2_000 < rmse < 10_000 for rmse in found.values())


def test_good_candidates_pass_and_bad_ones_do_not(calibration):
    judged, _ = calibration
    refused = {kind: gate_calibration.refused_share(judged, kind) for kind in kinds(judged)}

    assert set(gate_calibration.GOOD) < set(refused)
    assert all(share < 1 for kind, share in refused.items() if kind in gate_calibration.GOOD)
    bad = {kind: share for kind, share in refused.items() if kind not in gate_calibration.GOOD}
    assert len(bad) == 8
    assert all(share == 1 for share in bad.values()), bad


def test_every_threshold_of_the_gate_is_calibrated(calibration):
    judged, _ = calibration
    calibrated = [rule.setting for rule in gate_calibration.RULES]

    # No twin of production is clearly better than it: test_mutations tries that threshold.
    # `fall` is what age_fall and children_fall are where nobody has set them.
    elsewhere = ["proven_quote_shift", "fall"]
    assert sorted([*calibrated, *elsewhere]) == sorted(GateThresholds.model_fields)
    named = {gate_calibration.rule_of(c.name) for each in judged for c in each.decision.checks}
    assert {rule.name for rule in gate_calibration.RULES} <= named


def test_a_tighter_threshold_refuses_good_candidates(calibration, table):
    judged, _ = calibration
    strict = GateThresholds(most_of_baseline=0.1)

    refused = {
        kind: gate_calibration.decide(each.found, strict).approved
        for each in judged
        if (kind := each.kind) in gate_calibration.GOOD
    }

    assert not any(refused.values())
    header, _, only = gate_calibration.bias_table(judged).splitlines()
    assert "±1%" in header
    assert "%" in only


def test_nobody_is_on_both_sides_of_a_resplit(table):
    twins = pd.concat([table, table.assign(charges=table["charges"] + 1)], ignore_index=True)

    split = gate_calibration.resplit(twins, seed=1)

    sides = pd.concat([features(split.train).drop_duplicates(), features(split.holdout)])
    assert len(split.train) + len(split.holdout) == len(twins)
    assert 0.15 < len(split.holdout) / len(twins) < 0.25
    assert len(sides.drop_duplicates()) == len(features(table).drop_duplicates())
    assert len(split.holdout) == 2 * len(features(split.holdout).drop_duplicates())


def test_the_absolute_error_forgives_premiums_that_are_all_too_low(calibration):
    _, losses = calibration

    assert all(each["absolute"].value < each["squared"].value for each in losses)
    assert all(each["squared"].value > 0 for each in losses)
    assert len(gate_calibration.losses_table(losses).splitlines()) == 4


def test_the_tables_name_every_kind_and_rule(calibration):
    judged, _ = calibration
    rules = gate_calibration.rules_table(judged, GateThresholds())
    power = gate_calibration.power_table(judged)

    assert "GATE_TOTAL_BIAS" in rules
    assert "all together" in rules
    assert all(kind in rules or kind in power for kind in kinds(judged))


def test_the_interval_tables_have_a_row_for_each_way():
    score = IntervalScore(coverage=0.9, mean_width=1000, winkler=2000)
    groups = dict.fromkeys(("everybody", "no", "yes"), score)

    assert "90.0%" in quality.intervals_table({OURS: groups})
    assert len(quality.drift_table({OURS: dict.fromkeys(quality.DRIFTS, groups)}).splitlines()) == 4


def test_every_window_is_judged_and_changes_are_caught(watched):
    rows = {(each.change, each.rows) for each in watched}

    assert rows == {
        *((drift_calibration.NO_DRIFT, rows) for rows in drift_calibration.QUIET_ROWS),
        *((change, drift_calibration.CHANGED_ROWS) for change in drift_calibration.CHANGES),
    }
    for name, (_, kind) in drift_calibration.CHANGES.items():
        assert drift_calibration.alarm_share(watched, name, 400, (kind,)) > 0.5


def test_a_change_is_as_large_as_it_says(sample):
    people = sample.frame.head(400)
    generator = np.random.default_rng(0)
    older, smokier, heavier, dearer = (
        change(people, generator)
        for change in (
            drift_calibration.older,
            drift_calibration.smokier,
            drift_calibration.heavier,
            drift_calibration.dearer,
        )
    )

    assert older["age"].mean() - people["age"].mean() == pytest.approx(5, abs=1.5)
    assert (smokier["smoker"] == "yes").mean() == pytest.approx(0.30, abs=0.05)
    assert smokier.drop(columns="smoker").equals(people.drop(columns="smoker"))
    assert (heavier["bmi"] - people["bmi"]).mean() == pytest.approx(2)
    assert (dearer["charges"] / people["charges"]).mean() == pytest.approx(1.1)


def test_the_tables_of_the_calibration_have_a_row_for_each(watched):
    quiet = drift_calibration.quiet_table(watched)
    changes = drift_calibration.changes_table(watched)
    checks = drift_calibration.checks_table(watched)

    assert len(quiet.splitlines()) == 2 + len(drift_calibration.QUIET_ROWS)
    assert all(change in changes for change in drift_calibration.CHANGES)
    assert "drift.bmi" in checks
    assert 0 <= drift_calibration.band_share(watched) <= 1


def test_evidently_is_asked_about_windows_of_each_size(sample):
    header, _, *rows = drift_calibration.evidently_table(sample.frame.head(1300), 1).splitlines()

    assert all(f"{rows} rows" in header for rows in drift_calibration.EVIDENTLY_ROWS)
    assert len(rows) == len(drift_calibration.EVIDENTLY_SHARES)
    assert all("%" in row for row in rows)


def test_a_change_becomes_an_incident_soon_and_a_quiet_time_does_not():
    played = incident_calibration.calibrate(years=1, days=5)

    for change in incident_calibration.CHANGES:
        assert 1 <= incident_calibration.delays(played, change)[0] <= 21
    assert {one.quotes for one in played if not one.change} == set(incident_calibration.QUOTES)
    assert all(change in incident_calibration.delays_table(played) for change in CHANGES)
    header, _, *rows = incident_calibration.years_table(played).splitlines()
    assert "incidents a year" in header
    assert len(rows) == len(incident_calibration.QUOTES)
    assert not any("–" in row for row in rows), "Evidently has been asked, too"


def test_evidently_alerts_on_the_same_days(sample):
    table = sample.frame
    reference = table.iloc[:936][list(FEATURE_NAMES)]
    older = table.iloc[936:1336][list(FEATURE_NAMES)].assign(age=64)

    assert incident_calibration.evidently_alert(older, reference)
    assert not incident_calibration.evidently_alert(reference, reference)


def test_a_markdown_table_pads_its_columns():
    assert markdown_table(("a", "long"), [["longer", "b"]]).splitlines() == [
        "| a      | long |",
        "| ------ | ---- |",
        "| longer | b    |",
    ]


def kinds(judged: list[gate_calibration.Judged]) -> list[str]:
    return list(dict.fromkeys(each.kind for each in judged))
