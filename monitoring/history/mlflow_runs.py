"""Assessments as MLflow runs: verdicts as metrics and tags, the result as JSON, and the pages.

What one run of monitoring writes, later ones and the dashboard read: how training and production
have fared over time.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from insurance_predictor.base.environment import public_address
from insurance_predictor.base.settings import Settings
from insurance_predictor.model.manifest import file_sha256
from insurance_predictor.model.run_layout import ROLE as TRAINING
from insurance_predictor.model.run_layout import ROLE_TAG, TARGET_TAG
from insurance_predictor.store.locations import experiment_location, foreign_place
from insurance_predictor.store.tracking import (
    check_place,
    connect,
    experiment_id,
    store_errors,
)
from insurance_predictor.table.columns import (
    NumberColumn,
    former_columns,
    target_json,
    target_of,
)
from insurance_predictor.table.schema import CURRENT
from monitoring.domain.assessment import Assessment, Verdict
from monitoring.domain.windows import schedule
from monitoring.history.json import assessment_json

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

ROLE = "monitoring"
RESULT, REPORT, EVIDENTLY = "result.json", "report.html", "evidently.html"
# Tags, beside ROLE_TAG, that are read back.
MODEL_TAG, VERSION_TAG, STATUS_TAG = "model_name", "version", "status"
DIGEST = ".sha256"  # after the name of a page
START_TAG, END_TAG, SLOT_TAG = "window_start", "window_end", "window_slot"
SCHEDULE_TAG = "window_schedule"
ONCE = "once"  # instead of a schedule: a stretch that somebody chose
ROWS_TAG, OUTCOMES_TAG = "rows", "outcomes"
BATCH = 1000  # metrics of one request to MLflow
MOST_RUNS = 400  # of each kind, the newest
NEWEST = 10  # assessments that tell which schedule is the usual one
HOLDOUT = "holdout."


def _former_target() -> NumberColumn:
    return former_columns().target


@dataclass(frozen=True)
class TrainingRun:
    """One training: when, and its metrics as `evaluation.flat_metrics` names them.

    `target` says what its amounts are in.
    """

    run_id: str
    time: datetime
    metrics: Mapping[str, float]
    target: NumberColumn = field(default_factory=_former_target)


@dataclass(frozen=True)
class MonitoringRun:
    """One recorded assessment: its version, window (UTC) and metrics as `metrics` names them.

    `performance.ratio.value`, `drift.bmi.p_value`, `drift.bmi.alarm`: 1 or 0, absent if undecided.
    `schedule` is that of its window, empty for a stretch that somebody chose. `target` says what
    its amounts are in.
    """

    run_id: str
    experiment_id: str
    version: str
    start: datetime
    end: datetime
    slot: datetime
    schedule: str
    status: str
    rows: int
    metrics: Mapping[str, float]
    target: NumberColumn = field(default_factory=_former_target)


@dataclass(frozen=True)
class Trend:
    """Both, the oldest first; of the assessments of a schedule and slot only the last."""

    trainings: tuple[TrainingRun, ...] = ()
    assessments: tuple[MonitoringRun, ...] = ()

    @property
    def target(self) -> NumberColumn:
        """What amounts are in now: those of the last assessment."""
        return self.assessments[-1].target if self.assessments else CURRENT.target

    def in_one_unit(self) -> "Trend":
        """The same without the runs whose amounts cannot stand beside those of now."""
        now = self.target.meaning
        return Trend(
            tuple(one for one in self.trainings if one.target.meaning == now),
            tuple(one for one in self.assessments if one.target.meaning == now),
        )

    @property
    def usual(self) -> str:
        """The schedule of most of the newest assessments, of several the longest; or empty."""
        newest = [one for one in self.assessments if one.schedule][-NEWEST:]
        counts = Counter(one.schedule for one in newest)
        usual = max(
            newest, key=lambda one: (counts[one.schedule], one.end - one.start), default=None
        )
        return usual.schedule if usual else ""

    def of(self, asked: str) -> "Trend":
        """The same with the assessments of the schedule `asked`, or of the usual one for none.

        A day and a week are not one line in a chart, nor is one the latest state of the other.
        """
        wanted = asked or self.usual
        found = tuple(one for one in self.assessments if one.schedule == wanted)
        return replace(self, assessments=found)

    def until(self, now: datetime) -> "Trend":
        """The same without what ends in the future, which a clock that was wrong has left."""
        return replace(self, assessments=tuple(one for one in self.assessments if one.end <= now))

    def with_runs(self, runs: Sequence[MonitoringRun]) -> "Trend":
        """The same with `runs`; of one slot the one that ends last, of those the one made last."""
        everything = sorted((*self.assessments, *runs), key=lambda one: one.end)
        last = {(run.slot, run.schedule or run.run_id): run for run in everything}
        return replace(self, assessments=tuple(last[key] for key in sorted(last)))


def begin(settings: Settings, assessment: Assessment) -> MonitoringRun:
    """A running MLflow run with all numbers of `assessment`; pages, which link to it, come later.

    Earlier ones that broke off, and so still run, become failed ones. Raises Unreachable or
    InvalidSettings when the tracking store cannot keep it.
    """
    with store_errors(settings):
        client = connect(settings)
        experiment = experiment_id(client, settings.monitoring_experiment_name, settings)
        check_place(client, settings, experiment)
        _fail_broken_off(client, experiment, assessment.model_name)
        found = tags(assessment)
        run = client.create_run(experiment, run_name=_run_name(assessment), tags=found)
        numbers = metrics(assessment)
        _log_numbers(client, run.info.run_id, numbers, assessment.window.end)
        with TemporaryDirectory() as folder:
            path = Path(folder) / RESULT
            result = json.dumps(assessment_json(assessment), indent=2, ensure_ascii=False)
            path.write_text(result + "\n")
            client.log_artifact(run.info.run_id, str(path))
    return _monitoring_run(run.info.run_id, experiment, found, numbers)


def finish(settings: Settings, run_id: str, *pages: Path) -> None:
    """Add `pages` (report.html, evidently.html) to the run and end it. Raises like `begin`."""
    with store_errors(settings):
        client = connect(settings)
        for page in pages:
            # Before the upload: what is read later must be what was written here.
            client.set_tag(run_id, f"{page.name}{DIGEST}", file_sha256(page))
            client.log_artifact(run_id, str(page))
        client.set_terminated(run_id)


def trend(settings: Settings, most: int = MOST_RUNS) -> Trend:
    """The newest trainings and recorded assessments of this model.

    Raises Unreachable or InvalidSettings when the tracking store does not answer.
    """
    with store_errors(settings):
        client = connect(settings)
        trainings = _runs(
            client,
            (settings.production_experiment_name, settings.mlflow_experiment_name),
            f"tags.{ROLE_TAG} = '{TRAINING}'",
            most,
        )
        assessments = _runs(
            client,
            (settings.monitoring_experiment_name,),
            f"tags.{ROLE_TAG} = '{ROLE}' and tags.{MODEL_TAG} = '{settings.model_name}' "
            "and metrics.rows >= 0",  # a run that broke off before has no numbers
            most,
        )
    return Trend(tuple(map(_training_run, trainings))).with_runs(
        [
            _monitoring_run(
                run.info.run_id, run.info.experiment_id, run.data.tags, run.data.metrics
            )
            for run in assessments
        ]
    )


def report(settings: Settings, run_id: str, name: str = REPORT) -> bytes | None:
    """A page of a recorded assessment as it was written; None when the run has no such page.

    It is HTML that somebody opens, so one that has no digest, or another, is none. Raises like
    `trend`.
    """
    with store_errors(settings), TemporaryDirectory() as folder:
        client = connect(settings)
        run = client.get_run(run_id)
        written = run.data.tags.get(f"{name}{DIGEST}")
        ours = experiment_location(client, run.info.experiment_id)
        if foreign_place(run.info.artifact_uri, settings, ours):
            return None
        if written is None or name not in {file.path for file in client.list_artifacts(run_id)}:
            return None
        page = Path(client.download_artifacts(run_id, name, folder))
        return page.read_bytes() if file_sha256(page) == written else None


def tags(assessment: Assessment) -> dict[str, str]:
    """What a run is found by."""
    return {
        ROLE_TAG: ROLE,
        MODEL_TAG: assessment.model_name,
        VERSION_TAG: assessment.version,
        START_TAG: assessment.window.start.isoformat(),
        END_TAG: assessment.window.end.isoformat(),
        SLOT_TAG: assessment.window.slot.isoformat(),
        SCHEDULE_TAG: assessment.window.schedule or ONCE,
        ROWS_TAG: str(assessment.rows),
        OUTCOMES_TAG: str(assessment.outcomes),
        STATUS_TAG: assessment.status,
        TARGET_TAG: target_json(assessment.columns.target),
        "alarms": ", ".join(verdict.name for verdict in assessment.alarms),
    }


def metrics(assessment: Assessment) -> dict[str, float]:
    """Every number of the verdicts: drift.bmi.p_value, drift.bmi.psi, drift.bmi.alarm."""
    found: dict[str, float] = {"rows": assessment.rows, "outcomes": assessment.outcomes}
    found["alarms"] = len(assessment.alarms)
    if assessment.average_premium is not None:
        found["average_premium"] = assessment.average_premium
    for verdict in assessment.verdicts:
        found |= {f"{verdict.name}.{name}": number for name, number in _numbers(verdict).items()}
    return {name: float(number) for name, number in found.items()}


def _numbers(verdict: Verdict) -> Mapping[str, float]:
    """An undecided verdict says how many rows it is short of and has no `alarm`."""
    known = {
        **verdict.effects,
        "p_value": verdict.p_value,
        "value": verdict.value,
        "limit": verdict.limit,
        "money": verdict.money,
        "alarm": None if verdict.status == "unknown" else float(verdict.status == "alarm"),
        "missing": verdict.missing or None,
    }
    return {name: number for name, number in known.items() if number is not None}


def _fail_broken_off(client: "MlflowClient", experiment: str, model_name: str) -> None:
    """One that is alive after all is finished by itself: `finish` sets its end anew."""
    running = client.search_runs(
        [experiment],
        f"attributes.status = 'RUNNING' and tags.{ROLE_TAG} = '{ROLE}' "
        f"and tags.{MODEL_TAG} = '{model_name}'",
    )
    for run in running:
        client.set_terminated(run.info.run_id, "FAILED")


def _log_numbers(
    client: "MlflowClient", run_id: str, numbers: Mapping[str, float], end: datetime
) -> None:
    """At the end of the window, so that MLflow's own charts have the right time."""
    from mlflow.entities import Metric

    when = int(end.timestamp() * 1000)
    found = [Metric(name, number, when, 0) for name, number in numbers.items()]
    for start in range(0, len(found), BATCH):
        client.log_batch(run_id, metrics=found[start : start + BATCH])


def _run_name(assessment: Assessment) -> str:
    start, end = (
        when.strftime("%Y-%m-%d %H:%M") for when in (assessment.window.start, assessment.window.end)
    )
    return f"version {assessment.version}, {start} to {end}"


def _runs(
    client: "MlflowClient", experiments: Sequence[str], condition: str, most: int
) -> list["Run"]:
    """The newest runs, the oldest first; none of an experiment that does not exist yet."""
    import mlflow

    found = [client.get_experiment_by_name(name) for name in dict.fromkeys(experiments)]
    ids = [experiment.experiment_id for experiment in found if experiment is not None]
    if not ids:
        return []
    runs: list[Run] = mlflow.search_runs(
        experiment_ids=ids,
        filter_string=condition,
        order_by=["attributes.start_time DESC"],
        max_results=most,
        output_format="list",
    )
    return runs[::-1]


def _training_run(run: "Run") -> TrainingRun:
    metrics = run.data.metrics
    return TrainingRun(
        run_id=run.info.run_id,
        time=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        metrics={name: metrics[name] for name in metrics if name.startswith(HOLDOUT)},
        target=target_of(run.data.tags.get(TARGET_TAG)),
    )


def _monitoring_run(
    run_id: str, experiment: str, found: Mapping[str, str], numbers: Mapping[str, float]
) -> MonitoringRun:
    """A run by its tags and metrics, whether they were just written or read."""
    start, end, slot = (
        datetime.fromisoformat(found[name]) for name in (START_TAG, END_TAG, SLOT_TAG)
    )
    return MonitoringRun(
        run_id=run_id,
        experiment_id=experiment,
        version=found[VERSION_TAG],
        start=start,
        end=end,
        slot=slot,
        schedule=_schedule(found.get(SCHEDULE_TAG), start, end),
        status=found[STATUS_TAG],
        rows=int(found[ROWS_TAG]),
        metrics=dict(numbers),
        target=target_of(found.get(TARGET_TAG)),
    )


def _schedule(told: str | None, start: datetime, end: datetime) -> str:
    """As its tag says, or for a run of before as its length does."""
    if told is None:
        return schedule(end - start)
    return "" if told == ONCE else told


def run_url(settings: Settings, run: MonitoringRun) -> str | None:
    """The run's page where people open MLflow, without a password that the URL may have.

    None unless MLFLOW_PUBLIC_URL or the tracking store is an HTTP server.
    """
    from urllib.parse import urlsplit, urlunsplit

    address = urlsplit(public_address(settings.mlflow_public_url or settings.mlflow_tracking_uri))
    if address.scheme not in ("http", "https"):
        return None
    host = address.netloc.rpartition("@")[2]
    server = urlunsplit((address.scheme, host, address.path.rstrip("/"), "", ""))
    return f"{server}/#/experiments/{run.experiment_id}/runs/{run.run_id}"


def report_url(settings: Settings, run: MonitoringRun) -> str | None:
    """Where the run's report is shown; None like `run_url`."""
    page = run_url(settings, run)
    return page and f"{page}/artifacts/{REPORT}"
