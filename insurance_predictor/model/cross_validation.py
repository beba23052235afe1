"""Candidates compared on the same folds, the whole pipeline fitted inside each fold."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pandas as pd
from sklearn import model_selection
from sklearn.dummy import DummyRegressor
from sklearn.pipeline import Pipeline

from insurance_predictor.base.arrays import FloatArray, IntArray
from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.model.estimators import CandidateEstimator, make_baseline, make_candidates
from insurance_predictor.model.evaluation import metrics
from insurance_predictor.model.preprocessing import make_preprocessor
from insurance_predictor.model.sizes import USUAL_FOLDING, folding
from insurance_predictor.table.columns import Columns
from insurance_predictor.table.schema import CURRENT

SPLITS, REPEATS = USUAL_FOLDING.splits, USUAL_FOLDING.repeats
COMPARED_SPLITS = 5  # to ask what can be reached
BELOW_MEAN = 0.98
FOLD_METRICS = ("rmse", "mae", "r2", "total_bias")
CURVE_SPLITS = 5

# A fold's repeat, and which rows its models had not seen.
_Unseen = tuple[int, IntArray]
# What a candidate is at a stage, and what it predicts there of a fold's test side, (n,).
_Stages = Sequence[tuple[CandidateEstimator, FloatArray]]


@dataclass(frozen=True)
class Fold:
    """One split of the rows, with both sides already in the model's columns."""

    repeat: int
    train: IntArray
    test: IntArray
    train_columns: pd.DataFrame
    test_columns: pd.DataFrame


@dataclass(frozen=True)
class Scores:
    """What one candidate reached: metrics of each fold, and predictions of people not seen.

    `out_of_fold` has shape (repeats, n), US dollars a year. A metric that a fold does not define
    (R² where everybody is charged the same) is nan there and left out of mean and deviation.
    """

    candidate: CandidateEstimator
    folds: tuple[dict[str, float], ...]
    out_of_fold: FloatArray

    @property
    def repeats(self) -> int:
        return len(self.out_of_fold)

    @property
    def splits(self) -> int:
        return len(self.folds) // self.repeats

    def mean(self, metric: str) -> float:
        """Over the folds that define `metric`; nan when none does."""
        return fmean(self._defined(metric) or [nan])

    def deviation(self, metric: str) -> float:
        """Over the folds that define `metric`; nan when fewer than two do."""
        defined = self._defined(metric)
        return stdev(defined) if len(defined) > 1 else nan

    def _defined(self, metric: str) -> list[float]:
        return [fold[metric] for fold in self.folds if isfinite(fold[metric])]


def make_folds(
    people: pd.DataFrame,
    splits: int | None = None,
    repeats: int | None = None,
    seed: int = 0,
    columns: Columns = CURRENT,
) -> tuple[Fold, ...]:
    """All of `each_fold` at once, for those who go through them again and again."""
    return tuple(each_fold(people, splits, repeats, seed, columns))


def each_fold(
    people: pd.DataFrame,
    splits: int | None = None,
    repeats: int | None = None,
    seed: int = 0,
    columns: Columns = CURRENT,
) -> Iterator[Fold]:
    """Repeated k-fold splits of `people` (n, features), a preprocessor fitted on each train side.

    As many as so many people need, unless told; each is made when it is asked for, since together
    they hold every row as often as there are folds. Raises InvalidTable, at once, when there are
    fewer rows than folds.
    """
    needed = folding(len(people))
    splits, repeats = splits or needed.splits, repeats or needed.repeats
    if len(people) < 2 * splits:
        raise InvalidTable(
            f"The table leaves {len(people)} rows to train on; {splits} folds need at least "
            f"{2 * splits}. Use a longer table."
        )
    splitter = model_selection.RepeatedKFold(n_splits=splits, n_repeats=repeats, random_state=seed)
    return (
        _fold(people, columns, number // splits, train, test)
        for number, (train, test) in enumerate(splitter.split(people))
    )


def score(
    candidate: CandidateEstimator,
    folds: Iterable[Fold],
    charges: FloatArray,
    each_fit: Callable[[], None] = lambda: None,
) -> Scores:
    """`score_each` of one candidate."""
    return score_each((candidate,), folds, charges, each_fit)[0]


def score_each(
    candidates: Sequence[CandidateEstimator],
    folds: Iterable[Fold],
    charges: FloatArray,
    each_fit: Callable[[], None] = lambda: None,
) -> list[Scores]:
    """Fit and measure every one of `candidates` on every fold; `each_fit` is called after each fit.

    Of a candidate's stages, as far as each fold has them, the one with the lowest mean RMSE is
    taken.
    """
    sides: list[_Unseen] = []
    predictions: list[list[_Stages]] = [[] for _ in candidates]
    for fold in folds:
        sides.append((fold.repeat, fold.test))
        for candidate, found in zip(candidates, predictions, strict=True):
            found.append(
                candidate.stages_on(
                    (fold.train_columns, charges[fold.train]),
                    (fold.test_columns, charges[fold.test]),
                )
            )
            each_fit()
        del fold  # before the next one is made
    return [_best_stage(sides, charges, found) for found in predictions]


def _best_stage(
    sides: Sequence[_Unseen], charges: FloatArray, predictions: Sequence[_Stages]
) -> Scores:
    return min(
        (
            _scores(stages[0][0], sides, charges, [predicted for _, predicted in stages])
            for stages in zip(*predictions, strict=False)
        ),
        key=lambda found: found.mean("rmse"),
    )


def _scores(
    candidate: CandidateEstimator,
    sides: Sequence[_Unseen],
    charges: FloatArray,
    predictions: Sequence[FloatArray],
) -> Scores:
    """Those of `predictions`, one for each fold's test side."""
    measured = []
    out_of_fold = np.full((sides[-1][0] + 1, len(charges)), np.nan)
    for (repeat, test), predicted in zip(sides, predictions, strict=True):
        out_of_fold[repeat, test] = predicted
        found = metrics(charges[test], predicted)
        measured.append({name: found[name] for name in FOLD_METRICS})
    return Scores(candidate, tuple(measured), out_of_fold)


def ranked(scores: Iterable[Scores]) -> tuple[Scores, ...]:
    """Each candidate at its best, the one with the lowest mean RMSE first."""
    at_best: dict[str, Scores] = {}
    for found in sorted(scores, key=lambda found: found.mean("rmse")):
        at_best.setdefault(found.candidate.name, found)
    return tuple(at_best.values())


def least_of_textbook(people: pd.DataFrame, charges: FloatArray, columns: Columns) -> float | None:
    """The least RMSE of the candidates over the textbook's, on people they have not seen.

    None where not even that is clearly below the RMSE of asking everybody the mean: such charges
    have nothing to do with the columns.
    """
    folds = make_folds(people, COMPARED_SPLITS, 1, columns=columns)
    raw = [
        replace(fold, train_columns=people.iloc[fold.train], test_columns=people.iloc[fold.test])
        for fold in folds
    ]
    textbook, mean = (
        score(CandidateEstimator(name, estimator, {}), raw, charges).mean("rmse")
        for name, estimator in (("textbook", make_baseline(columns)), ("mean", DummyRegressor()))
    )
    made = tuple(folds[0].train_columns.columns)
    candidates = make_candidates(made, columns, len(people))
    every = ranked(score_each(candidates, folds, charges))
    least = every[0].mean("rmse")
    return least / textbook if least < BELOW_MEAN * mean else None


def learning_curve(
    estimator: Any,
    people: pd.DataFrame,
    charges: FloatArray,
    shares: Sequence[float],
    seed: int = 0,
    columns: Columns = CURRENT,
    splits: int = CURVE_SPLITS,
) -> tuple[IntArray, FloatArray, FloatArray]:
    """RMSE (US dollars a year) when fewer rows are trained on: sizes, train and validation scores.

    Shapes (sizes,), (sizes, folds) and (sizes, folds): `splits` folds, each with the first rows of
    its shuffled train side.
    """
    largest = len(people) * (splits - 1) // splits
    sizes, train, validation = model_selection.learning_curve(
        Pipeline([("preprocessor", make_preprocessor(columns)), ("model", estimator)]),
        people,
        charges,
        train_sizes=np.unique([max(10, int(share * largest)) for share in shares]),
        cv=model_selection.KFold(splits, shuffle=True, random_state=seed),
        scoring="neg_root_mean_squared_error",
        shuffle=True,
        random_state=seed,
        error_score="raise",
    )
    return sizes, -train, -validation


def _fold(
    people: pd.DataFrame, columns: Columns, repeat: int, train: IntArray, test: IntArray
) -> Fold:
    preprocessor = make_preprocessor(columns)
    return Fold(
        repeat=repeat,
        train=train,
        test=test,
        train_columns=preprocessor.fit_transform(people.iloc[train]),
        test_columns=preprocessor.transform(people.iloc[test]),
    )
