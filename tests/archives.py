"""Quotes of a year ago in a log, and all that log and archive have of them."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import create_engine, select

from insurance_predictor.base.settings import Settings
from insurance_predictor.log.archive import (
    CHARGES,
    KNOWN,
    RECORDED,
    archived_files,
    read_archived,
)
from insurance_predictor.log.database import OUTCOMES, PREDICTIONS, insert, opened
from insurance_predictor.log.prediction_log import Entry
from tests.predictions import entry, kept

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
OLD = datetime(2025, 1, 3, 7, 30, 15, 123456, tzinfo=UTC)  # more than 400 days ago
CUTOFF = datetime(2025, 3, 30, tzinfo=UTC)
RECENT = datetime(2026, 5, 1, 8, tzinfo=UTC)

DAY = timedelta(days=1)

KILLED = """
import os, signal
from datetime import datetime, UTC
from insurance_predictor.log import archiving
from sqlalchemy import event, Engine
step, archive = sys.argv[3:]
count = 0

def die(*_):
    global count
    count += 1
    if count == 2:
        os.kill(os.getpid(), signal.SIGKILL)

def after(function):
    def call(*given):
        function(*given)
        die()
    return call

def before(function):
    def call(*given):
        die()
        function(*given)
    return call

if step == "before it is written":
    archiving.write_bytes = before(archiving.write_bytes)
elif step == "after it was written":
    archiving.settle = after(archiving.settle)
elif step == "before its rows go":
    archiving._replace = before(archiving._replace)
elif step == "before the rows are gone for good":
    archiving.name_files = after(archiving.name_files)
else:
    archiving.ArchiveReport.count = before(archiving.ArchiveReport.count)
archiving.ROWS = 9
settings = log_settings.model_copy(update={"archive": archive})
archiving.archive_log(settings, "400d", now=datetime(2026, 5, 4, 12, tzinfo=UTC))
"""
STEPS = (
    "before it is written",
    "after it was written",
    "before its rows go",
    "before the rows are gone for good",
    "when they are gone",
)

AT_ONCE = """
from datetime import datetime, UTC
from insurance_predictor.log import archiving
archiving.ROWS = 3
settings = log_settings.model_copy(update={"archive": sys.argv[3]})
print("ready", flush=True)
sys.stdin.readline()
print(archiving.archive_log(settings, "400d", now=datetime(2026, 5, 4, 12, tzinfo=UTC)).rows)
"""

Row = dict[str, Any]


def old_quotes(count: int, **changes: Any) -> list[Entry]:
    """So many, one each five hours from OLD on."""
    facts = {"source": "batch", "incarnation": "17"} | changes
    times = (OLD + number * timedelta(hours=5) for number in range(count))
    return [entry(time=time, premium=1000.1 + number, **facts) for number, time in enumerate(times)]


def log_quotes(
    url: str, quotes: Iterable[Entry], model: str | None = "insurance_predictor"
) -> None:
    """Put quotes right into the database."""
    own = ("id", "time", "version", "premium", "low", "high", "latency_ms", "source", "stale")
    rows = [
        {name: getattr(one, name) for name in own}
        | dict(one.person)
        | {"model": model, "incarnation": one.incarnation}
        for one in quotes
    ]
    with opened(url) as engine:
        assert insert(engine, PREDICTIONS, rows) == []


def log_outcomes(url: str, quotes: Iterable[Entry], recorded: datetime) -> None:
    """Let each be charged a little more than its premium."""
    rows = [
        {"id": one.id, "charges": one.premium + 0.3, "time": one.time, "recorded": recorded}
        for one in quotes
    ]
    with opened(url) as engine:
        assert insert(engine, OUTCOMES, rows) == []


def in_log(url: str) -> list[Row]:
    """Every quote, with its outcome."""
    outcomes = {row["id"]: row for row in kept(url, OUTCOMES)}
    none = dict.fromkeys(("charges", "time", "recorded"))
    return [with_outcome(row, outcomes.get(row["id"], none)) for row in kept(url)]


def with_outcome(row: Row, outcome: Row) -> Row:
    names = {"charges": CHARGES, "time": KNOWN, "recorded": RECORDED}
    return row | {long: outcome[short] for short, long in names.items()}


def archived(settings: Settings, kind: str = "predictions") -> list[Row]:
    """Every row of the archive's files, each read and compared with what the log says of it."""
    with opened(settings.prediction_log_url) as engine:
        files = archived_files(engine, kind)
    tables = [read_archived(settings.archive, file) for file in files]
    for file, table in zip(files, tables, strict=True):
        assert (table.num_rows, file.kind) == (file.rows, kind)
        moments = table.column(RECORDED if kind == "outcomes" else "time").to_pylist()
        assert {moment.date() for moment in moments} == {file.day}
        assert table.column("version").unique().to_pylist() == [file.version]
        ids = table.column("id").to_pylist()
        assert list(zip(moments, ids, strict=True)) == sorted(zip(moments, ids, strict=True))
    return pa.concat_tables(tables).to_pylist() if tables else []


def everything(settings: Settings) -> list[Row]:
    """What log and archive have, by time and id; a row that is in both is there twice."""
    rows = [*archived(settings), *in_log(settings.prediction_log_url)]
    return sorted(rows, key=lambda row: (row["time"], row["id"]))


def filled(settings: Settings, count: int = 40) -> list[Row]:
    """A log with old quotes of two versions and two models, recent ones, and outcomes."""
    url = settings.prediction_log_url
    quotes = old_quotes(count)
    log_quotes(url, quotes[::2])
    log_quotes(url, versioned(quotes[1::4], "4"), "another model")
    log_quotes(url, versioned(quotes[3::4], "a/../b %"), None)
    log_quotes(url, [entry(time=RECENT + number * DAY) for number in range(3)])
    log_outcomes(url, quotes[:10], CUTOFF - DAY)
    log_outcomes(url, quotes[10:14], CUTOFF - 2 * DAY)
    log_outcomes(url, quotes[14:17], CUTOFF + DAY)
    return everything(settings)


def archiving_to(settings: Settings, archive: Path | str) -> Settings:
    return settings.model_copy(update={"archive": str(archive)})


def versioned(quotes: Iterable[Entry], version: str) -> list[Entry]:
    return [replace(one, version=version) for one in quotes]


def raw(url: str, table: Any) -> list[tuple[Any, ...]]:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(select(table))]
    finally:
        engine.dispose()
