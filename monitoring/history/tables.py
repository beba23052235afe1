"""The tables that monitoring keeps beside the prediction log; its own migrations make them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import JSON, Boolean, Column, Engine, Index, Integer, MetaData, String, Table, text

from insurance_predictor.log import database
from insurance_predictor.log.database import Migrations, UtcTime

METADATA = MetaData()
# One row an assessment that counted; another one of its schedule at the same slot replaces it.
ASSESSMENTS = Table(
    "assessments",
    METADATA,
    Column("model_name", String, primary_key=True),
    Column("schedule", String, primary_key=True),  # the length of the windows: 7d
    Column("slot", UtcTime, primary_key=True),
    Column("version", String, nullable=False),
    Column("start", UtcTime, nullable=False),
    Column("end", UtcTime, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("outcomes", Integer, nullable=False),
    Column("verdicts", JSON, nullable=False),  # name -> status, value, p_value, money
    Column("run_id", String),  # the MLflow run with its report
)
INCIDENTS = Table(
    "incidents",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("model_name", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("version", String, nullable=False),
    Column("schedule", String, nullable=False),
    Column("opened", UtcTime, nullable=False),
    Column("seen", UtcTime),  # when a finding was last in alarm
    Column("reopened", UtcTime),
    Column("resolved", UtcTime),
    Column("findings", JSON, nullable=False),  # names of the verdicts that are confirmed
    Column("told", JSON, nullable=False),  # the findings of the last message
    Column("told_version", String),  # the version of the last message
    Column("told_at", UtcTime),
    Column("thread", String),  # Slack's name of the first message
    Index(
        "incidents_one_open",
        "model_name",
        "kind",
        "schedule",
        unique=True,
        sqlite_where=text("resolved IS NULL"),
        postgresql_where=text("resolved IS NULL"),
    ),
)
# Until when nothing is said of a kind, whether or not it has an incident now.
SNOOZES = Table(
    "snoozes",
    METADATA,
    Column("model_name", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("until", UtcTime, nullable=False),
)
OUTBOX = Table(
    "outbox",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("time", UtcTime, nullable=False),
    Column("model_name", String),  # NULL: of an earlier release, which knew no other
    Column("incarnation", String),  # of the model in its registry; NULL: of any
    Column("incident_id", String(36)),  # NULL: a test message
    Column("event", String, nullable=False),  # opened, reopened, updated, resolved, test, move ...
    Column("message", JSON, nullable=False),
    Column("channel", String, nullable=False),  # slack_bot, slack_webhook, other, github
    Column("report", String),  # what goes along from REPORT_FOLDER: run/page
    Column("attempts", Integer, nullable=False),
    Column("is_in_doubt", Boolean, nullable=False),  # a call was begun and no answer was kept
    Column("sent", UtcTime),
    Column("gave_up", UtcTime),  # the message, or of a sent one the report: why is in `trouble`
    Column("gave_up_told", UtcTime),  # by the next message
    Column("trouble", String),
)

MIGRATIONS = Migrations(Path(__file__).parent / "migrations", "monitoring_alembic_version")


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """The prediction log at `url` with monitoring's tables beside it; raises as the library's."""
    with database.opened(url, MIGRATIONS) as engine:
        yield engine
