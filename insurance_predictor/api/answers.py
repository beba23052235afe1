"""What was answered to a request with an Idempotency-Key, so that asking again gets the same."""

import hashlib
import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import NAMESPACE_URL, UUID, uuid5

from insurance_predictor.api.problems import Problem
from insurance_predictor.log.sqlite import write_ahead

LOGGER = logging.getLogger(__name__)

DAY = 86_400.0  # seconds
PATIENCE = 1.0  # seconds for another worker that writes
TABLE = "CREATE TABLE IF NOT EXISTS answers"
TABLE += " (key BLOB PRIMARY KEY, time REAL, people BLOB, answer BLOB)"
INDEX = "CREATE INDEX IF NOT EXISTS answers_time ON answers (time)"

Result = TypeVar("Result")


@dataclass(frozen=True)
class Sameness:
    """What makes two requests the same one: the client's key, and the people it asks about."""

    key: bytes
    people: bytes

    @classmethod
    def of(cls, key: str, people: Sequence[Any]) -> "Sameness":
        """Of people as JSON has them, in whatever order their fields are."""
        return cls(_sha256(key), _sha256(json.dumps(people, sort_keys=True)))

    def ask(self, place: int) -> UUID:
        """Of the person at `place`: the same all day, even where no answer could be kept."""
        return uuid5(NAMESPACE_URL, f"{self.key.hex()} {int(time.time() // DAY)} {place}")


class Answers:
    """The answers of a day, in a file that all workers share; for one thread.

    A disk that does not take them costs nobody a quote: the next answer is made anew.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._is_told = False

    def find(self, same: Sameness) -> bytes | None:
        """What was answered before. Raises Problem, 409, when that was about other people."""
        asked = "SELECT people, answer FROM answers WHERE key = ? AND time > ?"
        since = self._clock() - DAY
        row = self._try(lambda file: file.execute(asked, (same.key, since)).fetchone())
        if row is None:
            return None
        people, answer = row
        if people != same.people:
            raise other_people()
        return bytes(answer)

    def keep(self, answered: Sequence[tuple[Sameness, bytes]]) -> None:
        """Keep answers, and forget those of yesterday."""
        now = self._clock()
        rows = [(same.key, now, same.people, answer) for same, answer in answered]

        def write(file: sqlite3.Connection) -> None:
            with file:
                file.execute("DELETE FROM answers WHERE time <= ?", (now - DAY,))
                file.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?)", rows)

        if rows:
            self._try(write)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _try(self, use: Callable[[sqlite3.Connection], Result]) -> Result | None:
        try:
            if self._connection is None:
                self._connection = _opened(self._path)
            result = use(self._connection)
        except (OSError, sqlite3.Error) as error:
            self.close()  # it may be replaced
            if not self._is_told:
                LOGGER.warning("Answers cannot be kept in %s: %s", self._path, error)
            self._is_told = True
            return None
        self._is_told = False
        return result


def other_people() -> Problem:
    """409, for a key that is used again for something else."""
    said = "This Idempotency-Key came with other people within a day. Take a new key for them."
    return Problem(409, said)


def _opened(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, mode=0o600))
    connection = sqlite3.connect(path, timeout=PATIENCE, check_same_thread=False)
    try:
        write_ahead(connection, PATIENCE)
        with connection:
            connection.execute(TABLE)
            connection.execute(INDEX)
    except BaseException:
        connection.close()
        raise
    return connection


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
