"""Each length of window has a history of its own; incidents say when they were seen, and came back.

SQLite can change neither a primary key nor the rules of a column, so the assessments move to a new
table, and the new columns of an incident may be empty there.
"""

import sqlalchemy as sa
from alembic.operations import Operations

from insurance_predictor.log.database import UtcTime
from monitoring.domain.windows import DEFAULT, schedule

revision = "0004"
down_revision = "0003"


def upgrade(op: Operations) -> None:
    """An assessment is of the schedule of its length; an incident of what is the default."""
    before = _assessments("assessments")
    rows = op.get_bind().execute(sa.select(before)).mappings().all()
    op.drop_table("assessments")
    after = _assessments("assessments", sa.Column("schedule", sa.String, primary_key=True))
    after.create(op.get_bind())
    for row in rows:
        length = schedule(row["end"] - row["start"])
        op.get_bind().execute(after.insert(), dict(row) | {"schedule": length})
    op.drop_index("incidents_one_open", "incidents")
    op.add_column(
        "incidents", sa.Column("schedule", sa.String, nullable=False, server_default=DEFAULT)
    )
    op.add_column("incidents", sa.Column("seen", sa.DateTime(timezone=True)))
    op.add_column("incidents", sa.Column("reopened", sa.DateTime(timezone=True)))
    op.execute("UPDATE incidents SET seen = COALESCE(resolved, opened)")
    is_open = sa.text("resolved IS NULL")
    op.create_index(
        "incidents_one_open",
        "incidents",
        ["model_name", "kind", "schedule"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )


def _assessments(name: str, *more: sa.Column[str]) -> sa.Table:
    return sa.Table(
        name,
        sa.MetaData(),
        sa.Column("model_name", sa.String, primary_key=True),
        *more,
        sa.Column("slot", UtcTime, primary_key=True),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("start", UtcTime, nullable=False),
        sa.Column("end", UtcTime, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("outcomes", sa.Integer, nullable=False),
        sa.Column("verdicts", sa.JSON, nullable=False),
        sa.Column("run_id", sa.String),
    )
