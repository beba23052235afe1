"""What is kept of a window while it streams by, in memory that does not grow with its rows."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from insurance_predictor.base.arrays import FloatArray, IntArray
from insurance_predictor.table.schema import AGE, SMOKER, CategoryColumn, NumberColumn
from monitoring.window.rank_counts import count_ranks
from monitoring.window.reader import (
    ABSENT,
    EXAMPLES,
    SHAPE,
    UNSEEN,
    Chunk,
    OutcomeChunk,
    ServiceChunk,
)
from monitoring.window.reference import (
    CATEGORY_COLUMNS,
    NUMBER_COLUMNS,
    NUMBER_NAMES,
    PREMIUM,
    SLICES,
    Reference,
    slices,
)

GROUPS = 1000  # of outcomes, for the bootstrap
LATENCY_STEP = 1.01  # a latency is kept to 1 %
LEAST_LATENCY = 0.01  # milliseconds
LATENCY_BINS = 1900  # up to some 26 minutes


@dataclass(frozen=True)
class Faults:
    """How many values are at fault, the sum of those quotes' premiums, and the first of them."""

    rows: int = 0
    premium: float = 0.0
    examples: tuple[str, ...] = ()

    def __add__(self, other: "Faults") -> "Faults":
        known = dict.fromkeys([*self.examples, *other.examples])
        return Faults(self.rows + other.rows, self.premium + other.premium, tuple(known)[:EXAMPLES])


class Latencies:
    """Latencies by their size, each bin 1 % wide."""

    def __init__(self) -> None:
        self._counts = np.zeros(LATENCY_BINS, dtype=np.int64)

    @property
    def rows(self) -> int:
        return int(self._counts.sum())

    def add(self, latency: FloatArray) -> None:
        """Count milliseconds (n,); what is no number is none."""
        known = latency[np.isfinite(latency)]
        size = np.log(np.maximum(known, LEAST_LATENCY) / LEAST_LATENCY) / np.log(LATENCY_STEP)
        places = np.minimum(size.astype(np.int64), LATENCY_BINS - 1)
        self._counts += np.bincount(places, minlength=LATENCY_BINS)

    def quantile(self, share: float) -> float:
        """Milliseconds, to 1 %; the bin's middle. There has to be one."""
        rank = max(share * self.rows, 1)
        place = int(np.searchsorted(np.cumsum(self._counts), rank))
        return LEAST_LATENCY * float(LATENCY_STEP ** (place + 0.5))


class ServiceStatistics:
    """How quotes were given, by whatever version: how many, how many of them stale, how quickly."""

    def __init__(self) -> None:
        self.rows = 0
        self.stale = 0
        self.latencies = Latencies()

    def add(self, chunk: ServiceChunk) -> None:
        """Count the quotes of a chunk."""
        self.rows += len(chunk.latency)
        self.stale += chunk.stale
        self.latencies.add(chunk.latency)


class OutcomeStatistics:
    """Predictions whose charges became known; those that are no positive numbers are left out.

    Sums are kept for 1,000 groups, which the rows join in turn, so that up to 1,000 rows the
    groups are the rows. Resampling groups that chance has put together is what resampling rows
    is, and takes as much memory and time for ten million of them.
    """

    def __init__(self, reference: Reference) -> None:
        self.rows = 0
        self.covered = 0
        self.slices: IntArray = np.zeros(SLICES, dtype=np.int64)
        self.ratios = count_ranks(reference.ratios.points, np.array([]))
        self._sums = np.zeros((GROUPS, 3))

    @property
    def sums(self) -> FloatArray:
        """Charges, premiums and squared errors of each group that has a row, (≤ 1,000, 3)."""
        return self._sums[: min(self.rows, GROUPS)]

    def add(self, chunk: OutcomeChunk) -> None:
        """Count the outcomes of a chunk."""
        charges, premium = chunk.charges, chunk.premium
        usable = np.isfinite(charges) & np.isfinite(premium) & (premium > 0)
        charges, premium = charges[usable], premium[usable]
        group = (self.rows + np.arange(len(charges))) % GROUPS
        for column, values in enumerate((charges, premium, (charges - premium) ** 2)):
            self._sums[:, column] += np.bincount(group, values, minlength=GROUPS)
        self.ratios += count_ranks(self.ratios.points, charges / premium)
        inside = (chunk.low[usable] <= charges) & (charges <= chunk.high[usable])
        self.covered += int(inside.sum())
        smoker = np.nan_to_num(chunk.smoker[usable], nan=-1).astype(np.int64)
        found = slices(smoker, chunk.age[usable])
        self.slices += np.bincount(found[found >= 0], minlength=SLICES)
        self.rows += len(charges)


class WindowStatistics:
    """Everything that is judged of a window.

    `table` counts predictions of the version by the places of SHAPE. `slices` counts them by the
    slices of `reference.slices`. `service` is of all versions. `other_outcomes` are those of quotes
    that another version gave, where its hold-out is there to judge them by.
    """

    def __init__(
        self, reference: Reference, others: Mapping[str, Reference] = MappingProxyType({})
    ) -> None:
        self.numbers = {
            name: count_ranks(reference.rank_counts[name].points, np.array([]))
            for name in NUMBER_NAMES
        }
        self.table: IntArray = np.zeros(SHAPE, dtype=np.int64)
        self.slices: IntArray = np.zeros(SLICES, dtype=np.int64)
        self.outcomes = OutcomeStatistics(reference)
        self.other_outcomes = {
            version: OutcomeStatistics(other) for version, other in others.items()
        }
        self.service = ServiceStatistics()
        self._premiums = np.zeros(SHAPE)
        self._absent: defaultdict[str, Faults] = defaultdict(Faults)
        self._outside: defaultdict[str, Faults] = defaultdict(Faults)

    @property
    def rows(self) -> int:
        """Predictions of the version."""
        return int(self.table.sum())

    def categories(self, column: CategoryColumn) -> IntArray:
        """How many predictions are of each category of the schema, (k,)."""
        return _along(self.table, column)[:UNSEEN]

    def absent(self, column: NumberColumn | CategoryColumn) -> Faults:
        """Where there is no value."""
        if isinstance(column, CategoryColumn):
            return self._of(column, ABSENT)
        return self._absent[column.name]

    def unseen(self, column: CategoryColumn) -> Faults:
        """Where the value is no category of the schema."""
        return self._of(column, UNSEEN)

    def outside(self, column: NumberColumn) -> Faults:
        """Where the value is beyond the limits of the schema, or no number."""
        return self._outside[column.name]

    def add(self, chunk: Chunk) -> None:
        """Count the predictions of a chunk."""
        premium = np.nan_to_num(chunk.numbers[PREMIUM], posinf=0.0, neginf=0.0)
        self.table += np.bincount(chunk.code, minlength=self.table.size).reshape(SHAPE)
        self._premiums += np.bincount(chunk.code, premium, self.table.size).reshape(SHAPE)
        for name in NUMBER_NAMES:
            values = chunk.numbers[name]
            self.numbers[name] += count_ranks(
                self.numbers[name].points, values[np.isfinite(values)]
            )
        for column in NUMBER_COLUMNS:
            self._look_for_faults(column, chunk.numbers[column.name], premium)
        self._add_slices(chunk)
        stale = int((chunk.code % SHAPE[-1]).sum())
        self.service.add(ServiceChunk(chunk.numbers["latency_ms"], stale))

    def _add_slices(self, chunk: Chunk) -> None:
        places = np.unravel_index(chunk.code, SHAPE)
        smoker = places[CATEGORY_COLUMNS.index(SMOKER)]
        found = slices(smoker, chunk.numbers[AGE.name])
        self.slices += np.bincount(found[found >= 0], minlength=SLICES)

    def _look_for_faults(
        self, column: NumberColumn, values: FloatArray, premium: FloatArray
    ) -> None:
        absent = np.isnan(values)
        outside = ~column.fits(values) & ~absent
        if absent.any():
            self._absent[column.name] += _faults(absent, premium)
        if outside.any():
            examples = tuple(f"{value:g}" for value in values[outside][:EXAMPLES])
            self._outside[column.name] += _faults(outside, premium, examples)

    def _of(self, column: CategoryColumn, place: int) -> Faults:
        rows, premium = _along(self.table, column), _along(self._premiums, column)
        return Faults(int(rows[place]), float(premium[place]))


def _faults(
    mask: npt.NDArray[np.bool_], premium: FloatArray, examples: tuple[str, ...] = ()
) -> Faults:
    return Faults(int(mask.sum()), float(premium[mask].sum()), examples)


def _along(table: npt.NDArray[Any], column: CategoryColumn) -> npt.NDArray[Any]:
    """The sums of an array of SHAPE by the places of one column."""
    axis = CATEGORY_COLUMNS.index(column)
    others = tuple(other for other in range(table.ndim) if other != axis)
    return np.asarray(table.sum(axis=others))
