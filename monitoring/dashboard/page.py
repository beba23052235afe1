"""What monitoring has found so far: a page of the app, or by itself as `make dashboard`.

The numbers are those of the MLflow runs, the incidents those kept beside the prediction log.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from insurance_predictor.base import formats
from insurance_predictor.base.errors import InsurancePredictorError
from insurance_predictor.base.settings import Settings, read_settings
from insurance_predictor.base.words import Language
from insurance_predictor.table.columns import NumberColumn
from insurance_predictor.table.schema import CURRENT
from monitoring.dashboard import charts
from monitoring.domain.incidents import Incident
from monitoring.domain.watch import watch
from monitoring.history import mlflow_runs
from monitoring.history.mlflow_runs import MonitoringRun, Trend
from monitoring.report import trend as trend_charts
from monitoring.report.svg import Series
from monitoring.words import dashboard_words, report_words, verdict_text

LANGUAGES: tuple[Language, ...] = ("pt", "en")
KEPT_SECONDS = 60  # how old what is shown may be
MOST_FINDINGS = 8  # of an incident, in one line
FIRST_STEP = "make monitor"
PREMIUM = "premium"
DRIFT, PSI = "drift.", "psi"  # of the metrics of a run


@dataclass(frozen=True)
class History:
    """All that the page shows; incidents are the newest first."""

    trend: Trend
    incidents: tuple[Incident, ...]
    until: datetime | None  # quotes have been judged; None where this log has no assessment


def main() -> None:
    """The page alone, in the visitor's language."""
    spoken = (st.context.locale or "").lower()
    language: Language = "pt" if spoken.startswith("pt") else "en"
    language = st.session_state.setdefault("language", language)
    st.set_page_config(page_title=dashboard_words.TITLE(language), layout="centered")
    st.title(dashboard_words.TITLE(language), anchor=False)
    st.segmented_control(
        dashboard_words.LANGUAGE(language),
        LANGUAGES,
        key="language",
        required=True,
        format_func=dashboard_words.LANGUAGE_NAME,
        label_visibility="collapsed",
    )
    try:
        show(language)
    except InsurancePredictorError as error:
        st.subheader(dashboard_words.FAILED(language))
        st.code(str(error), language=None, wrap_lines=True)
        st.button(dashboard_words.TRY_AGAIN(language), type="primary", on_click=read.clear)


def show(language: Language) -> None:
    """The page. Raises Unreachable or InvalidSettings when the history cannot be read."""
    # Streamlit puts the secrets of a file in the environment; without a file they are not asked.
    st.secrets.load_if_toml_exists()
    settings = read_settings()
    st.write(dashboard_words.INTRO(language, model=formats.plain(settings.model_name)))
    with st.spinner(dashboard_words.LOADING(language)):
        history = read(settings, settings.model_dump_json())
    _watch(settings, history, language)
    if not history.trend.assessments:
        st.info(dashboard_words.NOTHING_YET(language))
        st.code(FIRST_STEP, language="sh")
        return
    trend = history.trend.of("")
    _now(trend.assessments[-1], history.incidents, language)
    _alarms(trend.assessments, language)
    _incidents(history.incidents, language)
    _features(trend, language)
    _performance(trend, language)
    _service(trend.assessments, language)
    _reports(settings, history.trend.assessments, language)


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def read(_settings: Settings, key: str) -> History:
    """The history of the model of `_settings`; `key` tells one settings from another.

    Raises Unreachable or InvalidSettings.
    """
    from monitoring.history import incident_store
    from monitoring.history.tables import opened

    with opened(_settings.prediction_log_url) as engine:
        incidents = incident_store.incidents(engine, _settings.model_name)
        now = datetime.now(UTC)
        until = incident_store.judged_until(engine, _settings.model_name, now)
    return History(mlflow_runs.trend(_settings).until(now), incidents, until)


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def _page(_settings: Settings, run_id: str, name: str) -> bytes | None:
    return mlflow_runs.report(_settings, run_id, name)


def _watch(settings: Settings, history: History, language: Language) -> None:
    """When monitoring last looked, and whether it still does."""
    if history.until is None:
        if history.trend.assessments:
            st.warning(dashboard_words.ANOTHER_LOG(language))
        return
    now = datetime.now(UTC)
    last = watch(history.until, now, settings.monitor.overdue_hours)
    said = {
        "until": _moment(history.until, language),
        "ago": formats.ago(history.until, now, language),
    }
    if last.is_overdue:
        st.warning(dashboard_words.OVERDUE(language, **said))
    else:
        st.caption(dashboard_words.LOOKED(language, **said))


def _now(latest: MonitoringRun, incidents: Sequence[Incident], language: Language) -> None:
    still_open = [incident for incident in incidents if incident.resolved is None]
    st.caption(
        dashboard_words.LATEST(
            language, start=_moment(latest.start, language), end=_moment(latest.end, language)
        )
    )
    average = latest.metrics.get("average_premium")
    premium = verdict_text.NOTHING
    if average is not None:
        premium = formats.amount(average, latest.target, language)
    with st.container(horizontal=True):
        st.metric(dashboard_words.STATUS(language), report_words.STATUSES[latest.status](language))
        st.metric(dashboard_words.QUOTES(language), formats.decimal(latest.rows, language, 0))
        st.metric(dashboard_words.PREMIUM(language), premium)
        st.metric(dashboard_words.OPEN(language), str(len(still_open)))
    for incident in still_open:
        st.warning(
            dashboard_words.OPEN_INCIDENT(
                language,
                kind=report_words.KINDS[incident.kind](language),
                ago=formats.ago(incident.opened, datetime.now(UTC), language),
                version=formats.plain(incident.version),
                findings=formats.plain(_findings(incident, language)),
            )
        )


def _alarms(assessments: Sequence[MonitoringRun], language: Language) -> None:
    st.subheader(dashboard_words.ALARMS(language), anchor=False)
    chart = charts.alarms(assessments, language)
    if chart.data.empty:
        st.write(dashboard_words.NOTHING_JUDGED(language))
        return
    _draw(chart, dashboard_words.ALARMS(language))
    st.caption(dashboard_words.ALARMS_NOTE(language))


def _incidents(incidents: Sequence[Incident], language: Language) -> None:
    st.subheader(dashboard_words.INCIDENTS(language), anchor=False)
    if not incidents:
        st.write(dashboard_words.NO_INCIDENTS(language))
        return
    _draw(
        charts.incidents(incidents, datetime.now(UTC), language),
        dashboard_words.INCIDENTS(language),
    )
    rows = [
        {
            dashboard_words.KIND(language): report_words.KINDS[incident.kind](language),
            dashboard_words.OPENED(language): _moment(incident.opened, language),
            dashboard_words.RESOLVED(language): (
                _moment(incident.resolved, language)
                if incident.resolved
                else dashboard_words.GOES_ON(language)
            ),
            report_words.VERSION(language): incident.version,
            dashboard_words.FOUND(language): _findings(incident, language),
        }
        for incident in incidents
    ]
    shown = [{head: formats.plain(cell) for head, cell in row.items()} for row in rows]
    st.table(shown, hide_index=True, border="horizontal")


def _features(trend: Trend, language: Language) -> None:
    st.subheader(report_words.FEATURES(language), anchor=False)
    assessments = trend.assessments
    names = _judged_features(assessments)
    name = st.selectbox(
        dashboard_words.FEATURE(language),
        names,
        format_func=lambda name: verdict_text.check_name(f"drift.{name}", language),
        key="monitoring_feature",
    )
    if name == PREMIUM:
        assessments = trend.in_one_unit().assessments
    unit = trend.target.unit[language] if name == PREMIUM else _unit(name, language)
    shift = dashboard_words.SHIFT(language, unit=unit)
    scale = 100 if verdict_text.is_share(name, CURRENT) else 1
    series = [
        trend_charts.series(assessments, f"drift.{name}.{effect}", f"drift.{name}", title, factor)
        for effect, title, factor in (
            ("shift", shift, scale),
            ("psi", report_words.PSI(language), 1),
        )
    ]
    if not any(one.points for one in series):
        st.write(dashboard_words.NOT_JUDGED(language))
        return
    for one in series:
        _lines([one], one.name, language)


def _performance(trend: Trend, language: Language) -> None:
    st.subheader(report_words.PERFORMANCE(language), anchor=False)
    errors, ratios = trend_charts.errors(trend, language), trend_charts.ratios(trend, language)
    _, *production = errors
    if not any(one.points for one in (*production, ratios)):
        st.write(dashboard_words.NO_PERFORMANCE(language))
    _lines(errors, report_words.TREND_ERROR(language, unit=trend.target.unit[language]), language)
    _lines([ratios], ratios.name, language)


def _service(assessments: Sequence[MonitoringRun], language: Language) -> None:
    st.subheader(report_words.SERVICE(language), anchor=False)
    for check, words, scale in (
        ("service.error_rate", dashboard_words.ERROR_RATE, 100),
        ("service.latency", dashboard_words.LATENCY, 1),
    ):
        one = trend_charts.series(assessments, f"{check}.value", check, words(language), scale)
        _lines([one], one.name, language)


def _reports(settings: Settings, assessments: Sequence[MonitoringRun], language: Language) -> None:
    st.subheader(dashboard_words.REPORTS(language), anchor=False)
    names = {
        assessment.run_id: _report_name(assessment, language)
        for assessment in reversed(assessments)
    }
    chosen = st.selectbox(
        dashboard_words.REPORT(language),
        list(names),
        format_func=names.__getitem__,
        key="monitoring_report",
    )
    [assessment] = [assessment for assessment in assessments if assessment.run_id == chosen]
    pages = {
        name: content
        for name in (mlflow_runs.REPORT, mlflow_runs.EVIDENTLY)
        if (content := _page(settings, assessment.run_id, name)) is not None
    }
    if not pages:
        st.write(dashboard_words.NO_REPORT(language))
    words = {
        mlflow_runs.REPORT: dashboard_words.DOWNLOAD(language),
        mlflow_runs.EVIDENTLY: dashboard_words.DOWNLOAD_FULL(language),
    }
    with st.container(horizontal=True):
        for name, content in pages.items():
            file = f"{Path(name).stem}-{assessment.end:%Y-%m-%d}.html"
            st.download_button(words[name], content, file, "text/html", key=f"download_{name}")
        address = mlflow_runs.run_url(settings, assessment)
        if address is not None:
            st.link_button(dashboard_words.IN_MLFLOW(language), address)


def _report_name(assessment: MonitoringRun, language: Language) -> str:
    return dashboard_words.REPORT_OF(
        language,
        start=_moment(assessment.start, language),
        end=_moment(assessment.end, language),
        version=assessment.version,
        status=report_words.STATUSES[assessment.status](language),
    )


def _lines(series: Sequence[Series], title: str, language: Language) -> None:
    """A chart of what has points; nothing without any."""
    if any(one.points for one in series):
        _draw(charts.lines(series, title, language), title)


def _draw(chart: charts.Chart, told: str) -> None:
    st.vega_lite_chart(chart.data, chart.spec, alt=told, width="stretch")


def _findings(incident: Incident, language: Language) -> str:
    names = [verdict_text.check_name(name, language) for name in incident.findings]
    return ", ".join(names[:MOST_FINDINGS]) + (", …" if len(names) > MOST_FINDINGS else "")


def _unit(name: str, language: Language) -> str:
    column = CURRENT.by_name.get(name)
    if isinstance(column, NumberColumn):
        return column.unit[language]
    if verdict_text.is_share(name, CURRENT):
        return report_words.POINTS(language)
    return name


def _judged_features(assessments: Sequence[MonitoringRun]) -> list[str]:
    """The schema's, and what else some version of before was judged by; the premium at last."""
    ends = f".{PSI}"
    judged = {
        name.removeprefix(DRIFT).removesuffix(ends)
        for assessment in assessments
        for name in assessment.metrics
        if name.startswith(DRIFT) and name.endswith(ends)
    }
    known = (*CURRENT.feature_names, PREMIUM)
    return [*CURRENT.feature_names, *sorted(judged - {*known}), PREMIUM]


def _moment(when: datetime, language: Language) -> str:
    return formats.moment(when, language, None)
