"""Counting at fixed points loses nothing that the rank tests ask for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp, mannwhitneyu

from monitoring.window.rank_counts import count_ranks, ks_distance, superiority

numbers = st.lists(st.integers(-5, 5).map(float) | st.floats(-10, 10), min_size=1, max_size=40)


def both(sample: list[float], window: list[float]):
    points = np.unique(sample)
    return count_ranks(points, np.array(sample)), count_ranks(points, np.array(window))


@given(numbers, numbers)
def test_the_distance_is_kolmogorov_and_smirnovs(sample, window):
    expected = ks_2samp(sample, window, method="asymp").statistic

    assert ks_distance(*both(sample, window)) == pytest.approx(expected, abs=1e-12)


@given(numbers, numbers)
def test_the_chance_is_mann_and_whitneys(sample, window):
    expected = mannwhitneyu(window, sample).statistic / (len(sample) * len(window))

    assert superiority(*both(sample, window)) == pytest.approx(expected, abs=1e-12)


@given(numbers, numbers, st.integers(0, 40))
def test_a_window_in_pieces_is_the_same_window(sample, window, cut):
    points = np.unique(sample)
    whole = count_ranks(points, np.array(window))
    pieces = [
        count_ranks(points, np.array(part, dtype=float)) for part in (window[:cut], window[cut:])
    ]
    together = pieces[0] + pieces[1]

    assert together.rows == whole.rows
    assert together.below.tolist() == whole.below.tolist()
    assert together.up_to.tolist() == whole.up_to.tolist()
    assert together.mean == pytest.approx(whole.mean)


def test_more_points_than_the_sample_has_change_nothing():
    sample, window = np.array([1.0, 2.0, 4.0]), np.array([1.5, 3.0, 3.5, 9.0])
    few, many = np.unique(sample), np.array([0.0, 1.0, 2.0, 3.0, 4.0, 7.0])

    assert ks_distance(count_ranks(many, sample), count_ranks(many, window)) == ks_distance(
        count_ranks(few, sample), count_ranks(few, window)
    )


def test_shares_have_everything_in_some_bin():
    found = count_ranks(np.array([0.0, 10.0, 20.0]), np.array([-5.0, 0.0, 9.0, 10.0, 25.0]))

    assert found.shares(np.array([0.0, 10.0, 20.0])).tolist() == [0.6, 0.2, 0.2]


def test_a_quantile_is_a_point():
    found = count_ranks(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0, 3.0, 9.0]))

    assert [found.quantile(share) for share in (0.2, 0.5, 0.99)] == [1.0, 2.0, 3.0]
