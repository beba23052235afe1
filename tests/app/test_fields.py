"""A column on a page: what a form begins with, and its values in words."""

import csv
import io
from dataclasses import replace

import pytest

from app import fields, link
from insurance_predictor.table.columns import Columns, NumberColumn
from insurance_predictor.table.schema import AGE, BMI, CHARGES, CURRENT, REGION, SEX, SMOKER

PRESSURE = NumberColumn(
    name="pressure",
    low=50,
    high=250,
    whole=False,
    decimals=1,
    unit={"pt": "mm", "en": "mm"},
    label={"pt": "Pressão", "en": "Pressure"},
    help={"pt": "Pressão.", "en": "Pressure."},
)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (AGE, 40),
        (replace(AGE, start=None), 41),
        (PRESSURE, 150.0),
        (replace(PRESSURE, optional=True), None),
        (replace(REGION, start=None), "northeast"),
        (replace(SEX, start=None, optional=True), None),
    ],
)
def test_a_form_begins_with_what_is_declared_or_usual_or_nothing(column, value):
    assert fields.start(column) == value
    assert column.allows(fields.start(column))


def test_the_people_of_the_template_keep_the_rules():
    rows = list(csv.DictReader(io.StringIO(fields.template(CURRENT.features, "en"))))
    assert len(rows) == 2
    for row in rows:
        assert list(row) == ["id", *CURRENT.feature_names]
        for column in CURRENT.numbers:
            assert column.allows(float(row[column.name]))
        for column in CURRENT.categories:
            assert column.allows(row[column.name])


def test_the_template_is_what_a_spreadsheet_of_the_language_opens():
    columns = (replace(BMI, start=27.5), SEX, replace(PRESSURE, start=None, optional=True))
    assert fields.template(columns, "pt").splitlines()[:2] == [
        "id;bmi;sex;pressure",
        "A-1;27,5;feminino;",
    ]
    assert fields.template(columns, "en").splitlines()[1] == "A-1,27.5,female,"


def test_the_rules_of_a_file_are_in_words_that_it_may_have():
    assert link.rule(SEX, "pt", in_file=True) == "um destes: feminino, masculino"
    assert link.rule(SEX, "pt") == "um destes: female, male"  # in a link there are the schema's
    person = {"pt": "pessoa", "en": "person"}
    alike = replace(SEX, value_labels={"female": person, "male": person})
    assert link.rule(alike, "pt", in_file=True) == "um destes: female, male"


def test_a_value_has_the_digits_of_its_column_and_a_missing_one_says_so():
    assert fields.labelled(BMI, 28.549, "pt") == "IMC: 28,5"
    assert fields.labelled(SMOKER, "yes", "pt") == "Fumante: sim"
    assert fields.labelled(replace(BMI, optional=True), None, "en") == "BMI: not given"


SEX_OF_BEFORE = replace(
    SEX,
    values=("female",),
    value_labels={"female": SEX.value_labels["female"]},
    also_called=(),
    also_written={},
)


def test_a_file_may_call_what_a_version_asks_for_as_the_schema_does_by_now():
    before = Columns(
        features=(
            replace(AGE, high=70, also_called=("years",)),
            SEX_OF_BEFORE,
            PRESSURE,
        ),
        target=CHARGES,
    )
    age, sex, pressure = fields.asked(before)
    assert (age.high, age.also_called) == (70, AGE.also_called)
    assert (sex.values, sex.also_called) == (("female",), SEX.also_called)
    assert sex.also_written == {"female": SEX.also_written["female"]}
    assert pressure == PRESSURE


def test_what_a_version_knows_more_or_less_of_is_named():
    own = Columns(
        features=(AGE, SEX, PRESSURE, replace(REGION, name="plan", optional=True)), target=CHARGES
    )
    assert fields.labels_of_later(own, "en") == "BMI, Children, Smoker, Region"
    assert fields.labels_of_lost(own, "pt") == "Pressão (pressure)"
    assert fields.labels_of_later(CURRENT, "en") == fields.labels_of_lost(CURRENT, "en") == ""
