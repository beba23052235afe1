"""Files that are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; what stands there in the end takes the place of `path`.

    When something is raised on the way, `path` stays as it was and nothing is left beside it.
    Raises OSError when the place cannot be written.
    """
    # Not by the number of the process: machines that share a folder have the same ones.
    partial = path.with_name(f".{path.name}.{token_hex(8)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with partial.open("r+b") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink()
