"""The server as a process: hostile connections, several workers, and an end without warning."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import requests

from insurance_predictor.api.connection import MOST_BYTES
from tests.insurance_predictor.api.conftest import Running, Started, ask
from tests.predictions import ANA, kept
from tests.repository import ROOT

pytestmark = pytest.mark.process

PATIENCE = 60  # seconds
HEAD = b"POST /v1/quotes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def connected(api: Running, stack: ExitStack) -> socket.socket:
    port = int(api.server.uri.rpartition(":")[2])
    connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
    connection.settimeout(PATIENCE)
    return connection


def quoted(api: Running, **headers: str) -> list[dict]:
    answer = ask(api, ANA, **headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["quotes"]


def logged(api: Running, least: int) -> set[str]:
    """The ids in the log, once there are so many or it takes too long."""
    found: set[str] = set()
    end = time.monotonic() + PATIENCE
    while len(found) < least and time.monotonic() < end:
        time.sleep(0.1)
        with suppress(Exception):  # the table is not there yet
            found = {row["id"] for row in kept(api.log_url)}
    return found


def run_api(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "insurance_predictor", "api"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_where_it_must_not_or_cannot_listen_is_a_sentence(tmp_path: Path):
    done = run_api(tmp_path, API_HOST="0.0.0.0")
    assert (done.returncode, done.stdout) == (2, "")
    [sentence] = done.stderr.splitlines()
    assert "API_KEYS is not set" in sentence
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = run_api(tmp_path, API_PORT=str(other.getsockname()[1]))
    assert done.returncode == 2
    [sentence] = done.stderr.splitlines()
    assert "in use" in sentence
    assert "make api API_PORT=" in sentence


def test_hostile_connections_cost_nobody_else_a_quote(started: Started):
    api = started(API_SECONDS="4")
    with ExitStack() as stack:
        for _ in range(1_000):  # that never say a word
            connected(api, stack)
        slow = connected(api, stack)
        slow.sendall(HEAD + b"Content-Length: 100\r\n\r\n{")
        endless = connected(api, stack)
        with suppress(ConnectionError):
            for number in range(MOST_BYTES // 8):
                endless.sendall(b"X-%d: 1\r\n" % number if number else HEAD)
        assert quoted(api)
        assert slow.recv(100).startswith(b"HTTP/1.1 408 ")
        with suppress(ConnectionError):
            assert endless.recv(100) == b""
        assert quoted(api)
    assert "age" not in api.server.log.read_text()


def test_several_workers_share_their_counts_and_what_a_key_was_answered(started: Started):
    api = started(API_WORKERS="2")
    with ThreadPoolExecutor(8) as clients:  # each has a connection, of either worker
        answers = list(clients.map(lambda _: quoted(api, Idempotency_Key="one"), range(24)))
    assert len({json.dumps(answer) for answer in answers}) == 1
    assert len(logged(api, 1)) == 1
    assert "insurance_predictor_request_seconds_count 24.0" in api.get("/metrics").text


def test_every_answered_quote_is_in_the_log_after_a_kill_under_load(started: Started):
    api = started()
    answered: set[str] = set()
    over = threading.Event()

    def client(number: int) -> None:
        with requests.Session() as session:
            while not over.is_set():
                people = {"people": [ANA | {"age": 18 + number}] * 3}
                answer = session.post(f"{api.server.uri}/v1/quotes", json=people, timeout=PATIENCE)
                answered.update(quote["id"] for quote in answer.json()["quotes"])

    def until_the_end(number: int) -> None:
        with suppress(requests.RequestException, ValueError):  # the server is gone
            client(number)

    with ThreadPoolExecutor(8) as clients:
        running = [clients.submit(until_the_end, number) for number in range(8)]
        end = time.monotonic() + PATIENCE
        while len(answered) < 300 and time.monotonic() < end:
            time.sleep(0.05)
        api.server.kill()
        over.set()
        for one in running:
            one.result()
    assert len(answered) >= 300
    again = started()
    assert quoted(again)
    assert answered <= logged(again, len(answered) + 1)


def test_a_client_made_from_the_openapi_finds_nothing(started: Started):
    api = started(API_KEYS="a-key")
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            *("run", f"{api.server.uri}/openapi.json", "--checks", "all"),
            *("--header", "X-API-Key: a-key", "--max-examples", "25", "--seed", "1"),
            *("--suppress-health-check", "all", "--no-color"),
        ],
        cwd=api.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "No issues found" in done.stdout
    assert "Traceback" not in api.server.log.read_text()
    assert '"level": "ERROR"' not in api.server.log.read_text()
