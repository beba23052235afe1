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
from tests.monitoring.history.tables_contract import make_tables_of_release_0_1
from tests.predictions import at_once, log_in, process

OPEN_AT_ONCE = """
from monitoring.history.tables import opened
print("ready", flush=True)
sys.stdin.readline()
with opened(log_settings.prediction_log_url) as engine:
    print(engine.dialect.name)
"""
# The assessment of `make_tables_of_release_0_1`, as today's table has it.
LOOK = (
    *("m", "2026-01-31 00:00:00.000000", "3"),
    *("2026-01-24 12:00:00.000000", "2026-01-31 12:00:00.000000", 400, 0, "7d"),
)


@pytest.fixture
def log_settings(tmp_path: Path) -> Settings:
    return log_in(tmp_path)


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
        make_tables_of_release_0_1(log_settings.prediction_log_url)
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
    make_tables_of_release_0_1(log_settings.prediction_log_url)
    for _ in range(2):
        with opened(log_settings.prediction_log_url):
            pass
        assert rows(log_settings) == [LOOK]


def test_an_incident_of_release_0_1_is_of_the_weekly_windows_and_was_seen_when_it_opened(
    log_settings,
):
    make_tables_of_release_0_1(log_settings.prediction_log_url)
    with opened(log_settings.prediction_log_url) as engine:
        (incident,) = open_incidents(engine, "m")
    assert (incident.schedule, incident.reopened) == ("7d", None)
    assert incident.seen == incident.opened


def test_processes_that_take_over_at_once_do_it_once(log_settings):
    make_tables_of_release_0_1(log_settings.prediction_log_url)
    several = [process(OPEN_AT_ONCE, log_settings) for _ in range(3)]
    assert at_once(several) == ["sqlite\n"] * 3
    assert rows(log_settings) == [LOOK]


def test_the_newest_revision_is_known_without_alembic():
    assert MIGRATIONS.newest == MIGRATIONS.steps().get_current_head()
