"""The pages of a version whose premiums are not in US dollars."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from app import charts, fields, serving, text
from app.what_if import questions
from insurance_predictor.base import formats
from insurance_predictor.base.settings import Settings
from insurance_predictor.release.promotion import promote
from insurance_predictor.store.versions import Version
from insurance_predictor.table.schema import FEATURES
from tests.app.conftest import in_both_languages, page, press, words
from tests.app.test_batch import GOOD, HEADER
from tests.own_columns import IN_REAIS
from tests.planting import Planted, plant, write_version

TARGET = IN_REAIS.target
START = {column.name: fields.start(column) for column in FEATURES}
DOLLARS = ("US$", "dólar", "dollar")


@pytest.fixture
def in_reais(
    place: Callable[..., None], client, settings: Settings, production: Version, sample, trained
) -> Version:
    """Version 2, of BRL, serves after version 1, of USD; each has metrics."""
    pair = replace(trained.trained.pair, columns=IN_REAIS)
    planted = Planted(replace(trained.trained, pair=pair), len(trained.rows))
    run_id = plant(client, settings, sample, planted)
    for name in ("rmse", "rmse_low", "rmse_high", "rows", "total_bias"):
        client.log_metric(run_id, f"holdout.{name}", 4500.0)
    version = write_version(client, settings, run_id)
    promote(client, settings, version.number)
    serving.served()
    return version


def said(shown: str) -> str:
    """What a person reads of it."""
    return shown.replace("\\", "")


@in_both_languages
def test_a_quote_is_in_the_currency_of_its_version(in_reais: Version, language: str):
    visit = press(page(language), text.CALCULATE(language))
    quote, shown = serving.served().predictor.quote(START), said(words(visit))
    assert visit.header[0].value == formats.plain(formats.amount(quote.premium, TARGET, language))
    for amount in (quote.low, quote.high):
        assert formats.amount(amount, TARGET, language) in shown
    assert shown.count(TARGET.unit[language]) >= 2
    assert not [word for word in DOLLARS if word in shown]
    drawn = "".join(str(chart.proto) for chart in visit.get("vega_lite_chart"))
    assert "R$" in drawn
    assert "US$" not in drawn


@in_both_languages
def test_charts_write_amounts_as_the_language_does(in_reais: Version, language: str):
    predictor = serving.served().predictor
    asked = questions(START, predictor.columns, predictor.pair.serving.ranges)
    quote, beside = predictor.quote_beside(START, asked.people)
    curve = asked.answered(beside).curves[0]
    bins = charts.histogram(beside)
    marks = {"pt": (",", "."), "en": (".", ",")}[language]
    for chart in (
        charts.portfolio(bins, quote, TARGET, language),
        charts.curves(curve, predictor.columns.group, None, TARGET, language),
    ):
        number = chart["config"]["locale"]["number"]
        assert (number["decimal"], number["thousands"]) == marks
        assert number["currency"] == ["R$ ", ""]
        assert f"({TARGET.unit[language]})" in json.dumps(chart, ensure_ascii=False)
    points = replace(TARGET, currency=None, digits=2)
    chart = charts.portfolio(bins, quote, points, language)
    assert chart["config"]["locale"]["number"]["currency"] == ["", ""]
    assert "$,.2f" in json.dumps(chart)


@in_both_languages
def test_the_sum_of_a_table_is_in_the_currency_of_its_version(in_reais: Version, language: str):
    visit = page(language, "batch")
    visit = visit.file_uploader[0].upload("a.csv", (HEADER + GOOD).encode(), "text/csv").run()
    visit = press(visit, text.SCORE(language, rows="2"))
    scored = visit.session_state["batch_work"].scored
    assert scored.rows == 2
    total = formats.amount_with_unit(scored.total, TARGET, language)
    assert total in said(visit.success[0].value)
    assert not [word for word in DOLLARS if word in said(words(visit))]


@in_both_languages
def test_two_versions_of_two_currencies_are_told_apart(in_reais: Version, language: str):
    visit = page(language, "model")
    rmse = said(visit.table[1].value.iloc[0][text.VALUE_HEADER(language)])
    assert rmse == formats.amount(4500.0, TARGET, language)
    change = {name: said(cell) for name, cell in visit.table[2].value.iloc[0].items()}
    assert change[text.NOW_HEADER(language, version="1")].startswith("US$")
    assert change[text.NOW_HEADER(language, version="2")] == rmse
    assert change[text.DIFFERENCE_HEADER(language)] == ""
