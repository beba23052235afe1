"""The predictions of a window, read from the log in pieces: no more of them than is counted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import pandas as pd
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
)
from sqlalchemy.types import TypeEngine

from insurance_predictor.base.errors import BadInput
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
from monitoring.window.batches import (
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

SERVICE = (LATENCY, SOURCE, STALE)  # how a quote was given


@dataclass(frozen=True)
class ModelLog:
    """The rows of one model in a prediction log that others may share.

    Versions are counted from 1 in each `incarnation` of a `model`, as `versions.incarnation` tells
    them apart; None is any of them. Rows of before, which say neither, count as this model's.
    """

    engine: Engine
    model: str
    incarnation: str | None = None

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
        if first is None:
            oldest = times.order_by(None).order_by(PREDICTIONS.c.time).limit(1)
            first = connection.scalar(oldest) or end
    return Window(first, end, slot(first, end))


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
) -> Iterator[OutcomeChunk]:
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
    chosen = _with_outcomes(log, window, asked).where(PREDICTIONS.c.version == version)
    chosen = chosen.order_by(OUTCOMES.c.recorded, in_bytes(log.engine, OUTCOMES.c.id))
    for batch in batches(log.engine, chosen, size):
        yield outcome_chunk(batch, columns)


def outcomes_by_version(log: ModelLog, window: Window) -> dict[str, int]:
    """How many charges came into the log in the window, by the version that had quoted."""
    chosen = _with_outcomes(log, window, [PREDICTIONS.c.version, func.count()])
    with log.engine.connect() as connection:
        found = connection.execute(chosen.group_by(PREDICTIONS.c.version))
        return {version: int(count) for version, count in found}


def read_service(
    log: ModelLog, window: Window, version: str, size: int = SIZE
) -> Iterator[ServiceChunk]:
    """How another version answered in the window."""
    asked = [PREDICTIONS.c[name] for name in SERVICE]
    for batch in batches(log.engine, _own(log, PREDICTIONS, window, version, asked), size):
        yield service_chunk(batch)


def rows_by_version(log: ModelLog, window: Window) -> tuple[dict[str, int], int]:
    """How many predictions each version made in the window, none for those that made none.

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
    chosen = _own(log, PREDICTIONS, window, None, [PREDICTIONS.c.version])
    with log.engine.connect() as connection:
        found = connection.scalar(chosen.order_by(PREDICTIONS.c.time.desc()).limit(1))
    return None if found is None else str(found)


def unseen_values(
    log: ModelLog, window: Window, version: str, column: CategoryColumn
) -> tuple[str, ...]:
    """The first few values of the window that are no category, in the order of the alphabet."""
    kept = log.feature(column)
    chosen = _own(log, PREDICTIONS, window, version, [kept]).where(kept.not_in(column.values))
    with log.engine.connect() as connection:
        found = connection.scalars(chosen.distinct().order_by(kept).limit(EXAMPLES))
        return tuple(str(value) for value in found)


def sample(
    log: ModelLog, window: Window, version: str, rows: int, columns: Columns = CURRENT
) -> pd.DataFrame:
    """At most `rows` predictions of the window: the version's features, premium and target.

    They are the same ones each time: those with the first ids, which are drawn at random when a
    quote is given. The target is NaN where it is not known.
    """
    features = [log.feature(column) for column in columns.features]
    asked = [*features, PREDICTIONS.c[PREMIUM], OUTCOMES.c.charges]
    chosen = (
        _own(log, PREDICTIONS, window, version, asked)
        .join(OUTCOMES, OUTCOMES.c.id == PREDICTIONS.c.id, isouter=True)
        .order_by(PREDICTIONS.c.id)
        .limit(rows)
    )
    with log.engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(chosen)]
    return pd.DataFrame(found, columns=[*columns.feature_names, PREMIUM, columns.target.name])


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
