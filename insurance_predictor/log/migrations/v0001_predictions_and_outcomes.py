"""Predictions and, once they are known, their outcomes."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0001"
down_revision = None


def upgrade(op: Operations) -> None:
    """Make both tables."""
    op.create_table(
        "predictions",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("age", sa.Integer, nullable=False),
        sa.Column("sex", sa.String, nullable=False),
        sa.Column("bmi", sa.Double, nullable=False),
        sa.Column("children", sa.Integer, nullable=False),
        sa.Column("smoker", sa.String, nullable=False),
        sa.Column("region", sa.String, nullable=False),
        sa.Column("premium", sa.Double, nullable=False),
        sa.Column("low", sa.Double, nullable=False),
        sa.Column("high", sa.Double, nullable=False),
        sa.Column("latency_ms", sa.Double, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("stale", sa.Boolean, nullable=False),
    )
    op.create_index("predictions_version_time", "predictions", ["version", "time"])
    op.create_table(
        "outcomes",
        sa.Column("id", sa.String(36), sa.ForeignKey("predictions.id"), primary_key=True),
        sa.Column("charges", sa.Double, nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
    )
