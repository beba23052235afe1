"""Rows that wait for a database, in a local queue that outlives whoever wrote them.

The queue is a SQLite file that all processes share. A row is on the disk when `append` returns:
SQLite writes ahead and waits for the disk at each commit. Each row says which database it is for,
and only who writes to that one delivers it.
"""

import errno
import fcntl
import logging
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from io import FileIO
from pathlib import Path
from threading import Lock

from filelock import FileLock, Timeout

from insurance_predictor.base.foreign_text import one_line
from insurance_predictor.log.destination import destination
from insurance_predictor.log.sqlite import write_ahead

QUEUE = "waiting.db"
TURN = "delivering.lock"
ASIDE = "set_aside.txt"
# The files of release 0.1, one a process: its number, and eight random digits.
FORMER = f"[0-9]*-{'[0-9a-f]' * 8}.jsonl"
PIECE = 1 << 18  # bytes that are handed over at once: some 900 quotes
PATIENCE = 60.0  # seconds for others that write, a file that many processes share
TURN_PATIENCE = 1.0  # seconds for another process that delivers
TABLE = "CREATE TABLE IF NOT EXISTS queue"
TABLE += " (number INTEGER PRIMARY KEY AUTOINCREMENT, database TEXT, line BLOB)"
INDEX = "CREATE INDEX IF NOT EXISTS queue_database ON queue (database)"
# Many rows as one table, in Arrow's stream format: programs of before know no such thing.
TABLES = "CREATE TABLE IF NOT EXISTS tables"
TABLES += " (number INTEGER PRIMARY KEY AUTOINCREMENT, database TEXT, rows INTEGER, content BLOB)"
# Earlier programs keep to a table of their own, and may still be running.
FORMER_TABLE = "SELECT 1 FROM sqlite_master WHERE name = 'waiting'"
# Whatever another program has put there, it comes as bytes.
ROWS = "SELECT number, ifnull(CAST(line AS BLOB), x'') FROM queue"
ROWS += " WHERE database IS ? ORDER BY number"

LOGGER = logging.getLogger(__name__)

Take = Callable[[list[bytes]], None]
TakeTable = Callable[[bytes], None]


def told_elsewhere(rows: Mapping[str, int]) -> str:
    """What waits for other databases and what to do, as the end of a sentence."""
    counts = ", ".join(f"{count:,} rows wait for {one_line(name)}" for name, count in rows.items())
    return f"{counts}: start something with that PREDICTION_LOG_URL, and they are delivered there"


class Spool:
    """The rows in `folder` that wait for the database at `url`; several processes may share it.

    Rows that do not say what they wait for, as those of earlier programs, count as for this one.
    Any thread may call; nothing is made before the first row. What SQLite raises is an OSError.
    """

    def __init__(self, folder: Path, url: str = "") -> None:
        self._folder = folder
        self._database = destination(url)
        self._connection: sqlite3.Connection | None = None
        self._last = 0  # the number of the last row that was appended here
        self._last_table = 0  # and of the last table
        self._left: set[Path] = set()  # files that cannot be read
        self._lock = Lock()

    def append(self, lines: Sequence[bytes]) -> None:
        """Return once `lines`, each with its newline, are on the disk.

        Raises OSError when they cannot be kept; then none of them is delivered either.
        """
        if not lines:
            return
        with self._queue() as queue:
            self._last = _insert(queue, lines, self._database)

    def append_table(self, content: bytes, rows: int) -> None:
        """As `append`, for so many rows that are one table in Arrow's stream format."""
        with self._queue() as queue:
            values = (self._database, rows, content)
            asked = "INSERT INTO tables (database, rows, content) VALUES (?, ?, ?)"
            self._last_table = queue.execute(asked, values).lastrowid or 0

    def deliver(self, take: Take, take_table: TakeTable | None = None) -> None:
        """Hand the rows for this database to `take`, some thousand at once; what it took is gone.

        Whole tables go to `take_table`, one at a time; without it they stay. One process does so at
        a time. A row is handed over again when `take` raised, or when the process died before the
        row was gone, so `take` has to know what it has taken.
        """
        if not self._is_there():
            return
        turn = FileLock(self._folder / TURN, timeout=TURN_PATIENCE, mode=0o600)
        try:
            turn.acquire()
        except Timeout:
            return  # whoever has it delivers these, too
        try:
            self._deliver(take, take_table)
        finally:
            turn.release()

    def set_aside(self, lines: Sequence[bytes]) -> Path:
        """The file, never delivered, that keeps `lines` for a person to look at."""
        path = self._folder / ASIDE
        with FileIO(path, "a", opener=_private) as file:
            file.write(b"".join(line.rstrip(b"\n") + b"\n" for line in lines))
            os.fsync(file.fileno())
        return path

    def set_table_aside(self, content: bytes) -> Path:
        """The file, never delivered, that keeps a table for a person to look at."""
        path = self._folder / f"set_aside-{time.time_ns()}.arrow"
        with FileIO(path, "x", opener=_private) as file:
            file.write(content)
            os.fsync(file.fileno())
        return path

    def waiting(self) -> int:
        """How many rows wait for this database, whoever wrote them."""
        former = sum(map(_lines_in, self._folder.glob(FORMER)))
        if not self._has_queue():
            return former
        with self._queue() as queue:
            asked = "SELECT count(*) FROM queue WHERE database IS NULL OR database IS ?"
            (count,) = queue.execute(asked, (self._database,)).fetchone()
            asked = "SELECT coalesce(sum(rows), 0) FROM tables WHERE database IS ?"
            count += queue.execute(asked, (self._database,)).fetchone()[0]
            if _has_former(queue):
                (more,) = queue.execute("SELECT count(*) FROM waiting").fetchone()
                former += more
        return former + int(count)

    def waiting_elsewhere(self) -> dict[str, int]:
        """How many rows wait for each other database, which only who writes to it delivers."""
        if not self._has_queue():
            return {}
        with self._queue() as queue:
            asked = "SELECT database, sum(rows) FROM (SELECT database, 1 AS rows FROM queue"
            asked += " UNION ALL SELECT database, rows FROM tables) WHERE database IS NOT NULL"
            asked += " AND database IS NOT ? GROUP BY database ORDER BY database"
            return dict(queue.execute(asked, (self._database,)).fetchall())

    def is_settled(self) -> bool:
        """Whether every row that was appended here has been delivered."""
        if not self._last and not self._last_table:
            return True
        asked = "SELECT 1 FROM queue WHERE database IS ? AND number <= ?"
        asked += " UNION ALL SELECT 1 FROM tables WHERE database IS ? AND number <= ? LIMIT 1"
        values = (self._database, self._last, self._database, self._last_table)
        with self._queue() as queue:
            return queue.execute(asked, values).fetchone() is None

    def close(self) -> None:
        """Leave what is still waiting to whoever comes next."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            self._last = self._last_table = 0

    def _is_there(self) -> bool:
        return self._has_queue() or any(self._folder.glob(FORMER))

    def _has_queue(self) -> bool:
        return self._connection is not None or (self._folder / QUEUE).exists()

    def _deliver(self, take: Take, take_table: TakeTable | None) -> None:
        for path in sorted(self._folder.glob(FORMER)):
            self._take_over(path)
        with self._queue() as queue:
            if _has_former(queue):
                queue.execute("INSERT INTO queue (line) SELECT line FROM waiting ORDER BY number")
                queue.execute("DELETE FROM waiting")
        for database in dict.fromkeys([None, self._database]):
            while rows := self._next_rows(database):
                take([line for _, line in rows])
                with self._queue() as queue:
                    numbers = [(number,) for number, _ in rows]
                    queue.executemany("DELETE FROM queue WHERE number = ?", numbers)
        while take_table is not None and (found := self._next_table()) is not None:
            number, content = found
            take_table(content)
            with self._queue() as queue:
                queue.execute("DELETE FROM tables WHERE number = ?", (number,))
        with self._queue() as queue:
            queue.commit()
            queue.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _next_rows(self, database: str | None) -> list[tuple[int, bytes]]:
        rows: list[tuple[int, bytes]] = []
        size = 0
        with self._queue() as queue:
            asked = queue.execute(ROWS, (database,))
            with closing(asked):
                while size < PIECE and (row := asked.fetchone()):
                    rows.append(row)
                    size += len(row[1])
        return rows

    def _next_table(self) -> tuple[int, bytes] | None:
        asked = "SELECT number, ifnull(CAST(content AS BLOB), x'') FROM tables"
        asked += " WHERE database IS ? ORDER BY number LIMIT 1"
        with self._queue() as queue:
            found: tuple[int, bytes] | None = queue.execute(asked, (self._database,)).fetchone()
            return found

    def _take_over(self, path: Path) -> None:
        """Bring a file of release 0.1 into the queue, unless the process that writes it lives.

        Its last line, when it has no end, was never acknowledged.
        """
        with ExitStack() as opened:
            try:
                file = opened.enter_context(FileIO(path, "r", opener=_plain))
            except OSError as error:  # others wait, too
                self._leave(path, error)
                return
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            content = file.readall()
            whole = content[: content.rfind(b"\n") + 1].splitlines(keepends=True)
            with self._queue() as queue:
                _insert(queue, whole, None)
            path.unlink()

    def _leave(self, path: Path, error: OSError) -> None:
        if path not in self._left:
            LOGGER.warning("What waits in %s stays there: %s", path, error.strerror)
        self._left.add(path)

    @contextmanager
    def _queue(self) -> Iterator[sqlite3.Connection]:
        """The queue for one transaction, opened at the first use."""
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = _sound(self._folder)
                with self._connection as connection:
                    yield connection
            except sqlite3.Error as error:
                raise OSError(f"{self._folder / QUEUE}: {error}") from error


def _insert(queue: sqlite3.Connection, lines: Sequence[bytes], database: str | None) -> int:
    """The number of the last line."""
    rows = [(line, database) for line in lines]
    queue.executemany("INSERT INTO queue (line, database) VALUES (?, ?)", rows)
    (last,) = queue.execute("SELECT last_insert_rowid()").fetchone()
    return int(last)


def _sound(folder: Path) -> sqlite3.Connection:
    """The queue; one that is damaged is put out of the way, for a person to look at."""
    try:
        return _opened(folder)
    except sqlite3.OperationalError:  # locked, or a disk that takes nothing
        raise
    except sqlite3.DatabaseError as error:
        damaged = folder / f"damaged-{time.time_ns()}.db"
        (folder / QUEUE).replace(damaged)
        LOGGER.error("The spool was damaged (%s) and is begun anew; it is in %s", error, damaged)
        return _opened(folder)


def _opened(folder: Path) -> sqlite3.Connection:
    """The queue of `folder`, made if need be, for its owner only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / QUEUE
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, mode=0o600))
    connection = sqlite3.connect(path, timeout=PATIENCE, check_same_thread=False)
    try:
        connection.execute("PRAGMA auto_vacuum = FULL")  # what has been delivered takes no room
        write_ahead(connection, PATIENCE)
        connection.execute(TABLE)
        connection.execute(INDEX)
        connection.execute(TABLES)
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection


def _has_former(queue: sqlite3.Connection) -> bool:
    return queue.execute(FORMER_TABLE).fetchone() is not None


def _lines_in(path: Path) -> int:
    try:
        with FileIO(path, "r", opener=_plain) as file:
            return file.readall().count(b"\n")
    except OSError:  # taken over meanwhile, or nothing that can be read
        return 0


def _private(path: str, flags: int) -> int:
    """An opener: what somebody asked a quote for is nobody else's business."""
    return _plain(path, flags)


def _plain(path: str, flags: int) -> int:
    """An opener: a file, private if it is made, and nothing that would wait or never end."""
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW, mode=0o600)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is no file", path)
