"""What a run was made with: commit, library versions, and whether a person is watching."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# What libraries read from the environment by themselves, put there by us: from `.env`, and where
# that says nothing, our defaults. Name -> value that stands there now.
_FROM_FILE: dict[str, str] = {}
_DEFAULTS: dict[str, str] = {}
_EXPORTED: dict[str, str] = {}

LIBRARIES = ("mlflow", "scikit-learn", "pandas", "numpy", "skops", "joblib")


def export_file(values: Mapping[str, str]) -> None:
    """Put what a file says in the environment, in place of all that an earlier file said.

    What the environment has from elsewhere stays, except an empty value, which is none.
    """
    _FROM_FILE.clear()
    _FROM_FILE.update(values)
    _export()


def export_defaults(values: Mapping[str, str]) -> None:
    """Put defaults in the environment, for names that neither it nor the file has."""
    _DEFAULTS.update(values)
    _export()


def _export() -> None:
    wanted = _DEFAULTS | _FROM_FILE
    for name in wanted.keys() | _EXPORTED.keys():
        there, ours = os.environ.get(name), _EXPORTED.pop(name, None)
        if there and there != ours:
            continue
        if name in wanted:
            os.environ[name] = _EXPORTED[name] = wanted[name]
        elif there is not None:
            del os.environ[name]


def public_address(url: str) -> str:
    """The http address `url` as a browser elsewhere opens it.

    An address of this machine is, in a codespace, the one that GitHub forwards to it.
    """
    space, parts = os.environ.get("CODESPACE_NAME"), urlsplit(url)
    if not space or parts.hostname not in ("127.0.0.1", "localhost") or parts.port is None:
        return url
    domain = os.environ.get("GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN") or "app.github.dev"
    return f"https://{space}-{parts.port}.{domain}{parts.path}"


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
def progress(
    description: str, total: int, unit: str = "it", done: int = 0
) -> Iterator[Callable[..., Any]]:
    """A bar on a terminal, nothing in CI or a pipe; the value advances it by one, or by so many.

    It begins with what is `done`, and tells how many of the `unit` a second and the time left.
    """
    from tqdm import tqdm

    with tqdm(
        desc=description,
        total=total,
        unit=unit,
        unit_scale=unit != "it",
        initial=done,
        leave=False,
        disable=not is_watched(),
    ) as bar:
        yield bar.update
