"""When the log got an outcome, which is not when somebody says that it was known.

Of outcomes that were there before nobody knows it. They keep the time they carry, by which they
were judged until now, unless it is yet to come.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0004"
down_revision = "0003"

MOMENT = sa.DateTime(timezone=True)


def upgrade(op: Operations) -> None:
    """Add the column and find outcomes by it; SQLite makes the table anew for that."""
    op.add_column("outcomes", sa.Column("recorded", MOMENT))
    outcomes = sa.table("outcomes", sa.column("time", MOMENT), sa.column("recorded", MOMENT))
    now = sa.literal(datetime.now(UTC), MOMENT)
    recorded = sa.case((outcomes.c.time > now, now), else_=outcomes.c.time)
    op.execute(outcomes.update().values(recorded=recorded))
    with op.batch_alter_table("outcomes") as changed:
        changed.alter_column("recorded", existing_type=MOMENT, nullable=False)
        changed.drop_index("outcomes_time")
        changed.create_index("outcomes_recorded", ["recorded"])
