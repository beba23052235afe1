"""The API in this process, and as a server of its own, over the session's store."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from starlette.testclient import TestClient

from insurance_predictor.api.routes import application
from insurance_predictor.base.settings import Settings
from insurance_predictor.serving.served_model import refresh
from insurance_predictor.store.versions import Version
from tests.predictions import log_in
from tests.repository import ROOT
from tests.servers import Server, free_port, start

HERE = "http://127.0.0.1"
TIMEOUT = 60  # seconds


@pytest.fixture
def api_settings(settings: Settings, tmp_path: Path) -> Settings:
    """The session's store, with a log and a cache of the test's own."""
    log = log_in(tmp_path)
    return settings.model_copy(
        update={
            "prediction_log_url": log.prediction_log_url,
            "prediction_spool": log.prediction_spool,
            "model_cache": tmp_path / "model",
        }
    )


@pytest.fixture
def client_of(api_settings: Settings) -> Iterator[Callable[..., TestClient]]:
    """Opens the application in this process, with some settings changed."""
    opened = []

    def open_client(**changed: Any) -> TestClient:
        app = application(api_settings.model_copy(update=changed))
        client = TestClient(app, HERE, raise_server_exceptions=False)
        client.__enter__()
        opened.append(client)
        return client

    yield open_client
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def api(client_of: Callable[..., TestClient], production: Version) -> TestClient:
    """The application without keys, with version 1 in production."""
    return client_of()


def ask(client: Any, *people: Any, **headers: str) -> Any:
    """The answer to a request for quotes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/v1/quotes", json={"people": people}, headers=named)


@dataclass(frozen=True)
class Running:
    """A server of its own in `folder`, whose log is a file there."""

    server: Server
    folder: Path

    @property
    def log_url(self) -> str:
        return f"sqlite:///{self.folder}/prediction_log.db"

    def post(self, path: str, **given: Any) -> requests.Response:
        return requests.post(f"{self.server.uri}{path}", timeout=TIMEOUT, **given)

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.server.uri}{path}", timeout=TIMEOUT)


Started = Callable[..., Running]


@pytest.fixture
def started(api_settings: Settings, tmp_path: Path, production: Version) -> Iterator[Started]:
    """Starts servers, which end with the test, with version 1 in production and on their disk."""
    refresh(api_settings, None)
    servers = []

    def start_server(**variables: str) -> Running:
        port = free_port()
        environment = {
            "MLFLOW_TRACKING_URI": api_settings.mlflow_tracking_uri,
            "MODEL_NAME": api_settings.model_name,
            "MODEL_CACHE": str(api_settings.model_cache),
            "API_PORT": str(port),
            "PYTHONPATH": str(ROOT),
            **variables,
        }
        command = [sys.executable, "-m", "insurance_predictor", "api"]
        server = start(command, port, tmp_path, **environment)
        servers.append(server)
        server.wait_until_healthy("/ready")
        return Running(server, tmp_path)

    yield start_server
    for server in servers:
        server.stop()
