"""A batch of quotes is what it says, wherever it comes from."""

import numpy as np
import pyarrow as pa
import pytest

from insurance_predictor.table.schema import CURRENT, REGION, SMOKER
from monitoring.window.batches import chunk, outcome_chunk, service_chunk

FULL = {
    "age": [30, None, 50],
    "sex": ["male", "female", None],
    "bmi": [20.5, float("inf"), None],
    "children": [0, 1, 2],
    "smoker": ["yes", "Yes", None],
    "region": ["southwest", "", "northeast"],
    "premium": [1000.0, 2000.0, 3000.0],
    "low": [900.0, None, 2900.0],
    "high": [1100.0, 2100.0, 3100.0],
    "latency_ms": [5.0, 6.0, None],
    "source": ["app", "batch", None],
    "stale": [True, False, None],
    "charges": [1000, None, 5],
}


def batch(**columns: object) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({**FULL, **columns})


def without(*names: str) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({k: v for k, v in FULL.items() if k not in names})


def test_a_number_is_a_number_and_no_value_is_not_a_number():
    found = chunk(batch(), CURRENT)

    np.testing.assert_array_equal(found.numbers["age"], [30, np.nan, 50])
    np.testing.assert_array_equal(found.numbers["bmi"], [20.5, np.inf, np.nan])
    assert found.rows == 3
    assert {values.dtype for values in found.numbers.values()} == {np.dtype("float64")}


def test_a_category_is_its_place_then_come_what_is_none_and_what_is_absent():
    found = chunk(batch(), CURRENT)

    yes, none = SMOKER.values.index("yes"), len(SMOKER.values)
    assert found.places["smoker"].tolist() == [yes, none, none + 1]
    places = [REGION.values.index("southwest"), len(REGION.values)]
    assert found.places["region"].tolist() == [*places, REGION.values.index("northeast")]


def test_nobody_waits_for_one_quote_of_a_batch_and_a_quote_without_a_source_is_one():
    found = chunk(batch(latency_ms=[5, 6, 7]), CURRENT)

    np.testing.assert_array_equal(found.numbers["latency_ms"], [5, np.nan, 7])
    assert found.stale.tolist() == [1, 0, 0]


@pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.float64(), pa.bool_()])
def test_whether_a_version_was_stale_may_be_a_number(kind):
    assert service_chunk(batch(stale=pa.array([1, 0, 1]).cast(kind))).stale == 2


def test_texts_may_be_packed_in_any_way():
    plain = chunk(batch(), CURRENT)
    for kind in (pa.dictionary(pa.int8(), pa.string()), pa.large_string(), pa.string_view()):
        columns = {name: pa.array(FULL[name], pa.string()).cast(kind) for name in ("sex", "smoker")}
        packed = chunk(batch(**columns), CURRENT)
        for name in columns:
            assert packed.places[name].tolist() == plain.places[name].tolist()


def test_a_column_that_is_not_there_is_one_without_a_value():
    found = chunk(without("bmi", "region", "latency_ms", "source", "stale"), CURRENT)

    assert np.isnan(found.numbers["bmi"]).all()
    assert np.isnan(found.numbers["latency_ms"]).all()
    assert found.places["region"].tolist() == [len(REGION.values) + 1] * 3
    assert found.stale.tolist() == [0, 0, 0]


def test_charges_are_beside_what_was_quoted_and_where_the_person_belongs():
    found = outcome_chunk(batch(), CURRENT)

    np.testing.assert_array_equal(found.charges, [1000, np.nan, 5])
    np.testing.assert_array_equal(found.low, [900, np.nan, 2900])
    np.testing.assert_array_equal(found.banded, [30, np.nan, 50])
    assert found.group.tolist() == chunk(batch(), CURRENT).places["smoker"].tolist()


def test_no_row_is_a_batch_too():
    empty = batch().slice(0, 0)

    assert chunk(empty, CURRENT).rows == len(outcome_chunk(empty, CURRENT).charges) == 0
    assert service_chunk(empty).stale == 0


def test_a_part_of_a_batch_is_that_part():
    assert chunk(batch().slice(1, 1), CURRENT).places["sex"].tolist() == [0]
    assert chunk(batch().slice(2), CURRENT).numbers["age"].tolist() == [50]
