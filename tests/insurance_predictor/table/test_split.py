"""Which rows are held out, whatever happens around them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.table.schema import (
    COLUMN_NAMES,
    FEATURE_NAMES,
)
from insurance_predictor.table.split import split_table
from insurance_predictor.table.synthetic import make_table
from tests.insurance_predictor.table.tables import tables


def test_about_a_fifth_is_held_out():
    people = make_table(20_000, seed=6)
    split = split_table(people)
    assert len(split.holdout) / len(people) == pytest.approx(0.2, abs=0.01)
    assert len(split.holdout) + len(split.train) == len(people)
    assert split.holdout.index.equals(pd.RangeIndex(len(split.holdout)))
    assert split.train.index.equals(pd.RangeIndex(len(split.train)))


def test_the_hold_out_of_a_known_table_never_changes():
    ages = split_table(make_table(40, seed=7)).holdout["age"].tolist()
    assert ages == [37, 26, 19, 57, 37, 32, 56, 52]


def test_column_order_and_number_types_do_not_matter():
    people = make_table(200, seed=3)
    expected = split_table(people).holdout
    others = [
        people[list(COLUMN_NAMES[::-1])],
        people.astype({"age": "float64", "children": "float32"}),
        people.astype({"sex": "object", "region": "category", "age": "object"}),
        people.astype(str),
    ]
    for other in others:
        assert split_table(other).holdout["charges"].astype(float).equals(expected["charges"])


def test_too_few_rows_to_split_are_refused():
    with pytest.raises(InvalidTable, match="1 rows are too few"):
        split_table(make_table(1))


def test_a_negative_zero_is_a_zero():
    people = make_table(100, seed=1)
    negative = people.assign(children=np.where(people["children"] == 0, -0.0, people["children"]))
    assert len(split_table(people).holdout) == len(split_table(negative).holdout)


sides = settings(max_examples=40)


@sides
@given(st.randoms(use_true_random=False), st.integers(0, 1000), st.integers(0, 60))
def test_no_row_changes_side_when_rows_are_permuted_or_appended(
    random: object, seed: int, appended: int
):
    people = make_table(60 + appended, seed)
    before = _held_out(people.head(60))
    order = list(range(len(people)))
    random.shuffle(order)  # type: ignore[attr-defined]
    after = _held_out(people.iloc[order])
    known = set(people.head(60).itertuples(index=False, name=None))
    assert after & known == before


@sides
@given(tables(min_size=1, max_size=5), st.lists(st.floats(1, 1e6), min_size=2, max_size=5))
def test_twins_never_stand_on_both_sides(people: pd.DataFrame, charges: list[float]):
    twins = pd.concat([people.assign(charges=charge) for charge in charges])
    split = split_table(pd.concat([twins, make_table(60)]))
    assert not _people(split.train) & _people(split.holdout)


def _held_out(people: pd.DataFrame) -> set[tuple[object, ...]]:
    return set(split_table(people).holdout.itertuples(index=False, name=None))


def _people(frame: pd.DataFrame) -> set[tuple[object, ...]]:
    return set(frame[list(FEATURE_NAMES)].itertuples(index=False, name=None))
