"""The curves: one batch, widened to where the person is, along what the columns declare."""

import math
from dataclasses import replace

import numpy as np
import pytest

from app.fields import start
from app.link import Person
from app.what_if import Curve, WhatIf, questions
from insurance_predictor.base.settings import Settings
from insurance_predictor.serving.predictor import Predictor, Quote, load
from insurance_predictor.store.versions import Version
from insurance_predictor.table.columns import Columns
from insurance_predictor.table.schema import AGE, BMI, CHARGES, CURRENT, FEATURES, REGION, SEX

START = {column.name: start(column) for column in FEATURES}


@pytest.fixture
def predictor(settings: Settings, production: Version) -> Predictor:
    return load(settings)


def _answered(predictor: Predictor, person: Person) -> tuple[Quote, WhatIf]:
    asked = questions(person, predictor.columns, predictor.pair.serving.ranges)
    quote, premiums = predictor.quote_beside(person, asked.people)
    return quote, asked.answered(premiums)


def _curve(found: WhatIf, name: str) -> Curve:
    [curve] = [curve for curve in found.curves if curve.column.name == name]
    return curve


def test_the_curves_pass_through_the_quote(predictor: Predictor):
    quote, found = _answered(predictor, START)
    assert quote == predictor.quote(START)
    assert [curve.column.name for curve in found.curves] == ["age", "bmi"]
    for curve in found.curves:
        name = curve.column.name
        own = curve.values == START[name]
        assert curve.premiums["no"][own].tolist() == [pytest.approx(quote.premium)]
        low, high = predictor.pair.serving.ranges[name]
        assert low <= curve.values.min()
        assert curve.values.max() <= high


@pytest.mark.parametrize("name", ["age", "bmi"])
def test_each_point_is_the_quote_of_that_person(predictor: Predictor, name: str):
    _, found = _answered(predictor, START)
    curve = _curve(found, name)
    for smoker in ("no", "yes"):
        for at in (0, len(curve.values) // 2, -1):
            value = type(START[name])(curve.values[at])
            expected = predictor.quote({**START, name: value, "smoker": smoker}).premium
            assert curve.premiums[smoker][at] == pytest.approx(expected)


@pytest.mark.parametrize(("smoker", "other"), [("no", "yes"), ("yes", "no")])
def test_otherwise_is_the_other_value_of_the_group(predictor: Predictor, smoker: str, other: str):
    _, found = _answered(predictor, {**START, "smoker": smoker})
    expected = predictor.quote({**START, "smoker": other}).premium
    assert found.other == other
    assert found.otherwise == pytest.approx(expected)


def test_the_curve_reaches_a_person_beyond_the_model(predictor: Predictor):
    _, found = _answered(predictor, {**START, "age": 99})
    assert _curve(found, "age").values.max() == 99


def test_steps_are_round_and_whole_where_the_column_is():
    asked = questions(START, CURRENT, {"age": (18, 64), "bmi": (15.96, 53.13)})
    (_, ages), (_, bmis) = asked.grids
    assert ages.tolist() == list(range(18, 65))
    assert bmis.tolist() == np.arange(16, 53.5, 0.5).tolist()


def test_without_a_group_and_without_what_must_matter_nobody_is_asked_about():
    columns = Columns(features=(replace(AGE, must_matter=False), SEX), target=CHARGES)
    asked = questions({"age": 40, "sex": "male"}, columns, {"age": (18, 64)})
    assert list(asked.people) == ["age", "sex"]
    assert asked.people.empty
    found = asked.answered(np.array([]))
    assert (found.curves, found.other, found.otherwise) == ((), None, None)


def test_a_missing_number_has_its_curve_and_a_group_of_four_four_lines():
    group = replace(REGION, is_group=True)
    columns = Columns(features=(group, replace(BMI, optional=True), AGE), target=CHARGES)
    person = {"region": "southeast", "bmi": None, "age": 40}
    asked = questions(person, columns, {"bmi": (20.0, 30.0)})
    [(_, values)] = asked.grids
    assert asked.people["bmi"].tolist() == values.tolist() * 4
    assert asked.people["region"].tolist() == np.repeat(REGION.values, len(values)).tolist()
    assert set(asked.people["age"]) == {40.0}
    found = asked.answered(np.arange(len(asked.people), dtype=float))
    assert list(_curve(found, "bmi").premiums) == list(REGION.values)
    assert found.otherwise is None


def test_a_missing_value_elsewhere_stays_missing():
    columns = Columns(
        features=(AGE, replace(BMI, optional=True, must_matter=False), replace(SEX, optional=True)),
        target=CHARGES,
    )
    asked = questions({"age": 40, "bmi": None, "sex": None}, columns, {"age": (18, 20)})
    assert all(math.isnan(bmi) for bmi in asked.people["bmi"])
    assert asked.people["sex"].isna().all()
