"""One process at a time empties the outbox of a database; a process that dies leaves its turn."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, func, select

SENDING_LOCK = 0x5E2D  # any number, the same for everybody who empties this outbox
POLL = 0.1  # seconds


@contextmanager
def turn(engine: Engine, patience: float) -> Iterator[bool]:
    """Whether it is our turn after at most `patience` seconds; it ends with the context.

    No transaction is open meanwhile: quotes go on being logged.
    """
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            quiet = connection.execution_options(isolation_level="AUTOCOMMIT")
            is_ours = _poll(lambda: _lock_database(quiet), patience)
            try:
                yield is_ours
            finally:
                if is_ours:
                    quiet.execute(select(func.pg_advisory_unlock(SENDING_LOCK)))
    else:
        with Path(f"{engine.url.database}.sending").open("w") as file:
            yield _poll(lambda: _lock_file(file.fileno()), patience)


def _lock_database(connection: Connection) -> bool:
    return bool(connection.scalar(select(func.pg_try_advisory_lock(SENDING_LOCK))))


def _lock_file(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _poll(is_locked: Callable[[], bool], patience: float) -> bool:
    end = time.monotonic() + patience
    while not (is_ours := is_locked()) and time.monotonic() < end:
        time.sleep(POLL)
    return is_ours
