"""From a file, good or bad, to a checked table and its hold-out."""

import codecs
import math
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from insurance_predictor.base.errors import InsurancePredictorError, InvalidTable
from insurance_predictor.base.settings import Settings
from insurance_predictor.table.check import check_table
from insurance_predictor.table.download import DATA_FOLDER
from insurance_predictor.table.read import Table, read_table
from insurance_predictor.table.schema import (
    COLUMN_NAMES,
    COLUMNS,
    FEATURE_NAMES,
    FEATURES,
    CategoryColumn,
    Column,
)
from insurance_predictor.table.split import split_table
from insurance_predictor.table.synthetic import make_table

HEADER = "age,sex,bmi,children,smoker,region,charges\n"
FIRST = "19,female,27.9,0,yes,southwest,16884.92\n"
SECOND = "18,male,33.77,1,no,southeast,1725.55\n"
GOOD = HEADER + FIRST + SECOND

Read = Callable[[bytes | str], Table]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(content: bytes | str, name: str = "people.csv") -> Table:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(Settings(data=str(path)))

    return read


def values(column: Column) -> st.SearchStrategy[object]:
    if isinstance(column, CategoryColumn):
        return st.sampled_from(column.values)
    high = column.high if math.isfinite(column.high) else 1e9
    if column.whole:
        return st.integers(int(column.low), int(high))
    return st.floats(column.low, high, exclude_min=column.above_low, allow_subnormal=False)


def tables(min_size: int = 1, max_size: int = 30) -> st.SearchStrategy[pd.DataFrame]:
    rows = st.fixed_dictionaries({column.name: values(column) for column in COLUMNS})
    return st.lists(rows, min_size=min_size, max_size=max_size).map(
        lambda people: pd.DataFrame(people, columns=COLUMN_NAMES).drop_duplicates(ignore_index=True)
    )


def test_without_data_the_bundled_sample_is_used_and_the_notice_says_so(tmp_path: Path):
    (tmp_path / "sample.csv").write_text(GOOD)
    table = read_table(Settings(), folder=tmp_path)
    assert table.source == "bundled synthetic sample (data/sample.csv)"
    assert table.synthetic
    assert table.notices == (
        "no DATA given and data/insurance.csv absent: using the bundled synthetic sample",
    )


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


def test_a_byte_order_mark_is_ignored(read: Read):
    table = read(codecs.BOM_UTF8 + GOOD.encode())
    assert table.notices == ("a byte-order mark was ignored",)
    assert table.frame.equals(read(GOOD).frame)


def test_an_exact_duplicate_is_dropped_and_its_row_named(read: Read):
    table = read(GOOD + FIRST.replace("19,", "19.0,", 1))
    assert table.notices == ("1 exact duplicate row dropped (row 4)",)
    assert table.frame.equals(read(GOOD).frame)


def test_many_duplicates_are_counted_and_the_first_20_named(read: Read):
    (notice,) = read(HEADER + FIRST * 25).notices
    assert notice.startswith("24 exact duplicate rows dropped (rows 3, 4, 5,")
    assert notice.endswith("21, 22 and 4 more)")


def test_blank_rows_are_skipped_and_still_counted(read: Read):
    table = read(HEADER + "\n" + FIRST + SECOND + ",,,,,,\n" + SECOND + "\n")
    assert table.notices == ("3 blank rows skipped", "1 exact duplicate row dropped (row 6)")


@pytest.mark.parametrize(
    "same",
    [
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        GOOD.rstrip("\n"),
        GOOD.replace(",", " , "),
        GOOD.replace("19,female", '"19","female"'),
        GOOD.replace("27.9,0", "2.79e1,0.0"),
        GOOD.replace("27.9,0", "+27.90,00"),
    ],
    ids=["windows", "old-mac", "no-final-newline", "spaces", "quotes", "exponent", "signs"],
)
def test_other_ways_to_write_the_same_table_are_the_same_table(read: Read, same: str):
    assert read(same).frame.equals(read(GOOD).frame)
    assert read(same).fingerprint == read(GOOD).fingerprint


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        (codecs.BOM_UTF8, "is empty"),
        (HEADER, "has a header but no rows"),
        (HEADER.strip(), "has a header but no rows"),
        (HEADER + "\n\n", "has a header but no rows"),
        (HEADER + ",,,,,,\n", "has a header but no rows"),
        (FIRST + SECOND, "missing: 'age', .*; not known: '19', .*header must name age,sex,bmi"),
        (GOOD.replace("bmi,", "imc,"), "missing: 'bmi'; not known: 'imc'"),
        ("id," + GOOD, "not known: 'id'"),
        (GOOD.replace("age,", "Age,"), "missing: 'age'; not known: 'Age'"),
        (GOOD.replace("children", "age"), "missing: 'children'; there more than once: 'age'"),
        (GOOD.replace(",", ";"), r"separates its columns by semicolons \(';'\)"),
        (GOOD.replace(",", "\t"), "separates its columns by tabs"),
        (GOOD.replace(",", "|"), "separates its columns by vertical bars"),
        (GOOD.encode("utf-16"), r"is UTF-16 \(byte offset 0\).*iconv -f UTF-16"),
        (GOOD.encode("utf-16-le"), r"NUL byte at byte offset 1 \(line 1\)"),
        (GOOD.replace("male,3", "m\0le,3"), r"NUL byte at byte offset 87 \(line 3\)"),
        (
            GOOD.replace("female", "fêmea").encode("latin-1"),
            r"not UTF-8: byte 0xea at byte offset 47 \(line 2\).*iconv -f LATIN1",
        ),
        (codecs.BOM_UTF8 + HEADER.encode() + b"\xff", r"byte 0xff at byte offset 46 \(line 2\)"),
        (HEADER + '19,"female', "row 2 has 2"),
        (GOOD + "18,male\n", "has 1 row without exactly 7 cells: row 4 has 2"),
        (GOOD.replace("27.9", "27,9") + "1\n", "2 rows without .*: row 2 has 8; row 4 has 1"),
        ('"' + "x" * 200_000, "line 1 is not a CSV header"),
        (GOOD + "x" * 3_000_000, "is not readable CSV"),
    ],
)  # fmt: skip
def test_files_that_are_not_such_a_table_are_refused(
    read: Read, content: bytes | str, sentence: str
):
    with pytest.raises(InvalidTable, match=sentence) as caught:
        read(content)
    assert "people.csv" in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("before", "after", "violation"),
    [
        ("19,", "thirty,", "age: 'thirty' is not a whole number from 18 to 100"),
        ("19,", "19.5,", "age: '19.5' is not a whole number"),
        ("19,", "17,", "age: '17' is not"),
        ("19,", "101,", "age: '101' is not"),
        ("19,", ",", "age: an empty cell is not"),
        ("19,", " ,", "age: ' ' is not"),
        ("19,", "١٩,", "age: '١٩' is not"),
        ("19,", "1_9,", "age: '1_9' is not"),
        ("19,", "0x13,", "age: '0x13' is not"),
        ("27.9", "9.9", "bmi: '9.9' is not a number from 10 to 60"),
        ("27.9", '"27,9"', r"bmi: '27,9' is not .* \(decimals come after a point\)"),
        ("27.9", "NaN", "bmi: 'NaN' is not"),
        ("27.9", "NA", "bmi: 'NA' is not"),
        ("27.9", "inf", "bmi: 'inf' is not"),
        ("27.9", "1e999", "bmi: '1e999' is not"),
        (",0,", ",21,", "children: '21' is not a whole number from 0 to 20"),
        (",0,", ",-1,", "children: '-1' is not"),
        ("16884.92", "0", "charges: '0' is not a number greater than 0"),
        ("16884.92", "-5", "charges: '-5' is not"),
        ("16884.92", "1e400", "charges: '1e400' is not"),
        ("16884.92", "$16884", r"charges: '\$16884' is not"),
        ("yes", "Yes", "smoker: 'Yes' is not one of no, yes"),
        ("yes", "", "smoker: an empty cell is not"),
        ("female", "F" * 90, "sex: 'FFFF.*FFF...' is not one of female, male"),
        ("southwest", "south", "region: 'south' is not one of northeast, northwest"),
    ],
)
def test_a_cell_that_breaks_a_rule_is_told_with_row_column_value_and_rule(
    read: Read, before: str, after: str, violation: str
):
    with pytest.raises(InvalidTable, match=rf"has 1 value .*\n  row 3, {violation}"):
        read(HEADER + SECOND + FIRST.replace(before, after, 1))


def test_every_violation_is_reported_together_by_row_and_column(read: Read):
    with pytest.raises(InvalidTable) as caught:
        read(HEADER + "17,x,27.9,0,yes,southwest,1\n\n" + SECOND + "20,male,bmi,0,no,southwest,0")
    assert re.findall(r"row \d+, \w+", str(caught.value)) == [
        "row 2, age", "row 2, sex", "row 5, bmi", "row 5, charges",
    ]  # fmt: skip


def test_a_cell_with_a_line_break_is_one_row_as_in_a_spreadsheet(read: Read):
    with pytest.raises(InvalidTable) as caught:
        read(HEADER + FIRST.replace("southwest", '"south\nwest"') + FIRST.replace("19", "17"))
    assert re.findall(r"row \d+, \w+", str(caught.value)) == ["row 2, region", "row 3, age"]


def test_of_many_violations_the_first_20_are_shown_and_all_are_counted(read: Read):
    with pytest.raises(InvalidTable, match=r"500 values .* \(the first 20 shown\)") as caught:
        read(HEADER + FIRST.replace("19", "170") * 500)
    assert len(str(caught.value).splitlines()) == 21


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("absent.csv", r"absent\.csv does not exist \(looked from "),
        ("", "is a directory"),
        ("x" * 300, "cannot be read: File name too long"),
        ("nul\0.csv", "cannot be read: embedded null"),
    ],
)
def test_places_without_a_table_are_refused(tmp_path: Path, location: str, sentence: str):
    with pytest.raises(InvalidTable, match=sentence):
        read_table(Settings(data=f"{tmp_path}/{location}"))


@pytest.mark.parametrize("url", ["https://host/insurance.csv", "file:///insurance.csv"])
def test_other_urls_are_refused(url: str):
    with pytest.raises(InvalidTable, match=r"tables cannot be read.*s3://.*`make data`"):
        read_table(Settings(data=url))


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


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"age": ["19", "18"]}, "wrong type: age is (large_)?string, it must be a whole number"),
        ({"age": [True, False]}, "age is bool"),
        ({"smoker": [1, 0]}, "smoker is int64, it must be one of no, yes"),
        ({"bmi": [27.9, None]}, "row 2, bmi: a missing value is not a number from 10 to 60"),
        ({"bmi": [27.9, math.inf]}, "row 2, bmi: inf is not"),
        ({"age": [19, 17]}, "row 2, age: 17 is not"),
        ({"sex": ["male", None]}, "row 2, sex: a missing value is not one of female, male"),
        ({"id": [1, 2]}, "not known: 'id'"),
    ],
)
def test_parquet_columns_that_break_a_rule_are_refused(
    tmp_path: Path, change: dict[str, list[object]], sentence: str
):
    path = tmp_path / "people.parquet"
    make_table(2).assign(**change).to_parquet(path, index=False)
    with pytest.raises(InvalidTable, match=sentence):
        read_table(Settings(data=str(path)))


@pytest.mark.parametrize("content", [b"", GOOD.encode(), b"PAR1 and no more", b"PAR1" * 10])
def test_a_parquet_file_that_is_not_one_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "people.parquet"
    path.write_bytes(content)
    with pytest.raises(InvalidTable, match=r"people\.parquet is not a Parquet file"):
        read_table(Settings(data=str(path)))


def test_text_in_parquet_that_is_not_utf8_is_refused(tmp_path: Path):
    path = tmp_path / "people.parquet"
    make_table(20).to_parquet(path, index=False, compression=None)
    path.write_bytes(path.read_bytes().replace(b"northwest", b"north\xffest"))
    with pytest.raises(InvalidTable, match="is not a Parquet file that can be read"):
        read_table(Settings(data=str(path)))


def test_notes_that_another_program_left_in_a_parquet_file_are_not_read(tmp_path: Path):
    people = make_table(20)
    table = pa.Table.from_pandas(people).replace_schema_metadata({"pandas": "{not JSON"})
    parquet.write_table(table, tmp_path / "people.parquet")
    assert read_table(Settings(data=str(tmp_path / "people.parquet"))).frame.equals(people)


def test_an_empty_parquet_table_is_refused(tmp_path: Path):
    make_table(2).head(0).to_parquet(tmp_path / "people.parquet", index=False)
    with pytest.raises(InvalidTable, match="no rows"):
        read_table(Settings(data=str(tmp_path / "people.parquet")))


def test_a_frame_is_checked_by_its_index_and_keeps_it():
    people = make_table(3).set_axis(["ana", "bia", "caio"])
    assert check_table(people).index.tolist() == ["ana", "bia", "caio"]
    with pytest.raises(InvalidTable, match=r"the batch has 1 value .*\n  row bia, age: 17 is not"):
        check_table(people.assign(age=[20, 17, 30]), source="the batch")


def test_features_alone_can_be_checked():
    people = make_table(3)
    features = people.drop(columns="charges")
    shuffled = features[list(FEATURE_NAMES[::-1])].astype(str)
    pd.testing.assert_frame_equal(check_table(shuffled, FEATURES), features)
    with pytest.raises(InvalidTable, match=r"not known: 'charges'.*must name age.*region, in"):
        check_table(people, FEATURES)


def test_truth_values_and_objects_are_not_numbers():
    people = make_table(2)
    for wrong in ([True, False], [10**400, [1]]):
        with pytest.raises(InvalidTable, match="has 2 values"):
            check_table(people.assign(age=pd.Series(wrong, dtype=object)))
    with pytest.raises(InvalidTable, match="has 2 values"):
        check_table(people.assign(age=[True, False]))


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


cells = st.sampled_from(
    ['"', ",", "\n", "\r", "\0", ";", "ª", " ", "1", "nan", "no", "'", "\ufeff"]
)
lines = st.lists(cells, max_size=30).map("".join)


@settings(max_examples=150)
@given(
    content=st.one_of(
        st.binary(max_size=200),
        lines.map(str.encode),
        lines.map(lambda text: (HEADER + text).encode()),
        lines.map(lambda text: (GOOD + text).encode()),
        st.binary(max_size=60).map(lambda noise: GOOD.encode() + noise),
        st.binary(max_size=60).map(lambda noise: b"PAR1" + noise + b"PAR1"),
    )
)
@example(content=b'age,sex,bmi,children,smoker,region,charges\n"')
@example(content=b"\xef\xbb\xbf\xef\xbb\xbf" + GOOD.encode())
def test_no_bytes_raise_anything_but_an_error_for_a_person(content: bytes, tmp_path: Path):
    (tmp_path / "people.csv").write_bytes(content)
    with suppress(InsurancePredictorError):
        read_table(Settings(data=str(tmp_path / "people.csv")))
