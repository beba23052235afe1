"""Where an uploaded file and its result lie on disk while somebody looks at them."""

import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

KEPT_SECONDS = 24 * 3600.0  # what a killed server has left behind
PREFIX = "upload-"
SOURCE, UNPACKED, UTF_8_TEXT, PARQUET_TEXT = "source", "unpacked", "text.csv", "rows.csv"
RESULT, PACKED = "result.csv", "result.zip"
FILES = (SOURCE, UNPACKED, UTF_8_TEXT, PARQUET_TEXT, RESULT, PACKED)  # all that is ever put there


def new_folder(parent: Path) -> TemporaryDirectory[str]:
    """A folder below `parent` that is gone with the object, or when the process ends."""
    parent.mkdir(parents=True, exist_ok=True)
    _sweep(parent.resolve())
    return TemporaryDirectory(prefix=PREFIX, dir=parent.resolve(), ignore_cleanup_errors=True)


@cache
def _sweep(parent: Path) -> None:
    """Remove, once in a process, what was left here a day ago or earlier, and nothing else."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            is_old = time.time() - folder.lstat().st_mtime > KEPT_SECONDS
            ours = not folder.is_symlink() and {path.name for path in folder.iterdir()} <= {*FILES}
            if is_old and ours:
                for name in FILES:
                    (folder / name).unlink(missing_ok=True)
                folder.rmdir()
