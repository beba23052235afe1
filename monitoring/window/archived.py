"""Quotes that have left the log for its archive: those of a model in a window, file by file."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from pyarrow import compute as pc

from insurance_predictor.log.archive import RECORDED, ArchivedFile, read_archived

MOMENT = "%Y-%m-%d %H:%M:%S"  # Arrow adds the fraction
KEY = "key"  # by which rows are in order
TIME = pa.timestamp("us", "UTC")
ORIGIN = ("model", "incarnation")


@dataclass(frozen=True)
class ArchivedWindow:
    """What of an archive is looked at: rows from `start` up to, but not at, `end`.

    Of predictions that is when they were made, of outcomes when they were recorded. Rows are those
    of one model, as `reader.ModelLog` tells them apart.
    """

    archive: str | None
    model: str
    incarnation: str | None
    start: datetime
    end: datetime

    def own(self, file: ArchivedFile, columns: Sequence[str]) -> pa.Table:
        """The model's rows of a file, with those of the columns that it has."""
        return self.rows(file, columns)[0]

    def rows(self, file: ArchivedFile, columns: Sequence[str]) -> tuple[pa.Table, int]:
        """The same, and how many other rows of the window are in the file."""
        moment = "time" if file.kind == "predictions" else RECORDED
        table = read_archived(self.archive, file, [*dict.fromkeys((*columns, moment, *ORIGIN))])
        moments = table.column(moment)
        within = table.filter(
            pc.and_(
                pc.greater_equal(moments, pa.scalar(self.start, TIME)),
                pc.less(moments, pa.scalar(self.end, TIME)),
            )
        )
        own = self._is(within, "model", self.model)
        if self.incarnation is not None:
            own = pc.and_(own, self._is(within, "incarnation", self.incarnation))
        found = within.filter(own)
        return found, within.num_rows - found.num_rows

    def _is(self, table: pa.Table, name: str, wanted: str) -> Any:
        return pc.equal(pc.fill_null(table.column(name), wanted), wanted)


def with_key(table: pa.Table, moment: str) -> pa.Table:
    """Rows by what they are in order by: a moment, as databases write it, and the id."""
    text = pc.strftime(table.column(moment), format=MOMENT)
    key = pc.binary_join_element_wise(text, table.column("id"), " ")
    return table.append_column(KEY, key)


def typed(table: pa.Table, texts: Sequence[str], numbers: Sequence[str]) -> pa.Table:
    """These columns and no other, texts as strings and numbers as float64; NULL where not there."""
    kinds = {**dict.fromkeys(texts, pa.string()), **dict.fromkeys(numbers, pa.float64())}
    arrays = [
        table.column(name).cast(kind) if name in table.schema.names else pa.nulls(len(table), kind)
        for name, kind in kinds.items()
    ]
    return pa.table(arrays, names=list(kinds))


def merged(streams: Iterable[Iterator[pa.Table]]) -> Iterator[pa.Table]:
    """One stream of rows in the order of their KEY, from several that each are.

    Of each no more than a table is in memory.
    """
    heads: list[tuple[pa.Table, Iterator[pa.Table]]] = []
    for stream in streams:
        heads += _head(stream)
    while heads:
        last = min(head.column(KEY)[-1].as_py() for head, _ in heads)
        taken, left = [], []
        for head, stream in heads:
            count = pc.sum(pc.less_equal(head.column(KEY), last)).as_py()
            taken.append(head.slice(0, count))
            rest = head.slice(count)
            left += [(rest, stream)] if rest.num_rows else _head(stream)
        yield pa.concat_tables(taken).sort_by(KEY)
        heads = left


def _head(stream: Iterator[pa.Table]) -> list[tuple[pa.Table, Iterator[pa.Table]]]:
    found = next((table for table in stream if table.num_rows), None)
    return [] if found is None else [(found, stream)]


def lanes(files: Sequence[ArchivedFile]) -> list[list[ArchivedFile]]:
    """Files apart, so that those of a lane are of days that follow each other, one a day."""
    found: list[list[ArchivedFile]] = []
    for file in sorted(files, key=lambda one: (one.day, one.path)):
        lane = next((lane for lane in found if lane[-1].day < file.day), None)
        if lane is None:
            found.append([file])
        else:
            lane.append(file)
    return found
