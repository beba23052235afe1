"""Which rows are held out, whatever happens around them."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as run_settings
from hypothesis import strategies as st

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.base.settings import Settings
from insurance_predictor.table.read import read_table
from insurance_predictor.table.schema import (
    COLUMN_NAMES,
    FEATURE_NAMES,
    FEATURES,
)
from insurance_predictor.table.split import row_hashes, split_table, typical_charge
from insurance_predictor.table.synthetic import make_table
from tests.insurance_predictor.table.tables import tables

sides = run_settings(max_examples=40)


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


def test_nobody_changes_side_when_numbers_are_stored_in_32_bits(tmp_path: Path):
    people = make_table(1_500, seed=4)
    people.to_csv(tmp_path / "people.csv", index=False)
    kinds = {"age": "uint8", "children": "float32", "bmi": "float32", "charges": "float32"}
    people.astype(kinds).to_parquet(tmp_path / "people.parquet", index=False)
    tables = [read_table(Settings(data=str(path))).frame for path in sorted(tmp_path.iterdir())]
    known, single = (split_table(table).holdout for table in tables)
    assert len(known) == len(single)
    np.testing.assert_allclose(single["charges"], known["charges"], rtol=1e-6)


@sides
@given(tables(min_size=20, max_size=60))
def test_any_number_stands_on_one_side_in_32_bits_and_in_64(people: pd.DataFrame):
    single = people.astype({"bmi": "float32", "age": "float32"})
    assert row_hashes(single, FEATURES) == row_hashes(people, FEATURES)


@given(st.integers(10_000, 60_000))
def test_the_decimals_of_the_schema_keep_the_side_they_had_before_any_rounding(thousandths: int):
    bmi = thousandths / 1000
    person = {"age": 30, "sex": "male", "bmi": bmi, "children": 1, "smoker": "no"}
    person["region"] = "southeast"
    text = "\x1f".join(["30.0", "male", repr(bmi), "1.0", "no", "southeast"])
    (hashed,) = row_hashes(pd.DataFrame([person]), FEATURES)
    assert hashed == hashlib.sha256(text.encode()).hexdigest()


def test_the_same_number_written_in_another_way_stands_on_the_same_side():
    people = make_table(50, seed=2)[list(FEATURE_NAMES)].astype(str)
    others = people.assign(
        bmi=people["bmi"] + "00", age="+" + people["age"] + ".0", children=people["children"] + "e0"
    )
    assert row_hashes(others, FEATURES) == row_hashes(people, FEATURES)


def test_too_few_rows_to_split_are_refused():
    with pytest.raises(InvalidTable, match="1 rows with 1 different people are too few"):
        split_table(make_table(1))


def test_one_person_many_times_is_too_few_to_split():
    people = pd.concat([make_table(1).assign(charges=charge) for charge in range(1, 200)])
    with pytest.raises(InvalidTable, match="199 rows with 1 different people are too few"):
        split_table(people)


@pytest.mark.parametrize("charge", [1_000.0, 1e-300, 0.004])
def test_one_price_for_everybody_leaves_nothing_to_learn(charge: float):
    people = make_table(100).assign(charges=charge)
    with pytest.raises(InvalidTable, match=r"charged the same .* there is nothing to learn"):
        split_table(people)


def test_charges_whose_squares_mean_nothing_are_refused():
    people = make_table(100)
    people.loc[3, "charges"] = 1e300
    with pytest.raises(InvalidTable, match=r"charges go up to 1e\+300; more than 1e\+09"):
        split_table(people)
    people.loc[3, "charges"] = 1e9
    split_table(people)


def test_in_a_small_unit_a_billion_is_no_fault():
    people = make_table(100)
    dong = people.assign(charges=25_000 * people["charges"])
    dong.loc[3, "charges"] = 5e9
    split_table(dong)
    dong.loc[3, "charges"] = 5e15
    with pytest.raises(InvalidTable, match=r"more than 2e\+13"):
        split_table(dong)


@pytest.mark.parametrize("factor", [1 / 50, 0.1, 0.2, 0.5, 1, 2, 5, 10, 1000])
def test_a_typical_charge_grows_with_the_currency_and_is_that_of_every_part(factor):
    charges = make_table(1338)["charges"].to_numpy()
    parts = np.random.default_rng(0).permutation(len(charges)).reshape(-1, 223)
    for part in (slice(None), *parts):
        assert typical_charge(charges[part] * factor) == pytest.approx(10_000 * factor)


def test_a_table_without_a_charge_above_zero_has_limits_all_the_same():
    assert typical_charge([0.0, -5.0, float("nan")]) == 1.0
    assert typical_charge([5e-324]) == pytest.approx(1e-300)
    assert typical_charge([1.7e308, 1.7e308]) == pytest.approx(1e300)


def test_a_negative_zero_is_a_zero():
    people = make_table(100, seed=1)
    negative = people.assign(children=np.where(people["children"] == 0, -0.0, people["children"]))
    assert len(split_table(people).holdout) == len(split_table(negative).holdout)


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
