"""Quotes that had waited long for this database, as those who wrote them report."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0005"
down_revision = "0004"


def upgrade(op: Operations) -> None:
    """Make the table."""
    op.create_table(
        "late_deliveries",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("quotes", sa.Integer, nullable=False),
        sa.Column("longest_seconds", sa.Double, nullable=False),
        sa.Column("model", sa.String),
        sa.Column("incarnation", sa.String),
    )
    op.create_index("late_deliveries_time", "late_deliveries", ["time"])
