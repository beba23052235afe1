"""Monitoring's tables are made beside the log's, or taken over from release 0.1 with every row."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from insurance_predictor.base.settings import Settings
from insurance_predictor.log import database
from monitoring.history.incident_store import open_incidents
from monitoring.history.tables import METADATA, MIGRATIONS, opened
from tests.predictions import at_once, log_in, process

OPEN_AT_ONCE = """
from monitoring.history.incident_store import open_incidents
from monitoring.history.tables import opened
print("ready", flush=True)
sys.stdin.readline()
with opened(log_settings.prediction_log_url) as engine:
    print(engine.dialect.name)
"""
NOON = "2026-01-31 12:00:00.000000"
LOOKS = """CREATE TABLE looks (
    model_name VARCHAR, slot DATETIME, version VARCHAR NOT NULL, start DATETIME NOT NULL,
    "end" DATETIME NOT NULL, rows INTEGER NOT NULL, outcomes INTEGER NOT NULL,
    verdicts JSON NOT NULL, run_id VARCHAR, PRIMARY KEY (model_name, slot))"""
LOOK = ("model", "2026-01-31 00:00:00.000000", "3", "2026-01-24 12:00:00.000000", NOON, 400, 0)
INCIDENT = ("one", "model", "drift", "3", NOON, "[]", "[]")
LATER = {
    "incidents": ("schedule", "seen", "reopened"),
    "outbox": ("gave_up_told", "model_name", "incarnation"),
}


@pytest.fixture
def log_settings(tmp_path: Path) -> Settings:
    return log_in(tmp_path)


def make_tables_of_the_former_release(settings: Settings) -> None:
    """As the library of release 0.1 made them, with one look back."""
    with opened(settings.prediction_log_url):
        pass
    with closing(sqlite3.connect(settings.prediction_log_url[10:])) as connection, connection:
        connection.execute("DROP TABLE assessments")
        connection.execute("DROP INDEX incidents_one_open")
        for table, names in LATER.items():
            for name in names:
                connection.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
        connection.execute(
            "CREATE UNIQUE INDEX incidents_one_open ON incidents (model_name, kind) "
            "WHERE resolved IS NULL"
        )
        connection.execute(LOOKS)
        connection.execute("DROP TABLE monitoring_alembic_version")
        connection.execute("INSERT INTO looks VALUES (?, ?, ?, ?, ?, ?, ?, '{}', NULL)", LOOK)
        columns = "id, model_name, kind, version, opened, findings, told"
        connection.execute(
            f"INSERT INTO incidents ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", INCIDENT
        )


def rows(settings: Settings) -> list[tuple]:
    with closing(sqlite3.connect(settings.prediction_log_url[10:])) as connection:
        names = 'model_name, slot, version, start, "end", rows, outcomes, schedule'
        return connection.execute(f"SELECT {names} FROM assessments").fetchall()


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
        assert rows(log_settings) == [(*LOOK, "7d")]


def test_an_incident_of_release_0_1_is_of_the_weekly_windows_and_was_seen_when_it_opened(
    log_settings,
):
    make_tables_of_the_former_release(log_settings)
    with opened(log_settings.prediction_log_url) as engine:
        (incident,) = open_incidents(engine, "model")
    assert (incident.schedule, incident.reopened) == ("7d", None)
    assert incident.seen == incident.opened


def test_processes_that_take_over_at_once_do_it_once(log_settings):
    make_tables_of_the_former_release(log_settings)
    several = [process(OPEN_AT_ONCE, log_settings) for _ in range(3)]
    assert at_once(several) == ["sqlite\n"] * 3
    assert rows(log_settings) == [(*LOOK, "7d")]
