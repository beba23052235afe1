"""A quote in a real browser: what is shown is what the version in production says."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from app import link, text
from insurance_predictor.base import formats
from insurance_predictor.table.schema import AGE
from tests.e2e.visitor import ANA
from tests.predictions import kept, wait_until

LANGUAGES = ("pt", "en")
BEYOND = {**ANA, "age": 90}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_quote_shows_premium_interval_and_version_of_production(visit, registry, language):
    person = visit(language)
    person.open()
    person.fill(ANA)
    person.calculate()
    person.shows(registry.predictor(registry.serving).quote(ANA))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_person_beyond_the_training_gets_a_caution(visit, registry, language):
    person = visit(language)
    person.open()
    person.fill(BEYOND)
    person.calculate()
    quote = registry.predictor(registry.serving).quote(BEYOND)
    person.shows(quote)
    (caution,) = quote.cautions
    numbers = {
        name: formats.number(number, language)
        for name, number in (("value", caution.value), ("low", caution.low), ("high", caution.high))
    }
    label = AGE.label[language]
    expect(person.sees(text.CAUTION, label=label, **numbers)).to_be_visible()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_link_of_a_quote_reproduces_it_for_somebody_else(visit, registry, language):
    first, second = visit(language), visit(language)
    first.open()
    first.fill(ANA)
    first.calculate()
    shown = first.page.get_by_role("code").filter(has_text=first.address)
    address = urlsplit(shown.inner_text())
    said = {name: value for name, [value] in parse_qs(address.query).items()}
    assert said == link.query(ANA) | {"lang": language, "quote": said["quote"]}
    second.page.goto(address.geturl())
    second.next_quote(None)
    second.shows(registry.predictor(registry.serving).quote(ANA))
    assert second.person() == ANA


def test_a_quote_is_in_the_prediction_log_once_with_what_was_shown(visit, app, registry):
    person = visit("pt")
    person.open()
    person.fill(ANA)
    prediction_id = person.calculate()
    quote = registry.predictor(registry.serving).quote(ANA)

    def rows() -> list[dict[str, Any]]:
        return [row for row in kept(app.prediction_log_url) if row["id"] == prediction_id]

    wait_until(rows)  # quotes are delivered a moment later, together
    (row,) = rows()
    assert {name: row[name] for name in ANA} == ANA
    assert (row["premium"], row["low"], row["high"], row["version"]) == pytest.approx(
        (quote.premium, quote.low, quote.high, quote.version)
    )
    assert (row["source"], row["stale"]) == ("app", False)


def test_a_damaged_link_is_one_sentence_and_the_form_still_works(visit):
    person = visit("en")
    person.open(**{**link.query(ANA), "age": "=1+1"})
    expect(person.page.get_by_text("The link could not be used")).to_be_visible()
    person.calculate()


def test_the_language_is_switched_without_losing_the_quote(visit):
    person = visit("en")
    person.open()
    prediction_id = person.calculate()
    person.page.get_by_role("radio", name=text.LANGUAGE_NAME("pt")).click()
    expect(person.page.get_by_role("heading", level=1)).to_have_text(text.QUOTE_PAGE("pt"))
    expect(person.page.get_by_text(prediction_id)).to_be_visible()
