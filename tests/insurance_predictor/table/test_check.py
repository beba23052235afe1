"""Which cells break a rule, and how that is told."""

import re

import pandas as pd
import pytest

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.table.check import check_table, is_number
from insurance_predictor.table.reading.numerals import LONGEST_CELL
from insurance_predictor.table.schema import (
    FEATURE_NAMES,
    FEATURES,
)
from insurance_predictor.table.synthetic import make_table
from tests.growth import MOST_GROWTH, growth
from tests.insurance_predictor.table.tables import FIRST, HEADER, SECOND, Read


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
        ("16884.92", "€16884", r"charges: '€16884' is not"),
        ("yes", "-1", "smoker: '-1' is not one of no, yes"),
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


def test_a_number_that_was_understood_is_judged_by_what_it_is(read: Read):
    header = HEADER.replace(",", ";")
    person = "40;male;{};0;no;southwest;{}\n"
    with pytest.raises(InvalidTable) as caught:
        read(header + person.format("7.500,00", "8,5") + person.format("27,5", "-1.234,5"))
    assert str(caught.value).splitlines()[1:3] == [
        "  row 2, bmi: '7.500,00', read as 7500, is not a number from 10 to 60",
        "  row 3, charges: '-1.234,5', read as -1234.5, is not a number greater than 0",
    ]
    with pytest.raises(InvalidTable, match=r"bmi: '1,2,3' is not a number from 10 to 60\n"):
        read(header + person.format("27,5", "8,5") + person.format("1,2,3", "9,5"))


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


@pytest.mark.parametrize(
    "cell", ["-{}x", "{}.", ".{}", "{}e", "1e{}x", "+{}.{}e{}x", " {}", "{} x"]
)
@pytest.mark.parametrize("run", ["1", " ", "0"])
def test_a_long_cell_takes_time_in_proportion_to_its_length(cell: str, run: str):
    """Four doublings of a cell that is nearly a number."""

    def table(length: int) -> pd.DataFrame:
        written = cell.replace("{}", run * length)
        as_text = pd.Series([written] * 2, dtype="str")
        return make_table(2).assign(age=as_text, bmi=as_text.astype(object), sex=as_text)

    def check(people: pd.DataFrame) -> None:
        with pytest.raises(InvalidTable, match="has 6 values"):
            check_table(people)

    assert growth(check, table, 500) < MOST_GROWTH
    assert growth(is_number, lambda length: cell.replace("{}", run * length), 500) < MOST_GROWTH


def test_a_cell_may_be_so_long_and_a_longer_one_is_a_fault_whatever_it_says():
    people = make_table(2)
    longest = "0" * (LONGEST_CELL - 2) + "30"
    checked = check_table(people.assign(age=[longest, "30"], sex=["male", " " * 90 + "female"]))
    assert checked["age"].tolist() == [30, 30]
    for dtype in ("str", object):
        ages = pd.Series(["0" + longest, "30"], dtype=dtype)
        with pytest.raises(
            InvalidTable, match=r"row 0, age: '0{37}\.\.\.' is not .*101 char"
        ) as told:
            check_table(people.assign(age=ages))
        assert len(str(told.value)) < 300
        sexes = pd.Series([" " * 100 + "male", "male"], dtype=dtype)
        with pytest.raises(InvalidTable, match=r"row 0, sex: .* is not one of female, male"):
            check_table(people.assign(sex=sexes))
