"""Candidates are compared on the same folds, and nothing of a test side is seen in training."""

import gc
import weakref

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import RepeatedKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.model.cross_validation import (
    each_fold,
    learning_curve,
    make_folds,
    ranked,
    score,
    score_each,
)
from insurance_predictor.model.estimators import CandidateEstimator, make_candidates
from insurance_predictor.model.fitting import features, target
from insurance_predictor.model.preprocessing import make_preprocessor
from insurance_predictor.table.synthetic import make_table

TABLE = make_table(200, seed=4)
PEOPLE, CHARGES = features(TABLE), target(TABLE)
RIDGE = CandidateEstimator("ridge", Ridge(), {})


@pytest.fixture(scope="module")
def folds():
    return make_folds(PEOPLE, splits=5, repeats=2)


def test_scores_are_those_of_scikit_learns_own_cross_validation(folds):
    theirs = cross_val_score(
        make_pipeline(make_preprocessor(), Ridge()),
        PEOPLE,
        CHARGES,
        cv=RepeatedKFold(n_splits=5, n_repeats=2, random_state=0),
        scoring="neg_root_mean_squared_error",
    )
    ours = [fold["rmse"] for fold in score(RIDGE, folds, CHARGES).folds]
    np.testing.assert_allclose(ours, -theirs)


def test_everybody_is_predicted_once_in_each_repeat(folds):
    out_of_fold = score(RIDGE, folds, CHARGES).out_of_fold
    assert out_of_fold.shape == (2, 200)
    assert np.isfinite(out_of_fold).all()
    assert not np.array_equal(out_of_fold[0], out_of_fold[1])


def test_the_preprocessor_is_fitted_on_the_train_side_only(folds):
    fold = folds[0]
    np.testing.assert_allclose(fold.train_columns.mean(), 0, atol=1e-9)
    assert np.abs(fold.test_columns.mean()).max() > 0.01
    assert not set(fold.train) & set(fold.test)


def test_a_metric_is_averaged_over_the_folds_that_define_it(folds):
    few = np.where(np.arange(200) == 7, 2_000.0, 1_000.0)
    found = score(RIDGE, folds, few)
    defined = [fold["r2"] for fold in found.folds if np.isfinite(fold["r2"])]
    assert len(defined) == 2  # one fold of each repeat holds the one who is charged more
    assert found.mean("r2") == pytest.approx(np.mean(defined))
    assert found.deviation("r2") == pytest.approx(np.std(defined, ddof=1))


def test_a_metric_that_no_fold_defines_is_not_a_number(folds):
    found = score(CandidateEstimator("d", DummyRegressor(), {}), folds, np.full(200, 1_000.0))
    assert np.isnan(found.mean("r2"))
    assert np.isnan(found.deviation("r2"))
    assert found.mean("rmse") == found.deviation("rmse") == 0


def test_the_best_has_the_lowest_mean_error(folds):
    scores = [
        score(RIDGE, folds, CHARGES),
        score(CandidateEstimator("d", DummyRegressor(), {}), folds, CHARGES),
    ]
    assert ranked(scores) == ranked(reversed(scores)) == tuple(scores)


def test_a_candidate_is_ranked_by_its_best_parameters(folds):
    timid = CandidateEstimator("ridge", Ridge(alpha=1e6), {})
    tried = [score(timid, folds, CHARGES), score(RIDGE, folds, CHARGES)]
    assert ranked(tried) == (tried[1],)


def test_each_fold_is_told(folds):
    told = []
    score(RIDGE, folds, CHARGES, lambda: told.append(1))
    assert len(told) == len(folds) == 10


def test_folds_that_are_gone_through_once_are_in_memory_one_at_a_time():
    made = []

    def watched():
        for fold in each_fold(PEOPLE, splits=5, repeats=2):
            made.append(weakref.ref(fold.train_columns))
            yield fold
            del fold
            gc.collect()
            assert not [columns for columns in made if columns() is not None]

    candidates = (RIDGE, CandidateEstimator("d", DummyRegressor(), {}))
    told = []
    scores = score_each(candidates, watched(), CHARGES, lambda: told.append(1))
    assert len(made) == 10
    assert len(told) == 20
    folds = make_folds(PEOPLE, splits=5, repeats=2)
    for found, candidate in zip(scores, candidates, strict=True):
        alone = score(candidate, folds, CHARGES)
        np.testing.assert_array_equal(found.out_of_fold, alone.out_of_fold)
        assert found.folds == alone.folds


def test_too_few_rows_are_refused_before_a_fold_is_asked_for():
    with pytest.raises(InvalidTable, match=r"leaves 19 rows"):
        each_fold(PEOPLE.head(19))


def test_too_few_rows_are_refused_with_the_number_needed():
    with pytest.raises(InvalidTable, match=r"leaves 19 rows .* at least 20"):
        make_folds(PEOPLE.head(19))


def test_a_learning_curve_falls_as_rows_are_added():
    candidate = make_candidates(tuple(make_preprocessor().fit(PEOPLE).get_feature_names_out()))[0]
    sizes, train, validation = learning_curve(candidate.estimator, PEOPLE, CHARGES, (0.1, 0.5, 1.0))
    assert sizes.tolist() == [16, 80, 160]
    assert train.shape == validation.shape == (3, 5)
    assert validation[-1].mean() < validation[0].mean()


def test_a_learning_curve_has_as_many_folds_as_it_is_told():
    sizes, train, validation = learning_curve(Ridge(), PEOPLE, CHARGES, (0.5, 1.0), splits=2)
    assert sizes.tolist() == [50, 100]
    assert train.shape == validation.shape == (2, 2)
