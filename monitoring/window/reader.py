"""The predictions of a window, read in pieces from the log and, where it has them, its archive."""

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from operator import itemgetter
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import compute as pc
from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    Engine,
    Select,
    String,
    Table,
    and_,
    case,
    cast,
    func,
    inspect,
    literal_column,
    null,
    select,
    type_coerce,
)
from sqlalchemy.types import TypeEngine

from insurance_predictor.base.errors import BadInput
from insurance_predictor.log.archive import CHARGES as OUTCOME_CHARGES
from insurance_predictor.log.archive import RECORDED, ArchivedFile, Kind, archived_files
from insurance_predictor.log.arrow import SIZE, batches, in_bytes
from insurance_predictor.log.database import (
    FAILURES,
    LATE_DELIVERIES,
    OUTCOMES,
    PREDICTIONS,
)
from insurance_predictor.table.columns import CategoryColumn, Column, Columns
from insurance_predictor.table.schema import CURRENT
from monitoring.domain.assessment import Window
from monitoring.domain.windows import slot
from monitoring.window.archived import KEY, ArchivedWindow, lanes, merged, typed, with_key
from monitoring.window.batches import (
    CHARGES,
    EXAMPLES,
    LATENCY,
    SOURCE,
    STALE,
    Chunk,
    OutcomeChunk,
    ServiceChunk,
    chunk,
    outcome_chunk,
    service_chunk,
)
from monitoring.window.reference import PREMIUM
from monitoring.window.slices import slices_of

ALWAYS = datetime.min.replace(tzinfo=UTC)
SERVICE = (LATENCY, SOURCE, STALE)  # how a quote was given


@dataclass(frozen=True)
class ModelLog:
    """The rows of one model in a prediction log that others may share, and in its archive.

    Versions are counted from 1 in each `incarnation` of a `model`, as `versions.incarnation` tells
    them apart; None is any of them. Rows of before, which say neither, count as this model's.
    """

    engine: Engine
    model: str
    incarnation: str | None = None
    archive: str | None = None  # where rows are that have left the log

    def archived(self, kind: Kind, window: Window) -> list[ArchivedFile]:
        """The files of the archive that may have rows of the window."""
        return archived_files(self.engine, kind, window.start.date(), window.end.date())

    def scope(self, window: Window) -> ArchivedWindow:
        """What is looked at in them."""
        origin = self.model, self.incarnation
        return ArchivedWindow(self.archive, *origin, window.start, window.end)

    def own(self, table: Table) -> ColumnElement[bool]:
        """Whether a row is this model's."""
        own = func.coalesce(table.c.model, self.model) == self.model
        if self.incarnation is None:
            return own
        found = func.coalesce(table.c.incarnation, self.incarnation) == self.incarnation
        return and_(own, found)

    def feature(self, column: Column) -> ColumnElement[Any]:
        """What the log has of a version's column, by its name; NULL where it had none.

        The log may have columns that the schema of today does not.
        """
        kind: TypeEngine[Any] = String() if isinstance(column, CategoryColumn) else Double()
        if column.name not in self._kept:
            return cast(null(), kind).label(column.name)
        if column.name in PREDICTIONS.c:
            return PREDICTIONS.c[column.name]
        return literal_column(f'{PREDICTIONS.name}."{column.name}"', kind).label(column.name)

    @cached_property
    def _kept(self) -> frozenset[str]:
        """The names of the columns that quotes have in this database."""
        return frozenset(one["name"] for one in inspect(self.engine).get_columns(PREDICTIONS.name))


@dataclass(frozen=True)
class LateQuotes:
    """Quotes that arrived in the log more than ten minutes after they were given."""

    quotes: int = 0
    longest_seconds: float = 0.0


def last_rows(log: ModelLog, version: str, rows: int, now: datetime) -> Window:
    """The window with the last `rows` predictions of `version` before `now`, or all there are.

    Predictions made at the very same moment as the first of them are in it, too. Without any the
    window is empty. Raises BadInput for fewer than one row.
    """
    if rows < 1:
        raise BadInput(f"The last {rows} predictions: give 1 or more.")
    end = now.astimezone(UTC)
    times = (
        select(PREDICTIONS.c.time)
        .where(PREDICTIONS.c.version == version, PREDICTIONS.c.time < end)
        .where(log.own(PREDICTIONS))
        .order_by(PREDICTIONS.c.time.desc())
    )
    with log.engine.connect() as connection:
        first = connection.scalar(times.offset(rows - 1).limit(1))
    found = Window(first or ALWAYS, end, end)
    files = [one for one in log.archived("predictions", found) if one.version == version]
    if files:
        first = _last_of_both(log, times, rows, files, end)
    elif first is None:
        with log.engine.connect() as connection:
            oldest = times.order_by(None).order_by(PREDICTIONS.c.time).limit(1)
            first = connection.scalar(oldest) or end
    return Window(first, end, slot(first, end))


def _last_of_both(
    log: ModelLog, times: Select[Any], rows: int, files: Sequence[ArchivedFile], end: datetime
) -> datetime:
    """When the last so many quotes of log and archive begin; days are read as far as they go."""
    scope = log.scope(Window(ALWAYS, end, end))
    known: list[datetime] = []
    days: dict[date, list[ArchivedFile]] = {}
    for file in files:
        days.setdefault(file.day, []).append(file)
    for day in sorted(days, reverse=True):
        for file in days[day]:
            known += scope.own(file, ()).column("time").to_pylist()
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
        since = times.where(PREDICTIONS.c.time >= begin).order_by(None).subquery()
        with log.engine.connect() as connection:
            count = connection.scalar(select(func.count()).select_from(since)) or 0
        if len(known) + count >= rows:
            break
    with log.engine.connect() as connection:
        known += connection.scalars(times.limit(rows))
    known.sort(reverse=True)
    return known[min(rows, len(known)) - 1] if known else end


def read_chunks(
    log: ModelLog, window: Window, version: str, size: int = SIZE, columns: Columns = CURRENT
) -> Iterator[Chunk]:
    """The predictions of `version` in the window, `size` rows at a time, in memory for so many.

    `columns` are those of the version. As `read_outcomes` and `read_service`, to be read to the
    end, or closed, before anything else of this process opens the log: see `arrow.batches`.
    """
    asked = [
        *(log.feature(column) for column in columns.features),
        *(PREDICTIONS.c[name] for name in (PREMIUM, *SERVICE)),
    ]
    for batch in batches(log.engine, _own(log, PREDICTIONS, window, version, asked), size):
        yield chunk(batch, columns)


def read_outcomes(
    log: ModelLog, window: Window, version: str, size: int = SIZE, columns: Columns = CURRENT
) -> Generator[OutcomeChunk]:
    """Those predictions of `version` whose charges came into the log in the window, in that order.

    They were made before, perhaps long before: a year's charges take a year. Whatever time an
    outcome carries, it is in one window of those that follow each other.
    """
    slices = slices_of(columns)
    asked = [
        *(PREDICTIONS.c[name] for name in (PREMIUM, "low", "high")),
        OUTCOMES.c.charges,
        *(log.feature(column) for column in (slices.banded, slices.group) if column),
    ]
    files = [one for one in log.archived("outcomes", window) if one.version == version]
    if files:
        asked.append(_key(log.engine))
    chosen = _with_outcomes(log, window, asked).where(PREDICTIONS.c.version == version)
    chosen = chosen.order_by(OUTCOMES.c.recorded, in_bytes(log.engine, OUTCOMES.c.id))
    with closing(batches(log.engine, chosen, size)) as found:
        if files:
            for table in _with_archived(log, window, found, files, columns):
                for batch in table.combine_chunks().to_batches(size):
                    yield outcome_chunk(batch, columns)
        else:
            for batch in found:
                yield outcome_chunk(batch, columns)


def _with_archived(
    log: ModelLog,
    window: Window,
    found: Iterator[pa.RecordBatch],
    files: Sequence[ArchivedFile],
    columns: Columns,
) -> Iterator[pa.Table]:
    """The log's outcomes and those of files, in the one order that both are in."""
    slices = slices_of(columns)
    texts = (KEY, slices.group.name) if slices.group else (KEY,)
    banded = (slices.banded.name,) if slices.banded else ()
    numbers = (PREMIUM, "low", "high", CHARGES, *banded)
    scope = log.scope(window)
    wanted = ("id", *(name for name in (*texts, *numbers) if name not in (KEY, CHARGES)))

    def of_files(lane: Iterable[ArchivedFile]) -> Iterator[pa.Table]:
        for file in lane:
            table = with_key(scope.own(file, (*wanted, OUTCOME_CHARGES)), RECORDED)
            names = [CHARGES if one == OUTCOME_CHARGES else one for one in table.column_names]
            yield typed(table.rename_columns(names), texts, numbers)

    of_log = (typed(pa.Table.from_batches([batch]), texts, numbers) for batch in found)
    return merged([of_log, *map(of_files, lanes(files))])


def _key(engine: Engine) -> ColumnElement[str]:
    """What outcomes are in order by, as text: `archived.with_key`."""
    recorded: ColumnElement[str] = type_coerce(OUTCOMES.c.recorded, String)
    if engine.dialect.name == "postgresql":
        utc = func.timezone("UTC", OUTCOMES.c.recorded)
        recorded = func.to_char(utc, "YYYY-MM-DD HH24:MI:SS.US", type_=String)
    return (recorded + " " + OUTCOMES.c.id).label(KEY)


def outcomes_by_version(log: ModelLog, window: Window) -> dict[str, int]:
    """How many charges came into the log in the window, by the version that had quoted."""
    chosen = _with_outcomes(log, window, [PREDICTIONS.c.version, func.count()])
    with log.engine.connect() as connection:
        found = connection.execute(chosen.group_by(PREDICTIONS.c.version))
        counted = Counter({version: int(count) for version, count in found})
    scope = log.scope(window)
    for file in log.archived("outcomes", window):
        counted[file.version] += scope.own(file, ()).num_rows
    return {version: counted[version] for version in sorted(counted) if counted[version]}


def read_service(
    log: ModelLog, window: Window, version: str, size: int = SIZE
) -> Iterator[ServiceChunk]:
    """How another version answered in the window."""
    asked = [PREDICTIONS.c[name] for name in SERVICE]
    for batch in batches(log.engine, _own(log, PREDICTIONS, window, version, asked), size):
        yield service_chunk(batch)


def rows_by_version(log: ModelLog, window: Window) -> tuple[dict[str, int], int]:
    """How many predictions each version made in the window, by the log; none for those without.

    And how many others are there of the same window: another model's, another incarnation's.
    """
    counted = [func.count(), func.coalesce(func.sum(case((log.own(PREDICTIONS), 1), else_=0)), 0)]
    own, others = {}, 0
    with log.engine.connect() as connection:
        for version in _versions(connection):
            chosen = _within(PREDICTIONS, window, version, counted)
            there, ours = connection.execute(chosen).one()
            others += there - ours
            if ours:
                own[version] = int(ours)
    return own, int(others)


def count_failures(log: ModelLog, window: Window) -> int:
    """How many quotes failed in the window, of whatever version."""
    with log.engine.connect() as connection:
        return connection.scalar(_own(log, FAILURES, window, None, [func.count()])) or 0


def late_deliveries(log: ModelLog, window: Window) -> LateQuotes:
    """What those who write the log have reported in the window."""
    counted = [
        func.coalesce(func.sum(LATE_DELIVERIES.c.quotes), 0),
        func.coalesce(func.max(LATE_DELIVERIES.c.longest_seconds), 0.0),
    ]
    with log.engine.connect() as connection:
        chosen = _own(log, LATE_DELIVERIES, window, None, counted)
        quotes, seconds = connection.execute(chosen).one()
    return LateQuotes(int(quotes), float(seconds))


def newest_version(log: ModelLog, window: Window) -> str | None:
    """The version of the window's last quote; None without one."""
    asked = [PREDICTIONS.c.time, PREDICTIONS.c.version]
    chosen = _own(log, PREDICTIONS, window, None, asked)
    with log.engine.connect() as connection:
        found = connection.execute(chosen.order_by(PREDICTIONS.c.time.desc()).limit(1)).first()
    newest = [(found.time, str(found.version))] if found else []
    scope = log.scope(window)
    for file in sorted(log.archived("predictions", window), key=lambda one: one.day, reverse=True):
        if newest and max(newest)[0].date() > file.day:
            break
        table = scope.own(file, ())
        newest += [(pc.max(table.column("time")).as_py(), file.version)] if table.num_rows else []
    return max(newest)[1] if newest else None


def unseen_values(
    log: ModelLog, window: Window, version: str, column: CategoryColumn
) -> tuple[str, ...]:
    """The first few values of the window that are no category, in the order of the alphabet."""
    kept = log.feature(column)
    chosen = _own(log, PREDICTIONS, window, version, [kept]).where(kept.not_in(column.values))
    different = chosen.distinct().subquery()
    (value,) = different.c
    with log.engine.connect() as connection:
        first = select(value).order_by(in_bytes(log.engine, value)).limit(EXAMPLES)
        found = {str(one) for one in connection.scalars(first)}
    scope = log.scope(window)
    for file in log.archived("predictions", window):
        if file.version == version:
            table = typed(scope.own(file, (column.name,)), (column.name,), ())
            found |= {*table.column(column.name).unique().drop_null().to_pylist()}
    return tuple(sorted(found - {*column.values}))[:EXAMPLES]


def sample(
    log: ModelLog, window: Window, version: str, rows: int, columns: Columns = CURRENT
) -> pd.DataFrame:
    """At most `rows` predictions of the window: the version's features, premium and target.

    They are the same ones each time: those with the first ids, which are drawn at random when a
    quote is given. The target is NaN where it is not known.
    """
    features = [log.feature(column) for column in columns.features]
    asked = [PREDICTIONS.c.id, *features, PREDICTIONS.c[PREMIUM], OUTCOMES.c.charges]
    chosen = (
        _own(log, PREDICTIONS, window, version, asked)
        .join(OUTCOMES, OUTCOMES.c.id == PREDICTIONS.c.id, isouter=True)
        .order_by(in_bytes(log.engine, PREDICTIONS.c.id))
        .limit(rows)
    )
    with log.engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(chosen)]
    names = ("id", *columns.feature_names, PREMIUM, OUTCOME_CHARGES)
    scope = log.scope(window)
    for file in log.archived("predictions", window):
        if file.version == version:
            first = scope.own(file, names).sort_by("id").slice(0, rows).to_pylist()
            found += [tuple(row.get(name) for name in names) for row in first]
            found = sorted(found, key=itemgetter(0))[:rows]
    drawn = [row[1:] for row in found]
    return pd.DataFrame(drawn, columns=[*columns.feature_names, PREMIUM, columns.target.name])


def _with_outcomes(log: ModelLog, window: Window, columns: Sequence[Any]) -> Select[Any]:
    """Predictions beside their outcomes, which were recorded in the window."""
    recorded = OUTCOMES.c.recorded
    chosen = select(*columns).select_from(OUTCOMES)
    chosen = chosen.join(PREDICTIONS, OUTCOMES.c.id == PREDICTIONS.c.id)
    return chosen.where(recorded >= window.start, recorded < window.end, log.own(PREDICTIONS))


def _own(
    log: ModelLog, table: Table, window: Window, version: str | None, columns: Sequence[Any]
) -> Select[Any]:
    return _within(table, window, version, columns).where(log.own(table))


def _within(
    table: Table, window: Window, version: str | None, columns: Sequence[Any]
) -> Select[Any]:
    chosen = select(*columns).select_from(table)
    chosen = chosen.where(table.c.time >= window.start, table.c.time < window.end)
    return chosen if version is None else chosen.where(table.c.version == version)


def _versions(connection: Connection) -> Iterator[str]:
    """Every version of the log, by one search of the index for each."""
    kept = PREDICTIONS.c.version
    version = connection.scalar(select(func.min(kept)))
    while version is not None:
        yield version
        version = connection.scalar(select(func.min(kept)).where(kept > version))
