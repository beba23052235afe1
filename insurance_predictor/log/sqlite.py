"""What the spool and a log in SQLite have in common."""

import sqlite3
import time
from typing import Any

POLL = 0.01  # seconds


def write_ahead(connection: Any, patience: float) -> None:
    """Let readers not stop writers, and a commit stay after a power cut.

    SQLite does not wait for a lock, here for `patience` seconds, when it switches the journal.
    """
    end = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(POLL)
    connection.execute("PRAGMA synchronous = FULL")
