"""Bounds of what luck does hold as often as they say, for errors as asymmetric as ours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from insurance_predictor.model.chance import CHANCE, Share, bias, ratio


def errors(rows: int, seed: int) -> np.ndarray:
    """Premium - charge: nine people in a hundred are charged far more than they are quoted."""
    generator = np.random.default_rng(seed)
    spikes = (generator.random(rows) < 0.09) * generator.triangular(4_500, 15_000, 26_000, rows)
    return generator.normal(0, 250, rows) - spikes + 0.09 * 15_167


@given(st.integers(0, 300), st.integers(0, 300))
def test_the_bounds_of_a_share_are_exact(count: int, others: int):
    share = Share(count, count + others)
    if not share.people:
        assert np.isnan([share.value, share.at_least, share.at_most]).all()
        return
    theirs = binomtest(count, share.people).proportion_ci(1 - 2 * CHANCE, method="exact")
    assert share.at_least == pytest.approx(theirs.low, abs=1e-9)
    assert share.at_most == pytest.approx(theirs.high, abs=1e-9)


@pytest.mark.parametrize("people", [20, 60, 267])
def test_luck_seldom_takes_the_bias_of_a_model_that_is_right_beyond_its_bounds(people: int):
    beyond, times = 0, 400
    for seed in range(times):
        error = errors(5 * people, seed)
        charges, everybody = np.full(len(error), 13_000.0), np.full(len(error), True)
        found = bias(error, charges, np.arange(len(error)) < people, everybody)
        beyond += not found.low <= found.value <= found.high
        assert found.people == people
    assert beyond / times < 0.02  # all of the slices of one hold-out are judged


def test_a_bias_is_of_the_group_and_its_bounds_narrow_with_its_people():
    error, charges = np.tile([500.0, -500.0], 200), np.full(400, 10_000.0)
    held_out = np.arange(400) < 100
    group = np.arange(400) % 2 == 0
    found = bias(error, charges, held_out, group)
    assert (found.value, found.people) == (0.05, 50)
    everybody = bias(error, charges, held_out, np.full(400, True))
    assert found.low < everybody.low < everybody.value == 0 < everybody.high < found.high


def test_where_nobody_was_learned_from_the_bounds_are_wide():
    error, charges = errors(100, 1), np.full(100, 10_000.0)
    group = np.arange(100) < 20
    known = bias(error, charges, np.arange(100) < 10, group)
    unknown = bias(error, charges, group, group)
    assert unknown.high > known.high


def test_a_premium_that_is_not_finite_leaves_nothing_known():
    error = np.array([np.inf, 1.0, 2.0, 3.0])
    everybody = np.full(4, True)
    found = bias(error, np.full(4, 10.0), np.array([False, True, True, True]), everybody)
    assert np.isnan([found.low, found.high]).all()


def test_a_ratio_is_that_of_the_held_out_and_its_bounds_hold_it():
    error, other = errors(500, 2), 1.5 * errors(500, 3)
    held_out = np.arange(500) < 100
    found = ratio(error, other, held_out)
    root = np.sqrt(np.mean(error[:100] ** 2) / np.mean(other[:100] ** 2))
    assert found.value == pytest.approx(root)
    assert found.low < found.value < found.high
    assert found.low < found.everybody < found.high
    assert found == ratio(error, other, held_out)


def test_no_error_at_all_is_a_ratio_of_nothing_and_luck_does_not_excuse_it():
    found = ratio(np.zeros(100), np.ones(100), np.arange(100) < 20)
    assert (found.value, found.everybody, found.high) == (0, 0, 0)
