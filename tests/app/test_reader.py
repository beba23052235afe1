"""The app as the user that the stack makes for it: one who may look, and change nothing."""

import re
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

from app import serving, text
from insurance_predictor.base.settings import Settings
from insurance_predictor.model.run_layout import STATUS_TAG
from insurance_predictor.release.promotion import promote
from insurance_predictor.release.registration import register
from insurance_predictor.store.ledger import ledger_name
from insurance_predictor.store.tracking import connect
from insurance_predictor.table.read import read_table
from insurance_predictor.table.synthetic import make_table, write_table
from insurance_predictor.training.train import TrainingOptions, train
from monitoring.history import mlflow_runs
from monitoring.words import dashboard_words
from tests.app.conftest import page, press, words
from tests.monitoring import example_assessments as examples
from tests.servers import Server, free_port, start

pytestmark = pytest.mark.process
READER = "stack-reader"


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

    def had_a_reader_of_other_rights(self) -> None:
        """Somebody has changed that user's password, and given it everything."""
        from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

        users = SqlAlchemyStore()
        users.init_db(self.variables["MLFLOW_AUTH_DATABASE_URI"])
        users.create_user(READER, secrets.token_hex(), is_admin=True)
        users.engine.dispose()

    def password(self, role: str) -> str:
        return self.variables[f"MLFLOW_AUTH_{role}_PASSWORD"]


@pytest.fixture
def mlflow(tmp_path: Path) -> Mlflow:
    folder, port = tmp_path / "server", free_port()
    folder.mkdir()
    variables = {
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder}/mlflow.db",
        "MLFLOW_AUTH_DATABASE_URI": f"sqlite:///{folder}/users.db",
        "MLFLOW_ARTIFACTS_DESTINATION": str(folder / "artifacts"),
        "MLFLOW_AUTH_ADMIN_USERNAME": "admin",
        "MLFLOW_AUTH_ADMIN_PASSWORD": secrets.token_hex(),
        "MLFLOW_AUTH_READER_USERNAME": READER,
        "MLFLOW_AUTH_READER_PASSWORD": secrets.token_hex(),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(),
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"127.0.0.1:{port}",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port}",
        "MLFLOW_HOST": "127.0.0.1",
        "MLFLOW_PORT": str(port),
        "MLFLOW_WORKERS": "1",
    }
    return Mlflow(folder, port, variables)


@pytest.fixture
def sign_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    def sign_in(name: str, password: str) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)

    return sign_in


def filled(settings: Settings, folder: Path) -> str:
    """The run of a version in production, on a server where monitoring has looked, too."""
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
    mlflow_runs.begin(settings, examples.alarming(model_name=settings.model_name))
    return run_id


def test_the_reader_serves_the_app_and_changes_nothing(
    mlflow: Mlflow, sign_in, place: Callable[..., None], elsewhere: None, tmp_path: Path
):
    mlflow.had_a_reader_of_other_rights()
    with mlflow.running() as server:
        settings = Settings(mlflow_tracking_uri=server.uri)
        sign_in("admin", mlflow.password("ADMIN"))
        run_id = filled(settings, tmp_path)

        sign_in(READER, mlflow.password("READER"))
        place("MLFLOW_TRACKING_URI", server.uri)
        place("MODEL_NAME", settings.model_name)
        serving.try_again()
        quoted = press(page("en"), text.CALCULATE("en"))
        assert not quoted.exception
        assert serving.served().facts.version == "1"
        assert re.search(r"[1-9][\d,]* a year|US\$", words(quoted))
        for name in ("batch", "model", "monitoring"):
            visit = page("en", name)
            assert not visit.exception
            assert not visit.error
            assert text.UNREACHABLE("en") not in words(visit)
        assert dashboard_words.NOTHING_YET("en") not in words(visit)

        refused(settings, run_id)
        assert not AuthServiceClient(server.uri).get_user(READER).is_admin


def refused(settings: Settings, run_id: str) -> None:
    """Whoever has the reader's password changes nothing of what is there."""
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


def test_a_reader_with_the_administrator_s_name_is_refused(mlflow: Mlflow):
    said = "MLFLOW_READER_USERNAME is the administrator's name"
    with (
        pytest.raises(RuntimeError, match=said),
        mlflow.running(MLFLOW_AUTH_READER_USERNAME="admin"),
    ):
        pass
