"""From a file to a table with a source, a fingerprint and notices."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings

from insurance_predictor.base.settings import Settings
from insurance_predictor.table.download import DATA_FOLDER
from insurance_predictor.table.read import read_table
from insurance_predictor.table.schema import (
    COLUMN_NAMES,
)
from insurance_predictor.table.synthetic import make_table
from tests.insurance_predictor.table.tables import FIRST, GOOD, HEADER, Read, tables


@pytest.fixture
def _nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATA")


@pytest.mark.usefixtures("_nothing_named")
def test_without_data_the_bundled_sample_is_used_and_the_notice_says_so(tmp_path: Path):
    (tmp_path / "sample.csv").write_text(GOOD)
    table = read_table(Settings(), folder=tmp_path)
    assert table.source == "bundled synthetic sample (data/sample.csv)"
    assert table.synthetic
    assert table.notices == (
        "no DATA given and data/insurance.csv absent: using the bundled synthetic sample",
    )


@pytest.mark.usefixtures("_nothing_named")
def test_the_downloaded_table_is_preferred_to_the_sample(tmp_path: Path):
    (tmp_path / "sample.csv").write_text(GOOD)
    (tmp_path / "insurance.csv").write_text(HEADER + FIRST)
    table = read_table(Settings(), folder=tmp_path)
    assert (table.source, len(table.frame), table.notices) == ("data/insurance.csv", 1, ())
    assert not table.synthetic


def test_the_sample_in_the_repository_is_ready_and_known_as_synthetic():
    table = read_table(Settings(data=str(DATA_FOLDER / "sample.csv")))
    assert len(table.frame) == 1500
    assert table.notices == ()
    assert table.synthetic


def test_the_frame_has_the_columns_and_types_of_the_schema(read: Read):
    frame = read(GOOD).frame
    assert tuple(frame.columns) == COLUMN_NAMES
    assert [str(kind) for kind in frame.dtypes] == [
        "int64", "str", "float64", "int64", "str", "str", "float64",
    ]  # fmt: skip
    assert frame.iloc[0].tolist() == [19, "female", 27.9, 0, "yes", "southwest", 16884.92]


def test_reordered_columns_are_read_by_name(read: Read):
    table = read(
        "charges,region,smoker,children,bmi,sex,age\n16884.92,southwest,yes,0,27.9,female,19"
    )
    assert table.notices == ("columns are in another order; read by name",)
    assert table.fingerprint == read(HEADER + FIRST).fingerprint


def test_an_exact_duplicate_is_dropped_and_its_row_named(read: Read):
    table = read(GOOD + FIRST.replace("19,", "19.0,", 1))
    assert table.notices == ("1 exact duplicate row dropped (row 4)",)
    assert table.frame.equals(read(GOOD).frame)


def test_many_duplicates_are_counted_and_the_first_20_named(read: Read):
    (notice,) = read(HEADER + FIRST * 25).notices
    assert notice.startswith("24 exact duplicate rows dropped (rows 3, 4, 5,")
    assert notice.endswith("21, 22 and 4 more)")


@pytest.mark.parametrize(
    "stored",
    [
        lambda people: people,
        lambda people: people.astype({"age": "float64", "children": "int8"}),
        lambda people: people.astype({"age": "Int64", "sex": "category", "smoker": "object"}),
    ],
    ids=["as-read", "other-numbers", "nullable-and-categorical"],
)
def test_the_same_table_as_parquet_has_the_same_fingerprint(
    tmp_path: Path, stored: Callable[[pd.DataFrame], pd.DataFrame]
):
    people = make_table(300, seed=2)
    people.to_csv(tmp_path / "people.csv", index=False)
    stored(people).sample(frac=1, random_state=1)[list(COLUMN_NAMES[::-1])].to_parquet(
        tmp_path / "people.parquet", index=False
    )
    from_csv = read_table(Settings(data=str(tmp_path / "people.csv")))
    from_parquet = read_table(Settings(data=str(tmp_path / "people.parquet")))
    assert from_csv.frame.equals(people)
    assert from_parquet.fingerprint == from_csv.fingerprint
    assert from_parquet.notices == ("columns are in another order; read by name",)


def test_numbers_that_32_bits_have_changed_are_another_version_of_the_table(tmp_path: Path):
    people = make_table(50, seed=2)
    people.to_csv(tmp_path / "people.csv", index=False)
    people.astype({"charges": "float32"}).to_parquet(tmp_path / "people.parquet", index=False)
    tables = [read_table(Settings(data=str(path))) for path in sorted(tmp_path.iterdir())]
    assert tables[0].fingerprint != tables[1].fingerprint


def test_the_fingerprint_of_a_known_table_never_changes(tmp_path: Path):
    make_table(40, seed=7).to_csv(tmp_path / "people.csv", index=False)
    table = read_table(Settings(data=str(tmp_path / "people.csv")))
    assert table.fingerprint[:12] == "4144dc4a5172"


@settings(max_examples=40)
@given(people=tables())
def test_any_valid_table_comes_back_with_the_same_values(people: pd.DataFrame, tmp_path: Path):
    people.to_csv(tmp_path / "people.csv", index=False)
    people.to_parquet(tmp_path / "people.parquet", index=False)
    from_csv = read_table(Settings(data=str(tmp_path / "people.csv")))
    from_parquet = read_table(Settings(data=str(tmp_path / "people.parquet")))
    pd.testing.assert_frame_equal(from_csv.frame, people, check_exact=True)
    assert from_csv.fingerprint == from_parquet.fingerprint
    assert len(from_csv.fingerprint) == 64
