"""A 90 % interval around every premium, from the residuals of people the model had not seen.

About nine people in a hundred are charged far above their pattern and nearly all others sit
within a few dollars of a low edge, so the interval is asymmetric, one for each value of the column
that the schema declares the group (smoker).
The levels were chosen by coverage and Winkler score; docs/quality.md has the comparison.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.table.columns import CategoryColumn

LOW_LEVEL = 0.02
HIGH_LEVEL = 0.94
SLACK = 0.03  # of the premium: a small drift of the level must not empty the interval
# Shares of the typical charge of those who were learned from.
LEAST_HALF_WIDTH = 1 / 20
FLOOR = 1 / 100  # no lower end below this
CENT = 1 / 1_000_000  # what nobody sees the difference of
FLOOR_IN_CENTS = 10_000
EVERYBODY = "everybody"


@dataclass(frozen=True)
class Intervals:
    """Offsets (below, above) in the target's unit for each value of the column `group`.

    Without a group, which is None, those of everybody stand under EVERYBODY. The margins beside
    them are in the target's unit too.
    """

    offsets: Mapping[str, tuple[float, float]]
    slack: float = SLACK
    # What versions mean that do not say.
    least_half_width: float = 500.0
    floor: float = 100.0
    group: str | None = "smoker"

    @property
    def cent(self) -> float:
        """What nobody sees the difference of, in the target's unit."""
        return self.floor / FLOOR_IN_CENTS

    def around(self, premium: FloatArray, people: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
        """Lower and upper ends, each (n,), around `premium` (n,), in its unit."""
        least, above = self._offsets_of(people)
        margin = np.maximum(self.least_half_width, self.slack * premium)
        with np.errstate(invalid="ignore"):  # an infinite premium has no ends; the gate says so
            below = least - self.slack * premium
            low = np.minimum(premium + below, premium - margin)
        # A floor above the premium itself would turn the interval around.
        low = np.maximum(low, np.minimum(self.floor, premium))
        return low, premium + np.maximum(above, margin)

    def _offsets_of(self, people: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
        """Below and above of each of `people`, each (n,); nan of a group that is not known."""
        if self.group is None:
            below, above = self.offsets[EVERYBODY]
            return np.full(len(people), below), np.full(len(people), above)
        groups = people[self.group]
        belows, aboves = np.full(len(people), np.nan), np.full(len(people), np.nan)
        for value, (below, above) in self.offsets.items():
            is_group = (groups == value).to_numpy(dtype=bool)
            belows[is_group], aboves[is_group] = below, above
        return belows, aboves

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> "Intervals":
        """The inverse of `dataclasses.asdict`."""
        offsets = {group: (low, high) for group, (low, high) in facts["offsets"].items()}
        return cls(**{**facts, "offsets": offsets})


def fit_intervals(
    residual: npt.ArrayLike,
    people: pd.DataFrame,
    group: CategoryColumn | None,
    typical: float,
) -> Intervals:
    """Offsets from out-of-fold residuals (n,), actual minus predicted, of `people` (n, features).

    `typical` is what they are charged (`typical_charge`), which the margins are shares of.
    Split-conformal quantiles (Lei et al. 2018, JASA 113:1094-1111), one-sided at the levels of
    this module and apart for each value of `group` (Mondrian). A group of which there is nobody
    takes the quantiles of everybody.
    """
    residuals = np.asarray(residual, dtype=float)
    if group is None:
        return _around({EVERYBODY: _offsets(residuals)}, None, typical)
    offsets = {}
    for value in group.values:
        chosen = residuals[(people[group.name] == value).to_numpy(dtype=bool)]
        offsets[value] = _offsets(chosen if len(chosen) else residuals)
    return _around(offsets, group.name, typical)


def _around(
    offsets: Mapping[str, tuple[float, float]], group: str | None, typical: float
) -> Intervals:
    return Intervals(
        offsets,
        least_half_width=LEAST_HALF_WIDTH * typical,
        floor=FLOOR * typical,
        group=group,
    )


def _offsets(residuals: FloatArray) -> tuple[float, float]:
    below = -_conformal_quantile(-residuals, 1 - LOW_LEVEL)
    return min(below, 0.0), _conformal_quantile(residuals, HIGH_LEVEL)


def _conformal_quantile(values: FloatArray, level: float) -> float:
    """The ⌈(n+1)·level⌉-th smallest of n values; the largest where there are too few."""
    rank = min(ceil((len(values) + 1) * level), len(values))
    return float(np.sort(values)[max(rank, 1) - 1])
