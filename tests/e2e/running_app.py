"""The app as somebody runs it: a clone of the repository and `streamlit run app/app.py` in it."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.repository import copy_repository
from tests.servers import Server, free_port, start

SCRIPT = "app/app.py"
HEALTH = "/_stcore/health"


@dataclass(frozen=True)
class App:
    """A server of `script` that runs in `folder`; what it keeps on disk is there too."""

    folder: Path
    server: Server

    @property
    def uri(self) -> str:
        return self.server.uri

    @property
    def prediction_log_url(self) -> str:
        """The default prediction log: a file in the folder the app runs in."""
        return f"sqlite:///{self.folder}/prediction_log.db"

    @property
    def log(self) -> str:
        return self.server.log.read_text()

    def events(self, name: str) -> list[dict[str, Any]]:
        """The app's own log lines about one kind of event."""
        told = [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]
        return [line for line in told if line["event"] == name]


def clone(folder: Path) -> Path:
    """A copy of the repository in `folder`, without anybody's .env, secrets or databases."""
    folder.mkdir(parents=True, exist_ok=True)
    copy_repository(folder)
    return folder


def launch(
    folder: Path,
    variables: Mapping[str, str],
    python: str = sys.executable,
    script: str = SCRIPT,
) -> App:
    """Start the app of the clone in `folder` and return at once."""
    port = free_port()
    command = [python, "-m", "streamlit", "run", script]
    command += ["--server.address", "127.0.0.1", "--server.port", str(port)]
    # No other clone on the path, and nothing that Streamlit would find in somebody's home.
    own = {"HOME": str(folder), "PYTHONPATH": ""}
    return App(folder, start(command, port, folder, **own | dict(variables)))


@contextmanager
def running(
    folder: Path, variables: Mapping[str, str], python: str = sys.executable
) -> Iterator[App]:
    """The app of the clone in `folder`, once it answers."""
    app = launch(folder, variables, python)
    try:
        app.server.wait_until_healthy(HEALTH)
        yield app
    finally:
        app.server.stop()
