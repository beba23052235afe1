"""Writes one run to the store: its files, model, numbers and tags."""

import json
import math
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import joblib
import pandas as pd
import skops.io
from sklearn.inspection import permutation_importance
from sklearn.pipeline import Pipeline

from insurance_predictor.base.errors import IntegrityFault
from insurance_predictor.base.settings import Settings
from insurance_predictor.model.cross_validation import (
    CURVE_SPLITS,
    FOLD_METRICS,
    learning_curve,
)
from insurance_predictor.model.estimators import TRUSTED_TYPES
from insurance_predictor.model.evaluation import flat_metrics, slice_masks
from insurance_predictor.model.fitting import Trained, features, target
from insurance_predictor.model.manifest import Manifest
from insurance_predictor.model.pair import sampled
from insurance_predictor.model.run_layout import (
    CANDIDATE_TAG,
    COLUMNS,
    COMMIT_TAG,
    CONFIGURATION,
    DATASET_TAG,
    HOLDOUT,
    HOLDOUT_METRICS,
    MANIFEST,
    MODEL,
    MODEL_CARD,
    MODEL_CARD_PAGE,
    MODEL_URI_TAG,
    NOTES,
    PLOTS,
    PREPROCESSOR,
    PREPROCESSOR_SKOPS,
    REFERENCE,
    ROLE,
    ROLE_TAG,
    ROWS_TAG,
    SERVING,
    TARGET_TAG,
    TRIAL_ROLE,
)
from insurance_predictor.model.tuning import Trial
from insurance_predictor.store.artifacts import fetch
from insurance_predictor.store.versions import model_uri
from insurance_predictor.table.columns import Columns, target_json
from insurance_predictor.table.read import Table
from insurance_predictor.training import plots
from insurance_predictor.training.model_card import as_html, model_card
from insurance_predictor.training.trained_run import TrainedRun

if TYPE_CHECKING:
    from mlflow import MlflowClient

FINGERPRINT_DIGITS = 12  # of the 64; enough to tell versions of a table apart by eye
MODEL_REQUIREMENTS = ("mlflow", "scikit-learn", "skops", "pandas", "numpy")
LEARNING_SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
# Some fits show how a model learns; of more people they would cost as much as the rest.
MOST_CURVE_ROWS = 10_000
SCHEMA_ROWS = 1_000


def log_run(client: "MlflowClient", settings: Settings, run: TrainedRun) -> None:
    """Write all of `run`, which must be MLflow's active run; its tags last.

    Raises IntegrityFault when the store gives back another file than the one that was made here.
    """
    _log_table(run.table, run.trained.pair.columns)
    with TemporaryDirectory() as folder:
        _write_files(Path(folder), run)
        model_id = write_model(client, Path(folder), run)
        manifest = store_files(client, settings, run.run_id, model_id, Path(folder))
    _log_numbers(client, run, model_id)
    log_tags(client, run, model_id, manifest)


def log_trial(client: "MlflowClient", parent: str, trial: Trial) -> None:
    """One nested run for one set of parameters."""
    from mlflow.entities import Metric, Param
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

    parent_run = client.get_run(parent)
    run = client.create_run(
        parent_run.info.experiment_id,
        run_name=trial.scores.candidate.name,
        tags={MLFLOW_PARENT_RUN_ID: parent, ROLE_TAG: TRIAL_ROLE},
    )
    now = run.info.start_time
    client.log_batch(
        run.info.run_id,
        metrics=[
            Metric(f"cv.{name}_mean", mean, now, 0)
            for name in FOLD_METRICS
            if math.isfinite(mean := trial.scores.mean(name))
        ],
        params=[Param(key, str(value)) for key, value in trial.parameters.items()],
    )
    client.set_terminated(run.info.run_id)


def write_pair(folder: Path, trained: Trained) -> None:
    """What is kept beside the model: the preprocessor, `serving.json`, the columns and the rows.

    The rows are those that were learned from (≤ 5,000) and those that were held out.
    """
    for name in (PREPROCESSOR, SERVING, REFERENCE, HOLDOUT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    skops.io.dump(trained.pair.preprocessor, folder / PREPROCESSOR_SKOPS)
    joblib.dump(trained.pair.preprocessor, folder / PREPROCESSOR)
    (folder / SERVING).write_text(trained.pair.serving.to_json())
    (folder / COLUMNS).write_text(trained.pair.columns.to_json())
    for name, table in ((REFERENCE, trained.reference), (HOLDOUT, trained.holdout)):
        table.to_csv(folder / name, index=False, lineterminator="\n")


def write_model(client: "MlflowClient", folder: Path, run: TrainedRun) -> str:
    """Write the model below `folder`, for a logged model that the store begins to keep.

    Returns that model's id. `mlflow.sklearn.log_model` would write it to a
    folder of its own and upload it, so that nobody could say what it had been before.
    """
    import mlflow
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model, infer_signature

    pair = run.trained.pair
    columns = pair.preprocessor.transform(features(run.trained.reference.head(5), pair.columns))
    experiment = client.get_run(run.run_id).info.experiment_id
    kept = client.create_logged_model(experiment, name=MODEL, source_run_id=run.run_id)
    client.log_outputs(run.run_id, [LoggedModelOutput(kept.model_id, step=0)])
    mlflow.sklearn.save_model(
        pair.model,
        str(folder / MODEL),
        mlflow_model=Model(
            artifact_path=kept.artifact_location,
            model_uuid=kept.model_id,
            model_id=kept.model_id,
            run_id=run.run_id,
        ),
        signature=infer_signature(columns, pair.model.predict(columns)),
        input_example=columns,
        serialization_format="skops",
        skops_trusted_types=list(TRUSTED_TYPES),
        pip_requirements=[f"{name}=={run.library_versions[name]}" for name in MODEL_REQUIREMENTS],
    )
    return str(kept.model_id)


def store_files(
    client: "MlflowClient", settings: Settings, run_id: str, model_id: str, folder: Path
) -> Manifest:
    """Upload everything below `folder`, with a manifest of what it is now, and read it all back.

    Raises IntegrityFault when something else comes back than was there before the upload.
    """
    manifest = Manifest.of(folder)
    (folder / MANIFEST).write_text(manifest.text)
    try:
        client.log_model_artifacts(model_id, str(folder / MODEL))
        for path in sorted(folder.iterdir()):
            if path.name != MODEL:
                client.log_artifact(run_id, str(path))
        with TemporaryDirectory() as copy:
            source, owner = model_uri(model_id), f"The run {run_id}"
            fetch(client, settings, run_id, source, manifest.digests, Path(copy), owner)
    except Exception as error:
        with suppress(Exception):  # a store that is gone cannot take the mark either
            client.finalize_logged_model(model_id, "FAILED")
        if not isinstance(error, IntegrityFault):
            raise
        raise IntegrityFault(
            f"{error} It changed between its upload and its being read back: look at who else "
            "writes to the storage of artifacts."
        ) from error
    client.finalize_logged_model(model_id, "READY")
    return manifest


def log_tags(client: "MlflowClient", run: TrainedRun, model_id: str, manifest: Manifest) -> None:
    """Last of all, so that a run without them is not mistaken for a candidate."""
    from mlflow.entities import RunTag

    tags = {
        ROLE_TAG: ROLE,
        MODEL_URI_TAG: model_uri(model_id),
        CANDIDATE_TAG: run.candidate,
        DATASET_TAG: run.table.fingerprint[:FINGERPRINT_DIGITS],
        COMMIT_TAG: run.git_commit or "none",
        ROWS_TAG: str(len(run.rows)),
        TARGET_TAG: target_json(run.trained.pair.columns.target),
        **manifest.digests.as_tags(),
    }
    client.log_batch(run.run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def _log_table(table: Table, columns: Columns) -> None:
    import mlflow

    facts = {
        "name": "insurance",
        "targets": columns.target.name,
        "digest": table.fingerprint[:FINGERPRINT_DIGITS],
    }
    dataset = mlflow.data.from_pandas(table.frame, **facts)
    # MLflow looks at every cell to say the kinds of the columns; some rows say them, too: the
    # first, and one without a value of each column that may be missing.
    frame = table.frame
    lacking = [frame[frame[column.name].isna()].head(1) for column in columns.features]
    some = pd.concat([frame.head(SCHEMA_ROWS), *lacking]).astype(
        dict.fromkeys([column.name for column in (*columns.numbers, columns.target)], float)
    )
    vars(dataset)["schema"] = mlflow.data.from_pandas(some, **facts).schema
    mlflow.log_input(dataset, context="training")


def _log_numbers(client: "MlflowClient", run: TrainedRun, model_id: str) -> None:
    """Parameters and metrics, in as few requests as MLflow's batch limits allow.

    The metrics that sum up the run are the model's too.
    """
    from mlflow.entities import Metric, Param

    now = int(run.trained_at.timestamp() * 1000)
    parameters = {
        CANDIDATE_TAG: run.candidate,
        "data_source": run.table.source,
        "data_fingerprint": run.table.fingerprint,
        COMMIT_TAG: run.git_commit or "none",
        ROWS_TAG: len(run.rows),
        "rows_holdout": len(run.trained.holdout),
        "rows_left_out": run.table.left_out,
        "cv_splits": run.trained.scores.splits,
        "cv_repeats": run.trained.scores.repeats,
        **run.parameters,
        **{f"version.{name}": number for name, number in run.library_versions.items()},
    }
    metrics = [
        Metric(f"cv.{scores.candidate.name}.{name}", fold[name], now, step)
        for scores in run.every
        for step, fold in enumerate(scores.folds)
        for name in FOLD_METRICS
        if math.isfinite(fold[name])
    ]
    metrics += [
        Metric(name, value, now, 0, model_id=model_id) for name, value in _summary(run).items()
    ]
    client.log_batch(run.run_id, params=[Param(k, str(v)) for k, v in parameters.items()])
    for start in range(0, len(metrics), 1000):
        client.log_batch(run.run_id, metrics=metrics[start : start + 1000])


def _summary(run: TrainedRun) -> dict[str, float]:
    found = {
        f"cv.{scores.candidate.name}.{name}_{kind}": number
        for scores in run.every
        for name in FOLD_METRICS
        for kind, number in (("mean", scores.mean(name)), ("std", scores.deviation(name)))
    }
    found |= {f"cv.{name}_mean": run.trained.scores.mean(name) for name in FOLD_METRICS}
    found |= flat_metrics(run.trained.evaluation, HOLDOUT_METRICS)
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _write_files(folder: Path, run: TrainedRun) -> None:
    """Everything but the model, as it is logged."""
    write_pair(folder, run.trained)
    _write_plots(folder / PLOTS, run)
    configuration = json.dumps(_configuration(run), indent=2, sort_keys=True, default=str)
    (folder / CONFIGURATION).write_text(configuration + "\n")
    (folder / NOTES).write_text(_notes(run))
    card = model_card(run)
    (folder / MODEL_CARD).write_text(card)
    (folder / MODEL_CARD_PAGE).write_text(as_html(card, f"Model card: {run.model_name}"))


def _write_plots(folder: Path, run: TrainedRun) -> None:
    trained = run.trained
    pair, columns = trained.pair, trained.pair.columns
    shown = sampled(trained.holdout)
    people, charges = features(shown, columns), target(shown, columns)
    predicted = shown["premium"].to_numpy()
    groups = slice_masks(people, columns) if columns.group else {}
    groups = {name: groups[name] for name in trained.evaluation.interval_by_group if name in groups}
    worth = permutation_importance(
        Pipeline([("preprocessor", pair.preprocessor), ("model", pair.model)]),
        people,
        charges,
        scoring="neg_root_mean_squared_error",
        random_state=0,
    )
    learned = sampled(run.rows, MOST_CURVE_ROWS)
    curve = learning_curve(
        trained.scores.candidate.estimator,
        features(learned, columns),
        target(learned, columns),
        LEARNING_SHARES,
        columns=columns,
        splits=min(CURVE_SPLITS, trained.scores.splits),
    )
    unit = columns.target.unit["en"]
    figures = {
        "predicted_against_actual": plots.predicted_against_actual(
            charges, predicted, groups, unit
        ),
        "residuals": plots.residuals(charges, predicted, groups, unit),
        "importance": plots.importance(
            columns.feature_names, worth.importances_mean, worth.importances_std, unit
        ),
        "learning_curve": plots.learning_curve(*curve, unit),
    }
    for name, figure in figures.items():
        plots.save(figure, folder / f"{name}.png")


def _configuration(run: TrainedRun) -> dict[str, Any]:
    scores = run.trained.scores
    return {
        "candidate": run.candidate,
        "parameters": run.parameters,
        "cross_validation": {"splits": scores.splits, "repeats": scores.repeats, "seed": 0},
        "data": {"source": run.table.source, "fingerprint": run.table.fingerprint},
        "model_name": run.model_name,
        "options": run.options,
        "versions": run.library_versions,
    }


def _notes(run: TrainedRun) -> str:
    lines = [
        f"{run.candidate} trained on {len(run.rows):,} rows of {run.table.source}; "
        f"{len(run.trained.holdout):,} rows held out by a hash of their content.",
        *run.table.notices,
        *run.warnings,
        f"The model, {PREPROCESSOR} and {PREPROCESSOR_SKOPS} belong together: "
        "`insurance_predictor.serving.predictor.load` checks that they are what was trained.",
    ]
    return "\n".join(lines) + "\n"
