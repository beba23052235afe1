"""Rows that wait for a database, in files that outlive whoever wrote them.

Each process appends to a file of its own and holds a lock on it as long as it lives. A file whose
lock is free was left behind, and whoever comes first delivers it. A row is one line; a last line
without its end was cut off before anybody was told that it is safe.
"""

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from io import FileIO
from pathlib import Path
from threading import Lock

SUFFIX = ".jsonl"
ASIDE = "set_aside.txt"
PIECE = 1 << 18  # bytes that are handed over at once: some 900 quotes

Take = Callable[[list[bytes]], None]


class Spool:
    """The waiting rows in `folder`, which several processes may share.

    Any thread may append; one thread delivers, and closes in the end. Nothing is made before the
    first row.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: _OwnFile | None = None
        self._lock = Lock()

    def append(self, lines: Sequence[bytes]) -> None:
        """Return once `lines`, each with its newline, are on the disk.

        Raises OSError when they cannot be kept; then none of them is delivered either.
        """
        if not lines:
            return
        with self._lock:
            if self._own is None:
                self._own = _new_file(self._folder)
            self._own.append(b"".join(lines))

    def deliver(self, take: Take) -> None:
        """Hand all waiting rows to `take`, some thousand at once; what it returned for is gone.

        A row is handed over again when `take` raised, or when the process died before the row was
        gone, so `take` has to know what it has taken.
        """
        self._deliver_own(take)
        for path in self._others():
            _deliver_left_behind(path, take)

    def set_aside(self, lines: Sequence[bytes]) -> Path:
        """The file, never delivered, that keeps `lines` for a person to look at."""
        path = self._folder / ASIDE
        with FileIO(path, "a", opener=_private) as file:
            file.write(b"".join(lines))
            os.fsync(file.fileno())
        return path

    def waiting(self) -> int:
        """How many rows are in the folder, those of other processes included."""
        with self._lock:
            own = self._own.waiting() if self._own else 0
        return own + sum(_rows_in(path) for path in self._others())

    def is_settled(self) -> bool:
        """Whether every row that this process appended has been delivered."""
        with self._lock:
            return self._own is None or self._own.is_settled()

    def close(self) -> None:
        """Leave what is still waiting to whoever comes next."""
        with self._lock:
            if self._own is not None:
                self._own.close()
            self._own = None

    def _deliver_own(self, take: Take) -> None:
        own = self._own
        if own is None:
            return
        for lines, after in _batches(own.file, own.start, own.end):
            take(lines)
            with self._lock:
                own.start = after
        with self._lock:
            own.shrink()

    def _others(self) -> list[Path]:
        own = self._own.path if self._own else None
        return [path for path in sorted(self._folder.glob(f"*{SUFFIX}")) if path != own]


class _OwnFile:
    """The file that this process appends to; the bytes from `start` to `end` wait.

    What lies beyond `end` was not acknowledged. Callers see to it that one thread acts at a time.
    """

    def __init__(self, file: FileIO, path: Path) -> None:
        self.file = file
        self.path = path
        self.start = 0
        self.end = 0

    def append(self, content: bytes) -> None:
        descriptor = self.file.fileno()
        try:
            written = 0
            while written < len(content):
                written += os.pwrite(descriptor, content[written:], self.end + written)
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, self.end)
            raise
        self.end += len(content)

    def shrink(self) -> None:
        """Empty the file if nothing in it waits; a crash that undoes it only repeats rows."""
        if self.is_settled() and self.end:
            os.ftruncate(self.file.fileno(), 0)
            self.start = self.end = 0

    def waiting(self) -> int:
        return sum(len(lines) for lines, _ in _batches(self.file, self.start, self.end))

    def is_settled(self) -> bool:
        return self.start == self.end

    def close(self) -> None:
        if self.is_settled():
            self.path.unlink(missing_ok=True)
        self.file.close()


def _new_file(folder: Path) -> _OwnFile:
    """A new file of `folder` with our lock on it, there even after a power cut."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        path = folder / f"{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
        file = FileIO(path, "x+", opener=_private)
        fcntl.flock(file, fcntl.LOCK_EX)
        if _is_there(file):
            break
        file.close()  # somebody took it, still unlocked and empty, for one left behind
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return _OwnFile(file, path)


def _deliver_left_behind(path: Path, take: Take) -> None:
    file = _taken_over(path)
    if file is None:
        return
    with closing(file):
        for lines, _ in _batches(file, 0, os.fstat(file.fileno()).st_size):
            take(lines)
        path.unlink()


def _taken_over(path: Path) -> FileIO | None:
    """The file with our lock on it; None when another process writes, delivers or deleted it."""
    try:
        file = FileIO(path, "r+")
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_there(file):
            return file
    except BlockingIOError:
        pass
    file.close()
    return None


def _is_there(file: FileIO) -> bool:
    return os.fstat(file.fileno()).st_nlink > 0


def _batches(file: FileIO, start: int, end: int) -> Iterator[tuple[list[bytes], int]]:
    """The whole lines from `start` to `end`, and where the next batch begins."""
    while whole := _whole_lines(file.fileno(), start, end):
        start += len(whole)
        yield whole.splitlines(keepends=True), start


def _whole_lines(descriptor: int, start: int, end: int) -> bytes:
    """A piece that ends with a line's end; empty when there is none before `end`."""
    size = PIECE
    while True:
        piece = os.pread(descriptor, min(size, end - start), start)
        whole = piece[: piece.rfind(b"\n") + 1]
        if whole or start + size >= end:
            return whole
        size *= 2


def _rows_in(path: Path) -> int:
    try:
        with FileIO(path) as file:
            size = os.fstat(file.fileno()).st_size
            return sum(len(lines) for lines, _ in _batches(file, 0, size))
    except FileNotFoundError:  # delivered meanwhile
        return 0


def _private(path: str, flags: int) -> int:
    """An opener: what somebody asked a quote for is nobody else's business."""
    return os.open(path, flags, mode=0o600)
