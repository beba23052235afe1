"""A link gives the same person back, or says in one sentence why not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import link
from insurance_predictor.table.schema import CURRENT

PERSON: link.Person = {
    "age": 40,
    "sex": "female",
    "bmi": 28.55,
    "children": 2,
    "smoker": "no",
    "region": "southeast",
}


def test_a_link_gives_the_person_back():
    assert link.person_of(link.query(PERSON), "en") == PERSON


def test_the_address_keeps_the_page_and_replaces_the_query():
    asked = link.Ask(PERSON)
    address = link.address("https://quotes.example.com/?age=1", asked, "pt")
    assert address.startswith("https://quotes.example.com/?age=40&sex=female&bmi=28.55&")
    assert address.endswith(f"&quote={asked.id}&lang=pt")
    assert link.address(None, asked, "en").startswith("?age=40")


def test_a_link_gives_the_quote_back():
    asked = link.Ask(PERSON)
    assert link.ask_of(link.parameters(asked, "pt"), "en") == asked
    assert link.ask_of(link.query(PERSON), "en").id != link.ask_of(link.query(PERSON), "en").id
    assert link.ask_of({"quote": str(asked.id), "lang": "pt"}, "en") is None


def test_other_parameters_are_nobody_s_person():
    assert link.person_of({"lang": "pt", "utm_source": "mail"}, "en") is None


def test_everything_wrong_is_told_at_once():
    parameters = {**link.query(PERSON), "age": "17", "bmi": "**x**", "smoker": "perhaps"}
    del parameters["region"]
    with pytest.raises(link.UnusableLink) as caught:
        link.person_of(parameters, "en")
    assert caught.value.faults == (
        "Age is “17”, but must be a whole number from 18 to 100; "
        r"BMI is “\*\*x\*\*”, but must be a number from 10 to 60; "
        "Smoker is “perhaps”, but must be one of: no, yes; Region is missing"
    )


@pytest.mark.parametrize("age", ["", "nan", "inf", "1e999", "40.5", "-40", "4 0", "x" * 100_000])
def test_a_strange_number_is_refused_shortly(age: str):
    with pytest.raises(link.UnusableLink) as caught:
        link.person_of({**link.query(PERSON), "age": age}, "pt")
    assert len(caught.value.faults) < 200


@given(st.dictionaries(st.sampled_from(list(PERSON)), st.text()))
def test_whatever_comes_is_a_person_or_refused(parameters: dict[str, str]):
    try:
        person = link.person_of(parameters, "pt")
    except link.UnusableLink:
        return
    assert person is None or CURRENT.violations(person) == ()
