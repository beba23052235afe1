"""How much memory this process may still take, and giving back what it no longer uses."""

import ctypes
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROCESS = Path("/proc")
GROUPS = Path("/sys/fs/cgroup")
# A container without a limit says "max", or a number that no machine has.
UNLIMITED = 2**60
# M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h: from how many free bytes at the end of
# what there is to allot, and from what size of an allotment on, memory goes back at once.
KEPT = ((-1, 2**26), (-3, 2**25))


def available_memory(process: Path = PROCESS, groups: Path = GROUPS) -> int | None:
    """Bytes; the least that the machine, its control groups and RLIMIT_AS leave.

    Files that the system keeps in memory and can let go of count as free. None where nothing says
    how much there is (anything but Linux).
    """
    found = [*_of_machine(process), *_of_groups(process, groups), *_of_limit(process)]
    return max(min(found), 0) if found else None


def return_freed_memory() -> None:
    """Give back what Arrow and the C library keep of what was freed, for whoever needs it next.

    After a large table was read that is more than the table itself.
    """
    import pyarrow

    pyarrow.default_memory_pool().release_unused()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:  # not every C library has it
            trim(0)


def keep_freed_memory() -> None:
    """Let the C library keep what is freed for what is asked for next.

    To give back and ask again for the same megabytes takes a system more time than to fill them.
    """
    if sys.platform == "linux":
        set_option = getattr(ctypes.CDLL(None), "mallopt", None)
        if set_option is not None:  # not every C library has it
            for option, value in KEPT:
                set_option(option, value)


def _of_machine(process: Path) -> Iterator[int]:
    with suppress(OSError):
        if line := re.search(r"^MemAvailable: +(\d+) kB", _read(process / "meminfo"), re.MULTILINE):
            yield int(line[1]) * 1024


def _of_groups(process: Path, groups: Path) -> Iterator[int]:
    """Of each control group that the process is in, and of those around it; versions 2 and 1."""
    with suppress(OSError):
        for line in _read(process / "self" / "cgroup").splitlines():
            _, kinds, path = line.split(":", 2)
            if not kinds:
                root, names = groups, ("memory.max", "memory.current", "inactive_file")
            elif "memory" in kinds.split(","):
                root = groups / "memory"
                names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            else:
                continue
            own = root / path.strip("/")
            # Inside a container the path may be one of outside, and its own group is the root.
            for folder in dict.fromkeys((own, *own.parents)):
                if folder == root or root in folder.parents:
                    yield from _of_group(folder, *names)


def _of_group(folder: Path, most: str, used: str, reclaimable: str) -> Iterator[int]:
    with suppress(OSError, ValueError):
        limit = int(_read(folder / most))
        if limit < UNLIMITED:
            statistics = dict(line.split() for line in _read(folder / "memory.stat").splitlines())
            yield limit - int(_read(folder / used)) + int(statistics.get(reclaimable, 0))


def _of_limit(process: Path) -> Iterator[int]:
    with suppress(ImportError, OSError):
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            pages = int(_read(process / "self" / "statm").split()[0])
            yield limit - pages * resource.getpagesize()


def _read(path: Path) -> str:
    return path.read_text(encoding="ascii", errors="replace")
