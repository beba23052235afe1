"""The curves: one batch, widened to where the person is."""

import pytest

from app.views.quote import START
from app.what_if import quote_and_what_if
from insurance_predictor.base.settings import Settings
from insurance_predictor.serving.predictor import Predictor, load
from insurance_predictor.store.versions import Version


@pytest.fixture
def predictor(settings: Settings, production: Version) -> Predictor:
    return load(settings)


def test_the_curves_pass_through_the_quote(predictor: Predictor):
    quote, found = quote_and_what_if(predictor, START)
    assert quote == predictor.quote(START)
    for curve, name in ((found.age, "age"), (found.bmi, "bmi")):
        own = curve.values == START[name]
        assert curve.non_smoker[own].tolist() == [pytest.approx(quote.premium)]
        low, high = predictor.pair.serving.ranges[name]
        assert low <= curve.values.min()
        assert curve.values.max() <= high


@pytest.mark.parametrize("name", ["age", "bmi"])
def test_each_point_is_the_quote_of_that_person(predictor: Predictor, name: str):
    _, found = quote_and_what_if(predictor, START)
    curve = getattr(found, name)
    for smoker, premiums in (("no", curve.non_smoker), ("yes", curve.smoker)):
        for at in (0, len(curve.values) // 2, -1):
            value = type(START[name])(curve.values[at])
            expected = predictor.quote({**START, name: value, "smoker": smoker}).premium
            assert premiums[at] == pytest.approx(expected)


@pytest.mark.parametrize(("smoker", "other"), [("no", "yes"), ("yes", "no")])
def test_otherwise_is_the_other_habit(predictor: Predictor, smoker: str, other: str):
    _, found = quote_and_what_if(predictor, {**START, "smoker": smoker})
    expected = predictor.quote({**START, "smoker": other}).premium
    assert found.otherwise == pytest.approx(expected)


def test_the_curve_reaches_a_person_beyond_the_model(predictor: Predictor):
    _, found = quote_and_what_if(predictor, {**START, "age": 99})
    assert found.age.values.max() == 99
