"""A file as people have it is the same table, and what has two readings is refused."""

import re
from pathlib import Path

import pandas as pd
import pytest

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.base.settings import Settings
from insurance_predictor.table.read import Table, read_table
from insurance_predictor.table.split import split_table
from tests.insurance_predictor.table.tables import FIRST, GOOD, HEADER, SECOND, Read
from tests.table_kinds import KINDS, PEOPLE


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values(list(frame.columns), ignore_index=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_is_the_same_however_it_was_written(tmp_path: Path, kind: str):
    name, make, notice = KINDS[kind]
    (tmp_path / name).write_bytes(make())
    table = read_table(Settings(data=str(tmp_path / name)))
    pd.testing.assert_frame_equal(_sorted(table.frame), _sorted(PEOPLE))
    assert notice in "\n".join(table.notices)
    held_out = split_table(table.frame).holdout
    pd.testing.assert_frame_equal(_sorted(held_out), _sorted(split_table(PEOPLE).holdout))


def _charges(*cells: str, separator: str = ",") -> str:
    rows = [
        f"{30 + place},male,27,0,no,southwest,".replace(",", separator) + cell
        for place, cell in enumerate(cells)
    ]
    return "\n".join([HEADER.strip().replace(",", separator), *rows, ""])


def _read_charges(table: Table) -> list[float]:
    return table.frame["charges"].tolist()


@pytest.mark.parametrize(
    ("separator", "cells", "charges"),
    [
        (",", ("1.234", "2.5"), [1.234, 2.5]),
        (",", ('"1,234"', "2.5"), [1234.0, 2.5]),
        (",", ('"1,234,567"', '"2,500"'), [1234567.0, 2500.0]),
        (",", ("$5", "7 USD"), [5.0, 7.0]),
        (";", ("1.234", "2,5"), [1234.0, 2.5]),
        (";", ("1,234", "2.5"), [1234.0, 2.5]),
        (";", ("1.234,5", "US$ 2.500"), [1234.5, 2500.0]),
        (";", ("1 234,5", "2\u00a0500"), [1234.5, 2500.0]),
        (";", ("1'234.5", "2'500"), [1234.5, 2500.0]),
        (";", ("1.234", "1234.5"), [1.234, 1234.5]),
        ("\t", ("0,125", "1,234"), [0.125, 1.234]),
        ("|", ("1.234", "2.5"), [1.234, 2.5]),
    ],
)
def test_what_the_whole_column_says_decides(
    read: Read, separator: str, cells: tuple[str, ...], charges: list[float]
):
    assert _read_charges(read(_charges(*cells, separator=separator))) == charges


@pytest.mark.parametrize(
    ("separator", "cells", "sentence"),
    [
        (",", ('"1,234"', "7"), "'1,234' is 1234 with thousands set apart or 1.234 with decimals"),
        (";", ("1,234", "7"), "'1,234' is 1234 .* or 1.234 with"),
        (";", ("1.234", "7"), "'1.234' is 1234 .* or 1.234 with"),
        (";", ("1.234", "1234"), "can be read in two ways"),
        (",", ('"1,234"', '"27,9"'), "can be read in two ways"),
        (";", ("1,5", "1.5"), "written in two ways: '1.5' with a decimal point and '1,5'"),
        (",", ('"1,5"', '"1,234"', "1.5"), "written in two ways"),
    ],
)
def test_what_could_be_read_either_way_is_refused(
    read: Read, separator: str, cells: tuple[str, ...], sentence: str
):
    with pytest.raises(InvalidTable, match=rf"without guessing: the column charges .*{sentence}"):
        read(_charges(*cells, separator=separator))


def test_the_limits_of_a_column_leave_one_reading(read: Read):
    people = _charges("5", "7", separator=";").replace(";27;", ";27,125;")
    assert read(people).frame["bmi"].tolist() == [27.125, 27.125]
    people = _charges("5", "7", separator=";").replace(";27;", ";27.125;")
    assert read(people).frame["bmi"].tolist() == [27.125, 27.125]


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("R$ 5", "'R$ 5' is not a number"),
        ("€5", "'€5' is not a number"),
        ("$", "'$' is not a number"),
        ("5 $ 7", "'5 $ 7' is not a number"),
        ("1,23,456", "'1,23,456' is not a number"),
        ("1.234.56", "'1.234.56' is not a number"),
        ("1,234.567,8", "'1,234.567,8' is not a number"),
    ],
)
def test_what_no_reading_understands_is_told_as_it_is_written(read: Read, cell: str, told: str):
    with pytest.raises(InvalidTable, match=rf"row 3, charges: {re.escape(told)}"):
        read(_charges("7", f'"{cell}"'))


@pytest.mark.parametrize("word", ["maybe", "2", "-1", "1%", "y/n", "yes no", ""])
def test_a_word_that_nobody_declared_is_a_fault(read: Read, word: str):
    with pytest.raises(InvalidTable, match=r"row 2, smoker: .* is not one of no, yes"):
        read(HEADER + FIRST.replace("yes", word))


def test_columns_that_nobody_knows_are_left_out_or_refused_when_strict(tmp_path: Path):
    path = tmp_path / "people.csv"
    path.write_text(f"id,{HEADER}1,{FIRST}2,{SECOND}")
    assert read_table(Settings(data=str(path))).notices == (
        "columns that nobody knows, left out: 'id'",
    )
    with pytest.raises(InvalidTable, match=r"not known: 'id'.*nothing else, as STRICT=1 asks"):
        read_table(Settings(data=str(path), strict=True))


def test_a_row_that_has_but_an_identifier_is_no_blank_row(read: Read):
    with pytest.raises(InvalidTable, match="row 3, age: an empty cell"):
        read(f"id,{HEADER}1,{FIRST}2,,,,,,,\n")


def test_a_premium_that_we_quoted_is_not_what_was_charged(read: Read):
    header = HEADER.replace("charges", "premium,low,high")
    with pytest.raises(InvalidTable, match=r"missing: 'charges'; not known: 'premium', 'low'"):
        read(header + FIRST.strip() + ",1,2\n")
    assert "'premium' was read as charges" in read(GOOD.replace("charges", "premium")).notices


def test_a_header_of_a_million_columns_is_refused(read: Read):
    with pytest.raises(InvalidTable, match=r"columns or more; 1,000 are the most"):
        read("a," * 1_000_000 + GOOD)
