"""What is freed goes back to the system at once, so that uploads of many visitors do not add up."""

import ctypes
import os
import sys
from functools import cache

# Of mallopt(3). A buffer of this size or more is a mapping of its own, which ends when it is freed;
# left alone, the bound rises to the size of the largest buffer that was ever freed.
MMAP_THRESHOLD = -3, 2**20
TRIM_THRESHOLD = -1, 2**20
# Arrow's own pool keeps what the thread of a visit has freed.
ARROW_POOL = "ARROW_DEFAULT_MEMORY_POOL", "system"


@cache
def return_what_is_freed() -> None:
    """Tell Arrow, before it is loaded, and the C library; other systems than Linux do as before."""
    os.environ.setdefault(*ARROW_POOL)
    for option in (MMAP_THRESHOLD, TRIM_THRESHOLD):
        _c_library("mallopt", *option)


def return_what_threads_freed() -> None:
    """Each visit runs in a thread, and of what a thread has freed only its own next needs are met.

    How many threads share such an arena is settled before a page of ours runs, so what is free in
    the arenas is given back after large work.
    """
    _c_library("malloc_trim", 0)


def forget_frames(error: BaseException) -> None:
    """Let `error` be kept without what it was raised from, which holds all that was worked on."""
    error.__cause__ = error.__context__ = error.__traceback__ = None


def _c_library(name: str, *values: int) -> None:
    if sys.platform != "linux":
        return
    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:  # not every C library has it
        function(*values)
