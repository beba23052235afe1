"""An assessment as an MLflow run: verdicts as metrics and tags, result as JSON, and the pages."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from insurance_predictor.base.settings import Settings
from insurance_predictor.model.run_layout import ROLE_TAG
from insurance_predictor.store.tracking import connect, experiment_id, store_errors
from monitoring.domain.assessment import Assessment, Verdict
from monitoring.history.json import assessment_json

if TYPE_CHECKING:
    from mlflow import MlflowClient

ROLE = "monitoring"
RESULT, REPORT, EVIDENTLY = "result.json", "report.html", "evidently.html"
# Tags, beside ROLE_TAG, that history reads back.
MODEL_TAG, VERSION_TAG, STATUS_TAG = "model_name", "version", "status"
START_TAG, END_TAG, SLOT_TAG = "window_start", "window_end", "window_slot"
ROWS_TAG, OUTCOMES_TAG = "rows", "outcomes"
BATCH = 1000  # metrics of one request to MLflow


@dataclass(frozen=True)
class Recorded:
    """Where an assessment is kept; links are None unless the tracking store is an HTTP server."""

    run_id: str
    experiment_id: str
    run_url: str | None

    @property
    def report_url(self) -> str | None:
        return self._file(REPORT)

    @property
    def evidently_url(self) -> str | None:
        return self._file(EVIDENTLY)

    def _file(self, name: str) -> str | None:
        return None if self.run_url is None else f"{self.run_url}/artifacts/{name}"


def begin(settings: Settings, assessment: Assessment) -> Recorded:
    """A running MLflow run with all numbers of `assessment`; pages, which link to it, come later.

    Raises Unreachable or InvalidSettings when the tracking store cannot keep it.
    """
    with store_errors(settings):
        client = connect(settings)
        experiment = experiment_id(client, settings.monitoring_experiment_name, settings)
        run = client.create_run(experiment, run_name=_run_name(assessment), tags=tags(assessment))
        _log_numbers(client, run.info.run_id, assessment)
        with TemporaryDirectory() as folder:
            path = Path(folder) / RESULT
            path.write_text(
                json.dumps(assessment_json(assessment), indent=2, ensure_ascii=False) + "\n"
            )
            client.log_artifact(run.info.run_id, str(path))
    return Recorded(run.info.run_id, experiment, run_url(settings, experiment, run.info.run_id))


def finish(settings: Settings, recorded: Recorded, *pages: Path) -> None:
    """Add `pages` (report.html, evidently.html) to the run and end it. Raises like `begin`."""
    with store_errors(settings):
        client = connect(settings)
        for page in pages:
            client.log_artifact(recorded.run_id, str(page))
        client.set_terminated(recorded.run_id)


def tags(assessment: Assessment) -> dict[str, str]:
    """What a run is found by."""
    return {
        ROLE_TAG: ROLE,
        MODEL_TAG: assessment.model_name,
        VERSION_TAG: assessment.version,
        START_TAG: assessment.window.start.isoformat(),
        END_TAG: assessment.window.end.isoformat(),
        SLOT_TAG: assessment.window.slot.isoformat(),
        ROWS_TAG: str(assessment.rows),
        OUTCOMES_TAG: str(assessment.outcomes),
        STATUS_TAG: assessment.status,
        "alarms": ", ".join(verdict.name for verdict in assessment.alarms),
    }


def metrics(assessment: Assessment) -> dict[str, float]:
    """Every finite number of the verdicts: drift.bmi.p_value, drift.bmi.psi, drift.bmi.alarm."""
    found: dict[str, float] = {"rows": assessment.rows, "outcomes": assessment.outcomes}
    found["alarms"] = len(assessment.alarms)
    if assessment.average_premium is not None:
        found["average_premium"] = assessment.average_premium
    for verdict in assessment.verdicts:
        found |= {f"{verdict.name}.{name}": number for name, number in _numbers(verdict).items()}
    return {name: float(number) for name, number in found.items() if math.isfinite(number)}


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


def _log_numbers(client: "MlflowClient", run_id: str, assessment: Assessment) -> None:
    """At the end of the window, so that MLflow's own charts have the right time."""
    from mlflow.entities import Metric

    when = int(assessment.window.end.timestamp() * 1000)
    found = [Metric(name, number, when, 0) for name, number in metrics(assessment).items()]
    for start in range(0, len(found), BATCH):
        client.log_batch(run_id, metrics=found[start : start + BATCH])


def _run_name(assessment: Assessment) -> str:
    start, end = (
        when.strftime("%Y-%m-%d %H:%M") for when in (assessment.window.start, assessment.window.end)
    )
    return f"version {assessment.version}, {start} to {end}"


def run_url(settings: Settings, experiment: str, run_id: str) -> str | None:
    """The run's page, without a password that the tracking URI may have."""
    from urllib.parse import urlsplit, urlunsplit

    address = urlsplit(settings.mlflow_tracking_uri)
    if address.scheme not in ("http", "https"):
        return None
    host = address.netloc.rpartition("@")[2]
    server = urlunsplit((address.scheme, host, address.path.rstrip("/"), "", ""))
    return f"{server}/#/experiments/{experiment}/runs/{run_id}"
