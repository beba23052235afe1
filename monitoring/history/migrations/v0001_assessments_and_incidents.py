"""Assessments, incidents, silences and the outbox; release 0.1 called an assessment a look."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0001"
down_revision = None


def upgrade(op: Operations) -> None:
    """Take over the tables of release 0.1, which the library had made, or make them."""
    if sa.inspect(op.get_bind()).has_table("looks"):
        op.rename_table("looks", "assessments")
    else:
        _make_history(op)
        _make_outbox(op)


def _make_history(op: Operations) -> None:
    op.create_table(
        "assessments",
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
