"""The file `.env`: who may read it, and whether its names are ones that somebody reads."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from dotenv.parser import parse_stream

from infra.checks.finding import Finding, check, note, right, wrong
from infra.checks.machine import REPOSITORY

OURS = (REPOSITORY / ".env.example", REPOSITORY / "docker-compose.yml")
# As alike as a name and its misspelling; none of MLflow's own 250 names is so near one of ours.
ALIKE = 0.9


@check(".env")
def env_file(path: Path) -> Finding:
    """Whether the file can be read, and by its owner alone."""
    if not path.exists():
        return note("there is none: the embedded store of this folder is used")
    if not path.is_file():
        return wrong(f"{path} is not a file", "Move it away, then `make env`.")
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        return wrong(f"others may read its secrets (mode {mode:04o})", f"chmod 600 {path}")
    return right(f"for you alone (mode {mode:04o})")


@check(".env names")
def env_names(path: Path, ours: Iterable[Path] = OURS) -> Finding:
    """Whether a line cannot be read, or has a name that is nearly one of `ours`."""
    if not path.is_file():
        return note("no .env, no names")
    with path.open(encoding="utf-8") as stream:
        lines = list(parse_stream(stream))
    for line in lines:
        if line.error:
            return wrong(
                f"line {line.original.line} is not NAME=value", "Correct it, or put a # before it."
            )
    names = {line.key for line in lines if line.key}
    return _judged(names, known_names(ours))


def known_names(files: Iterable[Path]) -> set[str]:
    """The names that an example documents or a compose file reads."""
    pattern = re.compile(r"^#? ?([A-Z][A-Z0-9_]*)=|\$\{([A-Z][A-Z0-9_]*)", re.MULTILINE)
    texts = (file.read_text(encoding="utf-8") for file in files if file.is_file())
    return {name for text in texts for found in pattern.findall(text) for name in found if name}


def _judged(names: set[str], known: set[str]) -> Finding:
    strange = sorted(names - known)
    for name in strange:
        meant = get_close_matches(name, known, n=1, cutoff=ALIKE)
        if meant and not name.startswith(f"{meant[0]}_"):  # boto3 has AWS_ENDPOINT_URL_S3
            return wrong(f"nobody reads {name}", f"Did you mean {meant[0]}? Rename or delete it.")
    if strange:
        return note(f"{len(strange)} that are not ours: {', '.join(strange)}")
    return right(f"{len(names)}, all of them known")
