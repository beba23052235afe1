"""What monitoring says of a version whose premiums are not in US dollars."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from insurance_predictor.base.words import Language
from insurance_predictor.table.schema import CURRENT
from monitoring.alerts.messages import MessageLinks, incident_message, plain_text
from monitoring.domain.assessment import Assessment
from monitoring.domain.incidents import Change
from monitoring.history.mlflow_runs import TARGET_TAG, Trend, tags
from monitoring.report import trend
from monitoring.report.page import ReportLinks, report_page
from monitoring.words import verdict_text
from tests.monitoring import example_assessments as examples
from tests.own_columns import IN_REAIS

in_both_languages = pytest.mark.parametrize("language", ["pt", "en"])
RUNBOOK = "docs/runbook.md"
REAIS = IN_REAIS.target
DOLLARS = ("US$", "dólar", "dollar")


def in_reais() -> Assessment:
    return replace(examples.alarming(), columns=IN_REAIS)


def history(weeks: int = 6, reais: Iterable[int] = range(6)) -> Trend:
    """One training and `weeks` assessments of which those numbered in `reais` are in BRL."""
    runs = examples.trend(weeks)
    changed = tuple(
        replace(run, target=REAIS) if number in reais else run
        for number, run in enumerate(runs.assessments)
    )
    return replace(runs, assessments=changed)


@in_both_languages
def test_the_report_speaks_of_the_version_s_currency(language: Language):
    html = report_page(
        in_reais(),
        (),
        history(),
        ReportLinks(RUNBOOK),
        language,
        examples.END + timedelta(hours=1),
    )
    average = in_reais().average_premium
    shown = {"pt": f"{average:,.0f}".replace(",", "."), "en": f"{average:,.0f}"}[language]
    assert f"R$\u00a0{shown}" in html
    assert f"({REAIS.unit[language]})" in html
    assert not [word for word in DOLLARS if word in html]


@in_both_languages
def test_a_message_speaks_of_the_version_s_currency(language: Language):
    change = Change(incident=examples.incident(), event="opened")
    message = incident_message(change, in_reais(), MessageLinks(None, RUNBOOK), language)
    said = json.dumps(message, ensure_ascii=False) + plain_text(message)
    amount = {"pt": "R$\u00a0412 por ano a mais", "en": "R$\u00a0412 a year more"}[language]
    assert amount in said
    assert not [word for word in DOLLARS if word in said]


def test_the_error_is_in_the_version_s_currency_and_small_amounts_have_their_digits():
    assert verdict_text.sized("estimated_error", 4600.4, "pt", IN_REAIS) == "R$\u00a04.600"
    thousands = replace(CURRENT, target=replace(REAIS, digits=2))
    [bmi] = [one for one in in_reais().verdicts if one.name == "drift.bmi"]
    assert "R$\u00a00.41 a year more" in verdict_text.money(
        replace(bmi, money=0.4123), "en", thousands
    )


def test_a_chart_over_time_has_amounts_of_one_currency_only():
    mixed = history(reais=(4, 5))
    training, estimated, actual = trend.errors(mixed, "en")
    assert training.points == ()  # which was of US dollars
    assert len(estimated.points) == len(actual.points) == 2
    assert len(trend.premiums(mixed, "en").points) == 2
    assert len(trend.ratios(mixed, "en").points) == 6  # a ratio has no currency
    titles = [chart["title"] for chart in trend.charts(mixed, "pt")]
    assert "Prêmio médio, R$ por ano" in titles


def test_a_run_keeps_what_its_amounts_are_in():
    kept = tags(in_reais())[TARGET_TAG]
    assert json.loads(kept)["currency"] == "BRL"
