"""What is kept of a window while it streams by, in memory that does not grow with its rows."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt

from insurance_predictor.base.arrays import FloatArray, IntArray
from insurance_predictor.table.columns import CategoryColumn, NumberColumn
from monitoring.window.batches import (
    ABSENT,
    EXAMPLES,
    LATENCY,
    UNSEEN,
    Chunk,
    OutcomeChunk,
    ServiceChunk,
)
from monitoring.window.exact_sum import NOTHING, ExactSum, exact_sum
from monitoring.window.rank_counts import RankCounts, count_ranks
from monitoring.window.reference import PREMIUM, Reference
from monitoring.window.slices import slices_of

GROUPS = 1000  # of outcomes, for the bootstrap
LATENCY_STEP = 1.01  # a latency is kept to 1 %
LEAST_LATENCY = 0.01  # milliseconds
LATENCY_BINS = 1900  # up to some 26 minutes

Addable = TypeVar("Addable", RankCounts, IntArray, "OutcomeStatistics")


@dataclass(frozen=True)
class Faults:
    """How many values are at fault, the sum of those quotes' premiums, and the least of them.

    `examples` are numbers, as they are shown.
    """

    rows: int = 0
    premium: ExactSum = NOTHING
    examples: tuple[str, ...] = ()

    def __add__(self, other: "Faults") -> "Faults":
        least = sorted({*self.examples, *other.examples}, key=float)[:EXAMPLES]
        return Faults(self.rows + other.rows, self.premium + other.premium, tuple(least))


class Latencies:
    """Latencies by their size, each bin 1 % wide."""

    def __init__(self) -> None:
        self._counts = np.zeros(LATENCY_BINS, dtype=np.int64)

    def __add__(self, other: Self) -> Self:
        """Both together."""
        both = copy(self)
        both._counts = self._counts + other._counts
        return both

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

    def __add__(self, other: Self) -> Self:
        """Both together."""
        both = copy(self)
        both.rows += other.rows
        both.stale += other.stale
        both.latencies = self.latencies + other.latencies
        return both

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
        self._sliced = slices_of(reference.columns)
        self.slices: IntArray = np.zeros(self._sliced.count, dtype=np.int64)
        self.ratios = count_ranks(reference.ratios.points, np.array([]))
        self._sums = np.zeros((GROUPS, 3))

    def __add__(self, other: Self) -> Self:
        """Both together, as if the rows of `other`, of the same version, had come after these."""
        both = copy(self)
        both.rows += other.rows
        both.covered += other.covered
        both.slices = self.slices + other.slices
        both.ratios = self.ratios + other.ratios
        both._sums = self._sums + np.roll(other._sums, self.rows % GROUPS, axis=0)
        return both

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
            # One after the other, so that it does not matter how they come in chunks.
            np.add.at(self._sums[:, column], group, values)
        self.ratios += count_ranks(self.ratios.points, charges / premium)
        inside = (chunk.low[usable] <= charges) & (charges <= chunk.high[usable])
        self.covered += int(inside.sum())
        self.slices += self._sliced.count_people(chunk.group[usable], chunk.banded[usable])
        self.rows += len(charges)


class WindowStatistics:
    """Everything that is judged of a window.

    `rows` are predictions of the version, and `slices` counts them by the slices of its columns.
    `service` is of all versions. `other_outcomes` are those of quotes
    that another version gave, where its hold-out is there to judge them by.
    """

    def __init__(
        self, reference: Reference, others: Mapping[str, Reference] = MappingProxyType({})
    ) -> None:
        self.columns = reference.columns
        self.rows = 0
        self.numbers = {
            name: count_ranks(reference.rank_counts[name].points, np.array([]))
            for name in reference.number_names
        }
        self._sliced = slices_of(self.columns)
        self.slices: IntArray = np.zeros(self._sliced.count, dtype=np.int64)
        self.outcomes = OutcomeStatistics(reference)
        self.other_outcomes = {
            version: OutcomeStatistics(other) for version, other in others.items()
        }
        self.service = ServiceStatistics()
        self._counts: dict[str, IntArray] = {
            column.name: np.zeros(len(column.values) + 2, dtype=np.int64)
            for column in self.columns.categories
        }
        self._absent: defaultdict[str, Faults] = defaultdict(Faults)
        self._unseen: defaultdict[str, Faults] = defaultdict(Faults)
        self._outside: defaultdict[str, Faults] = defaultdict(Faults)

    def __add__(self, other: Self) -> Self:
        """Both together, as if the rows of `other`, of the same version, had come after these."""
        both = copy(self)
        both.rows += other.rows
        both.slices = self.slices + other.slices
        both.outcomes = self.outcomes + other.outcomes
        both.service = self.service + other.service
        both.numbers = _each(self.numbers, other.numbers)
        both.other_outcomes = _each(self.other_outcomes, other.other_outcomes)
        both._counts = _each(self._counts, other._counts)
        both._absent = _all(self._absent, other._absent)
        both._unseen = _all(self._unseen, other._unseen)
        both._outside = _all(self._outside, other._outside)
        return both

    def categories(self, column: CategoryColumn) -> IntArray:
        """How many predictions are of each known category, (k,)."""
        return self._counts[column.name][:UNSEEN]

    def absent(self, column: NumberColumn | CategoryColumn) -> Faults:
        """Where there is no value."""
        return self._absent[column.name]

    def presence(self, column: NumberColumn | CategoryColumn) -> IntArray:
        """How many predictions have a value, and how many have none, (2,)."""
        absent = self.absent(column).rows
        return np.array([self.rows - absent, absent])

    def unseen(self, column: CategoryColumn) -> Faults:
        """Where the value is no known category."""
        return self._unseen[column.name]

    def outside(self, column: NumberColumn) -> Faults:
        """Where the value is beyond the column's limits, or no number."""
        return self._outside[column.name]

    def add(self, chunk: Chunk) -> None:
        """Count the predictions of a chunk."""
        premium = np.nan_to_num(chunk.numbers[PREMIUM], posinf=0.0, neginf=0.0)
        self.rows += chunk.rows
        for name, counted in self.numbers.items():
            values = chunk.numbers[name]
            self.numbers[name] = counted + count_ranks(counted.points, values[np.isfinite(values)])
        for category in self.columns.categories:
            self._add_places(category, chunk.places[category.name], premium)
        for number in self.columns.numbers:
            self._look_for_faults(number, chunk.numbers[number.name], premium)
        self._add_slices(chunk)
        self.service.add(ServiceChunk(chunk.numbers[LATENCY], int(chunk.stale.sum())))

    def add_refused(
        self, column: NumberColumn | CategoryColumn, absent: int, beyond: Sequence[str]
    ) -> None:
        """Count values that nobody has a premium for: so many are missing, others cannot be."""
        if absent:
            self._absent[column.name] += Faults(absent)
        if beyond:
            kept = self._unseen if isinstance(column, CategoryColumn) else self._outside
            before = kept[column.name]
            examples = sorted({*before.examples, *beyond})[:EXAMPLES]
            kept[column.name] = replace(
                before, rows=before.rows + len(beyond), examples=tuple(examples)
            )

    def _add_slices(self, chunk: Chunk) -> None:
        group, banded = self._sliced.group, self._sliced.banded
        # What a version has no column for is not looked at.
        place = chunk.places[group.name] if group else chunk.stale
        number = chunk.numbers[banded.name if banded else PREMIUM]
        self.slices += self._sliced.count_people(place, number)

    def _add_places(self, column: CategoryColumn, places: IntArray, premium: FloatArray) -> None:
        counts = self._counts[column.name]
        counts += np.bincount(places, minlength=len(counts))
        for place, faults in ((UNSEEN, self._unseen), (ABSENT, self._absent)):
            at_fault = places == len(counts) + place
            if at_fault.any():
                faults[column.name] += _faults(at_fault, premium)

    def _look_for_faults(
        self, column: NumberColumn, values: FloatArray, premium: FloatArray
    ) -> None:
        absent = np.isnan(values)
        outside = ~column.fits(values) & ~absent
        if absent.any():
            self._absent[column.name] += _faults(absent, premium)
        if outside.any():
            examples = _least(values[outside])
            self._outside[column.name] += _faults(outside, premium, examples)


def _faults(
    mask: npt.NDArray[np.bool_], premium: FloatArray, examples: tuple[str, ...] = ()
) -> Faults:
    return Faults(int(mask.sum()), exact_sum(premium[mask]), examples)


def _least(values: FloatArray) -> tuple[str, ...]:
    """The least few different values, as they are shown."""
    shown: dict[str, None] = {}
    for value in np.unique(values):
        shown[f"{value:g}"] = None
        if len(shown) == EXAMPLES:
            break
    return tuple(shown)


def _each(first: Mapping[str, Addable], second: Mapping[str, Addable]) -> dict[str, Addable]:
    """Both together, name by name; they have the same names."""
    return {name: counted + second[name] for name, counted in first.items()}


def _all(first: Mapping[str, Faults], second: Mapping[str, Faults]) -> defaultdict[str, Faults]:
    """Both together, where either may have no such name."""
    both = defaultdict(Faults, first)
    for name, faults in second.items():
        both[name] += faults
    return both
