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
    asked = link.ask_of(link.query(PERSON), "en")
    assert asked is not None
    assert (asked.person, asked.faults) == (PERSON, {})


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
    assert link.ask_of({"lang": "pt", "utm_source": "mail"}, "en") is None


def test_everything_wrong_is_told_at_once():
    parameters = {**link.query(PERSON), "age": "17", "bmi": "**x**", "smoker": "perhaps"}
    del parameters["region"]
    asked = link.ask_of(parameters, "en")
    assert asked is not None
    assert asked.faults == {
        "age": "Age is “17”, but must be a whole number from 18 to 100",
        "bmi": r"BMI is “\*\*x\*\*”, but must be a number from 10 to 60",
        "smoker": "Smoker is “perhaps”, but must be one of: no, yes",
        "region": "Region is missing",
    }
    assert asked.person == {**dict.fromkeys(PERSON), "sex": "female", "children": 2}


@pytest.mark.parametrize("age", ["", "nan", "inf", "1e999", "40.5", "-40", "4 0", "x" * 100_000])
def test_a_strange_number_is_refused_shortly(age: str):
    asked = link.ask_of({**link.query(PERSON), "age": age}, "pt")
    assert asked is not None
    assert asked.faults.keys() == {"age"}
    assert len(asked.faults["age"]) < 200


@given(st.dictionaries(st.sampled_from(list(PERSON)), st.text()))
def test_whatever_comes_is_a_person_or_refused(parameters: dict[str, str]):
    asked = link.ask_of(parameters, "pt")
    if asked is not None:
        wrong = {name for name in PERSON if not CURRENT.by_name[name].allows(asked.person[name])}
        assert wrong == asked.faults.keys()
