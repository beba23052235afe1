"""SQLite databases that a test may write to, copied from those that it may not."""

import sqlite3
from contextlib import closing
from pathlib import Path


def copy_database(original: Path, copy: Path) -> None:
    """All that is committed in `original`, in a new file."""
    with closing(sqlite3.connect(original)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
