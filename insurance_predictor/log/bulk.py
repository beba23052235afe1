"""Many quotes of one version at once: a table goes into the database in one piece."""
# ruff: noqa: S608 - the names in the statements are columns of the log, which has them already

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pyarrow as pa
from pyarrow import compute as pc
from pyarrow import csv, ipc
from sqlalchemy import Connection, Engine, Table
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

INCOMING = "incoming_predictions"
MOMENT = "%Y-%m-%d %H:%M:%S"  # as SQLAlchemy has SQLite keep it: to the microsecond, in UTC


def read(content: bytes) -> pa.Table:
    """A table of Arrow's stream format, whose `time` is in UTC. Raises ValueError for others."""
    try:
        table = ipc.open_stream(content).read_all()
        place = table.schema.get_field_index("time")
        moments = table.column("time").cast(pa.timestamp("us", "UTC"))
        return table.set_column(place, "time", moments)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise ValueError("no table of quotes") from error


def rows(table: pa.Table) -> list[dict[str, Any]]:
    """As lines of the spool have them."""
    found: list[dict[str, Any]] = table.to_pylist()
    return [{**row, "time": row["time"].isoformat()} for row in found]


def insert(engine: Engine, table: Table, quotes: pa.Table) -> bool:
    """Keep the quotes whose ids are not there; whether the database took them. All or none.

    By PostgreSQL's COPY, as psycopg speaks it; another driver takes none.
    """
    if engine.dialect.driver not in ("psycopg", "pysqlite"):
        return False
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                _copy(connection, table, quotes)
            else:
                _insert_many(connection, table, quotes)
    except (DataError, IntegrityError):
        return False
    return True


def _insert_many(connection: Connection, table: Table, quotes: pa.Table) -> None:
    place = quotes.schema.get_field_index("time")
    quotes = quotes.set_column(place, "time", pc.strftime(quotes.column("time"), format=MOMENT))
    names = ", ".join(f'"{name}"' for name in quotes.column_names)
    marks = ", ".join("?" * quotes.num_columns)
    connection.exec_driver_sql(
        f"INSERT INTO {table.name} ({names}) VALUES ({marks}) ON CONFLICT (id) DO NOTHING",
        list(zip(*(column.to_pylist() for column in quotes.columns), strict=True)),
    )


def _copy(connection: Connection, table: Table, quotes: pa.Table) -> None:
    """COPY knows no conflict: into a table of this transaction first, and from there."""
    names = ", ".join(f'"{name}"' for name in quotes.column_names)
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE {INCOMING} ON COMMIT DROP AS "
        f"SELECT {names} FROM {table.name} WITH NO DATA"
    )
    sink = io.BytesIO()
    # A missing value is an empty cell, and a text stands in quotation marks.
    csv.write_csv(quotes, sink, csv.WriteOptions(include_header=False))
    copy = f"COPY {INCOMING} ({names}) FROM STDIN (FORMAT csv)"
    with _as_sqlalchemy_says(connection, copy):
        cursor: Any = connection.connection.cursor()
        with cursor.copy(copy) as stream:
            stream.write(sink.getvalue())
    connection.exec_driver_sql(
        f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {INCOMING} "
        "ON CONFLICT (id) DO NOTHING"
    )


@contextmanager
def _as_sqlalchemy_says(connection: Connection, statement: str) -> Iterator[None]:
    """The driver's errors as those of every other statement."""
    driver = connection.dialect.loaded_dbapi
    try:
        yield
    except driver.Error as error:
        raise DBAPIError.instance(
            statement, None, error, driver.Error, hide_parameters=True, dialect=connection.dialect
        ) from error


def late(quotes: pa.Table, before: datetime) -> tuple[int, Mapping[str, Any]]:
    """How many quotes were given before a moment, and the first of them."""
    moment = pa.scalar(before, pa.timestamp("us", "UTC"))
    found = quotes.filter(pc.less(quotes.column("time"), moment)).sort_by("time")
    return found.num_rows, (found.slice(0, 1).to_pylist() or [{}])[0]
