"""The page of one quote."""

import json
from pathlib import Path

import pytest

from app import link, serving, text
from app.views.quote import START
from insurance_predictor.base import formats
from insurance_predictor.base.settings import read_settings
from insurance_predictor.log.database import FAILURES
from insurance_predictor.store.versions import Version
from tests.app.conftest import events, in_both_languages, logged_rows, page, press, words
from tests.predictions import kept

SMOKER = {"age": "30", "sex": "male", "bmi": "33.5", "children": "0", "smoker": "yes"}
SMOKER |= {"region": "northwest"}


def test_the_form_is_there_before_any_quote(quoting: Version, language: str):
    visit = page(language)
    assert visit.title[0].value == text.QUOTE_PAGE(language)
    assert [field.value for field in visit.number_input] == [40, 28.0, 1]
    assert not visit.header
    assert logged_rows() == []


@in_both_languages
def test_a_quote(quoting: Version, language: str):
    visit = press(page(language), text.CALCULATE(language))
    quote = serving.served().predictor.quote(START)
    shown = words(visit)
    for amount in (quote.premium, quote.low, quote.high):
        assert formats.plain(formats.money(amount, language)) in shown
    assert text.ANSWERED(language, version="1", time="X").partition("X")[0] in shown
    assert text.PORTFOLIO(language) in shown
    assert len(visit.get("vega_lite_chart")) == 3
    assert not visit.warning


def test_the_link_and_the_address_bar_reproduce_the_quote(quoting: Version, language: str):
    visit = page(language)
    visit.number_input(key="person_age").set_value(55)
    visit.selectbox(key="person_smoker").set_value("yes")
    visit = press(visit, text.CALCULATE(language))
    person = {**START, "age": 55, "smoker": "yes"}
    assert visit.code[0].value == link.address("http://127.0.0.1:8501", person)
    assert {name: visit.query_params[name] for name in START} == link.query(person)
    again = page(language, **link.query(person))
    assert again.header[0].value == visit.header[0].value
    assert again.number_input(key="person_age").value == 55


def test_a_link_that_cannot_be_used_says_so_and_nothing_is_quoted(quoting: Version, language: str):
    visit = page(language, **{**SMOKER, "age": "17"})
    [warning] = visit.warning
    assert "17" in warning.value
    assert [field.value for field in visit.number_input] == [40, 28.0, 1]
    assert not visit.header
    assert logged_rows() == []


@in_both_languages
def test_outside_of_what_the_model_saw_is_a_caution(quoting: Version, language: str):
    visit = page(language, **{**SMOKER, "age": "99"})
    low, high = serving.served().predictor.pair.serving.ranges["age"]
    [warning] = visit.warning
    label = {"pt": "Idade", "en": "Age"}[language]
    assert warning.value == text.CAUTION(
        language, label=label, value="99", low=f"{low:g}", high=f"{high:g}"
    )


def test_every_quote_is_logged_once_with_its_latency(quoting: Version):
    visit = press(page("en"), text.CALCULATE("en"))
    visit.segmented_control[0].set_value("pt")
    visit.run()  # another rerun is not another quote
    [row] = logged_rows()
    assert (row["version"], row["source"], row["age"], row["smoker"]) == ("1", "app", 40, "no")
    assert row["premium"] == pytest.approx(serving.served().predictor.quote(START).premium)
    assert 0 < row["latency_ms"] < 10_000
    assert text.PREDICTION_ID("pt", id=row["id"]) in words(visit)


def test_the_log_of_events_holds_no_input(quoting: Version, capsys: pytest.CaptureFixture[str]):
    page("en", **{**SMOKER, "age": "61", "bmi": "47.25"})
    told = [event for event in events(capsys.readouterr().err) if event["event"] == "quote"]
    [event] = told
    assert event["version"] == "1"
    assert event["latency_ms"] > 0
    assert set(event) == {"time", "level", "logger", "event", "version", "latency_ms", "recorded"}
    assert "47.25" not in json.dumps(event)


def test_a_quote_that_the_disk_does_not_take_is_given_with_a_notice(
    quoting: Version, language: str, tmp_path: Path
):
    visit = page(language)
    (tmp_path / "spool").rename(tmp_path / "away") if (tmp_path / "spool").exists() else None
    (tmp_path / "spool").write_text("a file where the folder should be")
    visit = press(visit, text.CALCULATE(language))
    assert visit.header
    assert text.NOT_RECORDED(language) in words(visit)


def test_the_language_can_be_switched_and_the_answer_stays(quoting: Version):
    visit = press(page("en"), text.CALCULATE("en"))
    assert visit.title[0].value == "Quote"
    visit.segmented_control[0].set_value("pt")
    visit.run()
    assert visit.title[0].value == "Cotação"
    assert "US$\u00a0" in visit.header[0].value.replace("\\", "")
    assert page("en", lang="pt").title[0].value == "Cotação"


def test_what_was_typed_survives_a_look_at_another_page(quoting: Version):
    from streamlit.util import calc_hash

    visit = page("en")
    visit.number_input(key="person_age").set_value(61)
    visit = press(visit, text.CALCULATE("en"))
    for name in ("model", "quote"):
        visit._page_hash = calc_hash(name)
        visit.run()
    assert visit.number_input(key="person_age").value == 61
    assert visit.header


def test_a_quote_that_fails_is_logged_as_a_failure(quoting: Version, language: str):
    visit = page(language)
    serving.served().predictor.pair.preprocessor.steps.clear()  # a fault of ours
    visit = press(visit, text.CALCULATE(language))
    assert [error.value for error in visit.error] == [text.UNEXPECTED(language)]
    assert logged_rows() == []
    [failure] = kept(read_settings().prediction_log_url, FAILURES)
    assert (failure["version"], failure["source"]) == (quoting.number, "app")
