"""What an image is built from, as one digest: the same sources, the same name in the registry."""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

LENGTH = 16  # hexadecimal digits of the digest; more than any number of commits needs
COPIED = re.compile(r"^(?:COPY|ADD) (?!--from)(?:--\S+ )*(.+) \S+$", re.MULTILINE)
# One whose value is made of others says nothing of its own.
ARGUMENT = re.compile(r"^ARG (\w+)(?:=([^\s$]*))?$", re.MULTILINE)
WITHOUT = "__pycache__"  # what .dockerignore takes out again


def digest(service: str) -> str:
    """The sources of the image of `service` in this folder and this environment, as one name.

    Of a file its path, its content and whether it can be run; the Dockerfile, with the base image
    that it names; and the arguments that the environment gives the build.
    """
    dockerfile = Path("infra") / service / "Dockerfile"
    text = dockerfile.read_text()
    summed = hashlib.sha256()
    for name, default in ARGUMENT.findall(text):
        summed.update(f"{name}={os.environ.get(name) or default}\0".encode())
    for path in [dockerfile, *files(text)]:
        content = path.read_bytes()
        run = bool(path.stat().st_mode & 0o100)
        summed.update(f"{path.as_posix()}\0{run}\0{len(content)}\0".encode())
        summed.update(content)
    return summed.hexdigest()[:LENGTH]


def files(dockerfile: str) -> list[Path]:
    """The files of this folder that the text `dockerfile` copies into its image, in order."""
    wanted = [name for names in COPIED.findall(dockerfile) for name in names.split()]
    return [path for path in _context() if any(_is_covered(path, name) for name in wanted)]


def _context() -> list[Path]:
    """The files that a build is sent: those that .dockerignore lets through."""
    lines = Path(".dockerignore").read_text().splitlines()
    let_through = [Path(line[1:]) for line in lines if line.startswith("!")]
    return sorted(path for place in let_through for path in _below(place))


def _below(place: Path) -> Iterator[Path]:
    found = place.rglob("*") if place.is_dir() else [place]
    return (path for path in found if path.is_file() and WITHOUT not in path.parts)


def _is_covered(path: Path, name: str) -> bool:
    """Whether the pattern `name` of a COPY is `path`, or a folder that it lies in."""
    return name == "." or any(place.match(name) for place in (path, *path.parents))
