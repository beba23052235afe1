"""A message says which model it is about, so that who shares a log sends no other's."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0003"
down_revision = "0002"


def upgrade(op: Operations) -> None:
    """Add the model and its incarnation; without them a message is of whoever finds it."""
    op.add_column("outbox", sa.Column("model_name", sa.String))
    op.add_column("outbox", sa.Column("incarnation", sa.String))
