"""Premiums that are wrong are seen once the outcomes are there, and only then."""

from datetime import timedelta
from math import sqrt

import numpy as np
import pytest
from scipy.stats import fisher_exact, mannwhitneyu

from insurance_predictor.base.settings import MonitorThresholds
from insurance_predictor.model.fitting import features
from monitoring.checks.performance import limit_of, mann_whitney_p_value, performance_verdicts
from monitoring.window.rank_counts import count_ranks
from tests.monitoring.windows import (
    START,
    THRESHOLDS,
    database,
    log,
    model,
    named,
    people,
    statistics_of,
)

LIMIT = limit_of(THRESHOLDS)
TESTS = {"ratio", "residuals", "coverage"}


@pytest.fixture
def engine(tmp_path):
    with database(tmp_path) as opened:
        yield opened


def judged(engine, thresholds: MonitorThresholds = THRESHOLDS):
    return named(performance_verdicts(model()[1], statistics_of(engine), thresholds))


def alarms(verdicts) -> set[str]:
    return {check for check, verdict in verdicts.items() if verdict.status == "alarm"}


def ratios(table) -> np.ndarray:
    return (table["charges"] / model()[0].predict(features(table))["premium"]).to_numpy()


def test_charges_as_they_were_are_quiet(engine):
    log(engine, people(400), outcomes=400)

    verdicts = judged(engine)

    assert set(verdicts) == TESTS | {"estimated_error"}
    assert alarms(verdicts) == set()
    ratio = verdicts["ratio"]
    assert ratio.effects["low"] < 1 < ratio.effects["high"]
    assert ratio.effects["low"] < ratio.value < ratio.effects["high"]
    assert ratio.p_value > ratio.limit == LIMIT == 0.01 / 3


def test_the_ratio_is_that_of_the_sums_against_the_holdouts(engine):
    table, (pair, reference) = people(250), model()
    log(engine, table, outcomes=250)
    quoted = pair.predict(features(table))["premium"].sum()
    usual = reference.holdout["charges"].sum() / reference.holdout["premium"].sum()

    verdict = judged(engine)["ratio"]

    assert verdict.value == pytest.approx(table["charges"].sum() / quoted / usual)
    assert verdict.money == pytest.approx((table["charges"].sum() - usual * quoted) / 250)


def test_charges_that_rose_are_an_alarm_with_their_price(engine):
    table = people(400)
    log(engine, table.assign(charges=1.2 * table["charges"]), outcomes=400)

    verdicts = judged(engine)

    assert alarms(verdicts) >= {"ratio", "residuals"}
    assert verdicts["ratio"].effects["low"] > 1
    assert verdicts["ratio"].p_value < LIMIT
    assert verdicts["ratio"].money == pytest.approx(0.2 * table["charges"].mean(), rel=0.3)
    usual = model()[1].holdout
    shift = 1.2 * np.median(ratios(table)) - np.median(usual["charges"] / usual["premium"])
    assert verdicts["residuals"].effects["shift"] == pytest.approx(shift, abs=0.03)
    assert verdicts["residuals"].money > 0


def test_the_residuals_are_mann_and_whitneys(engine):
    table = people(100)
    log(engine, table, outcomes=100)
    _, reference = model()
    holdout = (reference.holdout["charges"] / reference.holdout["premium"]).to_numpy()

    verdict = judged(engine)["residuals"]

    expected = mannwhitneyu(
        ratios(table), holdout, alternative="two-sided", method="asymptotic", use_continuity=False
    )
    assert verdict.value == pytest.approx(expected.statistic / (100 * len(holdout)))
    assert verdict.p_value == pytest.approx(expected.pvalue, rel=1e-3)


def test_charges_outside_their_intervals_are_an_alarm_and_more_inside_are_not(engine):
    table = people(200)
    ids = log(engine, table, outcomes=200, low=0.0, high=0.01)

    verdict = judged(engine)["coverage"]

    assert len(ids) == 200
    assert (verdict.status, verdict.value) == ("alarm", 0.0)
    assert verdict.effects["reference"] > 0.85


def test_coverage_is_fishers_exact_test(engine):
    table, (_, reference) = people(100), model()
    log(engine, table, outcomes=100)
    holdout = reference.holdout
    inside = holdout["charges"].between(holdout["low"], holdout["high"]).sum()
    covered = statistics_of(engine).outcomes.covered

    verdict = judged(engine)["coverage"]

    counts = [[covered, 100 - covered], [inside, len(holdout) - inside]]
    assert verdict.p_value == pytest.approx(fisher_exact(counts, alternative="less").pvalue)


@pytest.mark.parametrize("outcomes", [0, 1, 99])
def test_too_few_outcomes_decide_nothing(engine, outcomes):
    log(engine, people(300), outcomes=outcomes)

    verdicts = judged(engine)

    for check in TESTS:
        found = verdicts[check]
        least = 200 if check == "ratio" else 100
        assert (found.status, found.missing, found.rows) == ("unknown", least - outcomes, outcomes)
    assert verdicts["estimated_error"].status == "quiet"
    assert "actual" not in verdicts["estimated_error"].effects


def test_sums_of_a_hundred_outcomes_decide_nothing_and_ranks_do(engine):
    table = people(199)
    log(engine, table.assign(charges=1.5 * table["charges"]), outcomes=199)

    verdicts = judged(engine)

    assert (verdicts["ratio"].status, verdicts["ratio"].missing) == ("unknown", 1)
    assert verdicts["residuals"].status == "alarm"


def test_the_error_is_estimated_before_outcomes_and_reconciled_with_them(engine):
    table = people(400)
    log(engine, table, outcomes=400)
    error = table["charges"] - model()[0].predict(features(table))["premium"]

    verdict = judged(engine)["estimated_error"]

    assert verdict.effects["low"] < verdict.value < verdict.effects["high"]
    assert verdict.effects["actual"] == pytest.approx(sqrt(np.mean(error**2)))
    assert (
        verdict.effects["actual_low"] < verdict.effects["actual"] < verdict.effects["actual_high"]
    )
    assert verdict.limit is verdict.p_value is None


def test_the_actual_error_is_compared_with_what_was_expected_of_those_very_people(engine):
    non_smokers = people(900).query("smoker == 'no'").head(300)
    log(engine, non_smokers, outcomes=300, start=START - timedelta(days=100))
    smokers = people(900, seed=7).query("smoker == 'yes'").head(150)
    log(engine, smokers)

    effects = judged(engine)["estimated_error"].effects

    assert effects["actual_low"] < effects["actual"] < effects["actual_high"]
    assert effects["actual_low"] != pytest.approx(effects["low"], rel=0.01)


def test_the_estimate_follows_the_windows_mix(engine):
    _, reference = model()
    holdout = reference.holdout
    old_smokers = holdout[(holdout["smoker"] == "yes") & (holdout["age"].between(45, 64))]
    log(engine, people(200), smoker="yes", age=50)

    verdict = judged(engine)["estimated_error"]

    error = old_smokers["charges"] - old_smokers["premium"]
    assert verdict.value == pytest.approx(sqrt(np.mean(error**2)))


def test_more_rows_leave_less_to_luck(engine):
    log(engine, people(100))
    few = judged(engine)["estimated_error"].effects
    log(engine, people(4000, seed=3))
    many = judged(engine)["estimated_error"].effects

    assert many["high"] - many["low"] < few["high"] - few["low"]


def test_an_empty_window_has_no_error_to_estimate(engine):
    verdict = judged(engine)["estimated_error"]

    assert (verdict.status, verdict.missing, verdict.value) == ("unknown", 1, None)


def test_ratios_that_are_all_the_same_are_no_evidence():
    same = count_ranks(np.array([1.0]), np.ones(5))

    assert mann_whitney_p_value(0.5, same, same) == 1.0
