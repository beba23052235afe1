"""Writes one training into an MLflow run, in as few requests as its limits allow."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from insurance_predictor.base.environment import library_versions
from insurance_predictor.model.cross_validation import FOLD_METRICS, REPEATS, SPLITS, Scores
from insurance_predictor.model.estimators import TRUSTED_TYPES
from insurance_predictor.model.evaluation import flat_metrics
from insurance_predictor.model.fitting import Trained, features
from insurance_predictor.model.pair import file_digests, rows_sha256
from insurance_predictor.model.run_layout import (
    HOLDOUT,
    MODEL_URI_TAG,
    REFERENCE,
    ROLE,
    ROLE_TAG,
    ROWS_SHA256_TAG,
    ROWS_TAG,
)
from insurance_predictor.model.tuning import Trial
from insurance_predictor.store.artifacts import download
from insurance_predictor.table.read import Table
from insurance_predictor.training.run_files import RunFacts

if TYPE_CHECKING:
    from mlflow import MlflowClient

FINGERPRINT_DIGITS = 12  # of the 64; enough to tell versions of a table apart by eye
MODEL_REQUIREMENTS = ("mlflow", "scikit-learn", "skops", "pandas", "numpy")


def log_trial(client: "MlflowClient", parent: str, trial: Trial) -> None:
    """One nested run for one set of parameters."""
    from mlflow.entities import Metric, Param

    parent_run = client.get_run(parent)
    run = client.create_run(
        parent_run.info.experiment_id,
        run_name=trial.scores.candidate.name,
        tags={"mlflow.parentRunId": parent, ROLE_TAG: "trial"},
    )
    now = run.info.start_time
    client.log_batch(
        run.info.run_id,
        metrics=[
            Metric(f"cv.{name}_mean", trial.scores.mean(name), now, 0) for name in FOLD_METRICS
        ],
        params=[Param(key, str(value)) for key, value in trial.parameters.items()],
    )
    client.set_terminated(run.info.run_id)


def log_numbers(
    client: "MlflowClient",
    every: Sequence[Scores],
    trained: Trained,
    facts: RunFacts,
    model_id: str | None,
) -> None:
    """Parameters and metrics, in as few requests as MLflow's batch limits allow.

    The metrics that sum up the run are the model's too.
    """
    from mlflow.entities import Metric, Param

    now = int(facts.trained_at.timestamp() * 1000)
    parameters = {
        "candidate": trained.scores.candidate.name,
        "data_source": facts.table.source,
        "data_fingerprint": facts.table.fingerprint,
        "git_commit": facts.git_commit or "none",
        "rows_train": facts.rows_train,
        "rows_holdout": len(trained.holdout),
        "cv_splits": SPLITS,
        "cv_repeats": REPEATS,
        **facts.parameters,
        **{f"version.{name}": number for name, number in facts.library_versions.items()},
    }
    metrics = [
        Metric(f"cv.{scores.candidate.name}.{name}", fold[name], now, step)
        for scores in every
        for step, fold in enumerate(scores.folds)
        for name in FOLD_METRICS
    ]
    metrics += [
        Metric(name, value, now, 0, model_id=model_id)
        for name, value in _summary(every, trained).items()
    ]
    client.log_batch(facts.run_id, params=[Param(k, str(v)) for k, v in parameters.items()])
    for start in range(0, len(metrics), 1000):
        client.log_batch(facts.run_id, metrics=metrics[start : start + 1000])


def _summary(every: Sequence[Scores], trained: Trained) -> dict[str, float]:
    found = {
        f"cv.{scores.candidate.name}.{name}_{kind}": number
        for scores in every
        for name in FOLD_METRICS
        for kind, number in (("mean", scores.mean(name)), ("std", scores.deviation(name)))
    }
    found |= {f"cv.{name}_mean": trained.scores.mean(name) for name in FOLD_METRICS}
    found |= flat_metrics(trained.evaluation, "holdout")
    return {name: value for name, value in found.items() if math.isfinite(value)}


def log_table(table: Table) -> None:
    import mlflow

    dataset = mlflow.data.from_pandas(
        table.frame.astype({"age": float, "children": float}),
        name="insurance",
        targets="charges",
        digest=table.fingerprint[:FINGERPRINT_DIGITS],
    )
    mlflow.log_input(dataset, context="training")


def log_model(trained: Trained) -> str:
    """Store the model; returns the URI that a version is made from."""
    import mlflow
    from mlflow.models import infer_signature

    columns = trained.pair.preprocessor.transform(features(trained.reference.head(5)))
    versions = library_versions()
    info = mlflow.sklearn.log_model(
        trained.pair.model,
        name="model",
        signature=infer_signature(columns, trained.pair.model.predict(columns)),
        input_example=columns,
        serialization_format="skops",
        skops_trusted_types=list(TRUSTED_TYPES),
        pip_requirements=[f"{name}=={versions[name]}" for name in MODEL_REQUIREMENTS],
    )
    return str(info.model_uri)


def stored_digests(client: "MlflowClient", run_id: str, source: str) -> dict[str, str]:
    """Digest tags of what the store gives back, which is what everybody else will see."""
    with TemporaryDirectory() as folder:
        files = download(client, run_id, source, Path(folder), extra=(REFERENCE, HOLDOUT))
        return {**file_digests(files).as_tags(), ROWS_SHA256_TAG: rows_sha256(files)}


def log_tags(
    client: "MlflowClient",
    facts: RunFacts,
    trained: Trained,
    source: str,
    digests: Mapping[str, str],
) -> None:
    """Last of all, so that a run without them is not mistaken for a candidate."""
    from mlflow.entities import RunTag

    tags: Mapping[str, str] = {
        ROLE_TAG: ROLE,
        MODEL_URI_TAG: source,
        "candidate": trained.scores.candidate.name,
        "versao_dataset": facts.table.fingerprint[:FINGERPRINT_DIGITS],
        "git_commit": facts.git_commit or "none",
        ROWS_TAG: str(facts.rows_train),
        **digests,
    }
    client.log_batch(facts.run_id, tags=[RunTag(key, value) for key, value in tags.items()])
