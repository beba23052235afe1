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
# What later revisions made, taken back, and the table of an assessment as it was called then.
BACK_TO_RELEASE_0_1 = (
    "DROP TABLE assessments",
    "DROP INDEX incidents_one_open",
    "ALTER TABLE incidents DROP COLUMN schedule",
    "ALTER TABLE incidents DROP COLUMN seen",
    "ALTER TABLE incidents DROP COLUMN reopened",
    "ALTER TABLE outbox DROP COLUMN gave_up_told",
    "ALTER TABLE outbox DROP COLUMN model_name",
    "ALTER TABLE outbox DROP COLUMN incarnation",
    "CREATE UNIQUE INDEX incidents_one_open ON incidents (model_name, kind) WHERE resolved IS NULL",
    """CREATE TABLE looks (
        model_name VARCHAR NOT NULL, slot TIMESTAMP WITH TIME ZONE NOT NULL,
        version VARCHAR NOT NULL, start TIMESTAMP WITH TIME ZONE NOT NULL,
        "end" TIMESTAMP WITH TIME ZONE NOT NULL, rows INTEGER NOT NULL,
        outcomes INTEGER NOT NULL, verdicts JSON NOT NULL, run_id VARCHAR,
        PRIMARY KEY (model_name, slot))""",
    """INSERT INTO looks (model_name, slot, version, start, "end", rows, outcomes, verdicts)
    VALUES ('m', '2026-01-31 00:00:00.000000', '3', '2026-01-24 12:00:00.000000',
        '2026-01-31 12:00:00.000000', 400, 0, '{}')""",
    """INSERT INTO incidents (id, model_name, kind, version, opened, findings, told)
    VALUES ('one', 'm', 'drift', '3', '2026-01-31 12:00:00.000000', '[]', '[]')""",
    "DROP TABLE monitoring_alembic_version",
)


def has_the_tables_that_the_code_knows(url: str) -> None:
    with opened(url) as engine, engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"include_name": lambda name, kind, _: kind != "table" or name in METADATA.tables},
        )
        assert compare_metadata(context, METADATA) == []


def make_tables_of_release_0_1(url: str) -> None:
    """Tables as release 0.1 left them, with one assessment and an open incident."""
    with opened(url) as engine, engine.begin() as connection:
        for statement in BACK_TO_RELEASE_0_1:
            connection.execute(text(statement))


def processes_that_open_at_once_find(settings: Settings, count: int) -> None:
    several = [process(OPEN_AT_ONCE, settings) for _ in range(PROCESSES)]
    assert at_once(several) == [f"{count}\n"] * PROCESSES
