"""This machine: its Python, what is installed in it, and the room on its disk."""

import platform
import shutil
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement

from infra.checks.finding import Finding, check, right, wrong

REPOSITORY = Path(__file__).parents[2]
LOCKS = (REPOSITORY / "requirements.txt", REPOSITORY / "requirements-dev.txt")
SUPPORTED = ((3, 11), (3, 13))
LEAST_FREE = 2 * 10**9  # bytes; the stack's images and one training's artifacts need as much
SHOWN = 3


@check("Python")
def python(running: tuple[int, int] = sys.version_info[:2]) -> Finding:
    """Whether `running`, major and minor, is a Python that the locks are made for."""
    oldest, newest = SUPPORTED
    if oldest <= running <= newest:
        return right(platform.python_version())
    return wrong(
        f"{running[0]}.{running[1]} is not 3.11, 3.12 or 3.13", "make setup PYTHON=python3.11"
    )


@check("packages")
def packages(locks: Iterable[Path] = LOCKS) -> Finding:
    """Whether exactly what `locks` pin for this machine is installed."""
    pinned = {pin.name: pin for lock in locks for pin in _pins(lock)}
    different = [text for pin in pinned.values() if (text := _difference(pin))]
    if not different:
        return right(f"{len(pinned)} as locked")
    more = f" and {len(different) - SHOWN} more" if len(different) > SHOWN else ""
    return wrong("; ".join(different[:SHOWN]) + more, "make setup")


@check("disk space")
def disk_space(folder: Path = REPOSITORY, least: int = LEAST_FREE) -> Finding:
    """Whether `least` bytes are free where `folder` is."""
    free = shutil.disk_usage(folder).free
    if free >= least:
        return right(f"{free / 1e9:.1f} GB free")
    return wrong(
        f"{free / 1e9:.1f} GB free, less than {least / 1e9:.0f} GB",
        "Make room: `docker system prune` takes away what no container uses.",
    )


def _pins(lock: Path) -> Iterator[Requirement]:
    for line in lock.read_text().splitlines():
        if line and line[0] not in " #-":
            pin = Requirement(line)
            if pin.marker is None or pin.marker.evaluate():
                yield pin


def _difference(pin: Requirement) -> str:
    try:
        installed = version(pin.name)
    except PackageNotFoundError:
        return f"{pin.name} is missing"
    if pin.specifier.contains(installed, prereleases=True):
        return ""
    return f"{pin.name} is {installed}, not {str(pin.specifier).lstrip('=')}"
