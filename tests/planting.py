"""Logs doctored candidates as real runs, so that the gate can be tried on faults we know."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import pandas as pd
from mlflow import MlflowClient, start_run
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LinearRegression

from insurance_predictor.base.environment import library_versions
from insurance_predictor.base.settings import GateThresholds, Settings
from insurance_predictor.model.fitting import Trained, fit_pair, make_golden
from insurance_predictor.model.intervals import Intervals
from insurance_predictor.model.manifest import MANIFEST_TAG, Digests, file_sha256, folder_sha256
from insurance_predictor.model.pair import Pair, golden_faults
from insurance_predictor.model.run_layout import (
    APPROVED,
    HOLDOUT,
    MODEL,
    MODEL_FILE,
    MODEL_URI_TAG,
    PREPROCESSOR,
    PREPROCESSOR_SKOPS,
    SERVING,
    STATUS_TAG,
    TRIED_TAG,
)
from insurance_predictor.release.candidate import Candidate, Champion, measure_candidate
from insurance_predictor.release.gate import GateDecision, Measurements, decide
from insurance_predictor.release.registration import INHERITED_TAGS
from insurance_predictor.store.tracking import experiment_id
from insurance_predictor.store.versions import Version, create_version, get_version, model_uri
from insurance_predictor.table.read import Table
from insurance_predictor.table.split import Split, split_table
from insurance_predictor.training.log_run import log_tags, store_files, write_model, write_pair
from insurance_predictor.training.trained_run import TrainedRun

EXPERIMENT = "planted"


@dataclass(frozen=True)
class StoredFiles:
    """Where the store keeps the files of one run."""

    run: Path
    model: Path

    @property
    def preprocessor(self) -> Path:
        """The one that is loaded."""
        return self.run / PREPROCESSOR_SKOPS

    @property
    def pickled_preprocessor(self) -> Path:
        return self.run / PREPROCESSOR

    @property
    def serving(self) -> Path:
        return self.run / SERVING

    @property
    def holdout(self) -> Path:
        return self.run / HOLDOUT

    @property
    def model_file(self) -> Path:
        return self.model / Path(MODEL_FILE).name


def leave(files: StoredFiles) -> None:
    """No change to the files."""


@dataclass(frozen=True)
class Planted:
    """What to log: `forge` changes the files before their digests are taken, `tamper` after."""

    trained: Trained
    rows: int
    forge: Callable[[StoredFiles], None] = leave
    tamper: Callable[[StoredFiles], None] = leave


def plant(
    client: MlflowClient,
    settings: Settings,
    table: Table,
    planted: Planted,
    experiment: str = EXPERIMENT,
) -> str:
    """Log a candidate as `train` does, without its plots and words; returns the run's id."""
    with (
        start_run(experiment_id=experiment_id(client, experiment, settings)) as run,
        TemporaryDirectory() as temporary,
    ):
        run_id, folder = run.info.run_id, Path(temporary)
        write_pair(folder, planted.trained)
        trained = _run(run_id, experiment, settings, table, planted)
        model_id = write_model(client, folder, trained)
        planted.forge(StoredFiles(folder, folder / MODEL))
        manifest = store_files(client, settings, run_id, model_id, folder)
        log_tags(client, trained, model_id, manifest)
        files = stored_files(client, run_id, model_uri(model_id))
    planted.tamper(files)
    return run_id


def judged(planted: Planted, champion: Champion | None, limits: GateThresholds) -> GateDecision:
    """What the gate says to a candidate that never saw a store, when its files cannot be at fault.

    A store adds digests and the types and columns of its files; the rest is measured here as
    there.
    """
    assert planted.forge is planted.tamper is leave
    trained = planted.trained
    faults = golden_faults(trained.pair)
    if faults:
        return decide(Measurements(integrity=tuple(faults)), limits)
    candidate = Candidate(trained.pair, trained.reference, trained.holdout, planted.rows)
    return decide(measure_candidate(candidate, champion)[0], limits)


def write_version(
    client: MlflowClient, settings: Settings, run_id: str, status: str | None = APPROVED
) -> Version:
    """One more version of a run, as if the gate had judged it; many may share a run."""
    tags = client.get_run(run_id).data.tags
    kept = {name: tags[name] for name in INHERITED_TAGS if name in tags}
    if status == APPROVED:
        kept[TRIED_TAG] = Digests.from_tags(tags, run_id).combined
    made = create_version(
        client,
        settings,
        source=tags[MODEL_URI_TAG],
        run_id=run_id,
        description="",
        tags=kept | {"metric.rmse": "4500.5"} | ({STATUS_TAG: status} if status else {}),
    )
    return get_version(client, settings, made.number)


def former_tags(client: MlflowClient, run_id: str, source: str) -> dict[str, str]:
    """The digests that a release without manifests would have written of a run and its model."""
    files = stored_files(client, run_id, source)
    return Digests(
        preprocessor_sha256=file_sha256(files.pickled_preprocessor),
        model_sha256=folder_sha256(files.model),
        serving_sha256=file_sha256(files.serving),
    ).as_tags()


def make_former(client: MlflowClient, run_id: str) -> dict[str, str]:
    """Let a run carry the digests of a release without manifests, of the files that it has now.

    Returns them.
    """
    source = client.get_run(run_id).data.tags[MODEL_URI_TAG]
    digests = former_tags(client, run_id, source)
    client.delete_tag(run_id, MANIFEST_TAG)
    for name, value in digests.items():
        client.set_tag(run_id, name, value)
    return digests


def stored_files(client: MlflowClient, run_id: str, source: str) -> StoredFiles:
    """The folders of a run and its model in a store on this machine."""
    model = client.get_logged_model(source.removeprefix("models:/"))
    return StoredFiles(
        run=_path(client.get_run(run_id).info.artifact_uri), model=_path(model.artifact_location)
    )


@dataclass(frozen=True)
class Workshop:
    """The session's real training, and the tools to spoil copies of it."""

    done: TrainedRun
    split: Split

    @classmethod
    def of(cls, done: TrainedRun, table: Table) -> "Workshop":
        return cls(done, split_table(table.frame))

    @property
    def trained(self) -> Trained:
        return self.done.trained

    @property
    def pair(self) -> Pair:
        return self.trained.pair

    @property
    def rows(self) -> int:
        return len(self.split.train)

    @property
    def champion(self) -> Champion:
        """The session's run as version 1 in production."""
        return Champion("1", self.pair, self.rows)

    def refit(
        self,
        rows: Any = None,
        train: pd.DataFrame | None = None,
        estimator: Any = None,
    ) -> Planted:
        """The library's own fit on some rows, on another table, or of another estimator."""
        chosen = np.arange(self.rows) if rows is None else np.asarray(rows)
        table = self.split.train if train is None else train
        scores = replace(
            self.trained.scores, out_of_fold=self.trained.scores.out_of_fold[:, chosen]
        )
        if estimator is not None:
            scores = replace(scores, candidate=replace(scores.candidate, estimator=estimator))
        split = Split(table.iloc[chosen].reset_index(drop=True), self.split.holdout)
        # What the run stores as its rows are the true ones, whatever the fit was shown.
        fitted = fit_pair(scores, split)
        return Planted(replace(fitted, holdout=self.trained.holdout), len(chosen))

    def after_inflation(self, factor: float) -> Planted:
        """Trained and judged on a table in which every charge is `factor` times as high."""
        scores = self.trained.scores
        scores = replace(scores, out_of_fold=scores.out_of_fold * factor)
        sides = (self.split.train, self.split.holdout)
        split = Split(*(side.assign(charges=side["charges"] * factor) for side in sides))
        return Planted(fit_pair(scores, split), self.rows)

    def with_pair(self, pair: Pair, golden: bool = True) -> Planted:
        """The session's run around another pair, with golden predictions of that pair."""
        if golden:
            pair = replace(pair, serving=replace(pair.serving, golden=make_golden(pair)))
        return Planted(replace(self.trained, pair=pair), self.rows)

    def quoting(self, quote: Callable[[pd.DataFrame], Any]) -> Planted:
        """A run that quotes what `quote` says, a function that can be pickled."""
        return self.with_pair(replace(self.pair, model=pass_on(), preprocessor=Tariff(quote)))

    def priced(self, change: Callable[[pd.DataFrame, Any], Any]) -> Planted:
        """The session's pair with its premiums changed afterwards."""
        return self.quoting(partial(_changed, self.pair, change))

    def misreading(self, alter: Callable[[pd.DataFrame], pd.DataFrame]) -> Planted:
        """The session's pair, shown altered people."""
        return self.with_pair(altered(self.pair, alter))

    def blind(self, alter: Callable[[pd.DataFrame], pd.DataFrame]) -> Planted:
        """The library's own fit to altered people, which it is also shown when it quotes."""
        fitted = self.refit(train=alter(self.split.train)).trained.pair
        return self.with_pair(altered(fitted, alter))

    def with_model(self, model: Any) -> Planted:
        return self.with_pair(replace(self.pair, model=model))

    def with_intervals(self, intervals: Intervals) -> Planted:
        """A slightly other pair, so that it is new, with other intervals."""
        new = self.slightly_other.trained.pair
        serving = replace(new.serving, intervals=intervals)
        return self.with_pair(replace(new, serving=serving))

    @cached_property
    def slightly_other(self) -> Planted:
        """A good candidate: fitted to 80 % of the training rows."""
        rows = np.random.default_rng(0).permutation(self.rows)[: int(0.8 * self.rows)]
        return self.refit(np.sort(rows))


class Tariff(TransformerMixin, BaseEstimator):
    """A preprocessor that knows the premium already: its one column is the premium."""

    def __init__(self, quote: Callable[[pd.DataFrame], Any]) -> None:
        self.quote = quote

    def fit(self, people: pd.DataFrame, y: object = None) -> "Tariff":
        return self

    def transform(self, people: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"premium": np.asarray(self.quote(people), dtype=float)})

    def get_feature_names_out(self, input_features: object = None) -> Any:
        return np.asarray(["premium"], dtype=object)


class Altered(TransformerMixin, BaseEstimator):
    """A preprocessor that is shown altered people."""

    def __init__(self, preprocessor: Any, alter: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
        self.preprocessor = preprocessor
        self.alter = alter

    def fit(self, people: pd.DataFrame, y: object = None) -> "Altered":
        return self

    def transform(self, people: pd.DataFrame) -> pd.DataFrame:
        return self.preprocessor.transform(self.alter(people))

    def get_feature_names_out(self, input_features: object = None) -> Any:
        return self.preprocessor.get_feature_names_out()


def altered(pair: Pair, alter: Callable[[pd.DataFrame], pd.DataFrame]) -> Pair:
    """The pair behind a preprocessor that alters people first."""
    return replace(pair, preprocessor=Altered(pair.preprocessor, alter))


def pass_on() -> LinearRegression:
    """A model that quotes its one column."""
    return linear(("premium",), 1.0, 0.0)


def linear(columns: tuple[str, ...], slope: float, intercept: float) -> LinearRegression:
    """A linear model with these very coefficients."""
    frame = pd.DataFrame(np.zeros((2, len(columns))), columns=list(columns))
    model = LinearRegression().fit(frame, [0.0, 0.0])
    model.coef_ = np.full(len(columns), slope)
    model.intercept_ = intercept
    return model


def _changed(pair: Pair, change: Callable[[pd.DataFrame, Any], Any], people: pd.DataFrame) -> Any:
    return change(people, pair.predict(people)["premium"].to_numpy())


def _run(
    run_id: str, experiment: str, settings: Settings, table: Table, planted: Planted
) -> TrainedRun:
    return TrainedRun(
        run_id=run_id,
        experiment=experiment,
        model_name=settings.model_name,
        table=table,
        rows=table.frame.head(planted.rows),
        every=(planted.trained.scores,),
        trained=planted.trained,
        git_commit=None,
        trained_at=datetime.now(UTC),
        library_versions=library_versions(),
        options={},
    )


def _path(uri: str) -> Path:
    return Path(url2pathname(urlsplit(uri).path))
