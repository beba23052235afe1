"""The commands of the stack as processes, on machines where something is missing."""

import errno
import json
import os
import socket
import stat
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

from infra.archive import restore
from insurance_predictor.base.errors import BadInput
from tests.repository import ROOT

pytestmark = pytest.mark.process
SECRETS = """POSTGRES_PASSWORD=a
MLFLOW_DATABASE_PASSWORD=b
"""  # pragma: allowlist secret


def run(folder: Path, *command: str, path: str = "", **environment: str):
    """`python -m infra` in `folder`, with `path` as the only place where programs are found."""
    return subprocess.run(
        [sys.executable, "-m", "infra", *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PATH": path} | environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder for the programs that a machine has."""
    folder = tmp_path / "programs"
    folder.mkdir()
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def assert_one_line(done, code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize("command", ["up", "pull", "down", "logs", "ps", "backup", "upgrade-db"])
def test_without_docker_the_remedy_is_named(command, place):
    assert_one_line(run(place, command), 4, "Docker is not installed", "SQLite")
    assert not (place / ".env").exists()


def test_a_docker_that_is_stopped_is_named_with_its_own_words(place, programs):
    program(programs, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    done = run(place, "down", path=str(programs))
    assert_one_line(done, 4, "Docker is not running", "Cannot connect to the Docker daemon")


def test_a_docker_without_compose_is_named(place, programs):
    program(programs, "docker", 'test "$1" = version')
    assert_one_line(run(place, "up", path=str(programs)), 4, "docker-compose-plugin")


@pytest.mark.parametrize("command", ["down", "logs", "ps", "backup", "upgrade-db"])
def test_without_an_env_file_make_up_is_named(command, place, programs):
    program(programs, "docker", "exit 0")
    assert_one_line(run(place, command, path=str(programs)), 2, "no .env", "`make up`")


def test_a_taken_port_is_named_with_the_variable_that_moves_it(place, programs):
    program(programs, "docker", "exit 0")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run(place, "up", path=str(programs), MLFLOW_PORT=str(port))
    assert_one_line(done, 2, f"Port {port} for MLflow is taken", "MLFLOW_PORT")


def test_a_service_that_starts_again_and_again_is_not_in_its_own_way(place, programs):
    told = {"Service": "mlflow", "State": "restarting", "ExitCode": 4, "Publishers": None}
    program(programs, "docker", f"case \"$*\" in *' ps '*) echo '{json.dumps(told)}';; esac")
    for name in ("infra", "docker-compose.yml", ".dockerignore", "requirements.txt"):
        (place / name).symlink_to(ROOT / name)
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        own.listen()
        done = run(place, "up", path=str(programs), MLFLOW_PORT=str(own.getsockname()[1]))
    assert done.returncode == 0, done.stderr


def test_a_port_that_is_none_is_named(place, programs):
    program(programs, "docker", "exit 0")
    done = run(place, "up", path=str(programs), APP_PORT="http", COMPOSE_PROFILES="app")
    assert_one_line(done, 2, "APP_PORT='http' is not a port")


def test_volumes_whose_secrets_are_lost_are_not_started_with_new_ones(place, programs):
    program(programs, "docker", 'test "$1" = volume && echo insurance-predictor_postgres; exit 0')
    done = run(place, "env", path=str(programs))
    assert_one_line(done, 2, "insurance-predictor_postgres", "docker volume rm")
    assert not (place / ".env").exists()


def test_pull_makes_no_secret_for_a_prebuild_is_shared(place, programs):
    """And none has to be there: it takes images, and starts nothing."""
    program(programs, "docker", "exit 0")
    for name in ("infra", "docker-compose.yml", ".dockerignore", "requirements.txt"):
        (place / name).symlink_to(ROOT / name)
    done = run(place, "pull", path=str(programs))
    assert (done.returncode, done.stdout) == (0, "Every image is here.\n"), done.stderr
    assert not (place / ".env").exists()


def test_env_writes_the_file_once(place):
    first = run(place, "env")
    assert first.returncode == 0, first.stderr
    assert "POSTGRES_PASSWORD" in first.stdout
    assert run(place, "env").stdout.strip() == ".env has all that is needed."


def test_nothing_is_deleted_unless_somebody_says_so(place, programs):
    program(programs, "docker", "echo reached > $0.ran")
    (place / ".env").write_text(SECRETS)
    assert_one_line(run(place, "destroy", path=str(programs)), 2, "YES=1")
    assert not (programs / "docker.ran").exists()


def test_restore_wants_a_file(place):
    done = run(place, "restore")
    assert done.returncode == 2
    assert "make restore FILE=" in done.stderr


@pytest.mark.parametrize("content", [None, b"", b"not an archive"])
def test_restore_wants_a_whole_archive_before_it_touches_anything(content, place):
    if content is not None:
        (place / "archive.tar").write_bytes(content)
    done = run(place, "restore", "archive.tar")
    assert_one_line(done, 2, "archive.tar")


def test_a_full_disk_for_temporary_files_is_no_damaged_archive(tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "extractall", full)
    archive = tmp_path / "archive.tar"
    tarfile.open(archive, "w").close()
    with pytest.raises(BadInput, match=r"no room to unpack .*archive\.tar.*TMPDIR=") as told:
        restore(archive, print)
    assert "not a whole archive" not in str(told.value)


def test_without_any_place_for_temporary_files_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(BadInput, match="TMPDIR="):
        restore(tmp_path / "archive.tar", print)
