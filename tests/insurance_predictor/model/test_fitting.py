"""The final fit: one pair, its intervals from people not seen, golden predictions, rows kept."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor

from insurance_predictor.model.cross_validation import make_folds, score
from insurance_predictor.model.estimators import CandidateEstimator, make_candidates
from insurance_predictor.model.fitting import (
    features,
    fit_best,
    fit_pair,
    target,
    training_ranges,
)
from insurance_predictor.model.pair import golden_faults, sampled
from insurance_predictor.model.run_layout import FITTED
from insurance_predictor.table.schema import COLUMN_NAMES, CURRENT
from insurance_predictor.table.split import split_table
from insurance_predictor.table.synthetic import make_table

SPLIT = split_table(make_table(400, seed=6))


@pytest.fixture(scope="module")
def fitted():
    folds = make_folds(features(SPLIT.train), splits=5, repeats=2)
    candidate = make_candidates(tuple(folds[0].train_columns.columns))[0]
    return fit_pair(score(candidate, folds, target(SPLIT.train)), SPLIT)


def test_the_evaluation_is_of_the_hold_out(fitted):
    error = fitted.holdout["premium"] - fitted.holdout["charges"]
    assert fitted.evaluation.rows == len(SPLIT.holdout)
    assert fitted.evaluation.overall["rmse"].value == pytest.approx(np.sqrt((error**2).mean()))


def test_reference_premiums_come_from_models_that_had_not_seen_the_row(fitted):
    expected = fitted.scores.out_of_fold.mean(axis=0)
    np.testing.assert_array_equal(fitted.reference["premium"], expected)
    seen = fitted.pair.predict(features(SPLIT.train))["premium"]
    assert not np.allclose(fitted.reference["premium"], seen)
    np.testing.assert_array_equal(fitted.reference[FITTED], seen)


def test_rows_are_kept_whole(fitted):
    for table, source in ((fitted.reference, SPLIT.train), (fitted.holdout, SPLIT.holdout)):
        own = [FITTED] if table is fitted.reference else []
        assert list(table.columns) == [*COLUMN_NAMES, "premium", "low", "high", *own]
        pd.testing.assert_frame_equal(table[list(COLUMN_NAMES)], source)


def test_golden_people_are_valid_different_and_reproduced(fitted):
    golden = fitted.pair.serving.golden
    assert len({tuple(person.values()) for person in golden.people}) == len(golden.people) == 24
    assert not any(CURRENT.violations(person) for person in golden.people)
    assert golden_faults(fitted.pair) == []


def test_ranges_are_those_of_the_training_rows(fitted):
    assert fitted.pair.serving.ranges == training_ranges(SPLIT.train)
    assert fitted.pair.serving.ranges["age"] == (
        float(SPLIT.train["age"].min()),
        float(SPLIT.train["age"].max()),
    )


def test_a_long_reference_is_sampled_the_same_way_every_time():
    once, again = sampled(SPLIT.train, 50), sampled(SPLIT.train, 50)
    assert len(once) == 50
    pd.testing.assert_frame_equal(once, again)


def test_a_candidate_that_asks_somebody_for_nothing_is_passed_over(fitted):
    out_of_fold = fitted.scores.out_of_fold.copy()
    out_of_fold[0, 3] = -1.0
    below = replace(fitted.scores, out_of_fold=out_of_fold)
    assert fit_best([below, fitted.scores], SPLIT).scores is fitted.scores
    assert fit_best([below], SPLIT).scores is below


def test_a_candidate_that_asks_for_nothing_at_the_corners_is_passed_over(fitted):
    constant = DummyRegressor(strategy="constant", constant=-1.0)
    below = replace(fitted.scores, candidate=CandidateEstimator("below", constant, {}))
    assert fit_best([below, fitted.scores], SPLIT).scores is fitted.scores
