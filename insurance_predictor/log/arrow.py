"""Rows of the log as Arrow record batches: no Python object is made of a row."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any
from urllib.parse import quote, urlencode

import pyarrow as pa
from adbc_driver_manager import AdbcConnection, AdbcStatement, Error
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Dialect,
    Double,
    Engine,
    Select,
    String,
    case,
    cast,
    func,
    literal_column,
)
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import OperationalError

from insurance_predictor.log.database import PATIENCE, limits_of

SIZE = 50_000  # rows at once
BYTES = 100  # of a row, about: what PostgreSQL's driver counts
SETTINGS = "-c default_transaction_read_only=on -c standard_conforming_strings=on"
INFINITE: ColumnElement[float] = literal_column("9e999")
ZERO: ColumnElement[float] = literal_column("0.0")
NO_TEXT: ColumnElement[str] = literal_column("''")
NO_BYTE: ColumnElement[bytes] = literal_column("x''")
DRIVER_ERRORS = (Error, pa.ArrowException, OSError)

Batches = Generator[pa.RecordBatch]


class _Compiler(SQLiteCompiler):
    def render_literal_value(self, value: Any, type_: Any) -> str:
        """A zero byte, which SQLite keeps in a text, would end the statement."""
        if isinstance(value, str) and "\0" in value:
            return f"CAST(x'{value.encode().hex()}' AS TEXT)"
        return super().render_literal_value(value, type_)


class _SQLite(SQLiteDialect_pysqlite):
    statement_compiler = _Compiler
    supports_statement_cache = False


def batches(engine: Engine, chosen: Select[Any], size: int = SIZE) -> Batches:
    """The rows of `chosen`, at most `size` at a time, read ahead of whoever takes them.

    It says by `select_from` what it selects from. By the SQL type of a column, texts are strings
    (in SQLite with a BLOB as SQL writes one), booleans 0 or 1, and all others float64, infinite for
    what SQLite keeps and is no number. Anything but a boolean may be NULL. Raises SQLAlchemy's
    errors, as if `engine` had read.

    The driver brings an SQLite of its own, and POSIX drops all locks that a process has on a file
    when any descriptor of it is closed. So until the batches are at their end, or closed, nothing
    else of this process may have that file open. Other processes may.
    """
    is_postgresql = engine.dialect.name == "postgresql"
    read = _postgresql(engine, chosen, size) if is_postgresql else _sqlite(engine, chosen, size)
    with closing(_ahead(read, _parameters(engine) if is_postgresql else None)) as found:
        for batch in found:
            for start in range(0, batch.num_rows, size):
                yield batch.slice(start, size)


def in_bytes(engine: Engine, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """To order texts by as every database and Arrow can: by their bytes."""
    return column.collate("C") if engine.dialect.name == "postgresql" else column


def _sqlite(engine: Engine, chosen: Select[Any], size: int) -> Callable[[], Batches]:
    from adbc_driver_sqlite import StatementOptions, connect

    columns = [_of_sqlite(column) for column in chosen.selected_columns]
    plain = chosen.with_only_columns(*columns)
    dialect = _SQLite(paramstyle="named")
    # The driver takes a column's type from the first rows, where all may be NULL, so the very
    # first one is ours.
    first = f"SELECT {', '.join(map(_first, chosen.selected_columns))}"
    statement = f"{first} UNION ALL {_sql(plain, dialect)}"
    if chosen._order_by_clauses:  # a limit, which is none, keeps the rows below it in their order
        statement = f"{first} UNION ALL SELECT * FROM ({_sql(plain.limit(-1), dialect)})"  # noqa: S608

    def read() -> Batches:
        with ExitStack() as ends:
            try:
                database = ends.enter_context(connect(_file(engine)))
            except Error as error:  # which speaks of memory
                raise FileNotFoundError("unable to open database file") from error
            connection = ends.enter_context(AdbcConnection(database))
            for pragma in (f"busy_timeout = {int(PATIENCE * 1000)}", "query_only = ON"):
                with _stream(connection, f"PRAGMA {pragma}", {}):
                    pass
            options = {StatementOptions.BATCH_ROWS.value: str(size)}
            with _stream(connection, statement, options) as found:
                yield next(found).slice(1)
                yield from found

    return read


def _postgresql(engine: Engine, chosen: Select[Any], size: int) -> Callable[[], Batches]:
    from adbc_driver_postgresql import StatementOptions, connect  # type: ignore[import-untyped]
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

    columns = [_of_postgresql(column) for column in chosen.selected_columns]
    dialect = PGDialect_psycopg(paramstyle="named")  # type: ignore[no-untyped-call] # no doubled %
    dialect._backslash_escapes = False
    statement = _sql(chosen.with_only_columns(*columns), dialect)

    def read() -> Batches:
        parameters = _parameters(engine)
        options = f"{parameters.get('options', '')} {SETTINGS}".strip()
        address = f"postgresql:///?{urlencode({**parameters, 'options': options}, quote_via=quote)}"
        with ExitStack() as ends:
            connection = ends.enter_context(AdbcConnection(ends.enter_context(connect(address))))
            hint = {StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(size * BYTES)}
            yield from ends.enter_context(_stream(connection, statement, hint))

    return read


@contextmanager
def _stream(
    connection: AdbcConnection, statement: str, options: Mapping[str, str]
) -> Iterator[pa.RecordBatchReader]:
    with AdbcStatement(connection) as asked:
        asked.set_options(**options)
        asked.set_sql_query(statement)
        handle, _ = asked.execute_query()
        with pa.RecordBatchReader.from_stream(handle) as found:
            yield found


def _ahead(read: Callable[[], Batches], parameters: Mapping[str, str] | None) -> Batches:
    """What `read` has, made in a thread of its own.

    `parameters` are a PostgreSQL's: one that falls silent is left to that thread, which nothing
    but the limits of TCP can end.
    """
    ready: Queue[pa.RecordBatch | Exception | None] = Queue(1)
    is_ended = Event()

    def work() -> None:
        last: Exception | None = None
        try:
            with closing(read()) as batches:
                for batch in batches:
                    ready.put(batch)
                    if is_ended.is_set():
                        return
        except Exception as error:
            last = error
        ready.put(last)

    worker = Thread(target=work, daemon=True)
    worker.start()
    try:
        while (found := _next(ready, parameters)) is not None:
            yield found
    finally:
        is_ended.set()
        with suppress(Empty):
            ready.get_nowait()  # the worker has room to put down what it holds
        if parameters is None:
            worker.join()


def _next(
    ready: Queue[pa.RecordBatch | Exception | None], parameters: Mapping[str, str] | None
) -> pa.RecordBatch | None:
    found = ready.get() if parameters is None else _heard(ready, parameters)
    if isinstance(found, DRIVER_ERRORS):
        raise _of_database(found) from found
    if isinstance(found, Exception):
        raise found
    return found


def _heard(
    ready: Queue[pa.RecordBatch | Exception | None], parameters: Mapping[str, str]
) -> pa.RecordBatch | Exception | None:
    """What comes next, however long it takes while the server speaks to others."""
    from insurance_predictor.log import postgresql

    while True:
        try:
            return ready.get(timeout=postgresql.SILENCE)
        except Empty:
            if postgresql.is_silent(parameters):
                return ConnectionError(postgresql.SILENT)


def _of_database(error: Exception) -> OperationalError:
    return OperationalError(None, None, error)


def _sql(chosen: Select[Any], dialect: Dialect) -> str:
    """As text: the values go with it, for COPY takes no parameters."""
    return str(chosen.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def _of_sqlite(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """SQLite keeps a value of any type in a column of any; numbers < texts < BLOBs."""
    plain: ColumnElement[Any]
    if isinstance(column.type, Boolean):
        plain = case((column, 1), else_=0)
    elif isinstance(column.type, String):
        blob = (column.is_not(None), func.quote(column))
        plain = case((column < NO_BYTE, cast(column, String)), blob)
    else:
        plain = case((column < NO_TEXT, column + ZERO), (column.is_not(None), INFINITE))
    return plain.label(column.name)


def _first(column: ColumnElement[Any]) -> str:
    """A value of the type that `_of_sqlite` gives."""
    if isinstance(column.type, Boolean):
        value = "0"
    else:
        value = "''" if isinstance(column.type, String) else "0.0"
    return f'{value} AS "{column.name}"'


def _of_postgresql(column: ColumnElement[Any]) -> ColumnElement[Any]:
    if isinstance(column.type, Boolean):
        plain: ColumnElement[Any] = case((column, 1), else_=0)
    else:
        plain = cast(column, String() if isinstance(column.type, String) else Double())
    return plain.label(column.name)


def _parameters(engine: Engine) -> dict[str, str]:
    """What a connection takes, as libpq calls it."""
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

    dialect: Any = PGDialect_psycopg
    _, found = dialect().create_connect_args(engine.url)
    return {name: str(value) for name, value in {**limits_of(engine.url), **found}.items()}


def _file(engine: Engine) -> str:
    """The address of a database that has to be there."""
    (name,), options = engine.dialect.create_connect_args(engine.url)
    return str(name) if options.get("uri") else f"file:{quote(str(Path(name).absolute()))}?mode=rw"
