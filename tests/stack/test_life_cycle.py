"""What a person types to bring one model after another into production, and to go back."""

import subprocess
import sys

import pytest

from tests.stack.clone import Clone

Quote = dict[str, object]


@pytest.fixture(scope="module")
def own(stack: Clone) -> Clone:
    return stack.with_model("life_cycle")


@pytest.fixture(scope="module")
def first_quote(own: Clone) -> Quote:
    """What the first model in production asks of a certain person."""
    own.good("train", "register", "promote")
    return own.person.quote()


@pytest.fixture(scope="module")
def second_quote(own: Clone, first_quote: Quote) -> Quote:
    """The same of the next model, made from another table."""
    own.person.good("synthetic", "--output", "more.csv", "--rows", "2000", "--seed", "2")
    own.good("train", "register", "promote", DATA="more.csv")
    return own.person.quote()


def test_a_model_goes_into_production_and_quotes(first_quote: Quote):
    assert first_quote["version"] == "1"
    assert first_quote["low"] < first_quote["premium"] < first_quote["high"]


def test_the_next_model_follows(first_quote: Quote, second_quote: Quote):
    assert second_quote["version"] == "2"
    assert second_quote["premium"] != first_quote["premium"]


def test_production_goes_back(own: Clone, first_quote: Quote, second_quote: Quote):
    own.good("rollback", REASON="too dear")
    assert own.person.quote() == first_quote
    state = own.person.state()
    assert (state["aliases"], state["problems"]) == ({"producao": "1"}, [])
    assert "rollback version 2 to 1  too dear" in own.good("status")


def test_the_commands_hold_no_key_of_the_object_store(own: Clone):
    asked = (
        "from insurance_predictor.base.settings import read_settings; read_settings(); "
        "import boto3; print(boto3.Session().get_credentials())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=own.folder,
        env=own.person.environment,
        capture_output=True,
        timeout=60,
    )
    assert answer.stdout.strip() == b"None"
