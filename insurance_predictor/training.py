"""One training, from a table to a logged run that a stranger can judge, register and serve."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from insurance_predictor.bundle import Digests, download, measure
from insurance_predictor.cross_validation import (
    FOLD_METRICS,
    REPEATS,
    SPLITS,
    Fold,
    Scores,
    best,
    make_folds,
    score,
)
from insurance_predictor.data import Split, Table, split_table
from insurance_predictor.environment import git_commit, library_versions, progress
from insurance_predictor.evaluation import flat_metrics
from insurance_predictor.fitting import Trained, features, fit_pair, target
from insurance_predictor.models import TRUSTED_TYPES, make_candidates
from insurance_predictor.run_files import RunFacts, write_run_files
from insurance_predictor.settings import Settings
from insurance_predictor.tracking import experiment_id
from insurance_predictor.tuning import Trial, search

if TYPE_CHECKING:
    from mlflow import MlflowClient

ROLE_TAG, ROLE = "role", "training"
MODEL_URI_TAG = "model_uri"
ROWS_TAG = "rows_train"
FINGERPRINT_DIGITS = 12  # of the 64; enough to tell versions of a table apart by eye
MODEL_REQUIREMENTS = ("mlflow", "scikit-learn", "skops", "pandas", "numpy")


@dataclass(frozen=True)
class Options:
    """How to train; the defaults are what `make train` does."""

    tune: bool = False
    trials: int = 10
    jobs: int = -1
    autolog: bool = False
    production: bool = False


@dataclass(frozen=True)
class TrainedRun:
    """What `train` made: the run, every candidate's scores (best first) and the fitted pair."""

    run_id: str
    experiment: str
    every: tuple[Scores, ...]
    trained: Trained


def experiment_name(settings: Settings, production: bool) -> str:
    """The experiment that a training logs to and a registration reads from."""
    return settings.production_experiment_name if production else settings.mlflow_experiment_name


def train(client: "MlflowClient", settings: Settings, table: Table, options: Options) -> TrainedRun:
    """Compare the candidates on `table`, fit the best, and log everything as one run.

    The run ends FINISHED only when all of it is stored. Raises InvalidTable for a table that is
    too short, Unreachable when the store fails on the way.
    """
    import mlflow

    split = split_table(table.frame)
    folds = make_folds(features(split.train))
    experiment = experiment_name(settings, options.production)
    where = experiment_id(client, experiment, settings)
    # On tables of this size the threads of numerical libraries mostly wait for each other: on two
    # busy cores, boosting took ten times as long with them as without.
    with threadpool_limits(limits=1), mlflow.start_run(experiment_id=where) as run:
        run_id = run.info.run_id
        every = compare(client, run_id, folds, split, options)
        trained = fit_pair(every[0], split, _autologging(options))
        facts = _facts(settings, run_id, table, split, trained, options)
        _log_numbers(client, every, trained, facts)
        _log_table(table)
        with TemporaryDirectory() as folder:
            write_run_files(Path(folder), trained, every, split.train, facts)
            mlflow.log_artifacts(folder)
        source = _log_model(trained, split)
        _log_tags(client, facts, trained, source, _stored_digests(client, run_id, source))
    return TrainedRun(run_id, experiment, every, trained)


def compare(
    client: "MlflowClient", run_id: str, folds: Sequence[Fold], split: Split, options: Options
) -> tuple[Scores, ...]:
    """Each candidate's scores, the best first; with `options.tune`, each at its best parameters."""
    charges = target(split.train)
    candidates = make_candidates(tuple(folds[0].train_columns.columns))
    if not options.tune:
        with progress("cross-validation", len(candidates) * len(folds)) as advance:
            scores = [score(candidate, folds, charges, advance) for candidate in candidates]
        return _ranked(scores)
    with progress("search", len(candidates) * options.trials) as advance:

        def keep(trial: Trial) -> None:
            _log_trial(client, run_id, trial)
            advance()

        trials = search(
            candidates,
            folds,
            charges,
            trials=options.trials,
            jobs=options.jobs,
            each_trial=keep,
        )
    by_name: dict[str, list[Scores]] = {}
    for trial in trials:
        by_name.setdefault(trial.scores.candidate.name, []).append(trial.scores)
    return _ranked([best(found) for found in by_name.values()])


def _ranked(scores: Sequence[Scores]) -> tuple[Scores, ...]:
    return tuple(sorted(scores, key=lambda found: found.mean("rmse")))


def _log_trial(client: "MlflowClient", parent: str, trial: Trial) -> None:
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


def _facts(
    settings: Settings,
    run_id: str,
    table: Table,
    split: Split,
    trained: Trained,
    options: Options,
) -> RunFacts:
    versions = library_versions()
    parameters = trained.scores.candidate.estimator.get_params()
    plain = {key: value for key, value in parameters.items() if not hasattr(value, "get_params")}
    return RunFacts(
        run_id=run_id,
        model_name=settings.model_name,
        table=table,
        git_commit=git_commit(),
        trained_at=datetime.now(UTC),
        library_versions=versions,
        parameters=plain,
        rows_train=len(split.train),
        configuration={
            "candidate": trained.scores.candidate.name,
            "parameters": plain,
            "cross_validation": {"splits": SPLITS, "repeats": REPEATS, "seed": 0},
            "data": {"source": table.source, "fingerprint": table.fingerprint},
            "model_name": settings.model_name,
            "options": vars(options),
            "versions": versions,
        },
    )


def _log_numbers(
    client: "MlflowClient", every: Sequence[Scores], trained: Trained, facts: RunFacts
) -> None:
    """Parameters and metrics, in as few requests as MLflow's batch limits allow."""
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
    metrics += [Metric(name, value, now, 0) for name, value in _summary(every, trained).items()]
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


def _log_table(table: Table) -> None:
    import mlflow

    dataset = mlflow.data.from_pandas(
        table.frame.astype({"age": float, "children": float}),
        name="insurance",
        targets="charges",
        digest=table.fingerprint[:FINGERPRINT_DIGITS],
    )
    mlflow.log_input(dataset, context="training")


def _log_model(trained: Trained, split: Split) -> str:
    """Store the model; returns the URI that a version is made from."""
    import mlflow
    from mlflow.models import infer_signature

    columns = trained.bundle.preprocessor.transform(features(split.train.head(5)))
    versions = library_versions()
    info = mlflow.sklearn.log_model(
        trained.bundle.model,
        name="model",
        signature=infer_signature(columns, trained.bundle.model.predict(columns)),
        input_example=columns,
        serialization_format="skops",
        skops_trusted_types=list(TRUSTED_TYPES),
        pip_requirements=[f"{name}=={versions[name]}" for name in MODEL_REQUIREMENTS],
    )
    return str(info.model_uri)


def _stored_digests(client: "MlflowClient", run_id: str, source: str) -> Digests:
    """The digests of what the store gives back, which is what everybody else will see."""
    with TemporaryDirectory() as folder:
        return measure(download(client, run_id, source, Path(folder)))


def _log_tags(
    client: "MlflowClient", facts: RunFacts, trained: Trained, source: str, digests: Digests
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
        **digests.as_tags(),
    }
    client.log_batch(facts.run_id, tags=[RunTag(key, value) for key, value in tags.items()])


@contextmanager
def _autologging(options: Options) -> Iterator[None]:
    """MLflow's own logging of the final fit, when asked for."""
    if not options.autolog:
        yield
        return
    import mlflow

    mlflow.sklearn.autolog(log_models=False, log_datasets=False, silent=True)
    try:
        yield
    finally:
        mlflow.sklearn.autolog(disable=True)
