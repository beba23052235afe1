"""What the seven columns allow, one value or one person at a time."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.table.check import check_table
from insurance_predictor.table.schema import (
    AGE,
    BMI,
    CHARGES,
    CHILDREN,
    COLUMN_NAMES,
    COLUMNS,
    CURRENT,
    FEATURE_NAMES,
    REGION,
    SEX,
    SMOKER,
    TARGET,
    CategoryColumn,
    Column,
)

PERSON = {
    "age": 40,
    "sex": "female",
    "bmi": 27.5,
    "children": 2,
    "smoker": "no",
    "region": "southwest",
}

numbers = st.one_of(
    st.integers(-5, 120),
    st.floats(-5, 120),
    st.floats(),
    st.sampled_from([0, 18, 100, 10, 60, 20, 1e308, -0.0, 10**30]),
)
words = st.one_of(
    st.sampled_from([word for c in COLUMNS if isinstance(c, CategoryColumn) for word in c.values]),
    st.sampled_from(["Yes", "MALE", "", "north"]),
    st.text(alphabet=st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=9),
)


def test_the_target_comes_after_the_six_features():
    assert (*FEATURE_NAMES, TARGET.name) == COLUMN_NAMES
    assert COLUMN_NAMES[-1] == "charges"


@pytest.mark.parametrize(
    ("column", "value", "allowed"),
    [
        (AGE, 18, True),
        (AGE, 17, False),
        (AGE, 100, True),
        (AGE, 101, False),
        (AGE, 30.0, True),
        (AGE, 30.5, False),
        (AGE, True, False),
        (AGE, "30", False),
        (AGE, np.int64(30), True),
        (AGE, None, False),
        (AGE, 10**400, False),
        (BMI, 10.0, True),
        (BMI, 9.99, False),
        (BMI, 60, True),
        (BMI, math.nan, False),
        (CHILDREN, 0, True),
        (CHILDREN, -1, False),
        (CHILDREN, 20, True),
        (CHILDREN, 21, False),
        (CHARGES, 0, False),
        (CHARGES, 0.01, True),
        (CHARGES, math.inf, False),
        (CHARGES, 10**400, False),
        (SEX, "male", True),
        (SEX, "Male", False),
        (SMOKER, "yes", True),
        (SMOKER, True, False),
        (REGION, "north", False),
    ],
)
def test_limits_and_categories(column: Column, value: object, allowed: bool):
    assert column.allows(value) is allowed


def test_rules_say_the_limits_in_words():
    assert AGE.rule == "a whole number from 18 to 100"
    assert CHARGES.rule == "a number greater than 0"
    assert SMOKER.rule == "one of no, yes"


def test_a_person_within_the_limits_has_no_violation():
    assert CURRENT.violations(PERSON) == ()


def test_every_violation_of_a_person_is_told_at_once():
    person = PERSON | {"age": 17, "smoker": "Yes", "charges": 1.0}
    del person["bmi"]
    assert CURRENT.violations(person) == (
        "bmi is missing",
        "charges is not a known column",
        "age is 17; it must be a whole number from 18 to 100",
        "smoker is 'Yes'; it must be one of no, yes",
    )


@pytest.mark.parametrize("column", COLUMNS, ids=COLUMN_NAMES)
def test_every_column_has_words_in_both_languages(column: Column):
    said = [column.label, column.help]
    if isinstance(column, CategoryColumn):
        assert tuple(column.value_labels) == column.values
        said += column.value_labels.values()
    else:
        said.append(column.unit)
    assert all(words["pt"] and words["en"] for words in said)


def rows_of_anything() -> st.SearchStrategy[list[dict[str, object]]]:
    # Spaces around text, which a table ignores and a form does not, are not compared here.
    cells = {
        column.name: words.map(str.strip) if isinstance(column, CategoryColumn) else numbers
        for column in COLUMNS
    }
    return st.lists(st.fixed_dictionaries(cells), min_size=15, max_size=15)


@settings(max_examples=12)
@given(rows_of_anything())
def test_tables_and_single_values_are_judged_alike(rows: list[dict[str, object]]):
    wrong = [
        (position, column.name)
        for position, row in enumerate(rows)
        for column in COLUMNS
        if not column.allows(row[column.name])
    ]
    people = pd.DataFrame(rows, dtype=object)
    assert _refused_cells(people) == (len(wrong), wrong[:20])
    assert _refused_cells(people.astype(str)) == (len(wrong), wrong[:20])
    for position, row in enumerate(rows):
        told = [sentence.split()[0] for sentence in CURRENT.violations(_features(row))]
        assert told == [name for at, name in wrong if at == position and name != TARGET.name]


def _features(row: dict[str, object]) -> dict[str, object]:
    return {name: row[name] for name in FEATURE_NAMES}


def _refused_cells(people: pd.DataFrame) -> tuple[int, list[tuple[int, str]]]:
    try:
        check_table(people)
    except InvalidTable as error:
        cells = re.findall(r"^  row (\d+), (\w+):", str(error), re.MULTILINE)
        count = re.search(r"has (\d+) value", str(error))
        assert count is not None
        return int(count[1]), [(int(row), name) for row, name in cells]
    return 0, []
