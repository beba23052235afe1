"""What a run was made with: commit, library versions, and whether a person is watching."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIBRARIES = ("mlflow", "scikit-learn", "pandas", "numpy", "skops", "joblib")


def git_commit(folder: Path = Path(__file__).parents[2]) -> str | None:
    """The commit of the code, with `-dirty` when files differ from it; None outside a clone."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        answer = subprocess.run(  # noqa: S603 - a fixed command
            command, cwd=folder, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def library_versions() -> dict[str, str]:
    """Name -> version of Python and of the libraries that decide what a model is."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    return {"python": python} | {name: version(name) for name in LIBRARIES}


def is_watched() -> bool:
    """Whether a person sees stderr: a terminal, outside CI."""
    return sys.stderr.isatty() and not os.environ.get("CI")


@contextmanager
def progress(description: str, total: int) -> Iterator[Callable[[], Any]]:
    """A bar on a terminal, nothing in CI or a pipe; the value advances it by one."""
    from tqdm import tqdm

    with tqdm(desc=description, total=total, leave=False, disable=not is_watched()) as bar:
        yield bar.update
