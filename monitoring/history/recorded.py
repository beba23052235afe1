"""Reads back how training and production have fared, from the runs that MLflow keeps."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from insurance_predictor.base.settings import Settings
from insurance_predictor.model.run_layout import ROLE as TRAINING
from insurance_predictor.model.run_layout import ROLE_TAG
from insurance_predictor.store.tracking import connect, store_errors
from monitoring.history import mlflow_runs
from monitoring.history.trend import MonitoringRun, TrainingRun, Trend

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

MOST_RUNS = 400  # of each kind, the newest
HOLDOUT = "holdout."


def trend(settings: Settings, most: int = MOST_RUNS) -> Trend:
    """The newest trainings and assessments of this model, the oldest first.

    The assessment that `mlflow_runs.begin` has just written is among them. Raises Unreachable or
    InvalidSettings when the tracking store does not answer.
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
            f"tags.{ROLE_TAG} = '{mlflow_runs.ROLE}' "
            f"and tags.{mlflow_runs.MODEL_TAG} = '{settings.model_name}' "
            "and metrics.rows >= 0",  # a run that broke off before has no numbers
            most,
        )
    return Trend(_trainings(trainings), _assessments(assessments))


def report(settings: Settings, run_id: str, name: str = mlflow_runs.REPORT) -> bytes | None:
    """A page of a recorded assessment; None when the run has none. Raises like `trend`."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with store_errors(settings), TemporaryDirectory() as folder:
        client = connect(settings)
        if name not in {file.path for file in client.list_artifacts(run_id)}:
            return None
        return Path(client.download_artifacts(run_id, name, folder)).read_bytes()


def _runs(
    client: "MlflowClient", experiments: Sequence[str], condition: str, most: int
) -> list["Run"]:
    """The newest runs, the newest first; none of an experiment that does not exist yet."""
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
    return runs


def _trainings(runs: Sequence["Run"]) -> tuple[TrainingRun, ...]:
    return tuple(
        TrainingRun(
            run_id=run.info.run_id,
            time=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
            metrics={
                name: value for name, value in run.data.metrics.items() if name.startswith(HOLDOUT)
            },
        )
        for run in reversed(runs)
    )


def _assessments(runs: Sequence["Run"]) -> tuple[MonitoringRun, ...]:
    """Of the assessments at one slot the last one that was made stays."""
    by_slot: dict[datetime, MonitoringRun] = {}
    for run in reversed(runs):
        assessment = _assessment(run)
        by_slot[assessment.slot] = assessment
    return tuple(by_slot[slot] for slot in sorted(by_slot))


def _assessment(run: "Run") -> MonitoringRun:
    tags = run.data.tags
    start, end, slot = (
        datetime.fromisoformat(tags[name])
        for name in (mlflow_runs.START_TAG, mlflow_runs.END_TAG, mlflow_runs.SLOT_TAG)
    )
    return MonitoringRun(
        run_id=run.info.run_id,
        experiment_id=run.info.experiment_id,
        version=tags[mlflow_runs.VERSION_TAG],
        start=start,
        end=end,
        slot=slot,
        status=tags[mlflow_runs.STATUS_TAG],
        rows=int(tags[mlflow_runs.ROWS_TAG]),
        metrics=dict(run.data.metrics),
    )
