"""Features that may be NULL, outcomes found by time, failures, and what monitoring keeps."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0002"
down_revision = "0001"

FEATURES = ("age", "sex", "bmi", "children", "smoker", "region")


def upgrade(op: Operations) -> None:
    """Loosen `predictions` and make the new tables."""
    if op.get_context().dialect.name == "sqlite":
        _loosen_features_of_sqlite(op)
    else:
        _loosen_features(op)
    op.create_index("outcomes_time", "outcomes", ["time"])
    _make_failures(op)
    _make_history(op)
    _make_outbox(op)


def _loosen_features(op: Operations) -> None:
    with op.batch_alter_table("predictions") as predictions:
        for name in FEATURES:
            predictions.alter_column(name, nullable=True)


def _loosen_features_of_sqlite(op: Operations) -> None:
    """SQLite changes a column by making the table anew, while nothing may refer to it.

    Foreign keys can only be switched off outside a transaction, and this is inside one, so the
    outcomes step aside.
    """
    op.execute("CREATE TABLE outcomes_aside AS SELECT id, charges, time FROM outcomes")
    op.drop_table("outcomes")
    _loosen_features(op)
    op.create_table(
        "outcomes",
        sa.Column("id", sa.String(36), sa.ForeignKey("predictions.id"), primary_key=True),
        sa.Column("charges", sa.Double, nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
    )
    op.execute("INSERT INTO outcomes SELECT id, charges, time FROM outcomes_aside")
    op.drop_table("outcomes_aside")


def _make_failures(op: Operations) -> None:
    op.create_table(
        "failures",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.String),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("error", sa.String, nullable=False),
        sa.Column("latency_ms", sa.Double),
    )
    op.create_index("failures_time", "failures", ["time"])


def _make_history(op: Operations) -> None:
    op.create_table(
        "looks",
        sa.Column("model_name", sa.String, primary_key=True),
        sa.Column("slot", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("outcomes", sa.Integer, nullable=False),
        sa.Column("verdicts", sa.JSON, nullable=False),
        sa.Column("run_id", sa.String),
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("model_name", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("opened", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved", sa.DateTime(timezone=True)),
        sa.Column("findings", sa.JSON, nullable=False),
        sa.Column("told", sa.JSON, nullable=False),
        sa.Column("told_version", sa.String),
        sa.Column("told_at", sa.DateTime(timezone=True)),
        sa.Column("thread", sa.String),
    )
    is_open = sa.text("resolved IS NULL")
    op.create_index(
        "incidents_one_open",
        "incidents",
        ["model_name", "kind"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_table(
        "snoozes",
        sa.Column("model_name", sa.String, primary_key=True),
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
    )


def _make_outbox(op: Operations) -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("incident_id", sa.String(36)),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("message", sa.JSON, nullable=False),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("report", sa.String),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("is_in_doubt", sa.Boolean, nullable=False),
        sa.Column("sent", sa.DateTime(timezone=True)),
        sa.Column("gave_up", sa.DateTime(timezone=True)),
        sa.Column("trouble", sa.String),
    )
