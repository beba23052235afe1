"""A run as the gate sees it: reloaded as a stranger would, and measured on its own hold-out."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import nan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from insurance_predictor.base.arrays import BoolArray, FloatArray
from insurance_predictor.base.errors import IntegrityFault
from insurance_predictor.base.settings import Settings
from insurance_predictor.model import behaviour, chance
from insurance_predictor.model.cross_validation import least_of_textbook
from insurance_predictor.model.estimators import make_baseline
from insurance_predictor.model.evaluation import (
    Evaluation,
    PairedDifference,
    evaluate,
    metrics,
    paired_bootstrap_difference,
    slice_masks,
)
from insurance_predictor.model.fitting import features, target
from insurance_predictor.model.intervals import CENT
from insurance_predictor.model.manifest import Digests
from insurance_predictor.model.pair import REFERENCE_ROWS, Pair, open_pair
from insurance_predictor.model.run_layout import HOLDOUT, REFERENCE, ROWS_TAG
from insurance_predictor.release.gate import AgainstProduction, Behaviour, Measurements
from insurance_predictor.store.artifacts import fetch
from insurance_predictor.table.check import broken_cells
from insurance_predictor.table.columns import Columns
from insurance_predictor.table.schema import CURRENT
from insurance_predictor.table.split import row_hashes, typical_charge

if TYPE_CHECKING:
    from mlflow import MlflowClient


# Of the textbook's RMSE; a candidate between them need not be asked what could be reached.
LEAST_USUAL, MOST_USUAL = 0.5, 0.8


@dataclass(frozen=True)
class Candidate:
    """A reloaded run: its pair, and the rows that it learned from (≤ 5,000) and is judged by."""

    pair: Pair
    reference: pd.DataFrame
    holdout: pd.DataFrame
    rows_train: int

    @property
    def columns(self) -> Columns:
        """What it was trained on, by which it is judged."""
        return self.pair.columns


@dataclass(frozen=True)
class Champion:
    """What is in production: its version, its pair and what it learned from.

    `learned` are rows it learned from (≤ 5,000), where they are known.
    """

    version: str
    pair: Pair
    rows_train: int
    learned: pd.DataFrame | None = None


def reload(
    client: "MlflowClient", settings: Settings, run_id: str, source: str, tags: Mapping[str, str]
) -> Candidate:
    """Fetch a run's files from the store and check them before anything is loaded.

    Raises IntegrityFault with what is wrong.
    """
    owner = f"The run {run_id}"
    expected = Digests.from_tags(tags, owner)
    expected.refuse_pickle(settings.trusted_digests, owner)
    with TemporaryDirectory() as folder:
        files = Path(folder)
        checked = fetch(client, settings, run_id, source, expected, files, owner).files
        pair = open_pair(files, expected, owner, settings.trusted_digests)
        if REFERENCE not in checked or HOLDOUT not in checked:
            raise IntegrityFault(
                f"{owner} is refused: its hold-out or reference rows are not those that were "
                "logged (the sha256 differs). Train again, or restore the files."
            )
        return Candidate(
            pair=pair,
            reference=pair.columns.read_csv(files / REFERENCE),
            holdout=pair.columns.read_csv(files / HOLDOUT),
            rows_train=rows_learned(tags, owner),
        )


def rows_learned(tags: Mapping[str, str], owner: str) -> int:
    """How many rows a run or version learned from. Raises IntegrityFault where it says none."""
    written = tags.get(ROWS_TAG, "")
    if not re.fullmatch("[1-9][0-9]{0,17}", written):
        raise IntegrityFault(f"{owner} carries no {ROWS_TAG} that is a number of rows.")
    return int(written)


def measure_candidate(
    candidate: Candidate, champion: Champion | None
) -> tuple[Measurements, Evaluation | None]:
    """Everything the gate asks for, on the candidate's own hold-out.

    The evaluation is None when the predictions themselves cannot be evaluated.
    """
    columns = candidate.columns
    faults = row_faults(candidate)
    if faults:
        return Measurements(integrity=faults), None
    people = features(candidate.holdout, columns)
    charges = target(candidate.holdout, columns)
    try:
        answers = candidate.pair.predict(people)
        learned = candidate.pair.predict(features(candidate.reference, columns))
    except Exception as error:  # a foreign object may raise anything
        fault = f"it cannot quote the hold-out ({type(error).__name__}: {error})"
        return Measurements(integrity=(fault,)), None
    premium, low, high = (answers[name].to_numpy() for name in ("premium", "low", "high"))
    finite = np.isfinite(premium)
    in_order = (low <= premium) & (premium <= high) & np.isfinite(low) & np.isfinite(high)
    typical = typical_charge(target(candidate.reference, columns))
    evaluation = evaluate(people, charges, premium, low, high, columns=columns)
    everybody = _everybody(candidate, premium, learned["premium"].to_numpy())
    ratio = chance.ratio(
        everybody.error, everybody.textbook - everybody.charges, everybody.held_out
    )
    inside = (low <= charges) & (charges <= high)
    groups = slice_masks(people, columns)
    return Measurements(
        target=columns.target,
        typical=typical,
        people=len(people),
        not_finite=int(np.sum(~finite)),
        not_positive=int(np.sum(premium[finite] <= 0)),
        inverted_intervals=int(np.sum(~in_order)),
        rmse=evaluation.overall["rmse"].value,
        baseline_rmse=metrics(charges, everybody.textbook[everybody.held_out])["rmse"],
        reachable=everybody.reachable(ratio, columns),
        ratio=ratio,
        total_bias=everybody.bias(np.full(len(everybody.error), True)),
        slice_bias={
            name: everybody.bias(group)
            for name, group in slice_masks(everybody.people, columns).items()
            if (group & everybody.held_out).any()
        },
        coverage=chance.Share(int(inside.sum()), len(people)),
        coverage_by_group={
            name: chance.Share(int((inside & groups[name]).sum()), int(groups[name].sum()))
            for name in evaluation.interval_by_group
        },
        behaviour=_behaviour(candidate.pair, typical * CENT),
        production=_against(candidate, champion, premium, people, charges),
        lost=_lost(candidate, champion) if champion else (),
    ), evaluation


def _lost(candidate: Candidate, champion: Champion) -> tuple[str, ...]:
    """Values that production knows and the candidate does not, though the schema still has them."""
    meant = {f"{column.name}={value}" for column in CURRENT.categories for value in column.values}
    lost = champion.pair.columns.lost(candidate.columns)
    return tuple(value for value in lost if value in meant)


@dataclass(frozen=True)
class _Everybody:
    """Those who were learned from (≤ 5,000) and those who were held out, and their premiums."""

    people: pd.DataFrame
    charges: FloatArray
    error: FloatArray
    textbook: FloatArray
    held_out: BoolArray

    def reachable(self, ratio: chance.Ratio, columns: Columns) -> float | None:
        """The least RMSE of our candidates over the textbook's, on people they have not seen.

        A table may have little that the textbook misses, or nearly all. Up to 5,000 people are
        asked, and nobody where the candidate is as much better than the textbook as usual.
        """
        if all(LEAST_USUAL <= each <= MOST_USUAL for each in (ratio.value, ratio.everybody)):
            return None
        rows = np.random.default_rng(0).permutation(len(self.charges))[:REFERENCE_ROWS]
        people, charges = self.people.iloc[rows].reset_index(drop=True), self.charges[rows]
        with threadpool_limits(limits=1):
            return least_of_textbook(people, charges, columns)

    def bias(self, group: BoolArray) -> chance.Bias:
        return chance.bias(self.error, self.charges, self.held_out, group)


def _everybody(candidate: Candidate, premium: FloatArray, learned: FloatArray) -> _Everybody:
    reference = candidate.reference
    columns = candidate.columns
    rows = pd.concat([candidate.holdout, reference], ignore_index=True)[list(columns.names)]
    people, charges = features(rows, columns), target(rows, columns)
    baseline = make_baseline(columns).fit(features(reference, columns), target(reference, columns))
    return _Everybody(
        people=people,
        charges=charges,
        error=np.concatenate([premium, learned]) - charges,
        textbook=np.asarray(baseline.predict(people), dtype=float),
        held_out=np.arange(len(rows)) < len(candidate.holdout),
    )


def row_faults(candidate: Candidate) -> tuple[str, ...]:
    """What is wrong with the rows a run was judged by; empty when nothing is."""
    for name, table in (("hold-out", candidate.holdout), ("reference", candidate.reference)):
        missing = [column for column in candidate.columns.names if column not in table]
        if missing or table.empty:
            return (f"its {name} has no {', '.join(missing) or 'rows'}",)
    held_out = set(row_hashes(candidate.holdout, candidate.columns.features))
    learned = set(row_hashes(candidate.reference, candidate.columns.features))
    shared = len(held_out & learned)
    if shared:
        return (f"{shared} people of the hold-out were also trained on",)
    if len(candidate.reference) != min(candidate.rows_train, REFERENCE_ROWS):
        return (
            f"it claims {candidate.rows_train:,} training rows, but its reference holds "
            f"{len(candidate.reference):,}",
        )
    return tuple(_unseen(candidate))


def _unseen(candidate: Candidate) -> Iterator[str]:
    """Kinds of people who are held out, but of whom nobody was trained on."""
    for column in candidate.columns.categories:
        seen = set(candidate.reference[column.name])
        for value in sorted(set(candidate.holdout[column.name].dropna()) - seen):
            yield f"it was trained on nobody with {column.name}={value}"


def _behaviour(pair: Pair, cent: float) -> Behaviour:
    def premiums(people: pd.DataFrame) -> FloatArray:
        return np.asarray(pair.predict(people)["premium"], dtype=float)

    columns = pair.columns
    grid = behaviour.behaviour_grid(columns)
    return Behaviour(
        extremes_fine=behaviour.extremes_positive_and_finite(premiums, columns),
        undercuts={
            column.name: behaviour.undercut(premiums, grid, column, cent)
            for column in columns.categories
            if column.rises
        },
        falls={
            column.name: behaviour.worst_fall(premiums, grid, column, columns)
            for column in columns.numbers
            if column.rises
        },
        batch_difference=behaviour.batch_invariance(premiums, grid),
        ignored=behaviour.ignored_features(premiums, grid, columns, cent),
    )


def incomparable(candidate: Candidate, champion: Champion) -> str | None:
    """Why a candidate cannot be compared with production on its own hold-out; None where it can.

    The columns have changed between them, which is nobody's fault: without a comparison the
    candidate is judged as the first version of a new table.
    """
    theirs, version = champion.pair.columns, f"version {champion.version}"
    lost = [name for name in theirs.feature_names if name not in candidate.holdout]
    if lost:
        return f"{version} needs {' and '.join(lost)}, which the candidate's table does not have"
    if theirs.target.meaning != candidate.columns.target.meaning:
        return (
            f"{version} predicts {theirs.target.name} ({theirs.target.unit['en']}), the candidate "
            f"{candidate.columns.target.name} ({candidate.columns.target.unit['en']})"
        )
    if not _known_to(champion, candidate.holdout).any():
        return f"{version} knows none of the people held out: their values were not allowed"
    return None


def _known_to(champion: Champion, people: pd.DataFrame) -> BoolArray:
    """Whom of `people` production can quote: whose values its own columns allow."""
    broken = broken_cells(people, champion.pair.columns.features)
    return np.asarray(~broken.any(axis=1), dtype=bool)


def _against(
    candidate: Candidate,
    champion: Champion | None,
    premium: FloatArray,
    people: pd.DataFrame,
    charges: FloatArray,
) -> AgainstProduction | None:
    if champion is None or incomparable(candidate, champion):
        return None
    known = _known_to(champion, people)
    premium, people, charges = premium[known], people[known], charges[known]
    theirs = champion.pair.predict(people)["premium"].to_numpy()
    error = float(np.sqrt(np.mean((theirs - charges) ** 2)))
    new = ~_learned_by(champion, people)
    squared = (
        paired_bootstrap_difference(charges[new], premium[new], theirs[new], "squared")
        if new.any()
        else PairedDifference(nan, nan, nan, nan, nan)
    )
    return AgainstProduction(
        version=champion.version,
        people=len(people),
        new_people=int(new.sum()),
        rmse_difference=_root(squared.value),
        rmse_worse_by=_root(squared.low),
        rmse_at_most=_root(squared.high),
        quote_shift=float(premium.sum() / theirs.sum() - 1),
        largest_difference=float(np.max(np.abs(premium - theirs))),
        training_rows=candidate.rows_train / champion.rows_train,
        shift_by_chance=chance.LEVEL_DEVIATIONS
        * error
        / float(theirs.mean())
        * float(np.sqrt(1 / candidate.rows_train + 1 / champion.rows_train)),
    )


def _learned_by(champion: Champion, people: pd.DataFrame) -> BoolArray:
    """Whom of `people` production learned from: its errors there say nothing.

    That does not happen while both were split alike; versions from before numbers were rounded
    to the schema's decimals, or of a table with other digits, were not. A long table shows 5,000
    of its rows only: then, where anybody is known, everybody may be.
    """
    if champion.learned is None:
        return np.full(len(people), False)
    columns = champion.pair.columns.features
    known = np.array(row_hashes(champion.learned, columns))
    learned = np.isin(np.array(row_hashes(people, columns)), known)
    if champion.rows_train > len(champion.learned) and learned.any():
        return np.full(len(people), True)
    return learned


def _root(relative_mean_squared_error: float) -> float:
    """The relative difference in RMSE that belongs to one in mean squared error."""
    return float(np.sqrt(1 + relative_mean_squared_error) - 1)
