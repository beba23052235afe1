"""The next message tells what was given up before it; what was until now is not told any more."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0002"
down_revision = "0001"


def upgrade(op: Operations) -> None:
    """Add when it was told."""
    op.add_column("outbox", sa.Column("gave_up_told", sa.DateTime(timezone=True)))
    op.execute("UPDATE outbox SET gave_up_told = gave_up")
