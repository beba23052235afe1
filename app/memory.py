"""What is freed goes back to the system at once, so that uploads of many visitors do not add up."""

import ctypes
import os
import sys
from functools import cache

# Of mallopt(3). A buffer of this size or more is a mapping of its own, which ends when it is freed;
# left alone, the bound rises to the size of the largest buffer that was ever freed.
MMAP_THRESHOLD = -3, 2**20
TRIM_THRESHOLD = -1, 2**20
# Each visit runs in a thread of its own, and what one arena has freed no other can use.
ARENA_MAX = -8, 2
# Arrow's own pool keeps what the thread of a visit has freed.
ARROW_POOL = "ARROW_DEFAULT_MEMORY_POOL", "system"


@cache
def return_what_is_freed() -> None:
    """Tell Arrow, before it is loaded, and the C library; other systems than Linux do as before."""
    os.environ.setdefault(*ARROW_POOL)
    if sys.platform != "linux":
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:  # not every C library has it
        for option in (MMAP_THRESHOLD, TRIM_THRESHOLD, ARENA_MAX):
            set_option(*option)
