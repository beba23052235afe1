"""One run of `monitor`: assess, decide, write it down, and say what is worth saying."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from insurance_predictor.base.errors import BadInput
from insurance_predictor.base.settings import Settings
from insurance_predictor.log.database import opened, reading
from insurance_predictor.log.prediction_log import PredictionLog
from insurance_predictor.serving import served_model
from insurance_predictor.serving.served_model import Served
from monitoring.alerts import channels, retraining
from monitoring.alerts.messages import (
    Message,
    MessageLinks,
    incident_message,
    plain_text,
    test_message,
)
from monitoring.alerts.outbox import Delivery, deliver
from monitoring.checks.assess import assess
from monitoring.domain.assessment import Assessment, Window
from monitoring.domain.incidents import Change, Incident, IncidentDecision
from monitoring.domain.windows import last_rows, parse_window
from monitoring.history import incident_store, mlflow_runs
from monitoring.history import recorded as history
from monitoring.history.trend import Trend
from monitoring.report import page as report_page
from monitoring.window.reader import sample
from monitoring.window.reference import PREMIUM, build

INCIDENT_OPEN = 10  # exit code
EVIDENTLY_ROWS = 5000  # of each side that Evidently's page is drawn from
KEPT_REPORTS = 30


@dataclass(frozen=True)
class MonitoringOptions:
    """What a person may ask for: which window, and what is done about what it shows.

    A window is a length (7d), a start and an end, or the `last` so many predictions. `full` adds
    Evidently's page to a report without an alarm. `retrain` lets an incident start a training.
    """

    window: str | None = None
    start: str | None = None
    end: str | None = None
    last: int | None = None
    dry_run: bool = False
    full: bool = False
    retrain: bool = False


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
        """0 when all is quiet, 10 while an incident is open."""
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
    names = channels.configured(settings)
    if options.retrain:
        retraining.require_settings(settings)
    served = _served(settings, options, now)
    PredictionLog(settings).close()  # what waits in the spool is assessed, too
    with reading(settings.prediction_log_url) as engine:
        window = asked or last_rows(engine, served.facts.version, options.last or 0, now)
        assessment = assess(settings, served, window, engine)
    with opened(settings.prediction_log_url) as engine:
        if options.dry_run:
            return _shown(settings, engine, assessment, now)
        return _Run(settings, options, served, engine, assessment, names, now).done()


def asked_window(options: MonitoringOptions, now: datetime) -> Window | None:
    """The window that is asked for, by default the last 7 days; None for the last n predictions.

    Raises BadInput.
    """
    if options.last is None:
        return parse_window(options.window, options.start, options.end, now)
    if options.window or options.start or options.end:
        raise BadInput(f"LAST={options.last} is a window of its own: give no WINDOW and no times.")
    return None


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
        queued = [incident_store.QueuedMessage(channel=name, content=message) for name in names]
        incident_store.queue(engine, queued, "test", datetime.now(UTC))
        return plain_text(message), deliver(settings, engine)


def _shown(settings: Settings, engine: Engine, assessment: Assessment, now: datetime) -> Monitored:
    """What would be said; nothing is written and nothing sent."""
    decision = incident_store.preview(engine, assessment, settings.incident, now)
    links = _links(settings, None)
    messages = [_message(settings, change, assessment, links) for change in decision.told]
    return Monitored(assessment, decision, decision.open, tuple(map(plain_text, messages)))


class _Run:
    """One run that writes down what it finds."""

    def __init__(
        self,
        settings: Settings,
        options: MonitoringOptions,
        served: Served,
        engine: Engine,
        assessment: Assessment,
        names: tuple[str, ...],
        now: datetime,
    ) -> None:
        self._settings = settings
        self._options = options
        self._served = served
        self._engine = engine
        self._assessment = assessment
        self._names = names
        self._now = now
        slot = assessment.window.slot
        self._folder = settings.report_folder / f"{slot:%Y-%m-%d-%H}-version-{assessment.version}"
        self._messages: list[Message] = []

    def done(self) -> Monitored:
        """Record the assessment, decide about incidents, write the pages, send what is queued."""
        recorded = mlflow_runs.begin(self._settings, self._assessment)
        trend = history.trend(self._settings)
        page = self._folder / mlflow_runs.REPORT
        self._links = _links(self._settings, recorded.report_url or str(page))
        decision = incident_store.record(
            self._engine,
            self._assessment,
            self._settings.incident,
            self._now,
            self._announce,
            recorded.run_id,
        )
        open_now = incident_store.open_incidents(self._engine, self._assessment.model_name)
        pages = self._pages(recorded, trend, open_now)
        mlflow_runs.finish(self._settings, recorded, *pages)
        if self._options.retrain:
            self._ask_for_training(open_now)
        return Monitored(
            assessment=self._assessment,
            decision=decision,
            open=open_now,
            messages=tuple(map(plain_text, self._messages)),
            report=page,
            report_url=recorded.report_url,
            run_id=recorded.run_id,
            delivery=deliver(self._settings, self._engine),
        )

    def _announce(self, change: Change) -> Iterable[incident_store.QueuedMessage]:
        message = _message(self._settings, change, self._assessment, self._links)
        self._messages.append(message)
        page = self._folder / mlflow_runs.REPORT
        return [
            incident_store.QueuedMessage(channel=name, content=message, report=page.absolute())
            for name in self._names
        ]

    def _pages(
        self, recorded: mlflow_runs.Recorded, trend: Trend, open_now: tuple[Incident, ...]
    ) -> list[Path]:
        """Our page, and behind it Evidently's when there is something to look into."""
        _make_room(self._folder)
        language = self._settings.alert_language
        pages, why_not = [], None
        if self._options.full or self._assessment.alarms:
            why_not = self._write_evidently()
            pages = [] if why_not else [self._folder / mlflow_runs.EVIDENTLY]
        links = report_page.ReportLinks(
            runbook=self._settings.runbook_url,
            evidently=mlflow_runs.EVIDENTLY if pages else None,
            no_evidently=why_not,
            run=recorded.run_url,
        )
        path = self._folder / mlflow_runs.REPORT
        page = report_page.report_page(
            self._assessment, open_now, trend, links, language, self._now
        )
        path.write_text(page, encoding="utf-8")
        return [path, *pages]

    def _write_evidently(self) -> str | None:
        """None, or why there is no such page."""
        from monitoring.report.evidently_page import write_page

        reference = build(self._served)
        with reading(self._settings.prediction_log_url) as engine:
            drawn = sample(
                engine, self._assessment.window, self._assessment.version, EVIDENTLY_ROWS
            )
        return write_page(
            reference.people.assign(**{PREMIUM: reference.premium}),
            drawn,
            self._assessment.rows,
            self._folder / mlflow_runs.EVIDENTLY,
            self._settings.alert_language,
        )

    def _ask_for_training(self, open_now: tuple[Incident, ...]) -> None:
        """Once an incident, however often it is assessed."""
        for incident in open_now:
            if retraining.calls_for_training(incident):
                request = retraining.training_request(incident, self._assessment)
                message = incident_store.QueuedMessage(channel=channels.GITHUB, content=request)
                incident_store.queue_once(
                    self._engine, message, incident, retraining.EVENT_TYPE, self._now
                )


def _message(
    settings: Settings, change: Change, assessment: Assessment, links: MessageLinks
) -> Message:
    return incident_message(change, assessment, links, settings.alert_language)


def _links(settings: Settings, report_address: str | None) -> MessageLinks:
    return MessageLinks(report=report_address, runbook=settings.runbook_url)


def _make_room(folder: Path) -> None:
    """Make `folder`, and delete the oldest reports beyond the last 30. Raises BadInput."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        oldest = sorted(path for path in folder.parent.iterdir() if path.is_dir())[:-KEPT_REPORTS]
        for path in oldest:
            shutil.rmtree(path, ignore_errors=True)
    except OSError as error:
        raise BadInput(
            f"{folder} cannot be written: {error.strerror}. Set REPORT_FOLDER to another place."
        ) from error
