"""Sizes follow the table: as ever for the usual one, larger for more people and more columns."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from insurance_predictor.model.cross_validation import make_folds, score
from insurance_predictor.model.estimators import CandidateEstimator, make_candidates
from insurance_predictor.model.fitting import features, target
from insurance_predictor.model.sizes import (
    USUAL_FOLDING,
    folding,
    leaves,
    patience,
    searched_leaves,
)
from insurance_predictor.model.tuning import search
from insurance_predictor.table.schema import CURRENT
from insurance_predictor.table.synthetic import make_table
from tests.generated_tables import INTERACTING

TABLE = make_table(150, seed=5)
FOLDS = make_folds(features(TABLE), splits=3, repeats=1)
MADE = tuple(FOLDS[0].train_columns.columns)
STAGES = (10, 20, 40)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(scope="module")
def deep() -> CandidateEstimator:
    """The deeper boosting, with fewer trees than a table of its size needs."""
    *_, found = make_candidates(MADE, CURRENT, 20_000)
    return replace(found, estimator=found.estimator.set_params(max_iter=40), stages=STAGES)


@pytest.mark.parametrize("rows", [100, 1_070, 1_337])
def test_the_usual_table_has_the_usual_candidates_and_folds(rows):
    assert [each.name for each in make_candidates(MADE, CURRENT, rows)] == [
        "typical_plus_mean",
        "ridge",
        "gradient_boosting",
    ]
    assert folding(rows) == USUAL_FOLDING


def test_trees_have_more_leaves_with_more_people_and_with_more_columns_up_to_a_limit():
    by_rows = [leaves(rows, 12) for rows in (100, 1_600, 16_000, 80_000, 800_000)]
    assert by_rows == sorted(by_rows)
    assert by_rows[0] < by_rows[1] < by_rows[2]
    assert by_rows[-1] == leaves(10**9, 500) == 31
    assert leaves(1_600, 6) < leaves(1_600, 12) < leaves(1_600, 24)
    assert min(leaves(rows, 1) for rows in (1, 1_000)) == 4
    assert leaves(20_000, 2) == leaves(20_000, 6)


@pytest.mark.parametrize("chosen", [5, 12, 31])
def test_a_search_tries_fewer_and_more_leaves_than_were_chosen(chosen):
    fewer, same, more = searched_leaves(chosen)
    assert 2 <= fewer < same == chosen < more


def test_more_rows_are_compared_less_often_and_never_on_fewer_than_three_folds():
    fits = [
        folding(rows).splits * folding(rows).repeats
        for rows in (1_000, 2_000, 20_000, 100_000, 10**6)
    ]
    assert fits == sorted(fits, reverse=True)
    assert fits[-1] == 3


def test_deeper_boosting_keeps_what_rises_rising():
    made = ("age", "income", "plan_full")
    *_, deep = make_candidates(made, INTERACTING, 2_000)
    assert deep.name == "deep_boosting"
    assert deep.estimator.monotonic_cst == [1, 0, 0]


def test_boosting_is_judged_at_each_number_of_trees_as_if_fitted_with_so_many(deep):
    found = score(deep, FOLDS, target(TABLE))
    each = {
        trees: score(
            replace(deep, estimator=clone(deep.estimator).set_params(max_iter=trees), stages=()),
            FOLDS,
            target(TABLE),
        ).mean("rmse")
        for trees in STAGES
    }
    assert found.mean("rmse") == pytest.approx(min(each.values()))
    assert each[found.candidate.estimator.max_iter] == pytest.approx(min(each.values()))
    assert found.candidate.stages == ()


def test_boosting_on_many_rows_stops_where_more_trees_bring_nothing(deep):
    *_, many = make_candidates(MADE, CURRENT, 100_000)
    assert many.patience == patience(100_000)
    deep = replace(deep, estimator=clone(deep.estimator).set_params(min_samples_leaf=5))
    impatient = replace(deep, patience=10)
    fold = FOLDS[0]
    luck = np.random.default_rng(1).permutation(target(TABLE))
    sides = [
        (columns, luck[rows])
        for columns, rows in ((fold.train_columns, fold.train), (fold.test_columns, fold.test))
    ]
    reached = [stage.estimator.max_iter for stage, _ in impatient.stages_on(*sides)]
    assert reached == [10]
    every = {stage.estimator.max_iter: found for stage, found in deep.stages_on(*sides)}
    for stage, found in impatient.stages_on(*sides):
        assert not stage.estimator.early_stopping
        np.testing.assert_array_equal(found, every[stage.estimator.max_iter])


def test_the_best_number_of_trees_is_one_that_each_fold_has_reached(deep):
    impatient = score(replace(deep, patience=10), FOLDS, target(TABLE))
    assert impatient.candidate.estimator.max_iter in STAGES
    assert np.isfinite(impatient.out_of_fold).all()


@pytest.mark.parametrize("rows", [1_000, 20_000, 49_999])
def test_boosting_on_fewer_rows_is_grown_to_its_last_stage(rows):
    assert patience(rows) is None
    assert {each.patience for each in make_candidates(MADE, CURRENT, rows)} == {None}


def test_a_candidate_without_stages_is_judged_as_it_is():
    found = score(CandidateEstimator("ridge", Ridge(alpha=2.0), {}), FOLDS, target(TABLE))
    assert found.candidate.estimator.alpha == 2.0
    assert (found.splits, found.repeats) == (3, 1)


def test_a_trial_says_how_many_trees_it_took(deep):
    plan = [(deep, {"learning_rate": 0.1})]
    trial, *_ = search(plan, FOLDS, target(TABLE), jobs=1, each_trial=lambda trial: None)
    assert trial.parameters["max_iter"] == trial.scores.candidate.estimator.max_iter
    assert trial.scores.candidate.estimator.learning_rate == 0.1


def test_a_longer_table_is_folded_less_often():
    people = pd.concat([features(TABLE)] * 11, ignore_index=True)
    assert len(make_folds(people)) == 10
