"""Rows that have left the log for Parquet files: which there are, each read as it was written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import quote

import pyarrow as pa
from sqlalchemy import Connection, Engine, Row, select

from insurance_predictor.base.errors import InvalidSettings, InvalidTable
from insurance_predictor.log.database import ARCHIVED

Kind = Literal["predictions", "outcomes"]
# Of a quote's outcome, in the row of the quote; no column of people can have such a name.
CHARGES, KNOWN, RECORDED = "outcome.charges", "outcome.time", "outcome.recorded"
SHOWN_DIGITS = 16  # of a file's sha256, in its name


@dataclass(frozen=True)
class ArchivedFile:
    """A file of the archive: `path` is below ARCHIVE, `size` in bytes, `day` in UTC.

    Of `predictions` the day is that of the quotes, of `outcomes` that on which they were recorded.
    The rows of both are those of the log with all columns, and CHARGES, KNOWN and RECORDED.
    """

    path: str
    kind: Kind
    version: str
    day: date
    rows: int
    size: int
    sha256: str


def describe(kind: Kind, version: str, day: date, rows: int, content: bytes) -> ArchivedFile:
    """The file of such a content: the same rows are the same file."""
    digest = sha256(content).hexdigest()
    # A version of another program may be called anything.
    folder = f"{kind}/day={day}/version={quote(version, safe='')}"
    path = f"{folder}/{digest[:SHOWN_DIGITS]}.parquet"
    return ArchivedFile(path, kind, version, day, rows, len(content), digest)


def archived_files(
    engine: Engine, kind: Kind, first: date | None = None, last: date | None = None
) -> list[ArchivedFile]:
    """The files of the days from `first` to `last`, by version, day and name."""
    chosen = select(ARCHIVED).where(ARCHIVED.c.kind == kind)
    if first is not None:
        chosen = chosen.where(ARCHIVED.c.day >= first)
    if last is not None:
        chosen = chosen.where(ARCHIVED.c.day <= last)
    order = chosen.order_by(ARCHIVED.c.version, ARCHIVED.c.day, ARCHIVED.c.path)
    with engine.connect() as connection:
        return [_file(row) for row in connection.execute(order)]


def last_archived(connection: Connection) -> ArchivedFile | None:
    """The file that came last; None where nothing was archived."""
    newest = select(ARCHIVED).order_by(ARCHIVED.c.archived.desc(), ARCHIVED.c.path).limit(1)
    row = connection.execute(newest).one_or_none()
    return None if row is None else _file(row)


def _file(row: Row[Any]) -> ArchivedFile:
    found = row._mapping
    return ArchivedFile(**{name: found[name] for name in ArchivedFile.__dataclass_fields__})


def require_archive(archive: str | None, file: ArchivedFile) -> str:
    """ARCHIVE, which has to be set where a file of it is wanted."""
    if archive is None:
        raise InvalidSettings(
            f"Rows of {file.day} were archived, and ARCHIVE is not set. Set it to the folder or "
            "s3:// address that `make archive` was given."
        )
    return archive


def read_archived(
    archive: str | None, file: ArchivedFile, columns: Sequence[str] | None = None
) -> pa.Table:
    """A file's rows, or some of its columns, as they were when they left the log.

    A column that the file does not have is left out. Raises InvalidTable for a file that is gone
    or not the one that was written, Unreachable when the storage does not answer.
    """
    # Most windows do not reach so far back.
    from pyarrow import parquet

    from insurance_predictor.table.storage import joined, read_bytes

    url = joined(require_archive(archive, file), file.path)
    if ".." in file.path.split("/"):  # whoever may write the log may write anything there
        raise InvalidTable(f"The log names {file.path}, which is not below ARCHIVE. Correct it.")
    try:
        content = read_bytes(url)
    except InvalidTable as error:
        raise InvalidTable(
            f"The archive's file {url} is gone, with {file.rows:,} rows of {file.day}. Bring it "
            "back, or set ARCHIVE to where the archive is now."
        ) from error
    if sha256(content).hexdigest() != file.sha256:
        raise InvalidTable(
            f"The archive's file {url} is damaged: it has {len(content):,} bytes of other content "
            f"than the {file.size:,} that were written. Bring back the one of {file.day}."
        )
    opened = parquet.ParquetFile(pa.BufferReader(content))
    if columns is not None:
        there = set(opened.schema_arrow.names)
        columns = [name for name in columns if name in there]
    return opened.read(columns)
