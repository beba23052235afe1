"""Numbers as people type them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.number_field import typed, understood
from insurance_predictor.base.words import Language
from insurance_predictor.table.schema import AGE, BMI

LANGUAGES: tuple[Language, ...] = ("pt", "en")
DEDUCTIBLE = replace(BMI, name="deductible", low=0, high=10_000)
RATE = replace(BMI, name="rate", low=0, high=5)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("written", "value"),
    [("27,5", 27.5), ("27.5", 27.5), ("27", 27), (" 28,10 ", 28.1), ("26.315", 26.315)],
)
def test_a_comma_and_a_point_are_decimal_marks_in_both_languages(language, written, value):
    assert understood(written, BMI, language) == value


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("written", ["1.234,5", "1,234.5", "1234,5", "1234.5", "1 234,5"])
def test_marks_of_both_kinds_say_which_is_which(language, written):
    assert understood(written, DEDUCTIBLE, language) == 1234.5


@pytest.mark.parametrize(
    ("written", "language", "value"),
    [("1.234", "pt", 1234), ("1,234", "en", 1234), ("1,234", "pt", 1.234), ("1.234", "en", 1.234)],
)
def test_three_digits_after_one_mark_are_read_as_the_language_writes_them(written, language, value):
    assert understood(written, DEDUCTIBLE, language) == value


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("written", ["1.234", "1,234"])
def test_what_the_column_allows_goes_before_the_language(language, written):
    assert understood(written, RATE, language) == 1.234
    assert understood(written, replace(AGE, high=5_000), language) == 1234


NO_NUMBERS = [
    "",
    "x",
    "28 kg",
    "1e3",
    "nan",
    "inf",
    "0x1C",
    "28,",
    ",5",
    "2,8,1",
    "1.23.456",
    "١٢",
    "1,2.3,4",
    "--1",
]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("written", [*NO_NUMBERS, " ", "9" * 31])
def test_what_is_no_number_is_none(language, written):
    assert understood(written, BMI, language) is None


def test_a_whole_number_is_one_however_it_is_written():
    assert [understood(one, AGE, "pt") for one in ("40", "40,0", "40.0")] == [40, 40, 40]
    assert not AGE.allows(understood("40,5", AGE, "pt"))


@given(
    value=st.floats(10, 60).map(lambda value: round(value, 3)), language=st.sampled_from(LANGUAGES)
)
def test_what_stands_in_a_field_is_read_as_it_was_meant(value: float, language: Language):
    assert understood(typed(value, language), BMI, language) == value


def test_each_language_writes_its_own_mark():
    assert [typed(27.5, language) for language in LANGUAGES] == ["27,5", "27.5"]
    assert typed(10_000, "en") == "10000"
