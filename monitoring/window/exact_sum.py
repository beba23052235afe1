"""Sums that are the same in whatever order, and in whatever parts, their numbers are added."""

from dataclasses import dataclass
from math import frexp, inf

import numpy as np

from insurance_predictor.base.arrays import FloatArray

DIGITS = 53  # of a float
LEAST = 1074  # every float is a multiple of 2 to the power of minus so much
PLAIN = 1000  # up to here a power of two, and one over it, are floats


@dataclass(frozen=True)
class ExactSum:
    """A sum without any rounding, as so many `parts` of 2⁻¹⁰⁷⁴."""

    parts: int = 0

    def __add__(self, other: "ExactSum") -> "ExactSum":
        return ExactSum(self.parts + other.parts)

    def __float__(self) -> float:
        return self.over(1)

    def over(self, count: int) -> float:
        """The sum divided by `count`, rounded once; infinite where no float is so large."""
        try:
            return self.parts / (count << LEAST)
        except OverflowError:
            return inf if self.parts > 0 else -inf


NOTHING = ExactSum()


def exact_sum(values: FloatArray) -> ExactSum:
    """Of `values` (n,), all finite.

    The leading digits of all of them are whole numbers of one step, few enough for floats to add
    them up without rounding; then the digits below, until none are left.
    """
    digits = DIGITS - 1 - len(values).bit_length()
    parts, left = 0, values
    while len(left) and (largest := max(float(left.max()), -float(left.min()))):
        step = max(frexp(largest)[1] - digits, -LEAST)
        whole = np.trunc(_shifted(left, -step))
        parts += int(whole.sum()) << (step + LEAST)
        left = left - _shifted(whole, step)
    return ExactSum(parts)


def _shifted(values: FloatArray, power: int) -> FloatArray:
    """Times 2 to the power."""
    found: FloatArray = values * 2.0**power if abs(power) < PLAIN else np.ldexp(values, power)
    return found
