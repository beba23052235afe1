"""An assessment as JSON: whole, valid, and read back as it was."""

import json
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insurance_predictor.base.errors import BadInput
from monitoring.domain.assessment import Assessment, Verdict
from monitoring.history.json import assessment_from_json, assessment_json
from tests.monitoring import example_assessments as examples

EXAMPLES = (examples.alarming(), examples.quiet(), examples.one_row(), examples.empty())


def written(assessment: Assessment) -> str:
    """The JSON; what it has no word for, like NaN, raises ValueError."""
    return json.dumps(assessment_json(assessment), allow_nan=False)


@pytest.mark.parametrize("assessment", EXAMPLES)
def test_an_assessment_survives_the_way_through_json(assessment: Assessment):
    assert assessment_from_json(json.loads(written(assessment))) == assessment


finite = st.floats(allow_nan=False, allow_infinity=False)
verdicts = st.builds(
    Verdict,
    kind=st.sampled_from(["schema", "drift", "performance", "service"]),
    check=st.text(min_size=1),
    status=st.sampled_from(["quiet", "alarm", "unknown"]),
    rows=st.integers(min_value=0),
    missing=st.integers(min_value=0),
    p_value=st.none() | finite,
    value=st.none() | finite,
    limit=st.none() | finite,
    effects=st.dictionaries(st.text(), finite),
    money=st.none() | finite,
    details=st.lists(st.text()).map(tuple),
)


@given(st.lists(verdicts, max_size=4))
def test_whatever_a_verdict_holds_survives(found: list[Verdict]):
    assessment = examples.alarming(verdicts=tuple(found))
    assert assessment_from_json(json.loads(written(assessment))) == assessment


def test_each_verdict_has_its_full_name_for_programs():
    names = [verdict["name"] for verdict in assessment_json(examples.alarming())["verdicts"]]
    assert names[:2] == ["drift.age", "drift.bmi"]


def test_numbers_that_json_does_not_know_are_null():
    odd = Verdict(
        kind="drift",
        check="bmi",
        status="alarm",
        rows=1,
        value=float("nan"),
        effects={"psi": float("inf"), "shift": 2.0},
    )
    [verdict] = json.loads(written(examples.alarming(verdicts=(odd,))))["verdicts"]
    assert verdict["value"] is None
    assert verdict["effects"] == {"shift": 2.0}


def test_any_kind_of_mapping_can_be_written():
    assessment = examples.alarming(other_versions=MappingProxyType({"2": 17}))
    assert json.loads(written(assessment))["other_versions"] == {"2": 17}


@pytest.mark.parametrize("found", [{}, {"format": 2}, {"format": 1}, {"format": 1, "window": 3}])
def test_what_is_no_assessment_is_refused_in_a_sentence(found: dict[str, object]):
    with pytest.raises(BadInput, match=r"result of an assessment"):
        assessment_from_json(found)
