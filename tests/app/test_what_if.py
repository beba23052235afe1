"""The curves: one batch, widened to where the person is."""

import pytest

from app.link import Person
from app.views.quote import START
from app.what_if import WhatIf, questions
from insurance_predictor.base.settings import Settings
from insurance_predictor.serving.predictor import Predictor, Quote, load
from insurance_predictor.store.versions import Version


@pytest.fixture
def predictor(settings: Settings, production: Version) -> Predictor:
    return load(settings)


def _answered(predictor: Predictor, person: Person) -> tuple[Quote, WhatIf]:
    asked = questions(person, predictor.pair.serving.ranges)
    quote, premiums = predictor.quote_beside(person, asked.people)
    return quote, asked.answered(premiums)


def test_the_curves_pass_through_the_quote(predictor: Predictor):
    quote, found = _answered(predictor, START)
    assert quote == predictor.quote(START)
    for curve, name in ((found.age, "age"), (found.bmi, "bmi")):
        own = curve.values == START[name]
        assert curve.non_smoker[own].tolist() == [pytest.approx(quote.premium)]
        low, high = predictor.pair.serving.ranges[name]
        assert low <= curve.values.min()
        assert curve.values.max() <= high


@pytest.mark.parametrize("name", ["age", "bmi"])
def test_each_point_is_the_quote_of_that_person(predictor: Predictor, name: str):
    _, found = _answered(predictor, START)
    curve = getattr(found, name)
    for smoker, premiums in (("no", curve.non_smoker), ("yes", curve.smoker)):
        for at in (0, len(curve.values) // 2, -1):
            value = type(START[name])(curve.values[at])
            expected = predictor.quote({**START, name: value, "smoker": smoker}).premium
            assert premiums[at] == pytest.approx(expected)


@pytest.mark.parametrize(("smoker", "other"), [("no", "yes"), ("yes", "no")])
def test_otherwise_is_the_other_habit(predictor: Predictor, smoker: str, other: str):
    _, found = _answered(predictor, {**START, "smoker": smoker})
    expected = predictor.quote({**START, "smoker": other}).premium
    assert found.otherwise == pytest.approx(expected)


def test_the_curve_reaches_a_person_beyond_the_model(predictor: Predictor):
    _, found = _answered(predictor, {**START, "age": 99})
    assert found.age.values.max() == 99
