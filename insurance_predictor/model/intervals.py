"""A 90 % interval around every premium, from the residuals of people the model had not seen.

About nine people in a hundred are charged far above their pattern and nearly all others sit
within a few dollars of a low edge, so the interval is asymmetric, one for each smoker group.
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
from insurance_predictor.table.schema import SMOKER

LOW_LEVEL = 0.02
HIGH_LEVEL = 0.94
SLACK = 0.03  # of the premium: a small drift of the level must not empty the interval
LEAST_HALF_WIDTH = 500.0  # US dollars a year
FLOOR = 100.0  # US dollars a year: no lower end below this


@dataclass(frozen=True)
class Intervals:
    """Offsets (below, above) in US dollars a year for each smoker group, and the margins."""

    offsets: Mapping[str, tuple[float, float]]
    slack: float = SLACK
    least_half_width: float = LEAST_HALF_WIDTH
    floor: float = FLOOR

    def around(self, premium: FloatArray, people: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
        """Lower and upper ends, each (n,), around `premium` (n,), US dollars a year."""
        smokes = (people[SMOKER.name] == SMOKER.values[1]).to_numpy(dtype=bool)
        no, yes = (self.offsets[value] for value in SMOKER.values)
        margin = np.maximum(self.least_half_width, self.slack * premium)
        above = np.where(smokes, yes[1], no[1])
        with np.errstate(invalid="ignore"):  # an infinite premium has no ends; the gate says so
            below = np.where(smokes, yes[0], no[0]) - self.slack * premium
            low = np.minimum(premium + below, premium - margin)
        # A floor above the premium itself would turn the interval around.
        low = np.maximum(low, np.minimum(self.floor, premium))
        return low, premium + np.maximum(above, margin)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> "Intervals":
        """The inverse of `dataclasses.asdict`."""
        offsets = {group: (low, high) for group, (low, high) in facts["offsets"].items()}
        return cls(**{**facts, "offsets": offsets})


def fit_intervals(residual: npt.ArrayLike, people: pd.DataFrame) -> Intervals:
    """Offsets from out-of-fold residuals (n,), actual minus predicted, of `people` (n, 6).

    Split-conformal quantiles (Lei et al. 2018, JASA 113:1094-1111), one-sided at the levels of
    this module and apart for each smoker group (Mondrian). A group of which there is nobody takes
    the quantiles of everybody.
    """
    residuals = np.asarray(residual, dtype=float)
    offsets = {}
    for value in SMOKER.values:
        group = residuals[(people[SMOKER.name] == value).to_numpy(dtype=bool)]
        values = group if len(group) else residuals
        below = -_conformal_quantile(-values, 1 - LOW_LEVEL)
        offsets[value] = (min(below, 0.0), _conformal_quantile(values, HIGH_LEVEL))
    return Intervals(offsets)


def _conformal_quantile(values: FloatArray, level: float) -> float:
    """The ⌈(n+1)·level⌉-th smallest of n values; the largest where there are too few."""
    rank = min(ceil((len(values) + 1) * level), len(values))
    return float(np.sort(values)[max(rank, 1) - 1])
