"""One run of `monitor`: assess, decide, write it down, and say what is worth saying."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from threading import Thread

from sqlalchemy import Engine

from insurance_predictor.base.errors import BadInput, InvalidSettings, Unreachable
from insurance_predictor.base.settings import Settings
from insurance_predictor.log.database import reading
from insurance_predictor.log.prediction_log import PredictionLog
from insurance_predictor.serving import served_model
from insurance_predictor.serving.served_model import Served
from monitoring.alerts import channels
from monitoring.alerts.messages import (
    MessageLinks,
    incident_message,
    no_registry_message,
    plain_text,
    test_message,
)
from monitoring.alerts.outbox import Delivery, deliver
from monitoring.checks.assess import assess, assess_service
from monitoring.domain.assessment import Assessment, Window
from monitoring.domain.incidents import Change, Incident, IncidentDecision
from monitoring.domain.watch import watch
from monitoring.domain.windows import parse_window
from monitoring.history import incident_store, mlflow_runs, report_folder
from monitoring.history.incident_store import QueuedMessage
from monitoring.history.mlflow_runs import MonitoringRun, Trend
from monitoring.history.tables import opened
from monitoring.report.page import ReportLinks, report_page
from monitoring.window.reader import (
    ModelLog,
    last_rows,
    newest_version,
    outcomes_by_version,
    sample,
)
from monitoring.window.reference import PREMIUM, Reference, build, holdouts
from monitoring.words import report_words

INCIDENT_OPEN = 10  # exit code
DAY = 86_400  # seconds
# MLflow is away, or does not let this user in or write, or has deleted the experiment.
NOT_RECORDED = (Unreachable, InvalidSettings)
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
    where no channel is set, or nothing was to be sent because the run was dry. `problems` are what
    monitoring could not ask or record, and `notes` what else to know of it, a sentence each.
    """

    assessment: Assessment
    decision: IncidentDecision
    open: tuple[Incident, ...]
    messages: tuple[str, ...]
    report: Path | None = None
    report_url: str | None = None
    run_id: str | None = None
    delivery: Delivery | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """4 when a store was away or messages do not arrive, else 10 while one is open, else 0."""
        if self.problems or (self.delivery is not None and self.delivery.is_broken):
            return Unreachable.exit_code
        return INCIDENT_OPEN if self.open else 0


def monitor(
    settings: Settings, options: MonitoringOptions, now: datetime | None = None
) -> Monitored:
    """Assess the predictions of the version in production, and act on what is found.

    Raises BadInput, InvalidSettings, NoProductionModel, NotFound and Unreachable; what was
    decided before stays, and what could not be sent is sent by the next run.
    """
    channels.configured(settings)  # raises before anything is done
    _check_log(settings)
    asked_window(options, now or datetime.now(UTC))
    # What waits in the spool here is assessed, too; what came late is reported before `now`.
    PredictionLog(settings).close()
    now = now or datetime.now(UTC)
    try:
        served = _served(settings, options, now)
    except NOT_RECORDED as error:  # the registry's
        seen = _without_version(settings, options, error, now)
    else:
        seen = _with_version(settings, options, served, now)
    with opened(settings.prediction_log_url) as engine:
        notes = tuple(_notes(settings, engine, now))
        if options.dry_run:
            done = _preview(settings, engine, seen.assessment, now)
        else:
            done = _record(settings, options, seen, engine, now)
    return replace(done, notes=notes)


def _check_log(settings: Settings) -> None:
    """Raise InvalidSettings where a runner, whose disk is new, would judge a log of its own."""
    is_file = settings.prediction_log_url.startswith("sqlite")
    has_server = settings.mlflow_tracking_uri.startswith(("http://", "https://"))
    on_a_runner = os.environ.get("GITHUB_ACTIONS") == "true"
    if on_a_runner and has_server and is_file and not _has_file(settings.prediction_log_url):
        raise InvalidSettings(
            "PREDICTION_LOG_URL names no database that the app writes to: on this runner it is an "
            "empty file, and nothing would be judged. Set the secret PREDICTION_LOG_URL in the "
            "environment of this workflow to the app's (docs/deployment.md), or switch the "
            "workflow off."
        )


def _has_file(url: str) -> bool:
    from sqlalchemy import make_url

    return Path(make_url(url).database or "").exists()


def _notes(settings: Settings, engine: Engine, now: datetime) -> Iterable[str]:
    """What a person should know of monitoring itself, a sentence each."""
    until = incident_store.judged_until(engine, settings.model_name, now)
    before = watch(until, now, settings.monitor.overdue_hours)
    if before.until is not None and before.is_overdue:
        days = (now - before.until).total_seconds() / DAY
        yield (
            "Monitoring was overdue: before this run quotes had last been judged up to "
            f"{before.until:%Y-%m-%d %H:%M} UTC, {days:.1f} days ago. GitHub switches schedules "
            "off after 60 days without a commit, and in forks from the start."
        )


@dataclass(frozen=True)
class _Seen:
    """An assessment, and what it was made with: neither where no version can be had."""

    assessment: Assessment
    served: Served | None = None
    reference: Reference | None = None


def _with_version(
    settings: Settings, options: MonitoringOptions, served: Served, now: datetime
) -> _Seen:
    """By the version in production, or the last good one while the registry cannot be asked."""
    reference, version = build(served), served.facts.version
    with reading(settings.prediction_log_url) as engine:
        log = _log(settings, engine, served.facts.incarnation)
        window = asked_window(options, now) or last_rows(log, version, options.last or 0, now)
        others = _holdouts(settings, served, window, log)
        # Half a second that passes while the log is read, which is another library's work.
        Thread(target=import_module, args=("scipy.special",), daemon=True).start()
        found = assess(settings, version, reference, window, log, others, served.problem)
    return _Seen(found, served, reference)


def _log(settings: Settings, engine: Engine, incarnation: str | None = None) -> ModelLog:
    return ModelLog(engine, settings.model_name, incarnation, settings.archive)


def _without_version(
    settings: Settings, options: MonitoringOptions, error: Exception, now: datetime
) -> _Seen:
    """By the log alone. Raises `error` where that has nothing to say either."""
    with opened(settings.prediction_log_url) as engine:
        last = incident_store.assessments(engine, settings.model_name, most=1)
    with reading(settings.prediction_log_url) as engine:
        log = _log(settings, engine)
        window = asked_window(options, now)
        version = last[0].version if last else None
        if version is None and window is not None:
            version = newest_version(log, window)
        if version is None:
            raise error
        window = window or last_rows(log, version, options.last or 0, now)
        return _Seen(assess_service(settings, version, window, log, str(error)))


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
    """The version in production; a dry run asks the registry no more often than the app does.

    The last good one while the registry is away or refuses, which `problem` says; raises
    Unreachable and InvalidSettings where none is kept here, or only what an earlier release kept of
    it.
    """
    kept = served_model.read(settings, to_predict=False)
    fresh = timedelta(seconds=settings.registry_check_seconds)
    if options.dry_run and kept is not None and now - kept.checked < fresh:
        return kept
    served = served_model.refresh(settings, kept, to_predict=False)
    if served.problem is not None and not served.is_whole:
        raise Unreachable(served.problem)
    return served


def alert_test(settings: Settings) -> tuple[str, Delivery | None]:
    """Send one test message to every channel; its text, and what became of it."""
    message = test_message(settings.model_name, _links(settings, None), settings.alert_language)
    names = channels.configured(settings)
    if not names:
        return plain_text(message), None
    with opened(settings.prediction_log_url) as engine:
        queued = [QueuedMessage(channel=name, content=message) for name in names]
        incident_store.queue(engine, queued, "test", datetime.now(UTC), settings.model_name)
        return plain_text(message), deliver(settings, engine)


def _preview(
    settings: Settings, engine: Engine, assessment: Assessment, now: datetime
) -> Monitored:
    """What would be said; nothing is written and nothing sent."""
    decision = incident_store.preview(engine, assessment, settings.incident, now)
    messages = _messages(settings, decision, assessment, None)
    problem = _begun(settings, assessment).problem if assessment.registry_problem else None
    problems = (problem,) if problem else ()
    return Monitored(assessment, decision, decision.open, messages, problems=problems)


def _record(
    settings: Settings,
    options: MonitoringOptions,
    seen: _Seen,
    engine: Engine,
    now: datetime,
) -> Monitored:
    """Record the assessment, decide about incidents, write the pages, send what is queued.

    What MLflow does not take stays out of its record, and is decided and told all the same.
    """
    assessment = seen.assessment
    folder = settings.report_folder / _folder_name(assessment)
    report_folder.make(folder)  # raises before anything is recorded
    record = _begun(settings, assessment)
    run = record.run
    page = folder / mlflow_runs.REPORT
    report_url = mlflow_runs.report_url(settings, run) if run else None
    links = _links(settings, report_url or str(page))

    def announce(change: Change) -> Iterable[QueuedMessage]:
        message = incident_message(change, assessment, links, settings.alert_language)
        return [
            QueuedMessage(channel=name, content=message, report=page)
            for name in channels.configured(settings)
        ]

    incarnation = seen.served.facts.incarnation if seen.served else None
    run_id = run.run_id if run else None
    decision = incident_store.record(
        engine, assessment, settings.incident, now, announce, run_id, incarnation
    )
    _queue_no_registry(settings, engine, assessment, decision, links, now)
    open_now = incident_store.open_incidents(engine, assessment.model_name)
    no_evidently, pages = None, [page]
    if options.full or assessment.alarms:
        no_evidently = _write_evidently(settings, seen, folder)
        pages += [] if no_evidently else [folder / mlflow_runs.EVIDENTLY]
    shown = ReportLinks(
        runbook=settings.runbook_url,
        evidently=mlflow_runs.EVIDENTLY if len(pages) > 1 else None,
        no_evidently=no_evidently,
        run=mlflow_runs.run_url(settings, run) if run else None,
    )
    language = settings.alert_language
    trend = record.trend.of(assessment.window.schedule)
    html = report_page(assessment, open_now, trend, shown, language, now)
    page.write_text(html, encoding="utf-8")
    unfinished = _finish(settings, record, pages)
    return Monitored(
        assessment=assessment,
        decision=decision,
        open=open_now,
        messages=_messages(settings, decision, assessment, links.report),
        report=page,
        report_url=report_url,
        run_id=run_id,
        problems=tuple(one for one in (record.problem, unfinished) if one),
        delivery=deliver(settings, engine, now=now, incarnation=incarnation),
    )


def _queue_no_registry(
    settings: Settings,
    engine: Engine,
    assessment: Assessment,
    decision: IncidentDecision,
    links: MessageLinks,
    now: datetime,
) -> None:
    """Tell once a day that the registry could not be asked, unless an incident's message does."""
    message = no_registry_message(assessment, links, settings.alert_language)
    event = f"no_registry {assessment.model_name} {now:%Y-%m-%d}"
    if message is None or decision.told or incident_store.was_queued(engine, event):
        return
    queued = [
        QueuedMessage(channel=name, content=message) for name in channels.configured(settings)
    ]
    incident_store.queue(engine, queued, event, now, assessment.model_name)


def _folder_name(assessment: Assessment) -> str:
    """One for each window and version: those of other lengths that end on the same day have theirs.

    A report that waits for its channel must not become that of another window.
    """
    window = assessment.window
    length = window.schedule or f"since-{window.start:%Y-%m-%d-%H}"
    return f"{window.slot:%Y-%m-%d-%H}-{length}-version-{assessment.version}"


@dataclass(frozen=True)
class _Record:
    """The run of an assessment in MLflow, with those before it; or why there is none."""

    trend: Trend = field(default_factory=Trend)
    run: MonitoringRun | None = None
    problem: str | None = None


def _begun(settings: Settings, assessment: Assessment) -> _Record:
    if assessment.registry_problem is not None:  # there is no use in asking again
        judged_by = f"Judged by version {assessment.version}, the last that was known to serve"
        return _Record(problem=f"{judged_by}, and by the log: {assessment.registry_problem}")
    try:
        earlier = mlflow_runs.trend(settings)
        run = mlflow_runs.begin(settings, assessment)
    except NOT_RECORDED as error:
        return _Record(problem=f"This assessment is not in MLflow: {error}")
    return _Record(earlier.with_runs([run]), run)


def _finish(settings: Settings, record: _Record, pages: Iterable[Path]) -> str | None:
    """None, or why the pages are not in MLflow; the next run marks this one as broken off."""
    if record.run is None:
        return None
    try:
        mlflow_runs.finish(settings, record.run.run_id, *pages)
    except NOT_RECORDED as error:
        return f"The report is not in MLflow: {error}"
    return None


def _write_evidently(settings: Settings, seen: _Seen, folder: Path) -> str | None:
    """None, or why there is no such page."""
    from monitoring.report.evidently_page import write_page

    served, reference, assessment = seen.served, seen.reference, seen.assessment
    if served is None or reference is None:
        return report_words.LAST_GOOD(settings.alert_language)
    with reading(settings.prediction_log_url) as engine:
        log = _log(settings, engine, served.facts.incarnation)
        drawn = sample(
            log, assessment.window, assessment.version, EVIDENTLY_ROWS, reference.columns
        )
    people = reference.people.assign(**{PREMIUM: reference.premium})
    path = folder / mlflow_runs.EVIDENTLY
    language, columns = settings.alert_language, reference.columns
    return write_page(people, drawn, assessment.rows, path, language, columns)


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
