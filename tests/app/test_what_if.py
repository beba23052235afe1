"""The curves: one batch, widened to where the person is."""

import pytest

from app.views.quote import START
from app.what_if import what_if
from insurance_predictor.predictor import Predictor, load
from insurance_predictor.registry import Version
from insurance_predictor.settings import Settings


@pytest.fixture
def predictor(settings: Settings, production: Version) -> Predictor:
    return load(settings)


def test_the_curves_pass_through_the_quote(predictor: Predictor):
    found = what_if(predictor, START)
    premium = predictor.quote(START).premium
    for rows, name in ((found.age, "age"), (found.bmi, "bmi")):
        own = rows[(rows["value"] == START[name]) & (rows["smoker"] == "no")]
        assert own["premium"].tolist() == [pytest.approx(premium)]
        low, high = predictor.bundle.serving.ranges[name]
        assert low <= rows["value"].min()
        assert rows["value"].max() <= high
        assert set(rows["smoker"]) == {"no", "yes"}


@pytest.mark.parametrize(("smoker", "other"), [("no", "yes"), ("yes", "no")])
def test_otherwise_is_the_other_habit(predictor: Predictor, smoker: str, other: str):
    found = what_if(predictor, {**START, "smoker": smoker})
    expected = predictor.quote({**START, "smoker": other}).premium
    assert found.otherwise == pytest.approx(expected)


def test_the_curve_reaches_a_person_beyond_the_model(predictor: Predictor):
    found = what_if(predictor, {**START, "age": 99})
    assert found.age["value"].max() == 99
