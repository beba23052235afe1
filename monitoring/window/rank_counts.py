"""Values counted at and between fixed points: all that a rank test needs of a window.

A test against a fixed sample asks only how many values of the window lie below and at each value
of that sample, so a window of any length is counted exactly in memory that does not grow with it.
"""

from dataclasses import dataclass

import numpy as np

from insurance_predictor.base.arrays import FloatArray, IntArray
from monitoring.window.exact_sum import ExactSum, exact_sum


@dataclass(frozen=True, eq=False)
class RankCounts:
    """How many of `rows` values lie below, and up to and at, each of the sorted `points` (k,).

    `total` is the sum of the values.
    """

    points: FloatArray
    below: IntArray
    up_to: IntArray
    rows: int
    total: ExactSum

    @property
    def mean(self) -> float:
        """NaN without a value."""
        return self.total.over(self.rows) if self.rows else float("nan")

    def __add__(self, other: "RankCounts") -> "RankCounts":
        """Both together; they are counted at the same points."""
        return RankCounts(
            self.points,
            self.below + other.below,
            self.up_to + other.up_to,
            self.rows + other.rows,
            self.total + other.total,
        )

    def shares(self, starts: FloatArray) -> FloatArray:
        """The share of values in each bin, (k,); the bins begin at `starts`, which are points.

        The first bin has what lies below its start, too, and the last all that lies above.
        """
        cuts = self.below[np.searchsorted(self.points, starts[1:])]
        return np.diff(cuts, prepend=0, append=self.rows) / self.rows

    def quantile(self, share: float) -> float:
        """The least point that has at least this share of the values up to it, or the last."""
        position = int(np.searchsorted(self.up_to, share * self.rows))
        return float(self.points[min(position, len(self.points) - 1)])


def count_ranks(points: FloatArray, values: FloatArray) -> RankCounts:
    """`values` (n,), all finite, at `points` (k,), which are sorted."""
    ordered = np.sort(values)
    return RankCounts(
        points,
        np.searchsorted(ordered, points, "left").astype(np.int64),
        np.searchsorted(ordered, points, "right").astype(np.int64),
        len(values),
        exact_sum(values),
    )


def ks_distance(sample: RankCounts, window: RankCounts) -> float:
    """The largest distance between two empirical distribution functions, exactly.

    All values of `sample` have to be points. Between two points only the window's function rises,
    so that the distance is largest at a point or just before one.
    """
    at = sample.up_to / sample.rows - window.up_to / window.rows
    before = sample.below / sample.rows - window.below / window.rows
    return float(max(np.abs(at).max(), np.abs(before).max()))


def superiority(sample: RankCounts, window: RankCounts) -> float:
    """The chance that a value of the window exceeds one of the sample, ties counting half.

    Mann and Whitney's U over the number of pairs, exactly. All values of `sample` have to be
    points.
    """
    each = sample.up_to - sample.below
    at = window.up_to - window.below
    above = window.rows - window.up_to
    return float(np.sum(each * (above + at / 2)) / (sample.rows * window.rows))
