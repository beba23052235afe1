"""Metrics, slices, and intervals, checked against scikit-learn and by hand."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from insurance_predictor.base.errors import BadInput
from insurance_predictor.model.evaluation import (
    Evaluation,
    IntervalScore,
    bootstrap_metrics,
    evaluate,
    flat_metrics,
    interval_score,
    metrics,
    paired_bootstrap_difference,
    slice_masks,
)
from insurance_predictor.table import schema

premium_values = st.floats(100, 60_000)
premium_arrays = arrays.arrays(float, st.integers(2, 40), elements=premium_values)


def people_of(rows, seed=0):
    generator = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": generator.integers(18, 65, rows),
            "sex": generator.choice(schema.SEX.values, rows),
            "bmi": generator.normal(30, 6, rows).clip(16, 54),
            "children": generator.integers(0, 6, rows),
            "smoker": generator.choice(schema.SMOKER.values, rows, p=[0.8, 0.2]),
            "region": generator.choice(schema.REGION.values, rows),
        }
    )


def plain_premiums(people):
    smoking = 20_000.0 * (people["smoker"] == "yes").to_numpy()
    return 250.0 * people["age"].to_numpy() + 100.0 * people["bmi"].to_numpy() + smoking


@pytest.fixture
def people():
    return people_of(267)


@pytest.fixture
def predicted(people):
    return plain_premiums(people)


@pytest.fixture
def actual(predicted):
    return predicted * np.random.default_rng(1).gamma(20, 1 / 20, len(predicted))


def test_metrics_agree_with_scikit_learn(actual, predicted):
    from sklearn import metrics as reference

    assert metrics(actual, predicted) == pytest.approx(
        {
            "rmse": reference.root_mean_squared_error(actual, predicted),
            "mae": reference.mean_absolute_error(actual, predicted),
            "r2": reference.r2_score(actual, predicted),
            "median_absolute_error": reference.median_absolute_error(actual, predicted),
            "total_bias": predicted.sum() / actual.sum() - 1,
            "gamma_deviance": reference.mean_gamma_deviance(actual, predicted),
        },
        rel=1e-9,
    )


def test_a_perfect_prediction_has_no_error(actual):
    measured = metrics(actual, actual)
    assert measured.pop("r2") == 1
    assert measured == pytest.approx(dict.fromkeys(measured, 0))


@pytest.mark.parametrize("worthless", [0.0, -0.0, -50.0])
def test_gamma_deviance_is_not_defined_for_a_premium_that_is_not_above_zero(
    actual, predicted, worthless
):
    predicted[3] = worthless
    assert np.isnan(metrics(actual, predicted)["gamma_deviance"])
    assert np.isfinite(metrics(actual, predicted)["rmse"])


def test_a_prediction_that_is_not_a_number_spoils_every_metric(actual, predicted):
    predicted[0] = np.nan
    assert all(np.isnan(value) for value in metrics(actual, predicted).values())
    for estimate in bootstrap_metrics(actual, predicted, resamples=20).values():
        assert np.isnan([estimate.value, estimate.low, estimate.high]).all()


def test_an_infinite_prediction_is_measured_without_a_warning(actual, predicted):
    predicted[0] = np.inf
    assert metrics(actual, predicted)["rmse"] == np.inf
    assert np.isnan(bootstrap_metrics(actual, predicted, resamples=20)["rmse"].high)
    assert paired_bootstrap_difference(actual, predicted, actual * 0.9, "squared").value == np.inf


@given(premium_arrays, st.floats(0.5, 2))
def test_scaling_every_premium_scales_the_bias(values, factor):
    assert metrics(values, values * factor)["total_bias"] == pytest.approx(factor - 1, abs=1e-9)


@given(st.data())
def test_the_order_of_the_rows_does_not_matter(data):
    values = data.draw(premium_arrays)
    quotes = data.draw(arrays.arrays(float, len(values), elements=premium_values))
    order = data.draw(st.permutations(range(len(values))))
    assert metrics(values[order], quotes[order]) == pytest.approx(
        metrics(values, quotes), rel=1e-6, abs=1e-9, nan_ok=True
    )


def test_values_of_unequal_length_are_named_by_their_shapes():
    with pytest.raises(ValueError, match=r"\(2,\), \(3,\)"):
        metrics([1, 2], [1, 2, 3])


def test_no_rows_is_bad_input():
    with pytest.raises(BadInput, match="no rows"):
        metrics([], [])


def test_the_mean_error_has_the_interval_that_the_normal_approximation_gives():
    errors = np.random.default_rng(5).exponential(1000, 500)
    estimate = bootstrap_metrics(np.full(500, 1e4), 1e4 + errors, resamples=4000)["mae"]
    standard_error = errors.std() / np.sqrt(500)
    assert estimate.low == pytest.approx(estimate.value - 1.96 * standard_error, abs=15)
    assert estimate.high == pytest.approx(estimate.value + 1.96 * standard_error, abs=15)


def test_about_95_of_100_intervals_hold_the_true_error():
    held = 0
    for seed in range(200):
        errors = np.random.default_rng([seed, 1]).normal(0, 1000, 100)
        estimate = bootstrap_metrics(np.full(100, 1e4), 1e4 + errors, 300, seed)["rmse"]
        held += estimate.low <= 1000 <= estimate.high
    assert 0.88 <= held / 200 <= 0.99


def test_intervals_repeat_with_a_seed_and_change_with_another(actual, predicted):
    first = bootstrap_metrics(actual, predicted, seed=3)
    assert bootstrap_metrics(actual, predicted, seed=3) == first
    assert bootstrap_metrics(actual, predicted, seed=4) != first


@given(premium_arrays, st.integers(0, 5))
def test_every_interval_has_its_ends_in_order(values, seed):
    for estimate in bootstrap_metrics(values, values[::-1], resamples=50, seed=seed).values():
        assert not estimate.low > estimate.high


def test_one_row_has_no_r2_and_no_warning():
    estimates = bootstrap_metrics([5000.0], [4000.0])
    assert np.isnan(estimates["r2"].value)
    assert (estimates["mae"].low, estimates["mae"].high) == (1000, 1000)


def test_r2_of_two_rows_ignores_resamples_in_which_it_is_not_defined():
    estimate = bootstrap_metrics([1000.0, 2000.0], [1100.0, 1900.0])["r2"]
    assert estimate.value == estimate.low == estimate.high == pytest.approx(0.96)


def test_a_thousand_resamples_take_a_third_of_a_thousand_evaluations(actual, predicted):
    def seconds(deed, *arguments):
        started = time.process_time()
        deed(*arguments)
        return time.process_time() - started

    def evaluate_again():
        for _ in range(1000):
            metrics(actual, predicted)

    # The two turn and turn about, so that a busy machine meets both.
    pairs = [
        (seconds(bootstrap_metrics, actual, predicted), seconds(evaluate_again)) for _ in range(3)
    ]
    assert min(ours for ours, _ in pairs) < min(theirs for _, theirs in pairs) / 3


def test_the_interval_of_many_rows_is_that_of_drawing_them_all():
    actual = np.full(50_000, 1e4)
    quotes = actual + np.random.default_rng(5).exponential(1000, 50_000)
    errors = quotes - actual
    found = bootstrap_metrics(actual, quotes)
    mean, root = found["mae"], found["rmse"]
    of_mean = 1.96 * errors.std() / np.sqrt(len(errors))
    of_root = 1.96 * (errors**2).std() / np.sqrt(len(errors)) / (2 * root.value)
    for estimate, half in ((mean, of_mean), (root, of_root)):
        assert estimate.value - estimate.low == pytest.approx(half, rel=0.15)
        assert estimate.high - estimate.value == pytest.approx(half, rel=0.15)


def test_the_difference_on_many_rows_is_as_certain_as_so_many_rows_are():
    generator = np.random.default_rng(6)
    actual = np.full(50_000, 1e4)
    ours, theirs = (actual + generator.normal(0, 1000, 50_000) for _ in range(2))
    found = paired_bootstrap_difference(actual, ours, theirs, "absolute")
    losses = np.abs(ours - actual) - np.abs(theirs - actual)
    half = 1.96 * losses.std() / np.sqrt(50_000) / np.abs(theirs - actual).mean()
    assert found.high - found.value == pytest.approx(half, rel=0.15)
    assert found.value - found.low == pytest.approx(half, rel=0.15)
    assert found.low < found.at_least < found.value < found.at_most < found.high


def test_intervals_of_a_hundred_times_the_rows_take_no_ten_times_as_long():
    def seconds(rows):
        charges = np.random.default_rng(7).exponential(1000, rows)
        started = time.process_time()
        bootstrap_metrics(charges, charges[::-1])
        return time.process_time() - started

    pairs = [(seconds(200_000), seconds(2_000)) for _ in range(3)]
    assert min(many for many, _ in pairs) < 10 * min(few for _, few in pairs)


def test_each_group_of_slices_holds_everybody_once(people):
    masks = slice_masks(people)
    for group in ("smoker", "sex", "region", "age"):
        of_group = [mask for name, mask in masks.items() if name.startswith(f"{group}=")]
        assert (np.sum(of_group, axis=0) == 1).all()


def test_age_bands_meet_without_gap_or_overlap():
    masks = slice_masks(people_of(8).assign(age=[18, 29, 30, 44, 45, 64, 65, 100]))
    bands = {name: list(np.flatnonzero(mask)) for name, mask in masks.items() if "age" in name}
    assert bands == {
        "age=18-29": [0, 1],
        "age=30-44": [2, 3],
        "age=45-64": [4, 5],
        "age=65-100": [6, 7],
    }


def test_slices_without_people_are_left_out(people):
    assert "age=65-100" not in slice_masks(people)
    assert "smoker=yes" not in slice_masks(people[people["smoker"] == "no"])


def test_interval_score_adds_width_and_twenty_times_what_was_missed():
    score = interval_score([100, 50, 260], [90, 80, 150], [110, 180, 250])
    assert score.coverage == pytest.approx(1 / 3)
    assert score.mean_width == pytest.approx(220 / 3)
    assert score.winkler == pytest.approx((20 + (100 + 20 * 30) + (100 + 20 * 10)) / 3)


def test_the_ends_belong_to_the_interval():
    assert interval_score([1, 2], [1, 1], [2, 2]).coverage == 1


def test_the_true_quantiles_have_the_best_interval_score():
    outcomes = np.random.default_rng(0).uniform(0, 1000, 20_000)
    ones = np.ones_like(outcomes)
    true = interval_score(outcomes, 50 * ones, 950 * ones).winkler
    assert true < interval_score(outcomes, 20 * ones, 980 * ones).winkler
    assert true < interval_score(outcomes, 80 * ones, 920 * ones).winkler
    assert true < interval_score(outcomes, 0 * ones, 900 * ones).winkler


def test_an_evaluation_measures_each_slice_on_its_own_rows(people, actual, predicted):
    spoilt = np.where(people["smoker"] == "yes", predicted * 2, actual)
    evaluation = evaluate(people, actual, spoilt, spoilt - 1, spoilt + 1, resamples=50)
    assert evaluation.rows == 267
    assert evaluation.slices["smoker=no"]["rmse"].value == 0
    assert evaluation.slices["smoker=yes"]["rmse"].value > 5000
    assert evaluation.slice_rows["smoker=yes"] == (people["smoker"] == "yes").sum()
    assert evaluation.interval_by_group["smoker=no"].coverage == 1
    assert evaluation.interval_by_group["smoker=yes"].coverage < 0.05
    assert 0.7 < evaluation.interval.coverage < 0.95


def test_an_evaluation_does_not_depend_on_the_labels_of_the_rows(people, actual, predicted):
    relabelled = people.set_index(np.arange(267)[::-1])
    arguments = (actual, predicted, predicted - 1, predicted + 1, 20)
    assert evaluate(relabelled, *arguments) == evaluate(people, *arguments)


def test_flat_metrics_have_names_that_mlflow_allows(people, actual, predicted):
    from mlflow.utils.validation import _validate_metric_name

    evaluation = evaluate(people, actual, predicted, predicted - 3000, predicted + 3000, 50)
    flat = flat_metrics(evaluation, "holdout")
    for name in flat:
        _validate_metric_name(name)
    assert flat["holdout.rmse"] == evaluation.overall["rmse"].value
    assert flat["holdout.rmse_low"] < flat["holdout.rmse"] < flat["holdout.rmse_high"]
    assert flat["holdout.age_18-29.mae"] == evaluation.slices["age=18-29"]["mae"].value
    assert (
        flat["holdout.smoker_yes.coverage"] == evaluation.interval_by_group["smoker=yes"].coverage
    )
    assert flat["holdout.region_southeast.rows"] == evaluation.slice_rows["region=southeast"]
    assert flat["holdout.rows"] == 267


def test_flat_metrics_lose_nothing_when_only_one_group_smokes():
    score = IntervalScore(0.9, 100.0, 120.0)
    flat = flat_metrics(Evaluation(1, {}, {}, {}, score, {"smoker=no": score}), "holdout")
    assert flat == {
        "holdout.rows": 1,
        "holdout.coverage": 0.9,
        "holdout.mean_width": 100,
        "holdout.winkler": 120,
        "holdout.smoker_no.coverage": 0.9,
        "holdout.smoker_no.mean_width": 100,
        "holdout.smoker_no.winkler": 120,
    }


@pytest.mark.parametrize(("loss", "expected"), [("absolute", 0.1), ("squared", 0.21)])
def test_a_tenth_more_error_on_every_row_is_found_exactly(actual, predicted, loss, expected):
    candidate = actual + 1.1 * (predicted - actual)
    difference = paired_bootstrap_difference(actual, candidate, predicted, loss)
    assert (difference.value, difference.low, difference.high) == pytest.approx(
        (expected, expected, expected)
    )


def test_identical_models_differ_by_nothing(actual, predicted):
    difference = paired_bootstrap_difference(actual, predicted, predicted, "squared")
    assert difference.low == difference.value == difference.high == 0


def test_pairing_sees_a_difference_that_two_separate_intervals_hide(actual, predicted):
    candidate = actual + 1.1 * (predicted - actual)
    apart = [bootstrap_metrics(actual, quotes)["mae"] for quotes in (candidate, predicted)]
    assert apart[0].low < apart[1].high
    assert paired_bootstrap_difference(actual, candidate, predicted, "absolute").at_least > 0


def test_one_sided_bounds_lie_inside_the_two_sided_interval(actual, predicted):
    other = np.random.default_rng(2).permutation(predicted)
    difference = paired_bootstrap_difference(actual, other, predicted, "absolute")
    ordered = [
        difference.low,
        difference.at_least,
        difference.value,
        difference.at_most,
        difference.high,
    ]
    assert ordered == sorted(ordered)
    assert len(set(ordered)) == 5


def test_a_perfect_production_model_leaves_no_relative_difference(actual, predicted):
    difference = paired_bootstrap_difference(actual, predicted, actual, "absolute")
    assert np.isnan([difference.value, difference.at_least, difference.at_most]).all()


def test_the_interval_of_many_rows_is_nearly_that_of_drawing_all_of_them():
    generator = np.random.default_rng(5)
    actual = generator.gamma(2.0, 5_000.0, 30_000)
    predicted = actual * generator.uniform(0.5, 1.5, len(actual))
    found = bootstrap_metrics(actual, predicted)
    drawn = [generator.integers(len(actual), size=len(actual)) for _ in range(400)]
    every = [metrics(actual[rows], predicted[rows]) for rows in drawn]
    for name, estimate in found.items():
        low, high = np.quantile([each[name] for each in every], (0.025, 0.975))
        assert estimate.value == metrics(actual, predicted)[name]
        assert abs(estimate.low - low) < 0.2 * (high - low)
        assert abs(estimate.high - high) < 0.2 * (high - low)


def test_of_two_thousand_rows_each_resample_draws_all():
    generator = np.random.default_rng(5)
    actual = generator.gamma(2.0, 5_000.0, 2_000)
    predicted = actual * generator.uniform(0.5, 1.5, len(actual))
    rows = np.random.default_rng(0).integers(2_000, size=(1_000, 2_000))
    every = [metrics(actual[each], predicted[each])["rmse"] for each in rows]
    found = bootstrap_metrics(actual, predicted)["rmse"]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(every, (0.025, 0.975))))
