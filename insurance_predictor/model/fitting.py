"""The final fit: the chosen candidate on all training rows, with its intervals and evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.model.behaviour import extremes_positive_and_finite
from insurance_predictor.model.cross_validation import Scores
from insurance_predictor.model.evaluation import Evaluation, evaluate
from insurance_predictor.model.intervals import fit_intervals
from insurance_predictor.model.pair import Golden, Pair, Serving, sampled
from insurance_predictor.model.preprocessing import make_preprocessor
from insurance_predictor.model.run_layout import FITTED
from insurance_predictor.table.columns import Column, Columns, persons
from insurance_predictor.table.schema import CURRENT
from insurance_predictor.table.split import Split, typical_charge

GOLDEN = 24  # people


@dataclass(frozen=True)
class Trained:
    """A fitted pair and everything measured on it.

    `reference` (≤ 5,000 training rows) and `holdout` hold the raw columns and premium, low and high
    in the target's unit; in `reference` the premium is the mean out-of-fold one, and the pair's
    own is FITTED.
    """

    scores: Scores
    pair: Pair
    reference: pd.DataFrame
    holdout: pd.DataFrame
    evaluation: Evaluation


def fit_best(every: Sequence[Scores], split: Split, columns: Columns = CURRENT) -> Trained:
    """Fit the first of `every` that asks nobody for nothing or less, and measure it.

    A straight line through charges that multiply passes below zero where few people are. Where
    each candidate does, the first is taken, and the gate will say so.
    """
    for scores in every:
        if np.all(scores.out_of_fold > 0):
            fitted = _fitted(scores, split, columns)
            if extremes_positive_and_finite(fitted.predict, columns):
                return _measured(scores, fitted, split, columns)
    return fit_pair(every[0], split, columns)


def fit_pair(scores: Scores, split: Split, columns: Columns = CURRENT) -> Trained:
    """Fit the candidate of `scores` on the training side and measure it on the hold-out."""
    return _measured(scores, _fitted(scores, split, columns), split, columns)


def _fitted(scores: Scores, split: Split, columns: Columns) -> Pipeline:
    fitted = Pipeline(
        [("preprocessor", make_preprocessor(columns)), ("model", clone(scores.candidate.estimator))]
    )
    return fitted.fit(features(split.train, columns), target(split.train, columns))


def _measured(scores: Scores, fitted: Pipeline, split: Split, columns: Columns) -> Trained:
    people, charges = features(split.train, columns), target(split.train, columns)
    out_of_fold = scores.out_of_fold.mean(axis=0)
    intervals = fit_intervals(charges - out_of_fold, people, columns.group, typical_charge(charges))
    unproven = Serving(intervals, training_ranges(people, columns), Golden((), (), (), ()))
    pair = Pair(fitted["model"], fitted["preprocessor"], unproven, columns)
    serving = Serving(intervals, unproven.ranges, make_golden(pair))
    low, high = intervals.around(out_of_fold, people)
    reference = sampled(split.train.assign(premium=out_of_fold, low=low, high=high))
    fitted_premium = pair.predict(features(reference, columns))["premium"]
    seen_never = features(split.holdout, columns)
    answers = pair.predict(seen_never)
    return Trained(
        scores=scores,
        pair=replace(pair, serving=serving),
        reference=reference.assign(**{FITTED: fitted_premium}),
        holdout=split.holdout.assign(**{name: answers[name] for name in answers}),
        evaluation=evaluate(
            seen_never,
            target(split.holdout, columns),
            answers["premium"],
            answers["low"],
            answers["high"],
            columns=columns,
        ),
    )


def features(table: pd.DataFrame, columns: Columns = CURRENT) -> pd.DataFrame:
    """The feature columns, (n, features)."""
    return table[list(columns.feature_names)]


def target(table: pd.DataFrame, columns: Columns = CURRENT) -> FloatArray:
    """The charges, (n,), in their unit."""
    return np.asarray(table[columns.target.name], dtype=float)


def training_ranges(
    people: pd.DataFrame, columns: Columns = CURRENT
) -> Mapping[str, tuple[float, float]]:
    """Least and greatest value of each numeric feature."""
    names = [column.name for column in columns.numbers if people[column.name].notna().any()]
    return {name: (float(people[name].min()), float(people[name].max())) for name in names}


def golden_people(columns: Columns = CURRENT) -> pd.DataFrame:
    """24 made-up people who differ in everything the model looks at: all values of a category, and
    numbers from one usual end to the other, each column put in an order of its own.
    """
    generator = np.random.default_rng(0)
    return columns.people(
        dict(zip(columns.feature_names, values, strict=True))
        for values in zip(
            *(_shuffled(column, generator) for column in columns.features), strict=True
        )
    )


def _shuffled(column: Column, generator: np.random.Generator) -> list[object]:
    values: Sequence[object] = column.tried_values
    return [values[place % len(values)] for place in generator.permutation(GOLDEN)]


def make_golden(pair: Pair) -> Golden:
    """What `pair` answers for the golden people."""
    people = golden_people(pair.columns)
    answers = pair.predict(people)
    return Golden(
        people=tuple(persons(people)),
        premium=tuple(answers["premium"].tolist()),
        low=tuple(answers["low"].tolist()),
        high=tuple(answers["high"].tolist()),
    )
