"""A newcomer types what the README says, in its order, in a fresh copy of the repository."""

import functools
import hashlib
import http.server
import os
import re
import subprocess
import threading
from pathlib import Path

import pytest

from tests.repository import ROOT, copy_repository

README = (ROOT / "README.md").read_text()

# Typed by a person, but not here; each for its reason.
NOT_RUN = {
    "make test": "it would run this test inside itself; .ci/run runs it",
    "make lint": "it needs the whole history of git; .ci/run runs it",
    "make ui": "it serves until it is stopped; test_cli starts and stops it",
    "make lock": "it asks the package index for newer versions",
    "make app": "it serves until it is stopped; tests/e2e starts and stops it",
    "make dashboard": "it serves until it is stopped; tests/monitoring/test_dashboard.py shows it",
    "make up": "it needs Docker; tests/stack runs it",
    "make down": "it needs Docker; tests/stack runs it",
}


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def typed() -> list[str]:
    return [command for command in commands() if command not in NOT_RUN]


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
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(ROOT / "data"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sample = (ROOT / "data" / "sample.csv").read_bytes()
        yield os.environ | {
            "PATH": f"{clone}/.venv/bin:{os.environ['PATH']}",
            "DATA_URL": f"http://127.0.0.1:{server.server_port}/sample.csv",
            "DATA_SHA256": hashlib.sha256(sample).hexdigest(),
            "CI": "true",
        }
        server.shutdown()


def test_the_readme_has_commands_and_the_exceptions_are_among_them():
    assert len(typed()) >= 10
    assert set(NOT_RUN) <= set(commands())


@pytest.mark.parametrize("number", range(len(typed())))
def test_a_command_of_the_readme_works(number, clone, environment):
    done = subprocess.run(
        ["bash", "-c", typed()[number]],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{typed()[number]}\n{done.stdout}\n{done.stderr}"


def test_what_the_ci_runs_is_what_the_readme_says():
    ci = (ROOT / ".ci" / "run").read_text()
    assert "make lint" in ci
    assert "make test" in ci


def test_every_target_named_in_the_docs_exists():
    texts = [README, *((path.read_text()) for path in (ROOT / "docs").glob("*.md"))]
    named = {name for text in texts for name in re.findall(r"`make ([a-z][a-z-]*)", text)}
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, flags=re.MULTILINE))
    assert named <= targets


def test_the_readme_lists_every_target_with_its_help():
    helped = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for target, words in re.findall(r"^  (\S+) +(.*)$", helped.stdout, flags=re.MULTILINE):
        assert f"| `{target}` | {words} |" in README


def test_every_link_to_a_file_leads_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"
