"""`archive`: old rows of the log become files of Parquet, each read back before its rows go."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

import pyarrow as pa
from pyarrow import compute as pc
from pyarrow import parquet
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    DateTime,
    Engine,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    TypeDecorator,
    and_,
    cast,
    delete,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    type_coerce,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError
from sqlalchemy.types import TypeEngine

from insurance_predictor.base.environment import progress
from insurance_predictor.base.errors import BadInput, InvalidSettings
from insurance_predictor.base.settings import Settings
from insurance_predictor.log.archive import (
    CHARGES,
    KNOWN,
    RECORDED,
    ArchivedFile,
    Kind,
    describe,
    last_archived,
)
from insurance_predictor.log.database import (
    ARCHIVED,
    FRACTIONS,
    OUTCOMES,
    PREDICTIONS,
    opened,
    reading,
)
from insurance_predictor.log.prediction_log import PredictionLog
from insurance_predictor.table.storage import (
    absolute,
    joined,
    listing,
    read_bytes,
    require_storage,
    settle,
    write_bytes,
)

OLDER = "400d"
LEAST = timedelta(days=30)  # what monitoring still looks at stays
LENGTHS = {"d": timedelta(days=1), "w": timedelta(weeks=1)}
ROWS = 100_000  # that are in memory, and leave the log, at once
FETCHED = 10_000  # rows that are Python's objects at once
GROUP = 50_000  # rows of a row group
MOMENT = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9]"
TIME = pa.timestamp("us", "UTC")

Cursor = tuple[Any, str]  # the time, as the database has it, and the id of the last row


@dataclass
class ArchiveReport:
    """What left the log for `archive`, or would: quotes of before the day `before`, in UTC.

    `files` are those that are there now; `outcomes` of the `rows` had one. `days` are the first and
    the last day of the quotes. What stays is counted: `late` are quotes whose outcome was
    recorded later, `strange` have a value that is not of its column's kind, `changed` got an
    outcome meanwhile.
    """

    archive: str
    before: date
    is_preview: bool
    rows: int = 0
    outcomes: int = 0
    bytes: int = 0
    versions: dict[str, int] = field(default_factory=dict)
    days: tuple[date, date] | None = None
    files: list[str] = field(default_factory=list)
    late: int = 0
    strange: int = 0
    changed: int = 0

    def count(self, version: str, rows: int, outcomes: int, first: date, last: date) -> None:
        """Add quotes of a version, which were given from `first` to `last`."""
        self.rows += rows
        self.outcomes += outcomes
        self.versions[version] = self.versions.get(version, 0) + rows
        known = self.days or (first, last)
        self.days = min(first, known[0]), max(last, known[1])


def archive_log(
    settings: Settings, older: str = OLDER, is_preview: bool = False, now: datetime | None = None
) -> ArchiveReport:
    """Move quotes older than `older` to files below ARCHIVE, of whatever model they are.

    Their outcomes go with them; a quote whose outcome was recorded later stays. A row is in the
    log or in the archive, whatever is killed when: its file is written, read back and compared, and
    one transaction names it in the log and deletes the rows. The same call goes on. Raises
    BadInput, InvalidSettings and Unreachable; what was archived before stays archived.
    """
    before = cutoff(older, now or datetime.now(UTC))
    if settings.archive is None:
        raise InvalidSettings(
            "ARCHIVE is not set. Set it to the folder, or to s3://bucket/folder, that old rows of "
            "the prediction log are to go to."
        )
    require_storage(settings.archive, "ARCHIVE")
    report = ArchiveReport(absolute(settings.archive), before.date(), is_preview)
    PredictionLog(settings).close()  # what waits in the spool may be old
    url = settings.prediction_log_url
    with opened(url) as engine, reading(url) as reader:
        _require_the_same_archive(reader, report.archive)
        rows = _Rows(reader, before)
        versions = list(rows.versions())
        if is_preview:
            for version in versions:
                _preview(rows, version, report)
        else:
            total = sum(rows.total(version) for version in versions)
            with progress("archiving", total, unit=" rows") as advance:
                for version in versions:
                    for unit in rows.units(version):
                        _move(engine, rows, version, unit, report)
                        advance(unit.num_rows)
        report.late = sum(rows.total(version, rows.is_late) for version in versions)
        report.strange = sum(rows.total(version, rows.is_strange) for version in versions)
    return report


def cutoff(older: str, now: datetime) -> datetime:
    """The beginning of the day, in UTC, before which quotes are `older` (400d, 60w) than `now`.

    Raises BadInput for what is no such length, or less than thirty days.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,5})([dw])", older.strip())
    if found is None:
        raise BadInput(f"OLDER={older!r} is no length of time. Give one like 400d or 60w.")
    length = int(found[1]) * LENGTHS[found[2]]
    if length < LEAST:
        raise BadInput(
            f"OLDER={older} is less than {LEAST.days} days, which monitoring still looks at. Give "
            f"{LEAST.days}d or more."
        )
    try:
        moment = now.astimezone(UTC) - length
    except OverflowError as error:
        raise BadInput(f"OLDER={older} is before the calendar begins. Give less.") from error
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _require_the_same_archive(engine: Engine, archive: str) -> None:
    """Raise BadInput where ARCHIVE is not the place that earlier rows went to."""
    with engine.connect() as connection:
        last = last_archived(connection)
    if last is None:
        return
    folder, _, name = joined(archive, last.path).rpartition("/")
    if listing(folder).get(name) != last.size:
        raise BadInput(
            f"Rows of this log went to {last.path} below ARCHIVE, and {archive} does not have that "
            "file. Set ARCHIVE to where they are, or bring them to where it is now."
        )


def _preview(rows: "_Rows", version: str, report: ArchiveReport) -> None:
    found = rows.summary(version)
    if found is not None:
        report.count(version, *found)


def _move(
    engine: Engine, rows: "_Rows", version: str, unit: pa.Table, report: ArchiveReport
) -> None:
    """Write some rows of a version, look whether they are there, and take them out of the log."""
    files = []
    for kind, day, piece in _pieces(unit):
        files.append(write_file(report.archive, kind, version, day, piece))
    if not _replace(engine, rows, unit, files):
        report.changed += unit.num_rows
        return
    days = unit.column("time").cast(pa.date32())
    outcomes = unit.num_rows - unit.column(RECORDED).null_count
    first, last = pc.min(days).as_py(), pc.max(days).as_py()
    report.count(version, unit.num_rows, outcomes, first, last)
    report.files += [file.path for file in files]
    report.bytes += sum(file.size for file in files)


def write_file(archive: str, kind: Kind, version: str, day: date, rows: pa.Table) -> ArchivedFile:
    """Write rows below `archive`, read back and compared; the log does not name the file yet."""
    content = _parquet(rows)
    file = describe(kind, version, day, rows.num_rows, content)
    _write(joined(archive, file.path), content, rows.column("id"))
    return file


def _pieces(unit: pa.Table) -> Iterator[tuple[Kind, date, pa.Table]]:
    """The files of some rows: by the day of the quote, and again by that of the outcome."""
    with_outcome = unit.filter(pc.is_valid(unit.column(RECORDED)))
    kinds: tuple[tuple[Kind, str, pa.Table], ...] = (
        ("predictions", "time", unit),
        ("outcomes", RECORDED, with_outcome),
    )
    for kind, moment, table in kinds:
        ordered = table.sort_by([(moment, "ascending"), ("id", "ascending")])
        days = ordered.column(moment).cast(pa.date32())
        for day in days.unique().to_pylist():
            yield kind, day, ordered.filter(pc.equal(days, day)).combine_chunks()


def _parquet(piece: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    words = [one.name for one in piece.schema if pa.types.is_string(one.type) and one.name != "id"]
    parquet.write_table(piece, sink, compression="zstd", row_group_size=GROUP, use_dictionary=words)
    return bytes(sink.getvalue())


def _write(url: str, content: bytes, ids: pa.ChunkedArray) -> None:
    """Raises BadInput unless what is there in the end is what was written."""
    write_bytes(url, content)
    settle(url)
    found = read_bytes(url)
    is_same = sha256(found).digest() == sha256(content).digest()
    if not is_same or not parquet.read_table(pa.BufferReader(found)).column("id").equals(ids):
        raise BadInput(
            f"{url} is not what was written there, when it is read back. Nothing of it has left "
            "the log: look at that storage, then run the same command again."
        )


class _Changed(Exception):
    """Rows are not as they were read."""


def _replace(engine: Engine, rows: "_Rows", unit: pa.Table, files: Sequence[ArchivedFile]) -> bool:
    """Name the files in the log and delete their rows, together; whether these were as before."""
    ids = unit.column("id").to_pylist()
    outcomes = unit.num_rows - unit.column(RECORDED).null_count
    try:
        with engine.begin() as connection:
            asked = _among(connection, ids)
            there = connection.scalar(
                select(func.count()).select_from(OUTCOMES).where(OUTCOMES.c.id.in_(asked))
            )
            gone = connection.execute(
                delete(OUTCOMES).where(OUTCOMES.c.id.in_(asked), OUTCOMES.c.recorded < rows.before)
            )
            if not there == gone.rowcount == outcomes:
                raise _Changed
            gone = connection.execute(delete(PREDICTIONS).where(PREDICTIONS.c.id.in_(asked)))
            if gone.rowcount != unit.num_rows:
                raise _Changed
            name_files(connection, files)
    except (_Changed, IntegrityError):
        return False
    return True


def name_files(connection: Connection, files: Sequence[ArchivedFile]) -> None:
    """Let the log know of files that are there.

    Quotes that came into the log a second time are in the same file as the first time.
    """
    now = datetime.now(UTC)
    lines = [asdict(file) | {"archived": now} for file in files]
    known = set(
        connection.scalars(
            select(ARCHIVED.c.path).where(ARCHIVED.c.path.in_([line["path"] for line in lines]))
        )
    )
    new = [line for line in lines if line["path"] not in known]
    if new:
        connection.execute(ARCHIVED.insert(), new)


def _among(connection: Connection, ids: Sequence[str]) -> Select[Any]:
    """The ids as rows, however many there are."""
    if connection.dialect.name == "postgresql":
        array = cast(literal(list(ids), postgresql.ARRAY(String)), postgresql.ARRAY(String))
        return select(func.unnest(array))
    each = func.json_each(json.dumps(ids)).table_valued("value")
    return select(each.c.value)


class _Rows:
    """The rows of a log that were given before a moment, with all columns that it has."""

    def __init__(self, engine: Engine, before: datetime) -> None:
        """Raises InvalidSettings for a column of a kind that is not known here."""
        self._engine = engine
        self.before = before
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._log = Table(PREDICTIONS.name, MetaData(), autoload_with=engine)
        self._columns: dict[str, ColumnElement[Any]] = {one.name: one for one in self._log.c}
        self._columns |= {
            CHARGES: OUTCOMES.c.charges,
            KNOWN: OUTCOMES.c.time,
            RECORDED: OUTCOMES.c.recorded,
        }
        self._schema = pa.schema(
            [(name, _arrow(name, one.type)) for name, one in self._columns.items()]
        )
        self._time = self._raw("time")
        self._recorded = self._raw(RECORDED)
        end: Any = f"{before:%Y-%m-%d %H:%M:%S.%f}" if self._is_sqlite else before
        self._is_old = self._time < end
        self.is_late = and_(self._recorded.is_not(None), self._recorded >= end)
        self.goes = and_(
            or_(self._recorded.is_(None), self._recorded < end),
            *(self._is_kept(field) for field in self._schema),
        )
        self.is_strange = and_(not_(self.is_late), not_(self.goes))

    def versions(self) -> Iterator[str]:
        """Every version that has quoted, by one search of the index for each."""
        kept = self._log.c.version
        with self._engine.connect() as connection:
            version = connection.scalar(select(func.min(kept)))
            while version is not None:
                yield version
                version = connection.scalar(select(func.min(kept)).where(kept > version))

    def total(self, version: str, condition: ColumnElement[bool] | None = None) -> int:
        """How many rows of a version are old, of those that a condition is true of."""
        chosen = self._chosen([func.count()], version, true() if condition is None else condition)
        with self._engine.connect() as connection:
            return connection.scalar(chosen) or 0

    def summary(self, version: str) -> tuple[int, int, date, date] | None:
        """How many rows of a version go, how many have an outcome, their first and last day."""
        asked = [func.count(), func.count(OUTCOMES.c.id), func.min(self._time)]
        chosen = self._chosen([*asked, func.max(self._time)], version, self.goes)
        with self._engine.connect() as connection:
            rows, outcomes, first, last = connection.execute(chosen).one()
        return (rows, outcomes, _day(first), _day(last)) if rows else None

    def units(self, version: str) -> Iterator[pa.Table]:
        """The rows of a version that go, so many at a time, by time and id."""
        cursor: Cursor | None = None
        while True:
            unit, cursor = self._unit(version, cursor)
            if cursor is None:
                return
            yield unit

    def _unit(self, version: str, after: Cursor | None) -> tuple[pa.Table, Cursor | None]:
        asked = [self._raw(name).label(name) for name in self._schema.names]
        chosen = self._chosen(asked, version, self.goes)
        key = self._log.c.id
        if after is not None:
            time, last = after
            chosen = chosen.where(self._time >= time, or_(self._time > time, key > last))
        chosen = chosen.order_by(self._time, key).limit(ROWS)
        batches, cursor = [], None
        places = [self._schema.get_field_index(name) for name in ("time", "id")]
        with self._engine.connect() as connection:
            result = connection.execution_options(stream_results=True).execute(chosen)
            for rows in result.partitions(FETCHED):
                batches.append(self._batch(rows))
                cursor = rows[-1][places[0]], rows[-1][places[1]]
        return pa.Table.from_batches(batches, self._schema), cursor

    def _batch(self, rows: Iterable[Any]) -> pa.RecordBatch:
        cells = zip(*rows, strict=True)
        arrays = [_array(values, one.type) for values, one in zip(cells, self._schema, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _chosen(
        self, asked: Sequence[Any], version: str, condition: ColumnElement[bool]
    ) -> Select[Any]:
        both = self._log.outerjoin(OUTCOMES, OUTCOMES.c.id == self._log.c.id)
        chosen = select(*asked).select_from(both)
        return chosen.where(self._log.c.version == version, self._is_old, condition)

    def _raw(self, name: str) -> ColumnElement[Any]:
        """A column as the driver gives it: SQLite's moments are text."""
        column = self._columns[name]
        is_moment = isinstance(_plain(column.type), DateTime)
        return type_coerce(column, String) if self._is_sqlite and is_moment else column

    def _is_kept(self, field: Any) -> ColumnElement[bool]:
        """Whether a value is of its column's kind: SQLite keeps anything in any column."""
        if not self._is_sqlite:
            return true()
        column = self._columns[field.name]
        kind = func.typeof(column)
        if field.type == TIME:
            text = type_coerce(column, String)
            is_moment = or_(text.op("GLOB")(MOMENT), text.op("GLOB")(f"{MOMENT}.{'[0-9]' * 6}"))
            return or_(column.is_(None), and_(kind == "text", is_moment))
        if pa.types.is_boolean(field.type):
            return type_coerce(column, Integer).in_((0, 1))
        kinds = {pa.string(): "text", pa.int64(): "integer", pa.float64(): "real"}
        return kind.in_(("null", kinds[field.type]))


def _arrow(name: str, kind: TypeEngine[Any]) -> Any:
    kinds: tuple[tuple[tuple[type[TypeEngine[Any]], ...], Any], ...] = (
        ((String,), pa.string()),
        ((Boolean,), pa.bool_()),
        ((Integer,), pa.int64()),
        (FRACTIONS, pa.float64()),
        ((DateTime,), TIME),
    )
    for types, found in kinds:
        if isinstance(_plain(kind), types):
            return found
    raise InvalidSettings(
        f"The prediction log has a column {name} of the kind {kind}, which cannot be archived. "
        "Take it out of the table, or archive in your own way."
    )


def _plain(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    return kind.impl_instance if isinstance(kind, TypeDecorator) else kind


def _array(values: Sequence[Any], kind: Any) -> Any:
    if kind == TIME and any(isinstance(value, str) for value in values):
        return pa.array(values, pa.string()).cast(pa.timestamp("us")).cast(TIME)
    return pa.array(values, kind)


def _day(moment: Any) -> date:
    if isinstance(moment, datetime):
        return moment.astimezone(UTC).date()
    return date.fromisoformat(moment[:10])
