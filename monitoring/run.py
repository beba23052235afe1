"""One run of `monitor`: assess, decide, write it down, and say what is worth saying."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from insurance_predictor.base.errors import BadInput, Unreachable
from insurance_predictor.base.settings import Settings
from insurance_predictor.log.database import reading
from insurance_predictor.log.prediction_log import PredictionLog
from insurance_predictor.serving import served_model
from insurance_predictor.serving.served_model import Served
from monitoring.alerts import channels
from monitoring.alerts.messages import (
    MessageLinks,
    incident_message,
    plain_text,
    test_message,
)
from monitoring.alerts.outbox import Delivery, deliver
from monitoring.checks.assess import assess
from monitoring.domain.assessment import Assessment, Window
from monitoring.domain.incidents import Change, Incident, IncidentDecision
from monitoring.domain.windows import parse_window
from monitoring.history import incident_store, mlflow_runs
from monitoring.history.incident_store import QueuedMessage
from monitoring.history.tables import opened
from monitoring.report import report_folder
from monitoring.report.page import ReportLinks, report_page
from monitoring.window.reader import ModelLog, last_rows, outcomes_by_version, sample
from monitoring.window.reference import PREMIUM, Reference, build, holdouts

INCIDENT_OPEN = 10  # exit code
EVIDENTLY_ROWS = 5000  # of each side that Evidently's page is drawn from


@dataclass(frozen=True)
class MonitoringOptions:
    """What a person may ask for: which window, and what is done about what it shows.

    A window is a length (7d), a start and an end, or the `last` so many predictions. `full` adds
    Evidently's page to a report without an alarm.
    """

    window: str | None = None
    start: str | None = None
    end: str | None = None
    last: int | None = None
    dry_run: bool = False
    full: bool = False


@dataclass(frozen=True)
class Monitored:
    """What a run found and did. `messages` are what there was to say, as plain text.

    `report` is the page on this machine and `report_url` the one in MLflow; `delivery` is None
    where no channel is set, or nothing was to be sent because the run was dry.
    """

    assessment: Assessment
    decision: IncidentDecision
    open: tuple[Incident, ...]
    messages: tuple[str, ...]
    report: Path | None = None
    report_url: str | None = None
    run_id: str | None = None
    delivery: Delivery | None = None

    @property
    def exit_code(self) -> int:
        """4 when messages do not arrive, else 10 while an incident is open, else 0."""
        if self.delivery is not None and self.delivery.is_broken:
            return Unreachable.exit_code
        return INCIDENT_OPEN if self.open else 0


def monitor(
    settings: Settings, options: MonitoringOptions, now: datetime | None = None
) -> Monitored:
    """Assess the predictions of the version in production, and act on what is found.

    Raises BadInput, InvalidSettings, NoProductionModel, NotFound and Unreachable; what was
    decided before stays, and what could not be sent is sent by the next run.
    """
    now = now or datetime.now(UTC)
    asked = asked_window(options, now)
    channels.configured(settings)  # raises before anything is done
    served = _served(settings, options, now)
    PredictionLog(settings).close()  # what waits in the spool is assessed, too
    reference, version = build(served), served.facts.version
    with reading(settings.prediction_log_url) as engine:
        log = ModelLog(engine, settings.model_name, served.facts.incarnation)
        window = asked or last_rows(log, version, options.last or 0, now)
        others = _holdouts(settings, served, window, log)
        assessment = assess(settings, version, reference, window, log, others)
    with opened(settings.prediction_log_url) as engine:
        if options.dry_run:
            return _preview(settings, engine, assessment, now)
        return _record(settings, options, served, reference, engine, assessment, now)


def asked_window(options: MonitoringOptions, now: datetime) -> Window | None:
    """The window that is asked for, by default the last 7 days; None for the last n predictions.

    Raises BadInput.
    """
    if options.last is None:
        return parse_window(options.window, options.start, options.end, now)
    if options.window or options.start or options.end:
        raise BadInput(f"LAST={options.last} is a window of its own: give no WINDOW and no times.")
    return None


def _holdouts(
    settings: Settings, served: Served, window: Window, log: ModelLog
) -> dict[str, Reference]:
    """What other versions were measured on, when there are charges enough to judge by it."""
    known = outcomes_by_version(log, window)
    known.pop(served.facts.version, None)
    if served.is_stale or sum(known.values()) < settings.monitor.least_outcomes:
        return {}
    return holdouts(settings, known)


def _served(settings: Settings, options: MonitoringOptions, now: datetime) -> Served:
    """The version in production; a dry run asks the registry no more often than the app does."""
    kept = served_model.read(settings)
    fresh = timedelta(seconds=settings.registry_check_seconds)
    if options.dry_run and kept is not None and now - kept.checked < fresh:
        return kept
    return served_model.refresh(settings, kept)


def alert_test(settings: Settings) -> tuple[str, Delivery | None]:
    """Send one test message to every channel; its text, and what became of it."""
    message = test_message(settings.model_name, _links(settings, None), settings.alert_language)
    names = channels.configured(settings)
    if not names:
        return plain_text(message), None
    with opened(settings.prediction_log_url) as engine:
        queued = [QueuedMessage(channel=name, content=message) for name in names]
        incident_store.queue(engine, queued, "test", datetime.now(UTC))
        return plain_text(message), deliver(settings, engine)


def _preview(
    settings: Settings, engine: Engine, assessment: Assessment, now: datetime
) -> Monitored:
    """What would be said; nothing is written and nothing sent."""
    decision = incident_store.preview(engine, assessment, settings.incident, now)
    messages = _messages(settings, decision, assessment, None)
    return Monitored(assessment, decision, decision.open, messages)


def _record(
    settings: Settings,
    options: MonitoringOptions,
    served: Served,
    reference: Reference,
    engine: Engine,
    assessment: Assessment,
    now: datetime,
) -> Monitored:
    """Record the assessment, decide about incidents, write the pages, send what is queued."""
    slot = f"{assessment.window.slot:%Y-%m-%d-%H}-version-{assessment.version}"
    folder = settings.report_folder / slot
    report_folder.make(folder)  # raises before anything is recorded
    earlier = mlflow_runs.trend(settings)
    run = mlflow_runs.begin(settings, assessment)
    page = folder / mlflow_runs.REPORT
    report_url = mlflow_runs.report_url(settings, run)
    links = _links(settings, report_url or str(page))

    def announce(change: Change) -> Iterable[QueuedMessage]:
        message = incident_message(change, assessment, links, settings.alert_language)
        return [
            QueuedMessage(channel=name, content=message, report=page.absolute())
            for name in channels.configured(settings)
        ]

    decision = incident_store.record(
        engine, assessment, settings.incident, now, announce, run.run_id
    )
    open_now = incident_store.open_incidents(engine, assessment.model_name)
    no_evidently = None
    pages = [page]
    if options.full or assessment.alarms:
        no_evidently = _write_evidently(settings, served, reference, assessment, folder)
        pages += [] if no_evidently else [folder / mlflow_runs.EVIDENTLY]
    shown = ReportLinks(
        runbook=settings.runbook_url,
        evidently=mlflow_runs.EVIDENTLY if len(pages) > 1 else None,
        no_evidently=no_evidently,
        run=mlflow_runs.run_url(settings, run),
    )
    trend = earlier.with_runs([run])
    language = settings.alert_language
    html = report_page(assessment, open_now, trend, shown, language, now)
    page.write_text(html, encoding="utf-8")
    mlflow_runs.finish(settings, run.run_id, *pages)
    return Monitored(
        assessment=assessment,
        decision=decision,
        open=open_now,
        messages=_messages(settings, decision, assessment, links.report),
        report=page,
        report_url=report_url,
        run_id=run.run_id,
        delivery=deliver(settings, engine, now=now),
    )


def _write_evidently(
    settings: Settings,
    served: Served,
    reference: Reference,
    assessment: Assessment,
    folder: Path,
) -> str | None:
    """None, or why there is no such page."""
    from monitoring.report.evidently_page import write_page

    with reading(settings.prediction_log_url) as engine:
        log = ModelLog(engine, settings.model_name, served.facts.incarnation)
        drawn = sample(log, assessment.window, assessment.version, EVIDENTLY_ROWS)
    people = reference.people.assign(**{PREMIUM: reference.premium})
    path = folder / mlflow_runs.EVIDENTLY
    return write_page(people, drawn, assessment.rows, path, settings.alert_language)


def _messages(
    settings: Settings, decision: IncidentDecision, assessment: Assessment, report: str | None
) -> tuple[str, ...]:
    """What there is to say, as plain text."""
    links, language = _links(settings, report), settings.alert_language
    return tuple(
        plain_text(incident_message(change, assessment, links, language))
        for change in decision.told
    )


def _links(settings: Settings, report_address: str | None) -> MessageLinks:
    return MessageLinks(report=report_address, runbook=settings.runbook_url)
