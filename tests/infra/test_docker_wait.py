"""`make up` waits for a Docker that is still starting; the other commands do not."""

import os
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer

import pytest

from infra import stack
from infra.compose import Stopped, check_docker, wait_for_docker
from insurance_predictor.base.errors import Unreachable
from tests.servers import ClientsMayLeave, Quiet

# Asks the daemon behind the socket as Docker's client does, and fails with the client's own words.
CLIENT = """#!{python}
import http.client, os, socket, sys

class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect({path!r})

open({asked!r}, "a").write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] == "version":
    connection = Unix("docker")
    try:
        connection.request("GET", "/version")
        answer = connection.getresponse()
    except PermissionError:
        sys.exit("permission denied while trying to connect to the Docker daemon socket")
    except OSError:
        sys.exit("Cannot connect to the Docker daemon at unix://{path}. Is it running?")
    said = answer.read().decode()
    sys.exit(None if answer.status == 200 else said)
"""
LONG = 600.0  # seconds that no test waits for


class Daemon(ClientsMayLeave, ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


@contextmanager
def daemon(path: Path) -> Iterator[None]:
    """Answers on the socket `path`."""

    class Handler(Quiet):
        def do_GET(self) -> None:  # noqa: N802 (the name is the server's)
            self.send_response(200 if self.path == "/version" else 404)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def address_string(self) -> str:
            return "here"

    server = Daemon(str(path), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The socket where the daemon will be, with a `docker` that asks there."""
    path = tmp_path / "docker.sock"
    client = tmp_path / "docker"
    asked = str(tmp_path / "asked")
    client.write_text(CLIENT.format(python=sys.executable, path=str(path), asked=asked))
    client.chmod(client.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return path


def asked(path: Path) -> list[str]:
    return (path.parent / "asked").read_text().splitlines()


def test_a_daemon_that_comes_later_is_waited_for_and_that_is_said_once(path: Path, capsys):
    with start_after(path, questions=3):
        wait_for_docker(LONG)
    assert asked(path).count("version") >= 3
    assert asked(path)[-1] == "compose version"
    said = capsys.readouterr()
    assert said.err == "Docker does not answer yet; waiting up to 600 s.\n"
    assert said.out == ""


@contextmanager
def start_after(path: Path, questions: int) -> Iterator[None]:
    """The daemon comes up once it has been asked for so often."""
    over = threading.Event()

    def wait_and_answer() -> None:
        while not over.is_set():
            file = path.parent / "asked"
            if file.exists() and file.read_text().count("version\n") >= questions:
                with daemon(path):
                    over.wait()
            over.wait(0.01)

    thread = threading.Thread(target=wait_and_answer)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_daemon_that_is_there_is_not_waited_for(path: Path, capsys):
    with daemon(path):
        wait_for_docker(LONG)
    assert asked(path) == ["version", "compose version"]
    assert capsys.readouterr().err == ""


def test_a_socket_that_nobody_answers_at_yet_is_waited_for_too(path: Path):
    with socket.socket(socket.AF_UNIX) as left_over:  # of a daemon that was stopped
        left_over.bind(str(path))
        with pytest.raises(Stopped, match="Docker is not running"):
            wait_for_docker(0.2)
    assert len(asked(path)) > 1


def test_after_its_time_it_is_stopped_with_docker_s_own_words(path: Path):
    with pytest.raises(Unreachable, match=r"Docker is not running .*Cannot connect to the Docker"):
        wait_for_docker(0.2)


def test_other_commands_do_not_wait(path: Path, capsys):
    with pytest.raises(Stopped):
        check_docker()
    assert asked(path) == ["version"]
    assert capsys.readouterr().err == ""


def test_a_docker_that_is_not_installed_is_not_waited_for(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unreachable, match="Docker is not installed"):
        wait_for_docker(LONG)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'permission denied while trying to connect' >&2; exit 1", "does not let you in"),
        ('test "$1" = version', "has no compose plugin"),
    ],
)
def test_what_no_waiting_helps_is_said_at_once(script, words, tmp_path, monkeypatch, capsys):
    client = tmp_path / "docker"
    client.write_text(f"#!/bin/sh\n{script}\n")
    client.chmod(client.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(Unreachable, match=words):
        wait_for_docker(LONG)
    assert capsys.readouterr().err == ""


def test_up_waits_and_makes_nothing_when_docker_never_comes(path: Path, monkeypatch):
    place = path.parent / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    with pytest.raises(Stopped):
        stack.up(patience=0.2)
    assert asked(path).count("version") > 1
    assert list(place.iterdir()) == []
