"""How the time of a call grows with its input: a ratio, which a slow machine does not change."""

import time
from collections.abc import Callable
from statistics import median
from typing import TypeVar

T = TypeVar("T")

DOUBLINGS = 4
REPEATS = 5
# Four doublings make linear work 16 times as long, and quadratic work 256 times.
MOST_GROWTH = 64.0
LEAST_SECONDS = 1e-4  # a shorter time is a clock's noise


def growth(call: Callable[[T], object], make: Callable[[int], T], start: int) -> float:
    """How many times as long `call` takes on `make(16 * start)` as on `make(start)`.

    Seconds of this thread's own processor time, medians. What is quick at the larger size is not
    timed at the smaller one, and a call that takes very long is not repeated.
    """
    many = _seconds(call, make(start * 2**DOUBLINGS))
    if many < MOST_GROWTH * LEAST_SECONDS:
        return many / LEAST_SECONDS
    return many / max(_seconds(call, make(start)), LEAST_SECONDS)


def _seconds(call: Callable[[T], object], given: T) -> float:
    taken: list[float] = []
    while not taken or (len(taken) < REPEATS and MOST_GROWTH * LEAST_SECONDS < min(taken) < 1):
        begin = time.thread_time()
        call(given)
        taken.append(time.thread_time() - begin)
    return median(taken)
