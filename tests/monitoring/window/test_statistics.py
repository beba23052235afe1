"""A window of any length is kept in the same few numbers, and nothing is lost."""

import numpy as np
import pytest

from insurance_predictor.table.schema import AGE, BMI, CHILDREN, CURRENT, SEX
from monitoring.window.reader import OutcomeChunk
from monitoring.window.statistics import GROUPS, Latencies, OutcomeStatistics, WindowStatistics
from tests.monitoring.windows import database, log, model, people, statistics_of


@pytest.fixture
def engine(tmp_path):
    with database(tmp_path) as opened:
        yield opened


def outcomes(rows: int, seed: int = 0) -> OutcomeChunk:
    generator = np.random.default_rng(seed)
    premium = generator.uniform(1_000, 30_000, rows)
    charges = premium * generator.uniform(0.7, 1.3, rows)
    age, smoker = np.full(rows, 40.0), np.zeros(rows)
    return OutcomeChunk(premium, 0.8 * premium, 1.2 * premium, charges, age, smoker)


def test_pieces_of_any_size_make_the_same_window(engine):
    log(engine, people(157), outcomes=157)

    large, small = statistics_of(engine), statistics_of(engine, size=10)

    assert small.rows == large.rows == 157
    for column in CURRENT.categories:
        assert small.categories(column).tolist() == large.categories(column).tolist()
    assert (small.slices == large.slices).all()
    assert small.slices.sum() == 157
    for name, counted in large.numbers.items():
        assert small.numbers[name].up_to.tolist() == counted.up_to.tolist()
        assert small.numbers[name].mean == pytest.approx(counted.mean)
    assert small.outcomes.rows == large.outcomes.rows == 157
    assert small.outcomes.sums.sum(axis=0) == pytest.approx(large.outcomes.sums.sum(axis=0))


def test_null_and_odd_values_are_faults_with_their_premiums(engine):
    log(engine, people(3), age=None)
    log(engine, people(2), bmi=703 * 30.0)
    log(engine, people(1), age=17, children=1.5)
    premium = statistics_of(engine).numbers["premium"]

    statistics = statistics_of(engine)

    assert statistics.absent(AGE).rows == 3
    assert 0 < statistics.absent(AGE).premium < premium.total
    assert statistics.outside(BMI).rows == 2
    assert statistics.outside(BMI).examples == ("21090",)
    assert statistics.outside(AGE).examples == ("17",)
    assert statistics.outside(CHILDREN).rows == 1
    assert statistics.absent(SEX).rows == statistics.absent(BMI).rows == 0
    assert statistics.numbers["age"].rows == 3
    assert (
        statistics.slices.sum() == 2
    )  # the ages that are missing and the one of a minor are in none


def test_limits_themselves_are_inside(engine):
    log(engine, people(1), age=AGE.low, bmi=BMI.high, children=CHILDREN.high)

    statistics = statistics_of(engine)

    assert not any(statistics.outside(column).rows for column in (AGE, BMI, CHILDREN))


def test_stale_quotes_of_the_version_are_counted(engine):
    log(engine, people(4))
    log(engine, people(3), stale=True)

    assert statistics_of(engine).service.stale == 3


def test_a_latency_is_kept_to_one_percent():
    latency = np.random.default_rng(0).lognormal(3, 1, 5000)
    kept = Latencies()
    for part in np.array_split(latency, 7):
        kept.add(part)

    for share in (0.05, 0.5, 0.95, 1.0):
        expected = np.quantile(latency, share, method="inverted_cdf")
        assert kept.quantile(share) == pytest.approx(expected, rel=0.01)


def test_latencies_that_cannot_be_are_in_the_last_bins_or_in_none():
    kept = Latencies()
    kept.add(np.array([0.0, -5.0, 1e12, np.nan, np.inf]))

    assert kept.rows == 3
    assert kept.quantile(0.01) < 0.011
    assert kept.quantile(1.0) > 60_000


def test_up_to_a_thousand_outcomes_each_is_a_group_of_its_own():
    chunk = outcomes(GROUPS)
    statistics = OutcomeStatistics(model()[1])
    statistics.add(chunk)

    assert statistics.sums[:, 0].tolist() == chunk.charges.tolist()
    assert statistics.sums[:, 1].tolist() == chunk.premium.tolist()


def test_more_outcomes_take_no_more_memory_and_lose_nothing():
    chunk = outcomes(4321)
    statistics = OutcomeStatistics(model()[1])
    for _ in range(2):
        statistics.add(chunk)

    assert statistics.sums.shape == (GROUPS, 3)
    assert statistics.rows == 8642
    squared = np.sum((chunk.charges - chunk.premium) ** 2)
    expected = [2 * chunk.charges.sum(), 2 * chunk.premium.sum(), 2 * squared]
    assert statistics.sums.sum(axis=0) == pytest.approx(expected)
    inside = np.abs(chunk.charges / chunk.premium - 1) <= 0.2
    assert statistics.covered == 2 * inside.sum()


def test_an_outcome_that_is_no_ratio_is_left_out():
    answer = np.array([5.0, 0.0, np.inf, 5.0])
    statistics = OutcomeStatistics(model()[1])
    charges = np.array([6.0, 6.0, 6.0, np.nan])
    statistics.add(OutcomeChunk(answer, answer, answer, charges, np.full(4, 40.0), np.zeros(4)))

    assert statistics.rows == statistics.ratios.rows == 1


def test_nothing_is_a_window_too():
    statistics = WindowStatistics(model()[1])

    assert statistics.rows == statistics.service.stale == statistics.outcomes.rows == 0
    assert statistics.outcomes.sums.shape == (0, 3)
