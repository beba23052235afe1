"""Drift is called where there is some, in its size and price, and not where there is none."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency, ks_2samp

from insurance_predictor.base.settings import MonitorThresholds
from insurance_predictor.table.schema import FEATURE_NAMES
from monitoring.checks.drift import chi_square, drift_verdicts, ks_p_value, psi
from monitoring.window.reference import Reference
from tests.monitoring.windows import THRESHOLDS, database, log, model, named, people, statistics_of

ALL = {*FEATURE_NAMES, "premium"}


@pytest.fixture
def engine(tmp_path):
    with database(tmp_path) as opened:
        yield opened


def judged(engine, thresholds: MonitorThresholds = THRESHOLDS):
    return named(drift_verdicts(model()[1], statistics_of(engine), thresholds))


def alarms(verdicts) -> set[str]:
    return {check for check, verdict in verdicts.items() if verdict.status == "alarm"}


def test_people_of_the_same_population_are_quiet(engine):
    log(engine, people(400))

    verdicts = judged(engine)

    assert set(verdicts) == ALL
    assert alarms(verdicts) == set()
    assert all(verdict.rows == 400 and not verdict.missing for verdict in verdicts.values())


def test_the_budget_is_shared_by_all_seven_tests(engine):
    log(engine, people(100))

    assert {verdict.limit for verdict in judged(engine).values()} == {0.05 / 7}
    strict = judged(engine, MonitorThresholds(drift_budget=0.007))
    assert {verdict.limit for verdict in strict.values()} == {0.001}


def test_a_heavier_window_is_an_alarm_in_its_own_unit(engine):
    table = people(400)
    log(engine, table.assign(bmi=table["bmi"] + 3))

    verdict = judged(engine)["bmi"]

    assert verdict.status == "alarm"
    assert verdict.p_value < verdict.limit
    assert verdict.effects["shift"] == pytest.approx(3, abs=1)
    assert verdict.effects["window"] == pytest.approx(table["bmi"].mean() + 3)
    assert verdict.effects["psi"] > 0.1
    assert verdict.money > 0


def test_the_p_value_is_scipys(engine):
    table = people(400)
    log(engine, table)
    _, reference = model()

    verdict = judged(engine)["bmi"]

    expected = ks_2samp(reference.values("bmi"), table["bmi"], method="asymp")
    assert verdict.value == pytest.approx(expected.statistic)
    assert verdict.p_value == pytest.approx(expected.pvalue, rel=0.02)
    exact = ks_2samp(reference.values("bmi"), table["bmi"], method="exact")
    assert verdict.p_value == pytest.approx(exact.pvalue, abs=0.02)


def test_more_smokers_are_an_alarm_with_the_category_that_grew(engine):
    table = people(400)
    log(engine, table.assign(smoker=np.where(np.arange(400) % 2 == 0, "yes", "no")))

    verdict = judged(engine)["smoker"]

    assert verdict.status == "alarm"
    assert verdict.details[0] in ("no", "yes")
    assert abs(verdict.effects["shift"]) == pytest.approx(0.3, abs=0.05)
    assert verdict.money == pytest.approx(0.3 * 24_000, rel=0.3)  # what a smoker pays more


def test_the_premium_is_priced_by_its_own_mean(engine):
    table = people(400)
    log(engine, table.assign(age=64))
    _, reference = model()

    verdict = judged(engine)["premium"]

    shift = statistics_of(engine).numbers["premium"].mean - reference.premium.mean()
    assert verdict.money == verdict.effects["shift"] == pytest.approx(shift)
    assert verdict.money > 1_000


@pytest.mark.parametrize("rows", [0, 1, 99])
def test_too_few_rows_decide_nothing(engine, rows):
    if rows:
        log(engine, people(rows))

    for verdict in judged(engine).values():
        assert (verdict.status, verdict.rows, verdict.missing) == ("unknown", rows, 100 - rows)
        assert verdict.p_value is verdict.money is None


def test_a_column_without_values_decides_nothing_and_the_others_do(engine):
    log(engine, people(200), bmi=None, region=None)

    verdicts = judged(engine)

    unknown = {check for check, verdict in verdicts.items() if verdict.status == "unknown"}
    assert unknown == {"bmi", "region"}
    assert verdicts["bmi"].missing == verdicts["region"].missing == 100


def test_a_column_of_one_value_is_an_alarm(engine):
    log(engine, people(200), bmi=30.0, smoker="no")

    assert alarms(judged(engine)) >= {"bmi", "smoker"}


def test_a_new_category_is_not_a_drift_of_the_others(engine):
    log(engine, people(300))
    log(engine, people(5, seed=3), region="overseas")

    verdict = judged(engine)["region"]

    assert verdict.status == "quiet"
    assert verdict.rows == 300


def test_a_reference_of_one_value_is_compared_all_the_same(engine):
    _, reference = model()
    constant = Reference(reference.people.assign(age=40.0), reference.premium, reference.holdout)
    log(engine, people(200))

    statistics = statistics_of(engine, reference=constant)

    verdict = named(drift_verdicts(constant, statistics, THRESHOLDS))["age"]
    assert verdict.status == "alarm"
    assert np.isfinite(verdict.money)


def test_chi_square_is_scipys_where_nothing_is_rare():
    counts = np.array([[100, 200, 300], [90, 230, 280]])

    statistic, p_value = chi_square(*counts)

    expected = chi2_contingency(counts, correction=False)
    assert (statistic, p_value) == pytest.approx((expected.statistic, expected.pvalue))


def test_a_rare_category_is_judged_with_the_next_rarest():
    counts = np.array([[500, 400, 1], [50, 40, 1]])
    merged = np.array([[500, 401], [50, 41]])

    assert chi_square(*counts) == pytest.approx(chi_square(*merged))
    assert chi_square(np.array([900, 0]), np.array([100, 0])) == (0.0, 1.0)


def test_a_category_that_the_reference_lacks_is_compared():
    assert chi_square(np.array([900, 0]), np.array([60, 40]))[1] < 1e-9


def test_equal_samples_have_a_p_value_of_one():
    assert ks_p_value(0.0, 100, 100) == 1.0
    assert ks_p_value(1.0, 100, 100) < 1e-20


def test_psi_is_nothing_for_the_same_shares_and_finite_for_an_empty_bin():
    assert psi(np.array([0.5, 0.5]), np.array([0.5, 0.5])) == 0
    assert psi(np.array([0.5, 0.5]), np.array([1.0, 0.0])) == pytest.approx(4.6, abs=0.1)


def test_prices_of_bins_add_up_to_the_average_premium():
    _, reference = model()
    for name in ("age", "bmi", "children", "premium"):
        shares = reference.rank_counts[name].shares(reference.price_starts[name])
        total = shares @ reference.bin_prices[name]
        assert total == pytest.approx(reference.premium.mean())
