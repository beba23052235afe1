"""The dashboard as a visitor sees it: before the first assessment, after some, in trouble."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from insurance_predictor.base.settings import IncidentRules, Settings
from insurance_predictor.table.schema import CURRENT
from monitoring.dashboard import charts as dashboard_charts
from monitoring.domain.assessment import Window
from monitoring.history import incident_store, mlflow_runs
from monitoring.history.tables import opened
from monitoring.words import dashboard_words, report_words, verdict_text
from tests.monitoring import example_assessments as examples
from tests.own_columns import IN_REAIS
from tests.repository import ROOT

LOCALES = {"pt": "pt-BR", "en": "en-US"}
PATIENCE = 60.0  # seconds
DAY = timedelta(days=1)
FAR = datetime(2262, 1, 1, tzinfo=UTC)
AT_FIRST = IncidentRules(evidence=1.0)


@pytest.fixture(params=["pt", "en"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a model that nobody has assessed, also in the environment."""
    url = f"sqlite:///{tmp_path}/log.db"
    made = settings.model_copy(
        update={
            "prediction_log_url": url,
            "monitoring_experiment_name": f"monitoring of {settings.model_name}",
        }
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", made.mlflow_tracking_uri)
    monkeypatch.setenv("MODEL_NAME", made.model_name)
    monkeypatch.setenv("MONITORING_EXPERIMENT_NAME", made.monitoring_experiment_name)
    monkeypatch.setenv("PREDICTION_LOG_URL", url)
    return made


@pytest.fixture
def watched(place: Settings, tmp_path: Path) -> Settings:
    """A quiet week, a week in alarm with an incident and a report, and the incident's message."""
    for weeks_ago, assessment in ((1, examples.quiet()), (0, examples.alarming())):
        assessment = examples.alarming(
            model_name=place.model_name,
            verdicts=assessment.verdicts,
            window=examples.week(weeks_ago),
        )
        recorded = mlflow_runs.begin(place, assessment)
        with opened(place.prediction_log_url) as engine:
            incident_store.record(
                engine,
                assessment,
                AT_FIRST,
                assessment.window.end,
                lambda change: [],
                recorded.run_id,
            )
    page = tmp_path / mlflow_runs.REPORT
    page.write_text("<!doctype html>")
    mlflow_runs.finish(place, recorded.run_id, page)
    return place


def visit(language: str) -> AppTest:
    page = AppTest.from_file(
        str(ROOT / "monitoring" / "dashboard" / "alone.py"), default_timeout=PATIENCE
    )
    page.context["locale"] = LOCALES[language]
    page.context["timezone"] = "America/Sao_Paulo"
    return page.run()


def words(page: AppTest) -> str:
    kinds = ("title", "subheader", "markdown", "caption", "code", "warning", "error", "info")
    return "\n".join(str(element.value) for kind in kinds for element in page.get(kind))


def charts(page: AppTest) -> list[dict[str, object]]:
    return [json.loads(chart.proto.spec) for chart in page.get("vega_lite_chart")]


def test_before_the_first_assessment_it_says_what_to_run(place: Settings, language: str):
    page = visit(language)
    assert not page.exception
    assert dashboard_words.NOTHING_YET(language) in words(page)
    assert "make monitor" in words(page)


def test_the_state_of_now_comes_first(watched: Settings, language: str):
    page = visit(language)
    assert not page.exception
    status, quotes, premium, still_open = (metric.value for metric in page.metric)
    assert status == report_words.STATUSES["alarm"](language)
    assert quotes == {"pt": "1.234", "en": "1,234"}[language]
    assert "13" in premium
    assert still_open == "2"
    assert len(page.warning) == 3  # the two incidents, and that nobody has looked for long


@pytest.mark.parametrize(
    "window",
    [
        Window(examples.END - DAY, examples.END, examples.END, "1d"),
        Window(examples.END - DAY, examples.END, examples.END, ""),
        Window(FAR - 7 * DAY, FAR, FAR, "7d"),
    ],
    ids=["another length", "a stretch", "the future"],
)
def test_what_is_no_look_of_the_schedule_is_not_the_state_of_now(watched: Settings, window: Window):
    other = examples.alarming(model_name=watched.model_name, window=window, rows=7)
    mlflow_runs.begin(watched, other)
    page = visit("en")
    assert page.metric[1].value == "1,234"
    [reports] = [one for one in page.selectbox if one.key == "monitoring_report"]
    assert len(reports.options) == (2 if window.end == FAR else 3)


def test_amounts_are_in_the_currency_of_the_version(place: Settings, language: str):
    assessment = examples.alarming(model_name=place.model_name)
    for columns, weeks_ago in ((CURRENT, 2), (IN_REAIS, 1), (IN_REAIS, 0)):
        of_week = replace(assessment, columns=columns, window=examples.week(weeks_ago))
        mlflow_runs.finish(place, mlflow_runs.begin(place, of_week).run_id)
    page = visit(language)
    assert page.metric[2].value.startswith("R$")
    [chosen] = [one for one in page.selectbox if one.key == "monitoring_feature"]
    page = chosen.set_value("premium").run()
    unit = IN_REAIS.target.unit[language]
    drawn = json.dumps(charts(page), ensure_ascii=False)
    assert drawn.count(unit) >= 2  # how the premium moved, and the error
    assert "US$" not in drawn + words(page)


def test_incidents_are_listed_with_what_changed(watched: Settings, language: str):
    [table] = visit(language).table
    rows = table.value
    assert set(rows[dashboard_words.KIND(language)]) == {
        report_words.KINDS[kind](language) for kind in ("drift", "schema")
    }
    assert verdict_text.check_name("drift.bmi", language) in rows.to_string()
    assert set(rows[dashboard_words.RESOLVED(language)]) == {dashboard_words.GOES_ON(language)}


def test_every_part_has_its_chart(watched: Settings, language: str):
    page = visit(language)
    for part in (
        dashboard_words.ALARMS,
        dashboard_words.INCIDENTS,
        report_words.FEATURES,
        report_words.PERFORMANCE,
        report_words.SERVICE,
        dashboard_words.REPORTS,
    ):
        assert part(language) in [heading.value for heading in page.subheader]
    assert len(page.get("vega_lite_chart")) == 8


def test_another_feature_is_shown_when_it_is_asked_for(watched: Settings, language: str):
    page = visit(language)
    page.selectbox(key="monitoring_feature").select("smoker").run()
    assert not page.exception
    titles = [str(chart) for chart in charts(page)]
    unit = dashboard_words.SHIFT(language, unit=report_words.POINTS(language))
    assert any(unit in title for title in titles)


def test_a_report_can_be_downloaded_and_its_absence_is_said(watched: Settings, language: str):
    page = visit(language)
    labels = [button.label for button in page.get("download_button")]
    assert labels == [dashboard_words.DOWNLOAD(language)]
    choice = page.selectbox(key="monitoring_report")
    choice.select_index(1).run()
    assert page.get("download_button") == []
    assert dashboard_words.NO_REPORT(language) in words(page)


def test_a_store_that_is_gone_is_one_clear_page(
    watched: Settings, language: str, monkeypatch: pytest.MonkeyPatch, elsewhere: None
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    page = visit(language)
    assert not page.exception
    assert dashboard_words.FAILED(language) in words(page)
    assert "No answer from http://127.0.0.1:9" in words(page)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", watched.mlflow_tracking_uri)
    [again] = [b for b in page.button if b.label == dashboard_words.TRY_AGAIN(language)]
    again.click().run()
    assert dashboard_words.FAILED(language) not in words(page)


def test_the_language_can_be_changed(watched: Settings):
    page = visit("en")
    page.get("button_group")[0].set_value("pt").run()
    assert dashboard_words.REPORTS("pt") in words(page)


def test_windows_too_small_to_judge_are_said_to_be_so(place: Settings, language: str):
    mlflow_runs.begin(place, replace(examples.empty(), model_name=place.model_name))
    page = visit(language)
    assert not page.exception
    for said in (
        dashboard_words.NOTHING_JUDGED,
        dashboard_words.NO_INCIDENTS,
        dashboard_words.NOT_JUDGED,
        dashboard_words.NO_PERFORMANCE,
        dashboard_words.NO_REPORT,
    ):
        assert said(language) in words(page)


def test_every_text_says_something_in_both_languages():
    texts = [text for text in vars(dashboard_words).values() if hasattr(text, "pt")]
    assert len(texts) > 20
    assert all(text.pt.strip() and text.en.strip() for text in texts)


def test_a_check_has_a_row_when_a_test_judges_it_or_it_was_ever_in_alarm():
    assessments = examples.trend().assessments
    names = dashboard_charts.shown_checks(assessments)
    assert set(names) == {"drift.bmi", "drift.premium", "performance.ratio"}


def test_alarms_are_a_field_of_checks_by_windows(language):
    chart = dashboard_charts.alarms(examples.trend().assessments, language)
    found = chart.data.groupby("status").size().to_dict()
    quiet, alarm = (report_words.STATUSES[name](language) for name in ("quiet", "alarm"))
    assert found == {quiet: 15, alarm: 3}


@pytest.mark.process
def test_importing_the_page_costs_none_of_the_heavy_libraries():
    heavy = ("mlflow", "evidently", "scipy", "altair", "sklearn", "jinja2", "sqlalchemy")
    code = f"import sys, monitoring.dashboard; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n"


def test_monitoring_that_has_stopped_is_said(watched: Settings, language: str) -> None:
    shown = words(visit(language))
    assert "overdue" in shown or "atrasado" in shown


def test_a_log_that_is_not_the_one_of_monitoring_is_said(
    watched: Settings, language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREDICTION_LOG_URL", f"sqlite:///{tmp_path}/another.db")
    assert dashboard_words.ANOTHER_LOG(language) in words(visit(language))
