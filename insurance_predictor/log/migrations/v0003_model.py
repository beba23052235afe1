"""Of which model, and which incarnation of it, a row's version number is; NULL in earlier rows."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0003"
down_revision = "0002"


def upgrade(op: Operations) -> None:
    """Add the columns, which rewrites no row."""
    for table in ("predictions", "failures"):
        op.add_column(table, sa.Column("model", sa.String))
        op.add_column(table, sa.Column("incarnation", sa.String))
