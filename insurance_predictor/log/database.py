"""The database of the prediction log, SQLite or PostgreSQL: its tables and how rows get in."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    URL,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Date,
    DateTime,
    Dialect,
    Double,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    NullPool,
    Numeric,
    String,
    Table,
    TypeDecorator,
    create_engine,
    event,
    func,
    inspect,
    literal_column,
    make_url,
    select,
    text,
)
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.types import TypeEngine

from insurance_predictor.base.errors import InsurancePredictorError, InvalidSettings, Unreachable
from insurance_predictor.base.masking import without_secrets
from insurance_predictor.log.sqlite import write_ahead
from insurance_predictor.store.tracking import POSTGRESQL_LIMITS
from insurance_predictor.table import schema

if TYPE_CHECKING:
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy.dialects import postgresql, sqlite

PATIENCE = 5  # seconds to connect, and to wait for SQLite's lock
FRACTIONS = (Numeric, Float)
MIGRATION_LOCK = 0x9E1D  # any number, the same for everybody who migrates this database

Row = Mapping[str, Any]
REFUSALS = (DataError, IntegrityError, ValueError, TypeError, OverflowError, StatementError)


class UtcTime(TypeDecorator[datetime]):
    """A moment, aware and in UTC on the way in and out; SQLite by itself forgets the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The moment in UTC."""
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The moment with its zone."""
        if value is None or value.tzinfo is not None:
            return value and value.astimezone(UTC)
        return value.replace(tzinfo=UTC)


def _feature(column: schema.Column) -> Column[Any]:
    """NULL is no quote of ours, but another program may log one, and monitoring has to see it."""
    if isinstance(column, schema.CategoryColumn):
        return Column(column.name, String)
    return Column(column.name, Integer if column.whole else Double)


def _carried() -> tuple[Column[Any], ...]:
    """What goes with a quote and is no feature; NULL in rows of before."""
    return tuple(Column(column.name, String) for column in schema.CURRENT.logged)


def _origin() -> tuple[Column[Any], ...]:
    """Of which model the version is, and which one of that name; NULL in rows of before."""
    return Column("model", String), Column("incarnation", String)


@dataclass(frozen=True)
class Migrations:
    """Steps to the newest tables, in `folder`, and the table that says which have been taken.

    The revision 0001 is in a file v0001_*.py, and so on.
    """

    folder: Path
    version_table: str = "alembic_version"

    @property
    def newest(self) -> str:
        """The last revision, for which alembic need not be loaded."""
        return max(file.name for file in self.folder.glob("v*.py"))[1:5]

    def steps(self) -> "ScriptDirectory":
        from alembic.script import ScriptDirectory

        return ScriptDirectory(str(self.folder), version_locations=[str(self.folder)])


MIGRATIONS = Migrations(Path(__file__).parent / "migrations")

METADATA = MetaData()
PREDICTIONS = Table(
    "predictions",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("time", UtcTime, nullable=False),
    Column("version", String, nullable=False),
    *(_feature(column) for column in schema.FEATURES),
    Column("premium", Double, nullable=False),
    Column("low", Double, nullable=False),
    Column("high", Double, nullable=False),
    Column("latency_ms", Double, nullable=False),
    Column("source", String, nullable=False),
    Column("stale", Boolean, nullable=False),
    *_origin(),
    *_carried(),
    Index("predictions_version_time", "version", "time"),
)
OUTCOMES = Table(
    "outcomes",
    METADATA,
    Column("id", String(36), ForeignKey("predictions.id"), primary_key=True),
    Column("charges", Double, nullable=False),
    Column("time", UtcTime, nullable=False),  # known since then, as whoever brought it says
    Column("recorded", UtcTime, nullable=False),  # when it came into this log
    Index("outcomes_recorded", "recorded"),
)
FAILURES = Table(
    "failures",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("time", UtcTime, nullable=False),
    Column("version", String),
    Column("source", String, nullable=False),
    Column("error", String, nullable=False),
    Column("latency_ms", Double),
    *_origin(),
    Index("failures_time", "time"),
)
# A row each time that quotes arrive long after they were given: how many, and the longest wait.
LATE_DELIVERIES = Table(
    "late_deliveries",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("time", UtcTime, nullable=False),  # when they arrived
    Column("quotes", Integer, nullable=False),
    Column("longest_seconds", Double, nullable=False),
    *_origin(),
    Index("late_deliveries_time", "time"),
)
# A file that has rows of this log which are no longer here, by its name below ARCHIVE.
ARCHIVED = Table(
    "archived",
    METADATA,
    Column("path", String, primary_key=True),
    Column("kind", String, nullable=False),  # predictions or outcomes
    Column("version", String, nullable=False),
    Column("day", Date, nullable=False),  # in UTC: of the quotes, or when outcomes were recorded
    Column("rows", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),  # bytes
    Column("sha256", String(64), nullable=False),
    Column("archived", UtcTime, nullable=False),
    Index("archived_kind_version_day", "kind", "version", "day"),
)


@contextmanager
def opened(url: str, *more: Migrations) -> Iterator[Engine]:
    """The database at `url` with its tables; what it raises inside becomes one sentence of ours.

    `more` are those of another package that keeps its tables beside ours.

    Raises InvalidSettings for a URL that cannot be one or a schema that is not known here, and
    Unreachable for a database that does not do its part.
    """
    with database_errors(url):
        engine = open_database(url, *more)
        try:
            yield engine
        finally:
            engine.dispose()


@contextmanager
def reading(url: str) -> Iterator[Engine]:
    """As `opened`, for whoever only reads, however long: nobody who writes has to wait for it."""
    with database_errors(url):
        open_database(url).dispose()  # the tables are there, and new
        engine = _reader(_checked(url))
        try:
            yield engine
        finally:
            engine.dispose()


def open_database(url: str, *more: Migrations) -> Engine:
    """The database at `url`, its tables brought to the newest revision and today's columns.

    Raises sqlalchemy's errors, and InvalidSettings; several processes may do this at once.
    """
    engine = _engine(_checked(url))
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            _migrate(connection, url, MIGRATIONS)
            _add_columns(connection, url)
            for migrations in more:
                _migrate(connection, url, migrations)
    except BaseException:
        engine.dispose()
        raise
    return engine


def known_revision(
    connection: Connection, url: str, migrations: Migrations = MIGRATIONS
) -> str | None:
    """The revision of the tables; None without any. Raises InvalidSettings for one not known."""
    current = _context(connection, migrations).get_current_revision()
    if current not in (None, *(step.revision for step in migrations.steps().walk_revisions())):
        raise InvalidSettings(
            f"The tables of {without_secrets(url)} are at revision {current!r}, newer than this "
            "program or another program's. Update this program, or change PREDICTION_LOG_URL."
        )
    return current


def insert(engine: Engine, table: Table, rows: Sequence[Row]) -> list[Row]:
    """Keep `rows`, except those that are there already. Returns those the database refuses."""
    if not rows:
        return []
    try:
        with engine.begin() as connection:
            connection.execute(insert_or_ignore(connection, table), rows)
    except REFUSALS as error:
        # A StatementError of the driver is the database's fault, of SQLAlchemy it is the row's.
        if isinstance(error, DBAPIError) and not isinstance(error, DataError | IntegrityError):
            raise
        if len(rows) == 1:
            return list(rows)
        middle = len(rows) // 2
        return insert(engine, table, rows[:middle]) + insert(engine, table, rows[middle:])
    return []


def with_others(engine: Engine, names: Iterable[str]) -> Table:
    """PREDICTIONS, with those of `names` that this log has and today's schema does not know."""
    wider = PREDICTIONS.to_metadata(MetaData())
    for found in inspect(engine).get_columns(PREDICTIONS.name):
        if found["name"] in names and found["name"] not in wider.c:
            wider.append_column(Column(found["name"], found["type"]))
    return wider


def holds(kind: TypeEngine[Any], value: object) -> bool:
    """Whether a column of `kind` keeps a value of a feature as it is."""
    if value is None or isinstance(kind, String):
        return value is None or isinstance(value, str)
    if isinstance(kind, Integer):
        return isinstance(value, int | float) and float(value).is_integer()
    return isinstance(kind, FRACTIONS) and isinstance(value, int | float)


def insert_or_ignore(connection: Connection, table: Table) -> "postgresql.Insert | sqlite.Insert":
    """An insert that leaves a row alone whose id is there."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # half of what SQLAlchemy takes to load

        return postgresql.insert(table).on_conflict_do_nothing(index_elements=["id"])
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table).on_conflict_do_nothing(index_elements=["id"])


@contextmanager
def database_errors(url: str) -> Iterator[None]:
    """Turn what the database and its driver raise into one sentence of ours."""
    try:
        yield
    except InsurancePredictorError:
        raise
    except (ArgumentError, ImportError) as error:
        raise _unusable(url) from error
    except SQLAlchemyError as error:
        raise Unreachable(
            f"The prediction log {without_secrets(url)} did not do its part: {_reason(error)}. "
            "Check PREDICTION_LOG_URL, and that the database is running and not locked."
        ) from error


def _checked(text: str) -> URL:
    url = make_url(text)
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise _unusable(text)
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise _unusable(text)
    return url


def _unusable(url: str) -> InvalidSettings:
    return InvalidSettings(
        f"PREDICTION_LOG_URL={without_secrets(url)!r} cannot be used. Give it a SQLite file "
        "(sqlite:///prediction_log.db) or a postgresql:// database."
    )


def _engine(url: URL) -> Engine:
    """Errors do not show a row's values. SQLite is opened anew each time: its file may be gone."""
    if url.get_backend_name() == "postgresql":
        return _postgresql(url)
    engine = create_engine(
        url, connect_args={"timeout": PATIENCE}, poolclass=NullPool, hide_parameters=True
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_to_write)
    return engine


def limits_of(url: URL) -> dict[str, str]:
    """What a connection to a PostgreSQL is given, so that it ends when the network is gone."""
    return {name: value for name, value in POSTGRESQL_LIMITS.items() if name not in url.query}


def _postgresql(url: URL) -> Engine:
    limits = limits_of(url)
    engine = create_engine(url, connect_args=limits, pool_pre_ping=True, hide_parameters=True)
    if engine.dialect.driver == "psycopg":
        from insurance_predictor.log.postgresql import be_patient

        be_patient(engine)
    return engine


def _reader(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        return _engine(url).execution_options(postgresql_readonly=True)
    engine = create_engine(
        url, connect_args={"timeout": PATIENCE}, poolclass=NullPool, hide_parameters=True
    )
    event.listen(engine, "connect", _prepare_sqlite_reader)
    event.listen(engine, "begin", _begin_to_read)
    return engine


def _prepare_sqlite_reader(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # _begin_to_read begins
    connection.execute("PRAGMA query_only = ON")


def _begin_to_read(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # _begin_to_write begins
    write_ahead(connection, PATIENCE)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA cache_size = -65536")  # KiB: random ids go everywhere in the index


def _begin_to_write(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _migrate(connection: Connection, url: str, migrations: Migrations) -> None:
    """Take the steps that are missing, in the caller's transaction."""
    if _are_newest(connection, migrations):
        return
    from alembic.operations import Operations

    context, steps = _context(connection, migrations), migrations.steps()
    before = known_revision(connection, url, migrations) or "base"
    for step in reversed(list(steps.iterate_revisions("head", before))):
        step.module.upgrade(Operations(context))
        context.stamp(steps, step.revision)


def _add_columns(connection: Connection, url: str) -> None:
    """Add what the schema has got since, in the caller's transaction.

    A column that the schema has lost stays: what was quoted by it is still there, and a version
    that knows it may still be served. Whoever does not know a column leaves it NULL.
    """
    there = {one["name"]: one for one in inspect(connection).get_columns(PREDICTIONS.name)}
    names = (*schema.FEATURE_NAMES, *(column.name for column in schema.CURRENT.logged))
    columns = [PREDICTIONS.c[name] for name in names]
    for column in columns:
        if column.name in there:
            _refuse_another_kind(connection, url, there[column.name], column.type)
    missing = [column for column in columns if column.name not in there]
    if not missing:
        return
    from alembic.operations import Operations

    if connection.dialect.name == "postgresql":
        # Behind a statement that waits to change a table everybody else would wait, too.
        connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE}s'"))
    for column in missing:
        added: Column[Any] = Column(column.name, column.type)
        Operations(_context(connection, MIGRATIONS)).add_column(PREDICTIONS.name, added)


def _refuse_another_kind(
    connection: Connection, url: str, there: ReflectedColumn, wanted: TypeEngine[Any]
) -> None:
    numbers: tuple[type[TypeEngine[Any]], ...] = (Integer, *FRACTIONS)
    if isinstance(wanted, Double) and connection.dialect.name == "postgresql":
        numbers = FRACTIONS  # its integers would be rounded; SQLite's are not
    if isinstance(there["type"], String if isinstance(wanted, String) else numbers):
        return
    raise InvalidSettings(
        f"The prediction log {without_secrets(url)} keeps {there['name']} as {there['type']}, and "
        f"the schema now says {wanted}. Give the column another name in "
        "insurance_predictor/table/schema.py, or begin a new log: change PREDICTION_LOG_URL."
    )


def _are_newest(connection: Connection, migrations: Migrations) -> bool:
    if not inspect(connection).has_table(migrations.version_table):
        return False
    revision: ColumnElement[str] = literal_column("version_num")
    taken = connection.scalars(select(revision).select_from(text(migrations.version_table)))
    return taken.all() == [migrations.newest]


def _context(connection: Connection, migrations: Migrations) -> "MigrationContext":
    from alembic.migration import MigrationContext

    return MigrationContext.configure(connection, opts={"version_table": migrations.version_table})


def _reason(error: SQLAlchemyError) -> str:
    original = error.orig if isinstance(error, DBAPIError) else None
    return without_secrets(str(original or error)).strip().partition("\n")[0].rstrip(".")
