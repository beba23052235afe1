"""What becomes of an Arrow record batch of quotes, wherever it comes from: arrays to count.

Its columns are named as those of the prediction log: the features, premium, low, high, latency_ms,
source, stale and charges. One that is not there is one without a value.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyarrow import compute as pc

from insurance_predictor.base.arrays import FloatArray, IntArray
from insurance_predictor.table.columns import CategoryColumn, Columns
from monitoring.window.reference import PREMIUM, number_names
from monitoring.window.slices import slices_of

EXAMPLES = 5
LATENCY = "latency_ms"
STALE = "stale"
SOURCE = "source"
CHARGES = "charges"
BATCH = "batch"  # a source

# Of a category's places the last two are for values that are no category, and for none at all.
UNSEEN, ABSENT = -2, -1


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some predictions of one version, each array (n,).

    `numbers` are the version's, each in its unit, premium (the target's unit) and latency_ms:
    NaN for NULL, infinite for what is no number; the latency of a batch is left out as NaN.
    `places` are positions among the values of each category, then that of values that are none of
    them, then that of NULL. `stale` is 1 where the version was.
    """

    numbers: Mapping[str, FloatArray]
    places: Mapping[str, IntArray]
    stale: IntArray

    @property
    def rows(self) -> int:
        return len(self.stale)


@dataclass(frozen=True, eq=False)
class OutcomeChunk:
    """Some predictions whose charges are known, each array (n,): money in the target's unit.

    `banded` is the number that slices have bands of, in its unit, and `group` the place among the
    values of their group; a place beyond them is none. Both are not looked at where the version
    has no such column.
    """

    premium: FloatArray
    low: FloatArray
    high: FloatArray
    charges: FloatArray
    banded: FloatArray
    group: IntArray


@dataclass(frozen=True)
class ServiceChunk:
    """Latencies (n,) of some quotes in milliseconds, NaN for a batch, and how many are stale."""

    latency: FloatArray
    stale: int


def chunk(batch: pa.RecordBatch, columns: Columns) -> Chunk:
    """Predictions of a version that has these columns."""
    numbers = {name: _numbers(batch, name) for name in number_names(columns)}
    return Chunk(
        numbers={**numbers, LATENCY: _latency(batch)},
        places={column.name: _places(batch, column) for column in columns.categories},
        stale=_stale(batch),
    )


def outcome_chunk(batch: pa.RecordBatch, columns: Columns) -> OutcomeChunk:
    """Predictions of a version that has these columns, beside their charges."""
    slices = slices_of(columns)
    premium, low, high, charges = (
        _numbers(batch, name) for name in (PREMIUM, "low", "high", CHARGES)
    )
    return OutcomeChunk(
        premium=premium,
        low=low,
        high=high,
        charges=charges,
        banded=_numbers(batch, slices.banded.name) if slices.banded else premium,
        group=_places(batch, slices.group) if slices.group else np.zeros(len(premium), np.int64),
    )


def service_chunk(batch: pa.RecordBatch) -> ServiceChunk:
    """How these quotes were given."""
    return ServiceChunk(_latency(batch), int(_stale(batch).sum()))


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    place = batch.schema.get_field_index(name)
    found = pa.nulls(batch.num_rows) if place < 0 else batch.column(place)
    return found.dictionary_decode() if pa.types.is_dictionary(found.type) else found


def _numbers(batch: pa.RecordBatch, name: str) -> FloatArray:
    found = _column(batch, name).cast(pa.float64(), safe=False)  # a great integer is rounded
    values: FloatArray = pc.fill_null(found, np.nan).to_numpy(zero_copy_only=False)
    return values


def _places(batch: pa.RecordBatch, column: CategoryColumn) -> IntArray:
    values = _column(batch, column.name).cast(pa.string())
    known = len(column.values)
    found = pc.fill_null(pc.index_in(values, pa.array(column.values, pa.string())), known)
    places = np.array(found, dtype=np.int64)
    places[values.is_null().to_numpy(zero_copy_only=False)] = known + 1
    return places


def _latency(batch: pa.RecordBatch) -> FloatArray:
    """Nobody waits for one quote of a batch."""
    of_batch = pc.fill_null(pc.equal(_column(batch, SOURCE).cast(pa.string()), BATCH), False)
    is_alone = ~of_batch.to_numpy(zero_copy_only=False)
    return np.where(is_alone, _numbers(batch, LATENCY), np.nan)


def _stale(batch: pa.RecordBatch) -> IntArray:
    found = _column(batch, STALE).cast(pa.int64())
    return np.array(pc.fill_null(found, 0), dtype=np.int64)
