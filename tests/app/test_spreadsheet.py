"""Whatever a cell holds, no spreadsheet finds a formula in what is given back."""

import csv
import io
import re
from itertools import product

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.spreadsheet import neutral, neutral_column, neutral_names
from insurance_predictor.table.check import is_number
from tests.growth import MOST_GROWTH, growth

STARTS = "=+-@＝＋－＠"
SEPARATORS = ";|\t\r\n"
PIECES = [*STARTS, *SEPARATORS, *"'\" ,.", "\ufeff", "\u200b", "\xa0", "\0", "x", "1", "1+1"]


def as_a_spreadsheet_sees_it(text: str, separator: str) -> list[str]:
    """The cells of a line in which only `separator` and line ends part cells."""
    cells = [cell for line in re.split("[\r\n]", text) for cell in line.split(separator)]
    return [cell.strip('" \t\xa0\ufeff\u200b\0\x0b\x0c') for cell in cells]


def runs(cell: str) -> bool:
    return cell[:1] in set(STARTS) and not is_number(cell)


@pytest.mark.parametrize(
    ("cell", "made"),
    [
        ("=1+1", "'=1+1"),
        ("+a", "'+a"),
        ("-a", "'-a"),
        ("@x", "'@x"),
        (" =1", "' =1"),
        ("＝1＋1", "'＝1＋1"),
        ("-1+1", "'-1+1"),
        ("\rx", "'\rx"),
        ("\t=1", "'\t'=1"),
        ("\n=1", "'\n'=1"),
        ("x;=1+1", "x;'=1+1"),
        ("x|=1+1", "x|'=1+1"),
        ("x\t@a", "x\t'@a"),
        ("x\n-a", "x\n'-a"),
        ("x\r=1", "x\r'=1"),
        ('x;"=1+1"', 'x;\'"=1+1"'),
        ('"=1+1"', '\'"=1+1"'),
        ("\ufeff=1", "'\ufeff=1"),
        ("\0=1", "'\0=1"),
        (";=1;-5;+b", ";'=1;-5;'+b"),
    ],
)
def test_a_formula_is_neutralised_wherever_it_stands(cell: str, made: str):
    assert neutral(cell) == made
    assert neutral(made) == made


@pytest.mark.parametrize("cell", ["-5", "+3.2", "-1e-3", "a=b", "", "A-1", "it's", "x; -5", "a;b"])
def test_what_is_no_formula_stays(cell: str):
    column, count = neutral_column(pd.Series([cell, None], dtype="str"))
    assert column.iloc[0] == cell
    assert column.isna().iloc[1]
    assert count == 0


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join), st.sampled_from(SEPARATORS))
def test_no_cell_is_run_whatever_separates_the_columns(cell: str, separator: str):
    made = neutral(cell)
    assert neutral(made) == made
    # In a file of ours, with commas and quotation marks, read by whoever expects something else.
    file = io.StringIO(newline="")
    csv.writer(file).writerow(["A-1", made, "x"])
    assert [cell for cell in as_a_spreadsheet_sees_it(made, separator) if runs(cell)] == []
    written = file.getvalue().rstrip("\r\n")
    assert [cell for cell in as_a_spreadsheet_sees_it(written, separator) if runs(cell)] == []


def test_no_two_names_become_one():
    names = ["=a", "'=a", "b", "'=a (2)", "=b;=c"]
    assert neutral_names(names) == {
        "=a": "'=a (3)",
        "'=a": "'=a",
        "b": "b",
        "'=a (2)": "'=a (2)",
        "=b;=c": "'=b;'=c",
    }


@given(st.lists(st.sampled_from(["".join(two) for two in product("='@ ", repeat=2)]), unique=True))
def test_names_stay_as_many_and_are_neutral(names: list[str]):
    called = neutral_names(names)
    assert list(called) == names
    assert len(set(called.values())) == len(names)
    assert [name for name in called.values() if neutral(name) != name] == []


@pytest.mark.parametrize("run", ["1", "-", ";", " ", '"', ";=", "\t", "=;1", "\u200b"])
def test_a_long_cell_takes_time_in_proportion_to_its_length(run: str):
    assert growth(neutral, lambda times: f"-{run * times}x", 2_000) < MOST_GROWTH
