"""Every quote we gave or failed to give, so that monitoring can look back.

Quotes go to a spool on the disk, which is all that a person may have to wait for, and from there
to the database, however long that takes, exactly once. The libraries of the database are loaded
by the thread that delivers, when there is something to deliver.
"""

import atexit
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isnan
from threading import Condition, Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from insurance_predictor.base.settings import Settings
from insurance_predictor.log.spool import Spool
from insurance_predictor.log.writer import (
    CARRIED_NAMES,
    FAILURE_NAMES,
    OWN_NAMES,
    Clock,
    DatabaseWriter,
    utc_now,
)
from insurance_predictor.table.schema import FEATURE_NAMES

if TYPE_CHECKING:
    import pandas as pd

LOGGER = logging.getLogger(__name__)

WAIT = 0.03  # seconds that somebody who was quoted may have to wait for the disk
CHUNK = 200  # quotes of one call that are put on the disk before another call has its turn
RETRY = 2.0  # seconds between looks at what was left behind or could not be delivered
TOGETHER = 0.25  # seconds in which what comes is delivered together: each delivery costs the same
CLOSING = 5.0  # seconds

Source = Literal["app", "batch", "command", "api"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One quote as it was given: money in US dollars a year, `person` by the `features`.

    Those are what the version was trained on, by default the schema's. Whatever else `person`
    holds is not kept; None and NaN are a missing value. `carried` goes with the quote and is no
    feature, by the columns that the schema wants logged. `time` is aware; `stale` says that the
    registry could not be asked whether `version` still serves. `incarnation` says which model of
    the settings' name `version` is of, as `versions.incarnation` does; None where nobody has asked.
    """

    version: str
    person: Mapping[str, Any]
    premium: float
    low: float
    high: float
    latency_ms: float
    source: Source
    stale: bool = False
    incarnation: str | None = None
    features: tuple[str, ...] = FEATURE_NAMES
    carried: Mapping[str, str | None] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid4()))
    time: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A quote that somebody asked for and did not get, through no fault of theirs.

    `error` is the name of the exception's class and nothing else: its text may quote what was
    typed. `version` is None when there was none to ask; `latency_ms` is how long it took to fail.
    """

    version: str | None
    source: Source
    error: str
    latency_ms: float | None = None
    incarnation: str | None = None
    id: str = field(default_factory=lambda: str(uuid4()))
    time: datetime = field(default_factory=lambda: datetime.now(UTC))


class PredictionLog:
    """Keeps quotes in the database of the settings; several processes may share it.

    Opening asks no network and makes no file. Close it, or use it as a context. What arrives in
    the database long after it was given, by `clock`, is reported there.
    """

    def __init__(self, settings: Settings, clock: Clock = utc_now) -> None:
        self._spool = Spool(settings.prediction_spool, settings.prediction_log_url)
        self._writer = DatabaseWriter(self._spool, settings.prediction_log_url, clock)
        self._model = settings.model_name
        self._changed = Condition()  # guards the next six
        self._calls: list[_Call | _TableCall] = []
        self._lost = 0
        self._has_news = True  # perhaps an earlier process left something behind
        self._is_urgent = False  # somebody waits for the database
        self._is_closing = False
        self._is_kept = False
        self._keeper = Thread(target=self._keep, name="prediction log to disk", daemon=True)
        self._deliverer = Thread(target=self._deliver, name="prediction log", daemon=True)
        self._keeper.start()
        self._deliverer.start()
        atexit.register(self.close)

    def __enter__(self) -> "PredictionLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def lost(self) -> int:
        """How many quotes could not even be put on the disk; each time is logged as an error."""
        return self._lost

    def write(self, entries: Iterable[Entry | Failure], patience: float = WAIT) -> bool:
        """Keep quotes and failures; whether all are safe on the disk after `patience` seconds.

        False is no loss: a large batch or a slow disk goes on in the background. What is lost is
        counted in `lost`; nothing is raised.
        """
        return self._take(_Call(list(entries)), patience)

    def write_table(self, quotes: "pd.DataFrame", patience: float = WAIT) -> bool:
        """As `write`, for many quotes of one version at once: a column for each field of Entry.

        `person` and `carried` are columns of their own, by the names of the columns; `time` is
        aware. They come into the database in one piece.
        """
        return self._take(_TableCall(quotes.assign(model=self._model)), patience)

    def flush(self, timeout: float) -> bool:
        """Whether the database has all that was written here, after at most `timeout` seconds."""
        end = monotonic() + timeout
        with self._changed:
            self._has_news = self._is_urgent = True
            self._changed.notify_all()
        while self._calls or not self._spool.is_settled():  # asked without keeping anybody waiting
            with self._changed:
                if not self._changed.wait(end - monotonic()):
                    return not self._calls and self._spool.is_settled()
        return True

    def backlog(self) -> int:
        """How many quotes wait for this database, those of other processes included."""
        with self._changed:
            in_memory = sum(call.rows - call.taken for call in self._calls)
        return in_memory + self._spool.waiting()

    def close(self) -> None:
        """Put everything on the disk, try once to deliver what waits there, and stop.

        What a database does not take within some seconds stays for the next process.
        """
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._keeper.join(CLOSING)
        self._deliverer.join(CLOSING)
        atexit.unregister(self.close)

    def _take(self, call: "_Call | _TableCall", patience: float) -> bool:
        with self._changed:
            if self._is_closing:
                self._lose(call.rows, "the prediction log is closed")
                return False
            self._calls.append(call)
            self._changed.notify_all()
        return call.is_over.wait(patience) and not call.has_losses

    def _keep(self) -> None:
        """The first thread: from memory to the disk."""
        while calls := self._calls_in_turn():
            self._put_on_disk(calls)
        with self._changed:
            self._is_kept = True
            self._changed.notify_all()

    def _calls_in_turn(self) -> list["_Call | _TableCall"]:
        """Every call that is not over; none when the log is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._calls or self._is_closing)
            return list(self._calls)

    def _put_on_disk(self, calls: Sequence["_Call | _TableCall"]) -> None:
        """A chunk of each call, with one wait for the disk, or a whole table of quotes."""
        in_chunks = [call for call in calls if isinstance(call, _Call)]
        lines = [line for call in in_chunks for line in self._next_lines(call)]
        with self._counting_losses(len(lines), in_chunks):
            self._spool.append(lines)
        for call in calls:
            if isinstance(call, _TableCall):
                call.taken = call.rows
                with self._counting_losses(call.rows, [call]):
                    self._spool.append_table(call.content(), call.rows)
        over = [call for call in calls if call.taken == call.rows]
        with self._changed:
            self._calls = [call for call in self._calls if call not in over]
            # During a large batch the database waits, so that one thread less competes with people.
            self._has_news |= not self._calls
            self._changed.notify_all()
        for call in over:
            call.is_over.set()

    @contextmanager
    def _counting_losses(self, rows: int, calls: Sequence["_Call | _TableCall"]) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever it is, this thread must live
            self._lose(rows, f"{type(error).__name__}: {error}")
            for call in calls:
                call.has_losses = True

    def _next_lines(self, call: "_Call") -> Iterator[bytes]:
        for entry in call.next_chunk():
            try:
                yield _line(entry, self._model)
            except Exception as error:  # a caller's bug must not cost anybody their quote
                call.has_losses = True
                self._lose(1, type(error).__name__)

    def _lose(self, count: int, why: object) -> None:
        with self._changed:
            self._lost += count
        LOGGER.error("%d predictions are lost to the prediction log: %s", count, why)

    def _deliver(self) -> None:
        """The second thread: from the disk to the database."""
        is_last = False
        while not is_last:
            is_last = self._wait_for_news()
            self._writer.attempt()
            with self._changed:
                self._changed.notify_all()
        self._writer.close()
        self._spool.close()

    def _wait_for_news(self) -> bool:
        """Return when there may be something to deliver; whether it is for the last time."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_news or self._is_kept, RETRY)
            self._changed.wait_for(lambda: self._is_urgent or self._is_kept, TOGETHER)
            self._has_news = self._is_urgent = False
            return self._is_kept


class _Call:
    """The quotes of one call of `write`, and how far it has got."""

    def __init__(self, entries: Sequence[Entry | Failure]) -> None:
        self.entries = entries
        self.rows = len(entries)
        self.taken = 0
        self.has_losses = False
        self.is_over = Event()

    def next_chunk(self) -> Sequence[Entry | Failure]:
        chunk = self.entries[self.taken : self.taken + CHUNK]
        self.taken += len(chunk)
        return chunk


class _TableCall:
    """The quotes of one call of `write_table`, each column with its name in the log."""

    def __init__(self, quotes: "pd.DataFrame") -> None:
        self._quotes = quotes
        self.rows = len(quotes)
        self.taken = 0
        self.has_losses = False
        self.is_over = Event()

    def content(self) -> bytes:
        """The table in Arrow's stream format. Raises ValueError for a time without a zone."""
        import pyarrow as pa

        if self._quotes["time"].dt.tz is None:
            raise ValueError("a time without a zone")
        table = pa.Table.from_pandas(self._quotes, preserve_index=False)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table.replace_schema_metadata(None))
        return bytes(sink.getvalue())


def _line(entry: Entry | Failure, model: str) -> bytes:
    if entry.time.tzinfo is None:
        raise ValueError("a time without a zone")
    if isinstance(entry, Failure):
        if not entry.error.isidentifier():
            raise ValueError("more than the name of an error's class")
        row = {name: getattr(entry, name) for name in FAILURE_NAMES}
    else:
        row = {name: entry.carried.get(name) for name in CARRIED_NAMES}
        row |= {name: getattr(entry, name) for name in OWN_NAMES}
        row |= {name: _given(entry.person[name]) for name in entry.features}
    row |= {"model": model, "incarnation": entry.incarnation}
    return ENCODER.encode(row).encode() + b"\n"


def _given(value: Any) -> Any:
    """A table's NaN is a missing value."""
    return None if isinstance(value, float) and isnan(value) else value


def _plain(value: Any) -> object:
    """A moment as text, a number of NumPy as Python's."""
    return value.isoformat() if isinstance(value, datetime) else value.item()


ENCODER = json.JSONEncoder(default=_plain, allow_nan=False)
