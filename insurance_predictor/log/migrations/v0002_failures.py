"""Features that may be NULL, outcomes found by time, and failures.

At release 0.1 this step made the tables of monitoring, too, which has steps of its own now.
"""

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
