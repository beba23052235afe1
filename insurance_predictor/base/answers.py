"""No answer over HTTP takes for ever: one that only trickles is given up.

A client's own limit is for each piece of an answer, so a server that sends a byte now and then
would keep it waiting without end.
"""

import socket
from contextlib import suppress
from http.client import HTTPResponse
from threading import Timer
from typing import Any

# Seconds for the head of an answer, and again for its body, beyond the client's own limit for
# a piece; and how fast the rest of a large body comes at least, in bytes a second.
BEYOND = 4.0
SLOWEST = 50_000
UNTOLD = 3_000_000  # bytes that a body may have that does not say its length


def limit_answers() -> None:
    """Give up late answers wherever urllib3 waits for them: for MLflow, requests and boto3.

    Such an answer ends as one that stays silent does. Where a client has no limit, none is set.
    """
    from urllib3.connection import HTTPConnection

    HTTPConnection.response_class = Answer


class Answer(HTTPResponse):
    """What http.client reads of an answer, in time or not at all."""

    def __init__(self, sock: Any, *arguments: Any, **options: Any) -> None:
        self._line = sock
        self._is_late = False
        self._end: Timer | None = None
        super().__init__(sock, *arguments, **options)

    def begin(self) -> None:
        """Read the head. Raises TimeoutError, as for a server that says nothing."""
        self._limit(0)
        try:
            super().begin()
        finally:
            self._unlimit()
        self._require_in_time()
        if not self.isclosed():
            self._limit(UNTOLD if self.length is None else self.length)

    def read(self, amt: int | None = None) -> bytes:
        """Read of the body. Raises TimeoutError; what was cut off must not pass as all of it."""
        piece = super().read(amt)
        self._require_in_time()
        return piece

    def _close_conn(self) -> None:
        self._unlimit()
        super()._close_conn()  # type: ignore[misc]

    def _limit(self, length: int) -> None:
        patience = self._line.gettimeout()
        if patience is None:
            return
        self._end = Timer(patience + BEYOND + length / SLOWEST, self._give_up)
        self._end.daemon = True
        self._end.start()

    def _unlimit(self) -> None:
        if self._end is not None:
            self._end.cancel()

    def _give_up(self) -> None:
        """End the wait in the thread that reads."""
        self._is_late = True
        with suppress(OSError, TypeError):  # closed already, or a tunnel
            socket.socket.shutdown(self._line, socket.SHUT_RDWR)

    def _require_in_time(self) -> None:
        if self._is_late:
            raise TimeoutError("the answer did not end in time")
