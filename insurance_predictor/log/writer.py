"""From the spool to the database: attempts that may fail as often as they like."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import groupby
from math import isfinite
from re import fullmatch
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, uuid5

from insurance_predictor.base.errors import InsurancePredictorError
from insurance_predictor.log.spool import Spool, told_elsewhere
from insurance_predictor.table.columns import NAME, TAKEN
from insurance_predictor.table.schema import CURRENT, FEATURE_NAMES, FEATURES, CategoryColumn

if TYPE_CHECKING:
    from sqlalchemy import Engine, Table

LOGGER = logging.getLogger(__name__)

OWN_NAMES = ("id", "time", "version", "premium", "low", "high", "latency_ms", "source", "stale")
FAILURE_NAMES = ("id", "time", "version", "source", "error", "latency_ms")
ORIGIN = ("model", "incarnation")  # which rows of before do not have
CARRIED_NAMES = tuple(column.name for column in CURRENT.logged)
NAMES = {*OWN_NAMES, *FEATURE_NAMES, *CARRIED_NAMES, *ORIGIN}
TEXTS = {"id", "version", "source", "error", *CARRIED_NAMES, *ORIGIN}
TEXTS |= {column.name for column in FEATURES if isinstance(column, CategoryColumn)}
FLAGS = {"stale"}
NUMBERS = NAMES - TEXTS - FLAGS
LARGEST = 2**63 - 1  # whole number that a database keeps
LATE = timedelta(minutes=10)  # a large batch is not: it takes a few to get in

Row = dict[str, Any]
Rows = list[Row]
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The moment, aware."""
    return datetime.now(UTC)


class DatabaseWriter:
    """Brings the rows of `spool` into the database at `url`, exactly once; for one thread.

    The libraries of the database are loaded when there is a row to deliver. What had to wait long
    is reported there, by `clock`: once it has arrived, nobody could tell any more.
    """

    def __init__(self, spool: Spool, url: str, clock: Clock = utc_now) -> None:
        self._spool = spool
        self._url = url
        self._clock = clock
        self._engine: Engine | None = None
        self._trouble: str | None = None
        self._others: set[str] = set()  # databases that rows wait for, which have been told
        self._homeless: set[str] = set()  # columns that the log does not have, which have been told

    def attempt(self) -> None:
        """Deliver what waits. What cannot be delivered stays; the log says so once."""
        trouble = None
        try:
            self._spool.deliver(self._store, self._store_table)
            self._tell_of_others()
        except (InsurancePredictorError, OSError) as error:
            trouble = str(error)
        except Exception as error:  # the rows are safe, and the thread must live
            trouble = type(error).__name__  # its text may hold what somebody typed
            LOGGER.debug("A delivery failed", exc_info=True)
        if trouble is not None:
            self.close()
        self._tell(trouble)

    def close(self) -> None:
        """Leave the database; an attempt opens it anew, for it may have been replaced."""
        if self._engine is not None:
            self._engine.dispose()
        self._engine = None

    def _store(self, lines: list[bytes]) -> None:
        """Bring rows into the database; those that it will never take are set aside."""
        from insurance_predictor.log import database

        predictions, failures, useless = _parsed(lines)
        with database.database_errors(self._url):
            if self._engine is None:
                self._engine = database.open_database(self._url)
            table, predictions = self._housed(self._engine, predictions)
            refused = database.insert(self._engine, table, predictions)
            refused += database.insert(self._engine, database.FAILURES, failures)
            late = list(_late(predictions, self._clock()))
            database.insert(self._engine, database.LATE_DELIVERIES, late)
        useless += [json.dumps(row, default=str).encode() + b"\n" for row in refused]
        if useless:
            path = self._spool.set_aside(useless)
            LOGGER.error("%d predictions cannot be stored; they are in %s", len(useless), path)

    def _store_table(self, content: bytes) -> None:
        """Bring a table of quotes into the database in one piece, or else row by row."""
        from insurance_predictor.log import bulk, database

        try:
            quotes = bulk.read(content)
        except ValueError:
            path = self._spool.set_table_aside(content)
            LOGGER.error("A table of predictions cannot be stored; it is in %s", path)
            return
        with database.database_errors(self._url):
            if self._engine is None:
                self._engine = database.open_database(self._url)
            is_ours = set(OWN_NAMES) <= {*quotes.column_names} <= NAMES
            if is_ours and bulk.insert(self._engine, database.PREDICTIONS, quotes):
                now = self._clock()
                count, first = bulk.late(quotes, now - LATE)
                late = [_report(first, count, now - first["time"], now)] if count else []
                database.insert(self._engine, database.LATE_DELIVERIES, late)
                return
        # What a database refuses of them, or has no column for, is told apart row by row.
        self._store([json.dumps(row).encode() + b"\n" for row in bulk.rows(quotes)])

    def _housed(self, engine: "Engine", rows: Rows) -> tuple["Table", Rows]:
        """The table for rows of versions that know other columns than the schema, and the rows.

        What the log has no column for, or one of another kind, is left out and told once.
        """
        from insurance_predictor.log import database

        names = {name for row in rows for name in row} - NAMES
        if not names:
            return database.PREDICTIONS, rows
        table = database.with_others(engine, names)
        blank = dict.fromkeys(names & {*table.c.keys()})
        housed, homeless = [], set()
        for row in rows:
            kept = {
                name: value
                for name, value in row.items()
                if name in NAMES or (name in blank and database.holds(table.c[name].type, value))
            }
            homeless |= {name for name in row.keys() - kept.keys() if row[name] is not None}
            housed.append(blank | kept)
        if not homeless <= self._homeless:
            LOGGER.warning(
                "Quotes are stored without %s: the prediction log has no such column. Put it back "
                "in insurance_predictor/table/schema.py and start again, and it gets one.",
                " and ".join(sorted(homeless)),
            )
        self._homeless |= homeless
        return table, housed

    def _tell_of_others(self) -> None:
        others = self._spool.waiting_elsewhere()
        if not others.keys() <= self._others:
            LOGGER.warning("In the spool %s", told_elsewhere(others))
        self._others = set(others)

    def _tell(self, trouble: str | None) -> None:
        if trouble is not None and trouble != self._trouble:
            LOGGER.warning("Predictions wait in the spool. %s", trouble)
        elif trouble is None and self._trouble is not None:
            LOGGER.info("The prediction log takes predictions again.")
        self._trouble = trouble


def _late(predictions: Rows, now: datetime) -> Iterator[dict[str, Any]]:
    """A report for each model whose quotes waited longer than LATE; the same one if repeated."""

    def origin(row: dict[str, Any]) -> tuple[str, str]:
        return row["model"] or "", row["incarnation"] or ""

    late = [row for row in predictions if now - row["time"] > LATE]
    for _, group in groupby(sorted(late, key=origin), key=origin):
        rows = list(group)
        yield _report(rows[0], len(rows), max(now - row["time"] for row in rows), now)


def _report(row: Mapping[str, Any], quotes: int, longest: timedelta, now: datetime) -> Row:
    return {
        "id": str(uuid5(NAMESPACE_OID, f"{row['id']} {quotes}")),
        "time": now,
        "quotes": quotes,
        "longest_seconds": longest.total_seconds(),
        **{name: row.get(name) for name in ORIGIN},
    }


def _parsed(lines: Iterable[bytes]) -> tuple[Rows, Rows, list[bytes]]:
    """The predictions and the failures of `lines`, and the lines that are neither.

    Those are damaged, or of another program. A row is told by its names alone, as in the spools
    of releases that knew no failures. What a prediction lacks of today's columns is None.
    """
    predictions: Rows = []
    failures: Rows = []
    useless = []
    for line in lines:
        try:
            row = _row(line)
            (failures if "error" in row else predictions).append(row)
        except (ValueError, TypeError, OverflowError, RecursionError):
            useless.append(line)
    return predictions, failures, useless


def _row(line: bytes) -> dict[str, Any]:
    """The row of a line, of values that any database can be given.

    What it then refuses is a row's own fault, and what fails otherwise is the database's.
    """
    row = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError("no row")
    blank = dict.fromkeys(ORIGIN)
    if set(row) - set(ORIGIN) != set(FAILURE_NAMES):
        _require_prediction(set(row))
        blank |= dict.fromkeys((*FEATURE_NAMES, *CARRIED_NAMES))
    time = datetime.fromisoformat(row.pop("time"))
    if time.tzinfo is None:
        raise ValueError("a time without a zone")
    strange = [name for name, value in row.items() if not _can_be_given(name, value)]
    if strange:
        raise ValueError(f"not of the kind that is kept: {', '.join(strange)}")
    return blank | row | {"time": time.astimezone(UTC)}


def _require_prediction(names: set[str]) -> None:
    """A version may have other columns than the schema: only a quote's own have to be there."""
    others = names - NAMES
    if not names >= set(OWN_NAMES) or others & TAKEN:
        raise ValueError("neither a prediction nor a failure")
    if not all(fullmatch(NAME, name) for name in others):
        raise ValueError("no name of a column")


def _can_be_given(name: str, value: object) -> bool:
    """Raises ValueError for half of a character, which no database keeps."""
    if value is None:
        return True
    if name in TEXTS or (name not in NUMBERS and isinstance(value, str)):
        return isinstance(value, str) and b"\0" not in value.encode()
    if name in FLAGS:
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= LARGEST if isinstance(value, int) else isfinite(value)
