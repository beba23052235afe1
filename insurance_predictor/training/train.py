"""One training, from a table to a logged run that a stranger can judge, register and serve."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.base.environment import git_commit, library_versions, progress
from insurance_predictor.base.memory import return_freed_memory
from insurance_predictor.base.settings import Settings
from insurance_predictor.cluster import connected
from insurance_predictor.model.cross_validation import (
    Fold,
    Scores,
    each_fold,
    ranked,
    score_each,
)
from insurance_predictor.model.estimators import make_candidates
from insurance_predictor.model.fitting import features, fit_best, target
from insurance_predictor.model.preprocessing import made_columns
from insurance_predictor.model.sizes import folding
from insurance_predictor.model.tuning import Plan, Trial, planned, search
from insurance_predictor.store.tracking import ask_storage, experiment_id
from insurance_predictor.table.columns import Columns
from insurance_predictor.table.read import Table
from insurance_predictor.table.reading.memory import require_memory
from insurance_predictor.table.schema import CURRENT
from insurance_predictor.table.split import Split, split_table
from insurance_predictor.training.log_run import log_run, log_trial
from insurance_predictor.training.sufficiency import require_enough
from insurance_predictor.training.trained_run import TrainedRun

if TYPE_CHECKING:
    from mlflow import MlflowClient


# Measured on 1,000,000 rows of seven columns: 49 bytes a cell, beside the table that was read.
BYTES_A_CELL = 55


@dataclass(frozen=True)
class TrainingOptions:
    """How to train; the defaults are what `make train` does."""

    tune: bool = False
    trials: int = 10
    jobs: int = -1
    autolog: bool = False
    production: bool = False
    scheduler: str | None = None  # of the cluster that a search runs on


def train(
    client: "MlflowClient", settings: Settings, table: Table, options: TrainingOptions
) -> TrainedRun:
    """Compare the candidates on `table`, fit the best, and log everything as one run.

    The run ends FINISHED only when all of it is stored. Raises InvalidTable for a table that is
    too little to learn from or too large, Unreachable when the store fails on the way.
    """
    import mlflow

    rows = len(table.frame)
    needed = rows * BYTES_A_CELL * len(table.columns.names)
    require_memory(needed, rows, table.source, "be trained on")
    known = table.columns
    table = replace(table, columns=known.seen_in(table.frame))
    split = split_table(table.frame, table.columns)
    warnings = require_enough(split, table.source, settings.gate, known)
    return_freed_memory()
    folds = each_fold(features(split.train, table.columns), columns=table.columns)
    experiment = settings.experiment(options.production)
    where = experiment_id(client, experiment, settings)
    ask_storage(client, settings, where)
    # On tables of this size the threads of numerical libraries mostly wait for each other: on two
    # busy cores, boosting took ten times as long with them as without.
    with threadpool_limits(limits=1), mlflow.start_run(experiment_id=where) as started:
        run_id = started.info.run_id
        every, notices = compare(client, run_id, folds, split, options, table.columns)
        return_freed_memory()
        with _autologging(options):
            trained = fit_best(every, split, table.columns)
        run = TrainedRun(
            run_id=run_id,
            experiment=experiment,
            model_name=settings.model_name,
            table=table,
            rows=split.train,
            every=(trained.scores, *(each for each in every if each is not trained.scores)),
            trained=trained,
            git_commit=git_commit(),
            trained_at=datetime.now(UTC),
            library_versions=library_versions(),
            options={key: value for key, value in vars(options).items() if key != "scheduler"},
            notices=(*notices, *_passed_over(every[0], trained.scores)),
            warnings=warnings,
        )
        return_freed_memory()
        log_run(client, settings, run)
    return run


def compare(
    client: "MlflowClient",
    run_id: str,
    folds: Iterator[Fold],
    split: Split,
    options: TrainingOptions,
    columns: Columns = CURRENT,
) -> tuple[tuple[Scores, ...], tuple[str, ...]]:
    """Each candidate's scores, the best first, and notices; when tuning, each at its best."""
    charges = target(split.train, columns)
    made = made_columns(features(split.train, columns), columns)
    candidates = make_candidates(made, columns, len(split.train))
    if options.tune:
        return _searched(
            client, run_id, planned(candidates, options.trials), tuple(folds), charges, options
        )
    fits = len(candidates) * folding(len(split.train)).fits
    with progress("cross-validation", fits) as advance:
        scores = score_each(candidates, folds, charges, advance)
    return ranked(scores), ()


def _searched(
    client: "MlflowClient",
    run_id: str,
    plan: Plan,
    folds: Sequence[Fold],
    charges: FloatArray,
    options: TrainingOptions,
) -> tuple[tuple[Scores, ...], tuple[str, ...]]:
    with progress("search", len(plan)) as advance:

        def keep(trial: Trial) -> None:
            log_trial(client, run_id, trial)
            advance()

        with _processes(options.scheduler):
            trials = search(plan, folds, charges, jobs=options.jobs, each_trial=keep)
    stopped = f"The search was stopped: {len(trials)} of {len(plan)} trials are kept."
    notices = (stopped,) if len(trials) < len(plan) else ()
    return ranked([trial.scores for trial in trials]), notices


@contextmanager
def _processes(scheduler: str | None) -> Iterator[None]:
    """Where joblib's tasks run: on the cluster of a scheduler, or on this machine."""
    if scheduler is None:
        yield
        return
    from joblib import parallel_config

    with connected(scheduler), parallel_config(backend="dask"):
        yield


def _passed_over(lowest: Scores, chosen: Scores) -> Iterator[str]:
    if lowest is not chosen:
        yield (
            f"{lowest.candidate.name} has the lowest error and asks some people for nothing or "
            f"less: {chosen.candidate.name} was taken."
        )


@contextmanager
def _autologging(options: TrainingOptions) -> Iterator[None]:
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
