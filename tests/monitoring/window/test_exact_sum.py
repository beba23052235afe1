"""A sum is the same however its numbers are ordered and parted, and as exact as can be."""

from fractions import Fraction
from math import fsum, inf

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitoring.window.exact_sum import ExactSum, exact_sum

FLOATS = st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=30)


@given(FLOATS)
def test_it_is_the_sum_of_the_fractions(values):
    total = sum(map(Fraction, values), Fraction())
    assert Fraction(exact_sum(np.array(values)).parts, 2**1074) == total


@given(FLOATS, st.randoms(), st.integers(0, 30))
def test_neither_order_nor_parts_matter(values, dice, cut):
    whole = exact_sum(np.array(values))
    dice.shuffle(values)
    parts = np.array(values[:cut]), np.array(values[cut:])
    assert exact_sum(parts[0]) + exact_sum(parts[1]) == whole


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=30))
def test_it_is_rounded_once(values):
    found = exact_sum(np.array(values))
    assert float(found) == fsum(values)
    assert found.over(len(values)) == float(sum(map(Fraction, values)) / len(values))


def test_beyond_the_largest_float_it_is_infinite():
    largest = np.array([1.7e308, 1.7e308])
    assert float(exact_sum(largest)) == inf
    assert float(exact_sum(-largest)) == -inf
    assert exact_sum(largest).over(2) == 1.7e308
    assert float(exact_sum(np.array([]))) == float(ExactSum()) == 0.0


def test_many_numbers_lose_nothing():
    values = np.full(2**20, 0.1)
    assert Fraction(exact_sum(values).parts, 2**1074) == 2**20 * Fraction(0.1)
