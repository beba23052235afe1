"""The slices of people that errors are estimated in: those of a version's group, by its bands.

Errors differ most between these. They are the product of one category and one number, so that
their count stays that of the bands however many columns a version has.
"""

from dataclasses import dataclass

import numpy as np

from insurance_predictor.base.arrays import FloatArray, IntArray
from insurance_predictor.table.columns import CategoryColumn, Columns, NumberColumn


@dataclass(frozen=True)
class Slices:
    """By the values of `group` and, within each, the bands of `banded`; either may be None."""

    group: CategoryColumn | None
    banded: NumberColumn | None

    @property
    def groups(self) -> int:
        return len(self.group.values) if self.group else 1

    @property
    def bands(self) -> int:
        return len(self.banded.bands) if self.banded else 1

    @property
    def count(self) -> int:
        """How many there are; the first `bands` of them are of the first group, and so on."""
        return self.groups * self.bands

    def of(self, place: IntArray, number: FloatArray) -> IntArray:
        """Which slice each person is in, (n,); -1 where either is not known.

        `place` is the position among the values of the group, and `number` the value of the banded
        column; where there is no such column they are not looked at.
        """
        found = np.zeros(len(place), dtype=np.int64)
        known = np.ones(len(place), dtype=np.bool_)
        if self.group:
            known &= (place >= 0) & (place < self.groups)
            found += place * self.bands
        if self.banded:
            known &= number >= self.banded.bands[0]
            found += np.searchsorted(self.banded.bands, number, "right") - 1
        return np.where(known, found, -1)

    def count_people(self, place: IntArray, number: FloatArray) -> IntArray:
        """How many people are in each slice, (count,)."""
        found = self.of(place, number)
        return np.bincount(found[found >= 0], minlength=self.count)


def slices_of(columns: Columns) -> Slices:
    """By the group of the intervals, and the first number that has bands."""
    banded = next((column for column in columns.numbers if column.bands), None)
    return Slices(columns.group, banded)
