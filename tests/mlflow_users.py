"""The stack's MLflow server with its users, and what those try who may look and no more."""

import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.server.auth.client import AuthServiceClient
from requests import HTTPError

from insurance_predictor.base.settings import Settings
from insurance_predictor.model.run_layout import STATUS_TAG
from insurance_predictor.release.promotion import promote
from insurance_predictor.release.registration import register
from insurance_predictor.store.ledger import ledger_name
from insurance_predictor.store.tracking import connect
from insurance_predictor.table.read import read_table
from insurance_predictor.table.synthetic import make_table, write_table
from insurance_predictor.training.train import TrainingOptions, train
from tests.integration.stack import MONITOR, READER
from tests.servers import Server, free_port, start


@dataclass
class Mlflow:
    """A server that starts as its container does, over SQLite in `folder`."""

    folder: Path
    port: int
    variables: dict[str, str]

    @contextmanager
    def running(self, **changes: str) -> Iterator[Server]:
        """The server, once it answers."""
        command = [sys.executable, "-m", "infra.mlflow.serve"]
        server = start(command, self.port, self.folder, **(self.variables | changes))
        try:
            server.wait_until_healthy()
            yield server
        finally:
            server.stop()

    def had_a_user_of_other_rights(self, name: str) -> None:
        """Somebody has changed the password of the user `name`, and given it everything."""
        from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

        users = SqlAlchemyStore()
        users.init_db(self.variables["MLFLOW_AUTH_DATABASE_URI"])
        users.create_user(name, secrets.token_hex(), is_admin=True)
        users.engine.dispose()

    def password(self, role: str) -> str:
        return self.variables[f"MLFLOW_AUTH_{role}_PASSWORD"]


def as_in_its_container(folder: Path) -> Mlflow:
    """Such a server, which does not run yet; it makes the users of the stack when it starts."""
    port = free_port()
    folder.mkdir()
    variables = {
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder}/mlflow.db",
        "MLFLOW_AUTH_DATABASE_URI": f"sqlite:///{folder}/users.db",
        "MLFLOW_ARTIFACTS_DESTINATION": str(folder / "artifacts"),
        "MLFLOW_AUTH_ADMIN_USERNAME": "admin",
        "MLFLOW_AUTH_ADMIN_PASSWORD": secrets.token_hex(),
        "MLFLOW_AUTH_READER_USERNAME": READER,
        "MLFLOW_AUTH_READER_PASSWORD": secrets.token_hex(),
        "MLFLOW_AUTH_MONITOR_USERNAME": MONITOR,
        "MLFLOW_AUTH_MONITOR_PASSWORD": secrets.token_hex(),
        "MONITORING_EXPERIMENT_NAME": Settings().monitoring_experiment_name,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(),
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"127.0.0.1:{port}",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port}",
        "MLFLOW_HOST": "127.0.0.1",
        "MLFLOW_PORT": str(port),
        "MLFLOW_WORKERS": "1",
    }
    return Mlflow(folder, port, variables)


def in_production(settings: Settings, folder: Path) -> str:
    """The run of a version in production."""
    write_table(make_table(300, seed=4), folder / "people.csv")
    client = connect(settings)
    run_id = train(
        client,
        settings,
        read_table(Settings(data=str(folder / "people.csv"))),
        TrainingOptions(production=True),
    ).run_id
    register(client, settings, run_id)
    promote(client, settings)
    return run_id


def refused(settings: Settings, run_id: str) -> None:
    """Whoever is signed in changes nothing of what is there, with `run_id` a training's."""
    client, model = MlflowClient(settings.mlflow_tracking_uri), settings.model_name
    experiment = client.get_run(run_id).info.experiment_id
    ledger = client.get_experiment_by_name(ledger_name(settings)).experiment_id
    source = client.get_model_version(model, "1").source
    attempts: dict[str, Callable[[], object]] = {
        "move an alias": lambda: client.set_registered_model_alias(model, "producao", "1"),
        "take an alias away": lambda: client.delete_registered_model_alias(model, "producao"),
        "tag a version": lambda: client.set_model_version_tag(model, "1", STATUS_TAG, "x"),
        "tag the model": lambda: client.set_registered_model_tag(model, "a", "x"),
        "make a version": lambda: client.create_model_version(model, source, run_id),
        "delete a version": lambda: client.delete_model_version(model, "1"),
        "delete the model": lambda: client.delete_registered_model(model),
        "log a run": lambda: client.create_run(experiment),
        "write the ledger": lambda: client.create_run(ledger),
        "log into a run": lambda: client.log_metric(run_id, "rmse", 0.0),
        "tag a run": lambda: client.set_tag(run_id, "a", "x"),
        "delete a run": lambda: client.delete_run(run_id),
        "upload a file": lambda: client.log_text(run_id, "x", "model_card.md"),
        "make a user": lambda: AuthServiceClient(settings.mlflow_tracking_uri).create_user(
            "eve", secrets.token_hex()
        ),
    }
    for attempt in attempts.values():
        with pytest.raises((MlflowException, HTTPError), match=r"403|[Pp]ermission"):
            attempt()
