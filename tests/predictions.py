"""Quotes and failures to log, and what a prediction log's database has of them."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Table, create_engine, select

from insurance_predictor.base.settings import Settings
from insurance_predictor.log.database import MIGRATIONS, PREDICTIONS
from insurance_predictor.log.prediction_log import Entry, Failure, PredictionLog
from insurance_predictor.table.columns import persons
from insurance_predictor.table.schema import FEATURE_NAMES
from insurance_predictor.table.synthetic import make_table

MOST = 0.05  # seconds that somebody who was quoted may wait for the log
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
PATIENCE = 60  # seconds for what takes a few on an idle machine
ANA = {
    "age": 40,
    "sex": "female",
    "bmi": 27.5,
    "children": 2,
    "smoker": "no",
    "region": "southeast",
}

QUOTE_LINE = ANA | {"id": "some-id", "time": "2026-01-31T15:00:00+00:00", "version": "3"}
QUOTE_LINE |= {"premium": 8123.45, "low": 6000.0, "high": 11000.5, "latency_ms": 4.25}
QUOTE_LINE |= {"source": "app", "stale": False}
FAILURE_LINE = {"id": "some-id", "time": "2026-01-31T15:00:00+00:00", "version": None}
FAILURE_LINE |= {"source": "app", "error": "MemoryError", "latency_ms": 12.5}
NO_TEXT = (None, 1, True, 0.5, ["x"], {"x": 1}, "a\0b", "\ud800")
NO_NUMBER = ("many", True, ["x"], {"x": 1}, [1], 2**63, -(10**40), float("nan"), float("-inf"))
NO_TIME = (None, 5, "", "yesterday", "2026-01-31", "0001-01-01T00:00:00+14:00", ["x"], "\ud800")
NO_TIME += ("9999-12-31T23:59:59-14:00",)
# What no database keeps, whichever it is: lines of a program or of a disk that we know nothing of.
DAMAGED_LINES: tuple[bytes, ...] = (
    *(b"{damaged\n", b"\n", b"null\n", b"[1]\n", b"5\n", b"\xff\xfe\n", b"no end", b""),
    b"[" * 100_000 + b"\n",
    b'{"id": ' * 100_000 + b"\n",
    b'{"id": ' + b"9" * 5_000 + b"}\n",
    *(
        json.dumps(line | {name: value}).encode() + b"\n"
        for name, values in {
            "id": NO_TEXT,
            "time": NO_TIME,
            "version": NO_TEXT,
            "sex": NO_TEXT[1:],
            "age": NO_NUMBER,
            "bmi": NO_NUMBER,
            "premium": (None, *NO_NUMBER),
            "source": NO_TEXT,
            "stale": (None, 0, 1, "no", [False], 0.5),
            "error": NO_TEXT,
            "latency_ms": NO_NUMBER,
            **dict.fromkeys(("model", "incarnation"), NO_TEXT[1:]),
            **dict.fromkeys(("Colour!", "alias"), ("red",)),
        }.items()
        for line in (QUOTE_LINE, FAILURE_LINE)
        for value in values
        if (name in line or name in ("model", "incarnation", "Colour!", "alias"))
        and (line, name, value) != (FAILURE_LINE, "version", None)
    ),
)


def entry(**changes: Any) -> Entry:
    """A quote for Ana, with an id of its own."""
    facts = {"version": "3", "person": ANA, "premium": 8123.45, "low": 6000.0, "high": 11000.5}
    return Entry(**facts | {"latency_ms": 4.25, "source": "app"} | changes)


def entries(count: int) -> list[Entry]:
    return [entry(source="batch") for _ in range(count)]


def failure(**changes: Any) -> Failure:
    """A quote that was asked for in vain, with an id of its own."""
    facts = {"version": "3", "source": "app", "error": "MemoryError", "latency_ms": 12.5}
    return Failure(**facts | changes)


def kept(url: str, table: Table = PREDICTIONS) -> list[dict[str, Any]]:
    """Every row of the table, by time."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            found = connection.execute(select(table).order_by(table.c.time))
            return [dict(row) for row in found.mappings()]
    finally:
        engine.dispose()


def kept_ids(url: str) -> list[str]:
    return [row["id"] for row in kept(url)]


def ids(written: Iterable[Entry]) -> set[str]:
    return {one.id for one in written}


def make_first_release(url: str) -> None:
    """Give a database the tables that the first release made."""
    engine = create_engine(url)
    steps = MIGRATIONS.steps()
    with engine.begin() as connection:
        context = MigrationContext.configure(connection)
        steps.get_revision("0001").module.upgrade(Operations(context))
        context.stamp(steps, "0001")
    engine.dispose()


def log_in(folder: Path, url: str | None = None) -> Settings:
    """Settings of a log that keeps everything in `folder`, unless its database is elsewhere."""
    return Settings(
        prediction_log_url=url or f"sqlite:///{folder}/log.db",
        prediction_spool=folder / "spool",
    )


@contextmanager
def away(settings: Settings) -> Iterator[None]:
    """While the block runs nobody can make the log's database, which is a SQLite file."""
    place = Path(settings.prediction_log_url.removeprefix("sqlite:///"))
    place.mkdir()
    yield
    place.rmdir()


def process(
    code: str, settings: Settings, *arguments: object, program: Path | None = None
) -> subprocess.Popen[str]:
    """Another process on the same log; `code` finds `log_settings` and sys.argv[3:].

    `program` is the folder of another program than this one.
    """
    opening = (
        "import sys\n"
        "from pathlib import Path\n"
        "from insurance_predictor.base.settings import Settings\n"
        "log_settings = Settings("
        "prediction_log_url=sys.argv[1], prediction_spool=Path(sys.argv[2]))\n"
    )
    told = [settings.prediction_log_url, settings.prediction_spool, *arguments]
    return subprocess.Popen(
        [sys.executable, "-c", opening + code, *map(str, told)],
        cwd=program,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


# Prints what database it opened, once a line has told it to go on.
OPEN_AT_ONCE = """
from insurance_predictor.log.database import opened
print("ready", flush=True)
sys.stdin.readline()
with opened(log_settings.prediction_log_url) as engine:
    print(engine.dialect.name, flush=True)
"""


def at_once(processes: list[subprocess.Popen[str]]) -> list[str]:
    """Let processes go once each has said that it is ready; what they say until they end well."""
    for one in processes:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in processes:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    said = [one.communicate(timeout=PATIENCE)[0] for one in processes]
    assert [one.returncode for one in processes] == [0] * len(processes)
    return said


def kill(running: subprocess.Popen[str]) -> str:
    """End a process without a chance to finish anything; what it had still said."""
    running.kill()
    return running.communicate(timeout=PATIENCE)[0]


def wait_until(is_so: Callable[[], object]) -> None:
    """Return once it is so."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)


def typical_wait(log: PredictionLog, written: Sequence[Entry]) -> float:
    """The median of the seconds that somebody waits who was quoted one of `written`."""
    waits = []
    for one in written:
        begin = time.perf_counter()
        log.write([one])
        waits.append(time.perf_counter() - begin)
    return statistics.median(waits)


def quotes_table(count: int, **other: Any) -> pd.DataFrame:
    """Made-up quotes as `write_table` takes them."""
    people = make_table(count, 1)[list(FEATURE_NAMES)]
    return people.assign(
        id=[f"{number:036d}" for number in range(count)],
        time=pd.date_range(NOON, periods=count, freq="us"),
        version="1",
        premium=[1_000.25 + number for number in range(count)],
        low=900.0,
        high=2_000.5,
        latency_ms=0.01,
        source="batch",
        stale=False,
        incarnation="now",
        **other,
    )


def one_by_one(table: pd.DataFrame) -> list[Entry]:
    """The same quotes one by one."""
    own = ("id", "version", "premium", "low", "high", "latency_ms", "source", "stale")
    return [
        Entry(
            person=person,
            time=row.time.to_pydatetime(),
            incarnation="now",
            **{name: getattr(row, name) for name in own},
        )
        for person, row in zip(persons(table[list(FEATURE_NAMES)]), table.itertuples(), strict=True)
    ]
