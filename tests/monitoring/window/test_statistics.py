"""A window of any length is kept in the same few numbers, and nothing is lost."""

import pickle
from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insurance_predictor.table.schema import AGE, BMI, CHILDREN, CURRENT, SEX
from monitoring.window.batches import OutcomeChunk, chunk, outcome_chunk, service_chunk
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
    age, smoker = np.full(rows, 40.0), np.zeros(rows, dtype=np.int64)
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
    assert 0 < float(statistics.absent(AGE).premium) < float(premium.total)
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
    age, smoker = np.full(4, 40.0), np.zeros(4, dtype=np.int64)
    statistics.add(OutcomeChunk(answer, answer, answer, charges, age, smoker))

    assert statistics.rows == statistics.ratios.rows == 1


def test_nothing_is_a_window_too():
    statistics = WindowStatistics(model()[1])

    assert statistics.rows == statistics.service.stale == statistics.outcomes.rows == 0
    assert statistics.outcomes.sums.shape == (0, 3)


@given(
    rows=st.lists(st.integers(0, 2**32), max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=5),
    before=st.sampled_from([0, 1, GROUPS - 1, GROUPS, 2 * GROUPS + 7]),
)
@settings(deadline=None)
def test_parts_that_are_counted_apart_are_the_whole(rows, cuts, before):
    """Numbers are whole, so that not even their sums depend on the order."""
    dice = np.random.default_rng([before, *rows])
    table = drawn(dice, before + len(rows))
    others = {"7": model()[1]}
    bounds = [0, *sorted(before + min(cut, len(rows)) for cut in cuts), table.num_rows]

    def counted(part: pa.RecordBatch) -> WindowStatistics:
        statistics = WindowStatistics(model()[1], others)
        statistics.add(chunk(part, CURRENT))
        statistics.outcomes.add(outcome_chunk(part, CURRENT))
        statistics.other_outcomes["7"].add(outcome_chunk(part.slice(0, 3), CURRENT))
        statistics.service.add(service_chunk(part))
        return statistics

    parts = [table.slice(start, end - start) for start, end in pairwise(bounds)]
    apart = [pickle.loads(pickle.dumps(counted(part))) for part in parts]
    merged = reduce(add, apart)
    whole = WindowStatistics(model()[1], others)
    for part in parts:
        whole.add(chunk(part, CURRENT))
        whole.outcomes.add(outcome_chunk(part, CURRENT))
        whole.other_outcomes["7"].add(outcome_chunk(part.slice(0, 3), CURRENT))
        whole.service.add(service_chunk(part))

    assert told(merged) == told(whole)
    assert merged.outcomes.ratios.total == whole.outcomes.ratios.total
    once = counted(table)
    assert told(merged, others=False) == told(once, others=False)


def test_to_add_two_parts_changes_neither():
    part = counted_outcomes(3)
    before = told_outcomes(part)

    both = part + part

    assert both.rows == 6
    assert told_outcomes(part) == before


def counted_outcomes(rows: int) -> OutcomeStatistics:
    statistics = OutcomeStatistics(model()[1])
    statistics.add(outcomes(rows))
    return statistics


def drawn(dice: np.random.Generator, rows: int) -> pa.RecordBatch:
    """Quotes of which some have no value, and some one that cannot be."""

    def some(*values: object) -> list[object]:
        return [values[place] for place in dice.integers(len(values), size=rows)]

    return pa.RecordBatch.from_pydict(
        {
            "age": pa.array(some(None, 17.0, 30.0, 64.0, 99.0, 1e9), pa.float64()),
            "bmi": pa.array(some(None, float("inf"), 20.0, 30.0, 3.0, 5.0, 7.0), pa.float64()),
            "children": pa.array(some(0, 1, 2, 77), pa.int64()),
            "sex": pa.array(some("male", "female", None), pa.string()),
            "smoker": pa.array(some("yes", "no", "perhaps", None), pa.string()),
            "region": pa.array(some("southwest", "northeast", "abroad"), pa.string()),
            "premium": pa.array(dice.integers(1, 30_000, rows), pa.float64()),
            "low": pa.array(dice.integers(1, 9_000, rows), pa.float64()),
            "high": pa.array(dice.integers(9_000, 30_000, rows), pa.float64()),
            "charges": pa.array(some(None, 500.0, 12_000.0, 31_111.0), pa.float64()),
            "latency_ms": pa.array(some(1.0, 5.0, 900.0), pa.float64()),
            "source": pa.array(some("app", "batch"), pa.string()),
            "stale": pa.array(some(True, False), pa.bool_()),
        }
    )


def told(statistics: WindowStatistics, others: bool = True) -> dict[str, object]:
    """Everything that is counted, and the sums of whole numbers."""
    found: dict[str, object] = {
        "rows": statistics.rows,
        "slices": statistics.slices.tolist(),
        "outcomes": told_outcomes(statistics.outcomes),
        "service": (statistics.service.rows, statistics.service.stale),
        "latencies": [statistics.service.latencies.quantile(s) for s in (0.01, 0.5, 0.99)]
        if statistics.service.latencies.rows
        else [],
    }
    if others:
        found["others"] = {n: told_outcomes(o) for n, o in statistics.other_outcomes.items()}
    for name, counted in statistics.numbers.items():
        found[name] = (counted.below.tolist(), counted.up_to.tolist(), counted.rows, counted.total)
    for column in CURRENT.features:
        found["absent", column.name] = statistics.absent(column)
    for number in CURRENT.numbers:
        found["outside", number.name] = statistics.outside(number)
    for category in CURRENT.categories:
        found["unseen", category.name] = statistics.unseen(category)
        found["places", category.name] = statistics.categories(category).tolist()
    return found


def told_outcomes(statistics: OutcomeStatistics) -> dict[str, object]:
    ratios = statistics.ratios
    return {
        "rows": statistics.rows,
        "covered": statistics.covered,
        "slices": statistics.slices.tolist(),
        "sums": statistics.sums.tolist(),
        "ratios": (ratios.below.tolist(), ratios.up_to.tolist(), ratios.rows),
    }
