"""One large piece of work at a time, in the order in which it was asked for, for all visitors."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOOK_AGAIN = 0.5  # seconds

_waiting: list[object] = []
_lock = threading.Lock()


@contextmanager
def turn(wait: Callable[[int], object]) -> Iterator[None]:
    """The block runs when nobody who came before is still at work.

    Until then `wait` is told every half second how many those are; what it raises, as when a
    visitor has left, gives the place in the row up.
    """
    ticket = object()
    with _lock:
        _waiting.append(ticket)
    try:
        while before := _before(ticket):
            wait(before)
            time.sleep(LOOK_AGAIN)
        yield
    finally:
        with _lock:
            _waiting.remove(ticket)


def _before(ticket: object) -> int:
    with _lock:
        return _waiting.index(ticket)
