"""A newcomer types what the README and the reference say, in order, in a fresh repository."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from tests.repository import ROOT, copy_repository, readme_commands
from tests.servers import host_of

PAGES = (ROOT / "README.md", ROOT / "docs" / "reference.md")
COMMANDS = [command for page in PAGES for command in readme_commands(page.read_text())]

# Typed by a person, but not here; each for its reason.
NOT_RUN = {
    "make test": "it would run this test inside itself; .ci/run runs it",
    "make lint": "it needs the whole history of git; .ci/run runs it",
    "make app": "it serves until it is stopped; tests/e2e starts and stops it",
    "make up": "it needs Docker; tests/stack runs it",
    "make down": "it needs Docker; tests/stack runs it",
}


TYPED = [command for command in COMMANDS if command not in NOT_RUN]


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """The repository's files as git would clone them, with the environment already made."""
    folder = tmp_path_factory.mktemp("clone")
    copy_repository(folder)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def environment(clone):
    """A shell with the environment's `python`, and the public table served from this machine."""
    with host_of(ROOT / "data") as uri:
        sample = (ROOT / "data" / "sample.csv").read_bytes()
        yield os.environ | {
            "PATH": f"{clone}/.venv/bin:{os.environ['PATH']}",
            "DATA_URL": f"{uri}/sample.csv",
            "DATA_SHA256": hashlib.sha256(sample).hexdigest(),
            "DATA": "",  # nothing is named
            "CI": "true",
        }


def test_the_readme_has_commands_and_the_exceptions_are_among_them():
    assert len(TYPED) >= 10
    assert set(NOT_RUN) <= set(COMMANDS)


@pytest.mark.parametrize("number", range(len(TYPED)))
def test_a_command_of_the_readme_works(number, clone, environment):
    done = subprocess.run(
        ["bash", "-c", TYPED[number]],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{TYPED[number]}\n{done.stdout}\n{done.stderr}"
