"""A prediction log of an earlier release keeps every row on its way to the newest tables."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from insurance_predictor.base.settings import Settings
from insurance_predictor.log.database import METADATA, MIGRATIONS, opened
from insurance_predictor.log.prediction_log import PredictionLog
from tests.predictions import (
    OPEN_AT_ONCE,
    at_once,
    entry,
    kept_ids,
    log_in,
    make_first_release,
    process,
)

COUNT = 500
PREDICTION = "(?, '2026-01-31 12:00:00', '3', 40, 'female', 27.5, 2, 'no', 'southeast', 1, 0, 2, 4"


@pytest.fixture
def log_settings(tmp_path: Path) -> Settings:
    return log_in(tmp_path)


@pytest.fixture
def old(log_settings: Settings) -> Iterator[sqlite3.Connection]:
    """A database as the first release left it: 500 predictions, every fifth with its outcome."""
    make_first_release(log_settings.prediction_log_url)
    with closing(sqlite3.connect(log_settings.prediction_log_url[10:])) as connection:
        names = [(f"id-{number}",) for number in range(COUNT)]
        with connection:
            connection.executemany(f"INSERT INTO predictions VALUES {PREDICTION}, 'app', 0)", names)
            connection.executemany(
                "INSERT INTO outcomes VALUES (?, 9000.5, '2026-06-01 00:00:00')", names[::5]
            )
        yield connection


def rows(connection: sqlite3.Connection, table: str) -> list[tuple]:
    """Without the columns that the first release did not know."""
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    known = ", ".join(name for name in names if name not in ("model", "incarnation", "recorded"))
    return connection.execute(f"SELECT {known} FROM {table} ORDER BY id").fetchall()


def test_every_row_of_the_first_release_is_there_after_the_upgrade(log_settings, old):
    before = rows(old, "predictions"), rows(old, "outcomes")
    with opened(log_settings.prediction_log_url):
        pass
    assert (rows(old, "predictions"), rows(old, "outcomes")) == before
    assert len(before[0]) == COUNT
    assert len(before[1]) == COUNT / 5
    assert old.execute("SELECT version_num FROM alembic_version").fetchall() == [("0006",)]


def test_rows_of_before_do_not_say_of_which_model_they_are(log_settings, old):
    with opened(log_settings.prediction_log_url):
        pass
    asked = "SELECT DISTINCT model, incarnation FROM predictions"
    assert old.execute(asked).fetchall() == [(None, None)]


def test_outcomes_of_before_count_as_recorded_when_they_say_or_now(log_settings, old):
    with old:
        old.execute("UPDATE outcomes SET time = '2999-01-01 00:00:00' WHERE id = 'id-5'")
    with opened(log_settings.prediction_log_url):
        pass
    asked = "SELECT time = recorded, count(*) FROM outcomes GROUP BY 1"
    assert old.execute(asked).fetchall() == [(0, 1), (1, COUNT / 5 - 1)]
    ((recorded,),) = old.execute("SELECT recorded FROM outcomes WHERE id = 'id-5'")
    assert recorded < "2999"


def test_an_upgraded_database_has_the_tables_that_a_new_one_has(log_settings, old, tmp_path):
    for url in (log_settings.prediction_log_url, f"sqlite:///{tmp_path}/new.db"):
        with opened(url) as engine, engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_an_upgraded_database_still_knows_which_outcome_is_of_which_prediction(log_settings, old):
    with opened(log_settings.prediction_log_url):
        pass
    old.execute("PRAGMA foreign_keys = ON")
    assert old.execute("PRAGMA foreign_key_check").fetchall() == []
    row = "(id, charges, time, recorded) VALUES ('nobody', 1, '2026-06-01', '2026-06-01')"
    with pytest.raises(sqlite3.IntegrityError):
        old.execute(f"INSERT INTO outcomes {row}")


def test_an_upgraded_database_takes_what_another_program_did_not_know(log_settings, old):
    with opened(log_settings.prediction_log_url):
        pass
    changed = "UPDATE predictions SET smoker = NULL, bmi = NULL WHERE id = 'id-7'"
    assert old.execute(changed).rowcount == 1


def test_an_upgrade_that_fails_in_the_middle_leaves_the_database_as_it_was(log_settings, old):
    before = rows(old, "predictions"), rows(old, "outcomes")
    with old:
        old.execute("CREATE TABLE failures (id INTEGER)")
    with pytest.raises(Exception, match="failures"), opened(log_settings.prediction_log_url):
        pass
    assert (rows(old, "predictions"), rows(old, "outcomes")) == before
    with old:
        old.execute("DROP TABLE failures")
    with opened(log_settings.prediction_log_url):
        pass
    assert (rows(old, "predictions"), rows(old, "outcomes")) == before


@pytest.mark.process
def test_processes_that_upgrade_at_once_do_it_once(log_settings, old):
    before = rows(old, "outcomes")
    several = [process(OPEN_AT_ONCE, log_settings) for _ in range(3)]
    assert at_once(several) == ["sqlite\n"] * 3
    assert rows(old, "outcomes") == before


def test_what_waited_for_the_old_database_arrives_in_the_new_one(log_settings, old):
    waiting = entry()
    with PredictionLog(log_settings) as log:
        log.write([waiting])
    assert waiting.id in kept_ids(log_settings.prediction_log_url)
    assert len(rows(old, "outcomes")) == COUNT / 5


def test_the_newest_revision_is_known_without_alembic():
    assert MIGRATIONS.newest == MIGRATIONS.steps().get_current_head()
