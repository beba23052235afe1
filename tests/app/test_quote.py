"""The page of one quote."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import link, serving, text
from app.fields import start
from app.views.quote import _answered
from insurance_predictor.base import formats
from insurance_predictor.base.errors import BadInput
from insurance_predictor.base.settings import Settings, read_settings
from insurance_predictor.log.database import FAILURES
from insurance_predictor.release.promotion import promote
from insurance_predictor.store.versions import Version
from insurance_predictor.table.schema import BMI, FEATURES, TARGET
from tests.app.conftest import copied, events, in_both_languages, logged_rows, page, press, words
from tests.insurance_predictor.base.test_formats import UNKNOWN_ZONES
from tests.predictions import kept

START = {column.name: start(column) for column in FEATURES}
SMOKER = {"age": "30", "sex": "male", "bmi": "33.5", "children": "0", "smoker": "yes"}
SMOKER |= {"region": "northwest"}


def address(visit: AppTest) -> dict[str, str]:
    """What the address bar holds, which a reload begins with."""
    return dict(visit.query_params.items())


def test_the_form_is_there_before_any_quote(quoting: Version, language: str):
    visit = page(language)
    assert visit.title[0].value == text.QUOTE_PAGE(language)
    assert [field.value for field in visit.text_input] == ["40", "28", "1"]
    assert not visit.header
    assert logged_rows() == []


@in_both_languages
def test_a_quote(quoting: Version, language: str):
    visit = press(page(language), text.CALCULATE(language))
    quote = serving.served().predictor.quote(START)
    shown = words(visit)
    for amount in (quote.premium, quote.low, quote.high):
        assert formats.plain(formats.amount(amount, TARGET, language)) in shown
    assert text.ANSWERED(language, version="1", time="X").partition("X")[0] in shown
    assert text.PORTFOLIO(language) in shown
    assert len(visit.get("vega_lite_chart")) == 3
    assert not visit.warning


def test_the_link_and_the_address_bar_reproduce_the_quote(quoting: Version, language: str):
    visit = page(language)
    visit.text_input(key="person_age").set_value("55")
    visit.selectbox(key="person_smoker").set_value("yes")
    visit = press(visit, text.CALCULATE(language))
    person = {**START, "age": 55, "smoker": "yes"}
    asked = visit.session_state["answer"].asked
    assert asked.person == person
    assert visit.code[0].value == link.address("http://127.0.0.1:8501", asked, language)
    assert address(visit) == link.parameters(asked, language)
    again = page(language, **link.query(person))
    assert again.header[0].value == visit.header[0].value
    assert again.text_input(key="person_age").value == "55"


def test_a_reload_shows_the_quote_again_and_logs_no_second_one(quoting: Version):
    visit = press(page("en"), text.CALCULATE("en"))
    [row] = logged_rows()
    for _ in range(2):  # a reload, and somebody who was sent the link
        visit = page("en", **address(visit))
        assert visit.header
        assert text.PREDICTION_ID("en", id=row["id"]) in words(visit)
    assert logged_rows() == [row]
    press(visit, text.CALCULATE("en"))  # who asks anew is quoted anew
    assert len(logged_rows()) == 2


def test_a_link_without_a_quote_is_a_new_one_and_then_has_it(quoting: Version):
    visit = page("en", **SMOKER)
    [row] = logged_rows()
    again = page("en", **address(visit))
    assert text.PREDICTION_ID("en", id=row["id"]) in words(again)
    assert logged_rows() == [row]


@pytest.mark.parametrize("forged", ["", "1", "x" * 500_000, "\0", "{" * 36, "٣" * 32])
def test_a_quote_that_is_made_up_is_a_new_one(quoting: Version, forged: str):
    assert page("en", **SMOKER, quote=forged).header
    [row] = logged_rows()
    assert len(row["id"]) == 36


def test_another_person_under_somebody_s_quote_is_another_quote(quoting: Version):
    theirs = address(page("en", **SMOKER))
    page("en", **theirs | {"age": "31"})
    page("en", **SMOKER, quote=logged_rows()[0]["id"])
    assert [row["age"] for row in logged_rows()] == [30, 31, 30]
    assert len({row["id"] for row in logged_rows()}) == 3


def test_a_newer_version_s_answer_to_a_link_is_another_quote(
    quoting: Version, client, settings: Settings
):
    visit = page("en", **SMOKER)
    promote(client, settings, copied(client, settings, quoting).number)
    serving._served_model().refresh()
    page("en", **address(visit))
    assert [row["version"] for row in logged_rows()] == ["1", "2"]


def test_a_link_that_cannot_be_used_says_so_and_nothing_is_quoted(quoting: Version, language: str):
    visit = page(language, **{**SMOKER, "age": "17"})
    [warning] = visit.warning
    assert "17" in warning.value
    bmi = {"pt": "33,5", "en": "33.5"}[language]
    assert [field.value for field in visit.text_input] == ["40", bmi, "0"]
    assert not visit.header
    assert logged_rows() == []


def test_a_person_whom_no_form_lets_through_is_refused_before_anything_is_made(quoting: Version):
    with pytest.raises(BadInput, match="age"):
        _answered(serving.served(), link.Ask({**START, "age": 1e15}))


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


def test_a_reload_keeps_the_language_that_was_chosen(quoting: Version):
    visit = page("en")
    assert address(visit) == {}
    visit.segmented_control[0].set_value("pt")
    assert page("en", **address(visit.run())).title[0].value == "Cotação"
    visit = press(visit, text.CALCULATE("pt"))
    assert page("en", **address(visit)).title[0].value == "Cotação"
    visit.segmented_control[0].set_value("en")
    again = page("pt", **address(visit.run()))
    assert again.title[0].value == "Quote"
    assert "lang=en" in again.code[0].value
    assert len(logged_rows()) == 1


@pytest.mark.parametrize("zone", UNKNOWN_ZONES[:4])
def test_a_time_zone_that_is_unknown_here_costs_no_quote(quoting: Version, zone: str):
    visit = page("en")
    visit.context["timezone"] = zone
    visit = press(visit, text.CALCULATE("en"))
    assert not visit.error
    assert visit.header
    [told] = [one.value for one in visit.caption if one.value.startswith("Version 1 · calculated")]
    assert told.endswith("UTC")
    assert len(logged_rows()) == 1


@pytest.mark.parametrize(
    "odd", [{"url": None}, {"url": "#?&x"}, {"locale": "x" * 9999}, {"locale": ""}]
)
def test_a_browser_that_says_odd_things_of_itself_costs_no_quote(quoting: Version, odd: dict):
    visit = page("en")
    visit.context |= odd
    visit = press(visit.run(), text.CALCULATE("en"))
    assert not visit.error
    assert visit.header


@pytest.mark.parametrize("written", ["27,5", "27.5"])
def test_a_comma_and_a_point_are_understood_and_shown_in_the_language_s_way(
    quoting: Version, language: str, written: str
):
    visit = page(language)
    visit.text_input(key="person_bmi").set_value(written)
    visit = press(visit, text.CALCULATE(language))
    assert visit.session_state["answer"].person["bmi"] == 27.5
    shown = {"pt": "27,5", "en": "27.5"}[language]
    assert visit.text_input(key="person_bmi").value == shown
    assert shown in words(visit)


def test_a_value_that_cannot_be_used_is_told_and_nothing_is_quoted(quoting: Version, language: str):
    visit = press(page(language), text.CALCULATE(language))
    assert visit.header
    for written in ("275", "muito", ""):
        visit.text_input(key="person_bmi").set_value(written)
        visit = press(visit, text.CALCULATE(language))
        [error] = visit.error
        assert error.value == link.fault(BMI, written, language)
        assert visit.text_input(key="person_bmi").value == written
        assert not visit.header
    assert len(logged_rows()) == 1


def test_another_language_writes_the_numbers_in_its_own_way(quoting: Version):
    visit = page("pt")
    visit.text_input(key="person_bmi").set_value("27,5")
    visit = press(visit, text.CALCULATE("pt"))
    visit.segmented_control(key="language").set_value("en").run()
    assert visit.text_input(key="person_bmi").value == "27.5"


def test_what_was_typed_survives_a_look_at_another_page(quoting: Version):
    from streamlit.util import calc_hash

    visit = page("en")
    visit.text_input(key="person_age").set_value("61")
    visit = press(visit, text.CALCULATE("en"))
    for name in ("model", "quote"):
        visit._page_hash = calc_hash(name)
        visit.run()
    assert visit.text_input(key="person_age").value == "61"
    assert visit.header


def test_a_quote_that_fails_is_logged_as_a_failure(quoting: Version, language: str):
    visit = page(language)
    serving.served().predictor.pair.preprocessor.steps.clear()  # a fault of ours
    visit = press(visit, text.CALCULATE(language))
    assert [error.value for error in visit.error] == [text.UNEXPECTED(language)]
    assert logged_rows() == []
    [failure] = kept(read_settings().prediction_log_url, FAILURES)
    assert (failure["version"], failure["source"]) == (quoting.number, "app")
