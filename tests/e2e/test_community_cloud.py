"""Streamlit Community Cloud's way: requirements.txt, a secrets file, and the root of the clone."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.e2e.running_app import App, clone, running
from tests.e2e.visitor import ANA
from tests.repository import ROOT

PATIENCE = 600  # seconds to install everything without a cache


@pytest.fixture
def app(registry, tmp_path: Path) -> Iterator[App]:
    """An app that has been given requirements.txt and secrets.toml, and nothing else."""
    folder = clone(tmp_path / "clone")
    (folder / ".venv").unlink()
    write_secrets(folder / ".streamlit" / "secrets.toml", registry.variables)
    python = environment(folder)
    # What the tests themselves use to reach the server is not there: an empty value is none.
    with running(folder, dict.fromkeys(registry.variables, ""), python=str(python)) as started:
        yield started


def test_a_clone_with_secrets_alone_gives_a_quote(visit, registry):
    person = visit("pt")
    person.open()
    person.fill(ANA)
    person.calculate()
    person.shows(registry.predictor(registry.serving).quote(ANA))


def write_secrets(file: Path, variables: Mapping[str, str]) -> None:
    file.write_text("".join(f'{name} = "{value}"\n' for name, value in variables.items()))
    file.chmod(0o600)


def environment(folder: Path) -> Path:
    """The interpreter of a new environment with what requirements.txt of the clone names."""
    place = folder.parent / "environment"
    python, needs = place / "bin" / "python", ["-r", str(folder / "requirements.txt")]
    uv = shutil.which("uv") or shutil.which("uv", path=str(ROOT / ".venv" / "bin"))
    if uv is not None:
        run(uv, "venv", "--quiet", "--python", sys.executable, str(place))
        run(uv, "pip", "install", "--quiet", "--python", str(python), *needs)
    else:
        run(sys.executable, "-m", "venv", str(place))
        run(str(python), "-m", "pip", "install", "--quiet", *needs)
    return python


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
