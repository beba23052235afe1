"""The stack of docker-compose.yml as processes of this machine, each of which can be killed."""

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from insurance_predictor.base.settings import Settings
from tests.integration.postgres import Postgres
from tests.integration.storage import Storage
from tests.servers import Server, free_port, start

USER = "admin"
READER = "stack-reader"
MONITOR = "stack-monitor"


@dataclass
class Stack:
    """An MLflow server with basic auth over `postgres` and `storage`, on a port that it keeps."""

    postgres: Postgres
    storage: Storage
    folder: Path
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=secrets.token_hex)
    reader_password: str = field(default_factory=secrets.token_hex)
    monitor_password: str = field(default_factory=secrets.token_hex)
    cookie_key: str = field(default_factory=secrets.token_hex)
    server: Server | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server as its container does; returns once it answers."""
        command = [sys.executable, "-m", "infra.mlflow.serve"]
        self.server = start(command, self.port, self.folder, **self._server_variables())
        self.server.wait_until_healthy()

    def kill(self) -> None:
        """End the server at once, without a chance to finish anything."""
        if self.server is not None:
            self.server.kill()

    def client_variables(self) -> dict[str, str]:
        """What the commands need to reach the server: a name and a password, and no key of S3."""
        return {
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_TRACKING_USERNAME": USER,
            "MLFLOW_TRACKING_PASSWORD": self.password,
        }

    def _server_variables(self) -> dict[str, str]:
        return {
            "MLFLOW_BACKEND_STORE_URI": self.postgres.uri("mlflow", "mlflow"),
            "MLFLOW_AUTH_DATABASE_URI": self.postgres.uri("mlflow", "mlflow_auth"),
            "MLFLOW_AUTH_ADMIN_USERNAME": USER,
            "MLFLOW_AUTH_ADMIN_PASSWORD": self.password,
            "MLFLOW_AUTH_READER_USERNAME": READER,
            "MLFLOW_AUTH_READER_PASSWORD": self.reader_password,
            "MLFLOW_AUTH_MONITOR_USERNAME": MONITOR,
            "MLFLOW_AUTH_MONITOR_PASSWORD": self.monitor_password,
            "MONITORING_EXPERIMENT_NAME": Settings().monitoring_experiment_name,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": self.cookie_key,
            "MLFLOW_SERVER_ALLOWED_HOSTS": f"127.0.0.1:{self.port}",
            "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": self.uri,
            "MLFLOW_HOST": "127.0.0.1",
            "MLFLOW_PORT": str(self.port),
            "MLFLOW_WORKERS": "2",
            **self.storage.variables(),
        }


@contextmanager
def stack(postgres: Postgres, storage: Storage, folder: Path) -> Iterator[Stack]:
    """A running stack."""
    made = Stack(postgres, storage, folder)
    try:
        made.start()
        yield made
    finally:
        if made.server is not None:
            made.server.stop()
