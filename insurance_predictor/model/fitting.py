"""The final fit: the chosen candidate on all training rows, with its intervals and evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.model.cross_validation import Scores
from insurance_predictor.model.evaluation import Evaluation, evaluate
from insurance_predictor.model.intervals import fit_intervals
from insurance_predictor.model.pair import Golden, Pair, Serving, sampled
from insurance_predictor.model.preprocessing import make_preprocessor
from insurance_predictor.table.schema import (
    FEATURE_NAMES,
    FEATURES,
    REGION,
    SEX,
    SMOKER,
    TARGET,
    NumberColumn,
)
from insurance_predictor.table.split import Split


@dataclass(frozen=True)
class Trained:
    """A fitted pair and everything measured on it.

    `reference` (≤ 5,000 training rows) and `holdout` hold the seven raw columns and premium, low
    and high in US dollars a year; in `reference` the premium is the mean out-of-fold one.
    """

    scores: Scores
    pair: Pair
    reference: pd.DataFrame
    holdout: pd.DataFrame
    evaluation: Evaluation


def fit_pair(scores: Scores, split: Split) -> Trained:
    """Fit the candidate of `scores` on the training side and measure it on the hold-out."""
    people, charges = features(split.train), target(split.train)
    fitted = Pipeline(
        [("preprocessor", make_preprocessor()), ("model", clone(scores.candidate.estimator))]
    )
    fitted.fit(people, charges)
    out_of_fold = scores.out_of_fold.mean(axis=0)
    intervals = fit_intervals(charges - out_of_fold, people)
    unproven = Serving(intervals, training_ranges(people), Golden((), (), (), ()))
    pair = Pair(fitted["model"], fitted["preprocessor"], unproven)
    serving = Serving(intervals, unproven.ranges, make_golden(pair))
    low, high = intervals.around(out_of_fold, people)
    reference = split.train.assign(premium=out_of_fold, low=low, high=high)
    answers = pair.predict(features(split.holdout))
    return Trained(
        scores=scores,
        pair=Pair(pair.model, pair.preprocessor, serving),
        reference=sampled(reference),
        holdout=split.holdout.assign(**{name: answers[name] for name in answers}),
        evaluation=evaluate(
            features(split.holdout), target(split.holdout), *(answers[name] for name in answers)
        ),
    )


def features(table: pd.DataFrame) -> pd.DataFrame:
    """The six feature columns, (n, 6)."""
    return table[list(FEATURE_NAMES)]


def target(table: pd.DataFrame) -> FloatArray:
    """The charges, (n,), US dollars a year."""
    return np.asarray(table[TARGET.name], dtype=float)


def training_ranges(people: pd.DataFrame) -> Mapping[str, tuple[float, float]]:
    """Least and greatest value of each numeric feature."""
    names = [column.name for column in FEATURES if isinstance(column, NumberColumn)]
    return {name: (float(people[name].min()), float(people[name].max())) for name in names}


def golden_people() -> pd.DataFrame:
    """24 made-up people who differ in everything the model looks at."""
    profiles = product((18, 40, 64), (22.5, 34.0), SMOKER.values, SEX.values)
    rows = [
        (age, sex, bmi, number % 4, smoker, REGION.values[number % len(REGION.values)])
        for number, (age, bmi, smoker, sex) in enumerate(profiles)
    ]
    return pd.DataFrame(rows, columns=list(FEATURE_NAMES))


def make_golden(pair: Pair) -> Golden:
    """What `pair` answers for the golden people."""
    people = golden_people()
    answers = pair.predict(people)
    return Golden(
        people=tuple(people.to_dict("records")),
        premium=tuple(answers["premium"].tolist()),
        low=tuple(answers["low"].tolist()),
        high=tuple(answers["high"].tolist()),
    )
