"""The dev container keeps to what the rest of the repository says: targets, ports, settings."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.check_compose import read_config
from insurance_predictor.base.settings import Settings
from tests.repository import ROOT

FILE = ROOT / ".devcontainer" / "devcontainer.json"
LIFECYCLE = ("onCreateCommand", "updateContentCommand", "postStartCommand")
IN_A_PREBUILD = ("onCreateCommand", "updateContentCommand")


@pytest.fixture(scope="module")
def dev_container() -> dict[str, Any]:
    """The file without its comments, which stand on lines of their own."""
    lines = FILE.read_text().splitlines()
    return json.loads("\n".join(line for line in lines if not line.lstrip().startswith("//")))


def shell_lines(dev_container: dict[str, Any], *steps: str) -> list[str]:
    commands = [dev_container[step] for step in steps]
    return [
        line
        for command in commands
        for line in (command.values() if isinstance(command, dict) else [command])
    ]


def targets(dev_container: dict[str, Any], *steps: str) -> set[str]:
    return set(re.findall(r"\bmake ([a-z-]+)", " ".join(shell_lines(dev_container, *steps))))


@pytest.fixture
def folder(tmp_path):
    """A workspace whose `make` writes down what it was asked for, with a git of its own."""
    (tmp_path / "Makefile").write_text("%:\n\t@echo $@ >>asked\n")
    return tmp_path


def run(line: str, folder: Path, **variables: str) -> str:
    """What `line` asked of make, run as the dev container runs it."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    subprocess.run(["sh", "-c", line], cwd=folder, env=environment | variables, check=True)
    asked = folder / "asked"
    return asked.read_text().strip() if asked.exists() else ""


def test_every_step_of_the_lifecycle_is_one_that_this_test_knows(dev_container):
    assert {name for name in dev_container if name.endswith("Command")} == set(LIFECYCLE)


def test_every_target_of_the_lifecycle_exists(dev_container):
    makefile = (ROOT / "Makefile").read_text()
    named = targets(dev_container, *LIFECYCLE)
    assert named == {"setup", "pull", "up"}
    assert named <= set(re.findall(r"^([a-z][a-z-]*):", makefile, flags=re.MULTILINE))


def test_a_prebuild_holds_the_environment_and_the_images_but_starts_no_stack(dev_container, folder):
    assert targets(dev_container, *IN_A_PREBUILD) == {"setup", "pull"}
    assert run(dev_container["updateContentCommand"], folder).split() == ["setup", "pull"]


def test_a_prebuild_does_not_fail_where_docker_is_not_up_yet(dev_container, folder):
    (folder / "Makefile").write_text("setup:\n\t@echo $@ >>asked\n")  # `make pull` fails
    assert run(dev_container["updateContentCommand"], folder) == "setup"


def test_a_prebuild_fails_without_its_environment(dev_container, folder):
    (folder / "Makefile").write_text("pull:\n\t@echo $@ >>asked\n")
    with pytest.raises(subprocess.CalledProcessError):
        run(dev_container["updateContentCommand"], folder)


def test_with_a_server_of_the_team_no_image_is_taken(dev_container, folder):
    team = {"MLFLOW_TRACKING_URI": "https://mlflow.example.org"}
    assert run(dev_container["updateContentCommand"], folder, **team) == "setup"


def test_the_stack_starts_with_the_container(dev_container, folder):
    assert run(dev_container["postStartCommand"], folder) == "up"


def test_a_server_of_the_team_makes_the_stack_needless(dev_container, folder):
    team = {"MLFLOW_TRACKING_URI": "https://mlflow.example.org"}
    assert run(dev_container["postStartCommand"], folder, **team) == ""


def test_an_environment_of_another_machine_is_thrown_away(dev_container, folder):
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").symlink_to("/Users/somebody/python3.12")
    run(dev_container["onCreateCommand"]["environment"], folder)
    assert not (folder / ".venv").exists()


def test_an_environment_that_works_is_kept(dev_container, folder):
    (folder / ".venv").symlink_to(sys.prefix)
    run(dev_container["onCreateCommand"]["environment"], folder, PYTHONPATH=str(ROOT))
    assert (folder / ".venv").exists()


def test_git_trusts_the_workspace(dev_container, folder):
    run(dev_container["onCreateCommand"]["git"], folder)
    assert str(folder) in (folder / ".gitconfig").read_text()


def test_forwarded_ports_are_the_published_ones_and_each_has_a_label(dev_container):
    services = read_config(ROOT / "docker-compose.yml")["services"].values()
    published = {int(port["published"]) for it in services for port in it.get("ports", [])}
    labels = {int(port): said["label"] for port, said in dev_container["portsAttributes"].items()}
    assert set(dev_container["forwardPorts"]) == {5000, 8000, 8501, 8787, 9001}
    assert published == labels.keys()
    assert all("private" in labels[port] for port in dev_container["forwardPorts"])


def test_nothing_is_forwarded_to_the_public(dev_container):
    assert "visibility" not in json.dumps(dev_container)


def test_every_secret_is_a_setting_that_is_described_and_has_no_value(dev_container):
    for name, words in dev_container["secrets"].items():
        assert name.lower() in Settings.model_fields
        assert words["description"]
        assert words.keys() <= {"description", "documentationUrl"}


def test_the_image_is_the_exact_one_for_the_lowest_python_of_ours(dev_container):
    assert re.fullmatch(
        r"mcr\.microsoft\.com/devcontainers/python:\d+\.\d+\.\d+-3\.11-bookworm",
        dev_container["image"],
    )


def test_ssh_and_a_docker_engine_are_there(dev_container):
    assert set(dev_container["features"]) == {
        "ghcr.io/devcontainers/features/docker-in-docker:2",
        "ghcr.io/devcontainers/features/sshd:1",
    }


def test_editors_use_the_environment_that_make_makes(dev_container):
    settings = dev_container["customizations"]["vscode"]["settings"]
    makefile = (ROOT / "Makefile").read_text()
    venv = re.search(r"^VENV \?= (\S+?)\$", makefile, flags=re.MULTILINE)
    assert venv
    assert settings["python.defaultInterpreterPath"].endswith(f"/{venv[1]}/bin/python")
    assert settings["ruff.importStrategy"] == "fromEnvironment"
