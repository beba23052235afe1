"""Monitoring's tables are made beside the log's, or taken over from release 0.1 with every row."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from insurance_predictor.base.settings import Settings
from insurance_predictor.log import database
from monitoring.history.tables import METADATA, MIGRATIONS, opened
from tests.predictions import at_once, log_in, process

OPEN_AT_ONCE = """
from monitoring.history.tables import opened
print("ready", flush=True)
sys.stdin.readline()
with opened(log_settings.prediction_log_url) as engine:
    print(engine.dialect.name)
"""
LOOK = ("model", "2026-01-31 00:00:00", "3", "2026-01-24", "2026-01-31", 400, 0, "{}", None)


@pytest.fixture
def log_settings(tmp_path: Path) -> Settings:
    return log_in(tmp_path)


def make_tables_of_the_former_release(settings: Settings) -> None:
    """As the library of release 0.1 made them, with one look back."""
    with opened(settings.prediction_log_url):
        pass
    with closing(sqlite3.connect(settings.prediction_log_url[10:])) as connection, connection:
        connection.execute("ALTER TABLE assessments RENAME TO looks")
        for column in ("gave_up_told", "model_name", "incarnation"):
            connection.execute(f"ALTER TABLE outbox DROP COLUMN {column}")
        connection.execute("DROP TABLE monitoring_alembic_version")
        connection.execute(f"INSERT INTO looks VALUES ({', '.join('?' * len(LOOK))})", LOOK)


def rows(settings: Settings) -> list[tuple]:
    with closing(sqlite3.connect(settings.prediction_log_url[10:])) as connection:
        return connection.execute("SELECT * FROM assessments").fetchall()


def test_the_library_makes_none_of_them(log_settings):
    with database.opened(log_settings.prediction_log_url) as engine, engine.connect() as connection:
        assert not engine.dialect.has_table(connection, "incidents")


@pytest.mark.parametrize("is_former", [False, True], ids=["new", "release 0.1"])
def test_the_tables_are_those_of_today(is_former, log_settings):
    if is_former:
        make_tables_of_the_former_release(log_settings)
    with opened(log_settings.prediction_log_url) as engine, engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": MIGRATIONS.version_table,
                "include_name": lambda name, kind, _: kind != "table" or name in METADATA.tables,
            },
        )
        assert compare_metadata(context, METADATA) == []


def test_what_release_0_1_had_recorded_is_there_and_stays(log_settings):
    make_tables_of_the_former_release(log_settings)
    for _ in range(2):
        with opened(log_settings.prediction_log_url):
            pass
        assert rows(log_settings) == [LOOK]


def test_processes_that_take_over_at_once_do_it_once(log_settings):
    make_tables_of_the_former_release(log_settings)
    several = [process(OPEN_AT_ONCE, log_settings) for _ in range(3)]
    assert at_once(several) == ["sqlite\n"] * 3
    assert rows(log_settings) == [LOOK]
