"""Real servers on this machine: MLflow over HTTP, and hosts that fail in every way."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseServer
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 120  # seconds; a cold start takes about 15 on an idle machine
BASIC_AUTH = """[mlflow]
default_permission = {permission}
database_uri = sqlite:///{folder}/users.db
admin_username = {user}
admin_password = {password}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 300
"""


USABLE = "3.0.0"  # a version of MLflow that a server may have


@dataclass(frozen=True)
class Server:
    """A process that answers at `uri`, with the leader of its process group."""

    uri: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait_until_healthy(self, path: str = "/health") -> None:
        """Return once `path` answers 200. Raises RuntimeError with the log when it never does."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"{self.uri}{path}", timeout=5):
                return
            time.sleep(0.1)
        raise RuntimeError(f"{self.uri} did not start:\n{self.log.read_text()}")

    def kill(self) -> None:
        """End the server at once, without a chance to finish anything."""
        self._send(signal.SIGKILL)

    def stop(self) -> None:
        """End the server as a service manager does, at the latest after ten seconds."""
        self._send(signal.SIGTERM)

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def start(command: Sequence[str], port: int, folder: Path, **environment: str) -> Server:
    """A server process of `command` that works in `folder` and will listen on `port`."""
    # Coverage of a server's whole life would be slow and measures nothing of ours.
    inherited = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=inherited | environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return Server(f"http://127.0.0.1:{port}", process, log)


@contextmanager
def mlflow_server(
    folder: Path,
    credentials: tuple[str, str] | None = None,
    port: int | None = None,
    permission: str = "MANAGE",
) -> Iterator[Server]:
    """`mlflow server` on `folder`/mlflow.db and `folder`/artifacts, asking for `credentials`.

    The client's side of the credentials is MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
    `permission` is what a user has of what belongs to others. A server that comes back after its
    end needs its old `port`.
    """
    port = port or free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", database(folder)]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    if credentials is not None:
        user, password = credentials
        configuration = folder / "basic_auth.ini"
        configuration.write_text(
            BASIC_AUTH.format(folder=folder, user=user, password=password, permission=permission)
        )
        command += ["--app-name", "basic-auth"]
        environment["MLFLOW_AUTH_CONFIG_PATH"] = str(configuration)
        environment["MLFLOW_FLASK_SERVER_SECRET_KEY"] = secrets.token_hex()
    server = start(command, port, folder, **environment)
    try:
        server.wait_until_healthy()
        yield server
    finally:
        server.stop()


def database(folder: Path) -> str:
    """The URI of the database of `mlflow_server(folder)`, which outlives the server."""
    return f"sqlite:///{folder}/mlflow.db"


def free_port() -> int:
    """A port of 127.0.0.1 where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def silent_host() -> Iterator[int]:
    """The port of a host that lets everybody connect and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


class Quiet(BaseHTTPRequestHandler):
    """Answers without a word on this terminal."""

    def log_message(self, *_: object) -> None:
        pass


class ClientsMayLeave(BaseServer):
    """Says nothing on this terminal of a client that hung up before it had the whole answer."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Host(ClientsMayLeave, ThreadingHTTPServer):
    pass


@contextmanager
def host(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[int]:
    """The port of an HTTP host whose answers are those of `handler`."""
    server = Host(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def host_of(folder: Path) -> Iterator[str]:
    """The URI of an HTTP host of the files of `folder`."""
    with host(partial(SimpleHTTPRequestHandler, directory=str(folder))) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def host_that_only_greets() -> Iterator[int]:
    """The port of an HTTP host that says an MLflow's version and leaves other questions open."""
    over = threading.Event()

    class Handler(Quiet):
        def do_GET(self) -> None:
            if self.path != "/version":
                over.wait(PATIENCE)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(USABLE)))
            self.end_headers()
            self.wfile.write(USABLE.encode())

        do_POST = do_GET  # noqa: N815 (the name is the server's)

    with host(Handler) as port:
        try:
            yield port
        finally:
            over.set()


@contextmanager
def host_that_answers(status: int, said: str = "") -> Iterator[int]:
    """The port of an HTTP host that answers everything with `status` and what is `said`."""

    class Handler(Quiet):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said.encode())

    with host(Handler) as port:
        yield port


@contextmanager
def storage_that_breaks_off() -> Iterator[str]:
    """The URI of an artifact storage that lists a file and hangs up when it is asked for it."""

    class Handler(Quiet):
        def do_GET(self) -> None:
            listing = json.dumps(
                {"files": [{"path": "manifest.json", "is_dir": False, "file_size": 9}]}
            )
            if "path=" not in self.path:
                self.close_connection = True
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(listing)))
            self.end_headers()
            self.wfile.write(listing.encode())

    with host(Handler) as port:
        yield f"http://127.0.0.1:{port}/api/2.0/mlflow-artifacts/artifacts/model"


@contextmanager
def storage_that_swaps(name: str, content: bytes) -> Iterator[str]:
    """The URI of an artifact storage that keeps what it is sent, and gives back another `name`."""
    kept: dict[str, bytes] = {}

    class Handler(Quiet):
        def do_PUT(self) -> None:
            kept[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(b"{}")

        def do_GET(self) -> None:
            if "path=" in self.path:
                self._answer(b'{"files": []}')
            elif self.path.endswith(f"/{name}"):
                self._answer(content)
            else:
                self._answer(kept[self.path])

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with host(Handler) as port:
        yield f"http://127.0.0.1:{port}/api/2.0/mlflow-artifacts/artifacts/swapped"


@dataclass
class Relay:
    """Passes everything on to a server, and hangs up on its client from a moment on.

    `cut_at` is the end of a path: of the request there, and of all later ones, the answer is lost;
    `cut_after` spares the answer of that request itself.
    """

    uri: str = ""
    cut_at: str | None = None
    cut_after: str | None = None
    is_cut: bool = False

    def mend(self) -> None:
        """Everything comes back from now on."""
        self.cut_at = self.cut_after = None
        self.is_cut = False


@contextmanager
def relay(target: str, prefix: str = "", login: tuple[str, str] | None = None) -> Iterator[Relay]:
    """A relay between a client and the server at `target`.

    It may have the server below a path, `prefix`, as in /mlflow, and ask for a `login` of its own.
    """
    state = Relay()
    wanted = login and "Basic " + b64encode(":".join(login).encode()).decode()

    class Handler(Quiet):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            state.is_cut = state.is_cut or (
                state.cut_at is not None and path.endswith(state.cut_at)
            )
            if not self.path.startswith(f"{prefix}/"):
                status, kind, content = 404, "text/plain", b"Not here"
            elif wanted and self.headers.get("Authorization") != wanted:
                status, kind, content = 401, "text/plain", b"Who are you?"
            else:
                status, kind, content = self._passed_on()
            if state.is_cut:
                self.close_connection = True
                return
            state.is_cut = state.cut_after is not None and path.endswith(state.cut_after)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PATCH = do_DELETE = do_PUT = do_GET  # noqa: N815 (the names are the server's)

        def _passed_on(self) -> tuple[int, str, bytes]:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            host, _, port = urlsplit(target).netloc.partition(":")
            with closing(HTTPConnection(host, int(port), timeout=PATIENCE)) as connection:
                kind = {"Content-Type": self.headers.get("Content-Type", "application/json")}
                connection.request(self.command, self.path.removeprefix(prefix), body, kind)
                answer = connection.getresponse()
                return answer.status, answer.headers.get("Content-Type", ""), answer.read()

    with host(Handler) as port:
        state.uri = f"http://127.0.0.1:{port}{prefix}"
        yield state
