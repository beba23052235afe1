"""What a user would write without any logging: the same folds, candidates and final fit, saved.

python -m tests.benchmarks.peer_plain DATA
"""

import sys
from collections.abc import Callable
from typing import Any

import joblib
import pandas as pd
from sklearn.model_selection import RepeatedKFold, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline

from insurance_predictor.model.estimators import make_candidates
from insurance_predictor.model.preprocessing import make_preprocessor
from insurance_predictor.model.sizes import folding
from insurance_predictor.table.split import split_table

SCORES = ("neg_root_mean_squared_error", "neg_mean_absolute_error", "r2")


def read_split(path: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that `train` learns from and those it is judged by."""
    split = split_table(pd.read_csv(path).drop_duplicates())
    return split.train, split.holdout


def cross_validated_best(
    train: pd.DataFrame, each: Callable[[str, dict[str, Any]], None] = lambda name, found: None
) -> Pipeline:
    """The pipeline with the lowest mean RMSE over as many folds as `train` takes, unfitted.

    `each` is called with every candidate's name and its scores.
    """
    people, charges = train.drop(columns="charges"), train["charges"]
    columns = tuple(make_preprocessor().fit(people.head(1_000)).get_feature_names_out())
    needed = folding(len(people))
    folds = RepeatedKFold(n_splits=needed.splits, n_repeats=needed.repeats, random_state=0)
    best, best_score = None, float("-inf")
    for candidate in make_candidates(columns, rows=len(people)):
        pipeline = make_pipeline(make_preprocessor(), candidate.estimator)
        found = cross_validate(pipeline, people, charges, cv=folds, scoring=SCORES)
        each(candidate.name, found)
        score = found["test_neg_root_mean_squared_error"].mean()
        if score > best_score:
            best, best_score = pipeline, score
    return best


def main() -> None:
    train, holdout = read_split(sys.argv[1])
    pipeline = cross_validated_best(train).fit(train.drop(columns="charges"), train["charges"])
    print(pipeline.score(holdout.drop(columns="charges"), holdout["charges"]))
    joblib.dump(pipeline, "model.joblib")


if __name__ == "__main__":
    main()
