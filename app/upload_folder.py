"""Where an uploaded file and its result lie on disk while somebody looks at them."""

import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

KEPT_SECONDS = 24 * 3600.0  # what a killed server has left behind
PREFIX = "upload-"


def new_folder(parent: Path) -> TemporaryDirectory[str]:
    """A folder below `parent` that is gone with the object, or when the process ends."""
    parent.mkdir(parents=True, exist_ok=True)
    _sweep(parent.resolve())
    return TemporaryDirectory(prefix=PREFIX, dir=parent.resolve(), ignore_cleanup_errors=True)


@cache
def _sweep(parent: Path) -> None:
    """Remove, once in a process, what was left here a day ago or earlier."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > KEPT_SECONDS:
                rmtree(folder)
