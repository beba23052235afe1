"""What is asked of monitoring's tables, on SQLite and on PostgreSQL."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from insurance_predictor.base.settings import Settings
from monitoring.history.tables import METADATA, opened
from tests.predictions import at_once, process

PROCESSES = 3
# Prints how many assessments it found, once a line has told it to go on.
OPEN_AT_ONCE = """
from sqlalchemy import text
from monitoring.history.tables import opened
print("ready", flush=True)
sys.stdin.readline()
with opened(log_settings.prediction_log_url) as engine, engine.connect() as connection:
    print(connection.scalar(text("SELECT count(*) FROM assessments")), flush=True)
"""
ASSESSMENT = """
INSERT INTO assessments (model_name, slot, version, start, "end", rows, outcomes, verdicts)
VALUES ('m', '2026-01-02', '3', '2026-01-01', '2026-01-02', 7, 0, '{}')
"""


def has_the_tables_that_the_code_knows(url: str) -> None:
    with opened(url) as engine, engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"include_name": lambda name, kind, _: kind != "table" or name in METADATA.tables},
        )
        assert compare_metadata(context, METADATA) == []


def make_tables_of_release_0_1(url: str) -> None:
    """The same tables with one assessment, under the name and the revision of then."""
    with opened(url) as engine, engine.begin() as connection:
        connection.execute(text(ASSESSMENT))
        connection.execute(text("ALTER TABLE assessments RENAME TO looks"))
        connection.execute(text("DROP TABLE monitoring_alembic_version"))


def processes_that_open_at_once_find(settings: Settings, count: int) -> None:
    several = [process(OPEN_AT_ONCE, settings) for _ in range(PROCESSES)]
    assert at_once(several) == [f"{count}\n"] * PROCESSES
