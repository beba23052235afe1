"""The life cycle against a real `mlflow server` that asks for a password, until it is killed."""

import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient

from insurance_predictor.base.errors import InvalidSettings, NotFound, RefusedByGate, Unreachable
from insurance_predictor.base.settings import Settings
from insurance_predictor.release.promotion import promote, rollback
from insurance_predictor.release.registration import find_run, register
from insurance_predictor.serving.predictor import load
from insurance_predictor.store.status import read_state
from insurance_predictor.store.tracking import connect, store_errors
from insurance_predictor.table.read import Table
from insurance_predictor.training.train import TrainingOptions, train
from insurance_predictor.training.trained_run import TrainedRun
from tests.servers import Server, database, mlflow_server

ANA = {
    "age": 40,
    "sex": "female",
    "bmi": 27.5,
    "children": 2,
    "smoker": "no",
    "region": "southeast",
}


@dataclass(frozen=True)
class Remote:
    """A server, how to reach it, the password it wants, and its database once it is gone."""

    server: Server
    settings: Settings
    password: str
    database: str


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    folder: Path = tmp_path_factory.mktemp("server")
    password = secrets.token_urlsafe()
    with mlflow_server(folder, credentials=("admin", password)) as server:
        settings = Settings(mlflow_tracking_uri=server.uri)
        yield Remote(server, settings, password, database(folder))


@pytest.fixture
def remote_client(elsewhere, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", remote.password)
    return connect(remote.settings)


# The tests of this module follow one server through its life, so their order counts.


@pytest.mark.parametrize("password", ["wrong", None])
def test_wrong_or_missing_credentials_are_bad_settings(
    password, remote_client, remote, monkeypatch
):
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME")
    monkeypatch.delenv("MLFLOW_TRACKING_PASSWORD")
    if password is not None:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    with pytest.raises(InvalidSettings) as caught, store_errors(remote.settings):
        read_state(connect(remote.settings), remote.settings)
    assert caught.value.exit_code == 2
    assert str(caught.value).startswith(
        f"{remote.server.uri} refused the credentials. Check MLFLOW_TRACKING_USERNAME and "
        "MLFLOW_TRACKING_PASSWORD."
    )


def test_a_model_goes_from_the_sample_to_production_and_quotes(
    remote_client, remote, sample: Table, trained: TrainedRun
):
    settings = remote.settings
    done = train(remote_client, settings, sample, TrainingOptions())
    # One request for each metric would take a minute.
    assert "metrics/get-history" not in remote.server.log.read_text()
    assert register(remote_client, settings, run_id=None).version.number == "1"
    assert read_state(remote_client, settings).aliases == {"desafio": "1"}
    assert promote(remote_client, settings).after == "1"
    state = read_state(remote_client, settings)
    assert state.aliases == {"producao": "1"}
    assert [(line.action, line.before, line.after, line.finished) for line in state.ledger] == [
        ("promote", None, "1", True)
    ]
    assert state.problems == ()
    assert state.versions[0].run_id == done.run_id
    over_http, from_sqlite = load(settings).quote(ANA), done.trained.pair
    assert over_http.version == "1"
    assert over_http.premium == pytest.approx(quoted(from_sqlite), abs=0.005)
    assert over_http.premium == pytest.approx(quoted(trained.trained.pair), abs=0.005)


def test_the_same_model_again_is_refused_as_identical(remote_client, remote, sample: Table):
    train(remote_client, remote.settings, sample, TrainingOptions())
    with pytest.raises(RefusedByGate) as caught:
        register(remote_client, remote.settings, run_id=None)
    assert caught.value.exit_code == 3
    assert caught.value.reasons == (
        "identical to production: version 1 already gives every one of these quotes",
    )
    state = read_state(remote_client, remote.settings)
    assert state.aliases == {"producao": "1"}
    assert [version.status for version in state.versions] == ["reprovado", "aprovado"]


def test_there_is_nothing_to_go_back_to_after_one_promotion(remote_client, remote):
    with pytest.raises(NotFound, match="The ledger knows no version before 1"):
        rollback(remote_client, remote.settings)


def test_a_server_killed_in_the_middle_of_a_training_leaves_no_candidate(
    remote_client, remote, sample: Table
):
    settings = remote.settings.model_copy(update={"mlflow_experiment_name": "cut_short"})
    killer = threading.Thread(target=kill_once_a_run_is_there, args=(remote, "cut_short"))
    killer.start()
    with pytest.raises(Unreachable) as caught, store_errors(settings):
        train(remote_client, settings, sample, TrainingOptions())
    killer.join()
    assert caught.value.exit_code == 4
    assert remote.server.uri in str(caught.value)
    survivor = MlflowClient(remote.database)
    assert [run.info.status for run in runs(survivor, "cut_short")] == ["RUNNING"]
    with pytest.raises(NotFound, match="'cut_short' has no finished training"):
        find_run(survivor, settings, None, production=False)


def test_a_server_killed_between_training_and_registration_is_unreachable(remote, elsewhere):
    with pytest.raises(Unreachable) as caught, store_errors(remote.settings):
        register(connect(remote.settings), remote.settings, run_id=None)
    assert caught.value.exit_code == 4
    assert str(caught.value).startswith(f"No answer from {remote.server.uri}")


def quoted(pair) -> float:
    import pandas as pd

    return float(pair.predict(pd.DataFrame([ANA]))["premium"].iloc[0])


def kill_once_a_run_is_there(remote: Remote, experiment: str) -> None:
    watcher = MlflowClient(remote.database)
    end = time.monotonic() + 60
    while time.monotonic() < end and not runs(watcher, experiment):
        time.sleep(0.02)
    remote.server.kill()


def runs(client: MlflowClient, experiment: str):
    found = client.get_experiment_by_name(experiment)
    return client.search_runs([found.experiment_id]) if found else []
