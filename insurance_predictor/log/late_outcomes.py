"""Outcomes that become known when their quotes are in the archive: they are recorded there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pyarrow import compute as pc
from sqlalchemy import Engine, func, select

from insurance_predictor.log.archive import (
    CHARGES,
    KNOWN,
    RECORDED,
    ArchivedFile,
    archived_files,
    read_archived,
    require_archive,
)
from insurance_predictor.log.archiving import TIME, name_files, write_file
from insurance_predictor.log.database import ARCHIVED

LOCK = 0x1A7E  # any number, the same for everybody who records in this archive


@dataclass
class Recorded:
    """What outcomes became: the charges that are `kept` by id, and the ids that are `new`."""

    kept: dict[str, float] = field(default_factory=dict)
    new: set[str] = field(default_factory=set)

    def add(self, other: "Recorded") -> None:
        self.kept |= other.kept
        self.new |= other.new


def record_late(
    archive: str | None, engine: Engine, outcomes: Mapping[str, tuple[float, datetime]]
) -> Recorded:
    """Record the charges of quotes that are in the archive, by id, with when they became known.

    Their rows go with them into files of today's outcomes, which the log names together: all are
    recorded or none. Raises BadInput, InvalidSettings and Unreachable.
    """
    files = archived_files(engine, "predictions")[::-1]
    if not outcomes or not files:
        return Recorded()
    archive = require_archive(archive, files[0])
    quotes = list(_among(archive, files, outcomes))
    ids = {name for _, table in quotes for name in table.column("id").to_pylist()}
    while True:
        there = archived_files(engine, "outcomes")
        kept = dict(_charges(archive, [table for _, table in quotes], there, ids))
        new = ids - kept.keys()
        own = {name: outcomes[name] for name in new}
        files = [_write(archive, version, table) for version, table in _late(quotes, own)]
        if not files or _named(engine, files, there):
            return Recorded(kept | {name: charges for name, (charges, _) in own.items()}, new)


def _among(
    archive: str, files: Iterable[ArchivedFile], ids: Iterable[str]
) -> Iterator[tuple[str, pa.Table]]:
    """The rows with those ids, each once, and their version; no file is read when all are found."""
    left = set(ids)
    for file in files:
        if not left:
            return
        table = _with_ids(read_archived(archive, file), left)
        if table.num_rows:
            yield file.version, table
            left -= set(table.column("id").to_pylist())


def _with_ids(table: pa.Table, ids: Iterable[str]) -> pa.Table:
    return table.filter(pc.is_in(table.column("id"), pa.array(ids, pa.string())))


def _charges(
    archive: str, quotes: Iterable[pa.Table], files: Iterable[ArchivedFile], ids: set[str]
) -> Iterator[tuple[str, float]]:
    """What is recorded of the ids: with their quotes, and since those have been in the archive."""
    recorded = (read_archived(archive, file, ["id", CHARGES]) for file in files)
    for table in (*quotes, *(_with_ids(one, ids) for one in recorded)):
        pairs = zip(table.column("id").to_pylist(), table.column(CHARGES).to_pylist(), strict=True)
        yield from ((name, charges) for name, charges in pairs if charges is not None)


def _late(
    quotes: Iterable[tuple[str, pa.Table]], outcomes: Mapping[str, tuple[float, datetime]]
) -> Iterator[tuple[str, pa.Table]]:
    """The rows of quotes with their outcomes, by version and by the columns that they have."""
    alike: dict[tuple[str, str], list[pa.Table]] = {}
    for version, table in quotes:
        alike.setdefault((version, str(table.schema)), []).append(_with_ids(table, outcomes))
    now = datetime.now(UTC)
    for (version, _), tables in alike.items():
        rows = pa.concat_tables(tables).sort_by("id")
        if not rows.num_rows:
            continue
        found = [outcomes[name] for name in rows.column("id").to_pylist()]
        given: tuple[tuple[str, Sequence[Any], Any], ...] = (
            (CHARGES, [charges for charges, _ in found], pa.float64()),
            (KNOWN, [time for _, time in found], TIME),
            (RECORDED, [now] * len(found), TIME),
        )
        for name, values, kind in given:
            place = rows.schema.get_field_index(name)
            rows = rows.set_column(place, name, pa.array(values, kind))
        yield version, rows


def _write(archive: str, version: str, rows: pa.Table) -> ArchivedFile:
    day = rows.column(RECORDED)[0].as_py().date()
    return write_file(archive, "outcomes", version, day, rows)


def _named(engine: Engine, files: Sequence[ArchivedFile], there: Sequence[ArchivedFile]) -> bool:
    """Name the files in the log, unless outcomes came into the archive since `there` was read."""
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
        name_files(connection, files)
        named = select(func.count()).where(ARCHIVED.c.kind == "outcomes")
        if connection.scalar(named) != len(there) + len(files):
            return False
        connection.commit()
        return True
