"""Files, good or bad, and the cells in them."""

import codecs
import math
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
from insurance_predictor.table.read import read_table
from insurance_predictor.table.synthetic import make_table
from tests.insurance_predictor.table.tables import FIRST, GOOD, HEADER, SECOND, Read


def test_a_byte_order_mark_is_ignored(read: Read):
    table = read(codecs.BOM_UTF8 + GOOD.encode())
    assert table.notices == ("a byte-order mark was ignored",)
    assert table.frame.equals(read(GOOD).frame)


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
        (GOOD.replace("bmi,", "weight,"), "missing: 'bmi'; not known: 'weight'"),
        (GOOD.replace("children", "age"), "the column 'age' is there more than once"),
        (GOOD.replace("children", "Idade"), "the columns 'age', 'Idade' all mean the same, age"),
        (GOOD.encode("utf-16")[:-1], "has the mark of UTF-16 and is not UTF-16 throughout"),
        (GOOD.encode("utf-16-le"), "NUL byte at byte offset 1:"),
        (GOOD.replace("male,3", "m\0le,3"), "NUL byte at byte offset 87:"),
        (GOOD.encode("utf-32"), "NUL byte"),
        (GOOD.replace("female", "fêmea").encode("latin-1"), "row 2, sex: 'fêmea' is not one of"),
        (
            GOOD.replace("female", "fêmea").encode() + "fêmea".encode("latin-1"),
            r"UTF-8 in some places and not in others: byte 0xea \(121\)",
        ),
        (GOOD.encode() + b"\x81", r"neither UTF-8 nor Windows-1252: byte 0x81 \(120\)"),
        (codecs.BOM_UTF8 + HEADER.encode() + b"\xff", r"not in others: byte 0xff \(46\)"),
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
    ("location", "sentence"),
    [
        ("absent.csv", r"absent\.csv does not exist \(looked from "),
        ("", "is a folder without part files"),
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
    ("change", "sentence"),
    [
        ({"age": pd.to_datetime(["1990", "1991"])}, "wrong type: age is timestamp.*a whole number"),
        ({"age": [[19], [18]]}, "wrong type: age is list"),
        ({"age": [True, False]}, "age is bool"),
        ({"bmi": np.array([27.9, 33.77], "float16")}, "bmi is halffloat, it must be a number"),
        ({"smoker": [1, 2]}, "row 2, smoker: '2' is not one of no, yes"),
        ({"region": [1.5, 0.5]}, "has 2 values that cannot be used"),
        ({"bmi": [27.9, None]}, "row 2, bmi: a missing value is not a number from 10 to 60"),
        ({"bmi": [27.9, math.inf]}, "row 2, bmi: inf is not"),
        ({"age": [19, 17]}, "row 2, age: 17 is not"),
        ({"sex": ["male", None]}, "row 2, sex: a missing value is not one of female, male"),
        ({"Age": [19, 18]}, "the columns 'age', 'Age' all mean the same, age"),
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
