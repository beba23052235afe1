"""The monitoring as the user that the stack makes for it: it writes in its experiment alone."""

import re
from pathlib import Path

import pytest
from mlflow.server.auth.client import AuthServiceClient

from insurance_predictor.base.settings import Settings
from insurance_predictor.serving import served_model
from insurance_predictor.store.tracking import connect
from monitoring.run import MonitoringOptions, monitor
from tests.integration.stack import MONITOR, READER, USER
from tests.mlflow_users import Mlflow, as_in_its_container, in_production, refused
from tests.monitoring.logged_quotes import NOW, in_folder, log_quotes, population


@pytest.fixture
def mlflow(tmp_path: Path) -> Mlflow:
    return as_in_its_container(tmp_path / "server")


@pytest.fixture
def sign_in(mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch):
    def sign_in(name: str, role: str) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", mlflow.password(role))

    return sign_in


def of(uri: str, folder: Path, experiment: str | None = None) -> Settings:
    """The settings of a monitoring on that server, in the experiment that the server makes."""
    name = experiment or Settings().monitoring_experiment_name
    found = in_folder(Settings(mlflow_tracking_uri=uri), folder)
    return found.model_copy(update={"monitoring_experiment_name": name})


def recorded(settings: Settings) -> None:
    """The monitoring, as who is signed in, records whole runs."""
    log_quotes(settings, served_model.refresh(settings, None), population(300))
    done = monitor(settings, MonitoringOptions(window="1d"), NOW)
    assert (done.problems, done.exit_code) == ((), 0)
    run = connect(settings).get_run(done.run_id)
    assert run.info.status == "FINISHED"
    assert connect(settings).list_artifacts(done.run_id)


def test_the_monitor_records_and_changes_nothing_else(
    mlflow: Mlflow, sign_in, elsewhere: None, tmp_path: Path
):
    mlflow.had_a_user_of_other_rights(MONITOR)
    with mlflow.running() as server:
        settings = of(server.uri, tmp_path)
        sign_in(USER, "ADMIN")
        run_id = in_production(settings, tmp_path)
        sign_in(MONITOR, "MONITOR")
        recorded(settings)
        refused(settings, run_id)
        assert not AuthServiceClient(server.uri).get_user(MONITOR).is_admin


def test_an_experiment_of_the_administrator_is_the_monitor_s_from_the_next_start(
    mlflow: Mlflow, sign_in, elsewhere: None, tmp_path: Path
):
    sign_in(USER, "ADMIN")
    with mlflow.running() as server:
        settings = of(server.uri, tmp_path, "monitoring d'antes")
        in_production(settings, tmp_path)
        recorded(settings)
    for _ in range(2):  # a right that is there is no obstacle
        sign_in(MONITOR, "MONITOR")
        with mlflow.running(MONITORING_EXPERIMENT_NAME="monitoring d'antes"):
            recorded(settings)


def test_a_name_that_no_experiment_can_have_is_refused_in_a_sentence(mlflow: Mlflow):
    said = "error: MONITORING_EXPERIMENT_NAME is no name of an experiment: "
    with (
        pytest.raises(RuntimeError, match=said) as refused,
        mlflow.running(MONITORING_EXPERIMENT_NAME="x" * 600),
    ):
        pass
    assert "Traceback" not in str(refused.value)


@pytest.mark.parametrize(
    ("role", "name", "whose"),
    [
        ("READER", USER, "administrator"),
        ("MONITOR", USER, "administrator"),
        ("MONITOR", READER, "reader"),
    ],
)
def test_a_user_with_the_name_of_another_is_refused(
    mlflow: Mlflow, role: str, name: str, whose: str
):
    said = f"MLFLOW_{role}_USERNAME is the {whose}'s name. Set another in .env."
    with (
        pytest.raises(RuntimeError, match=re.escape(said)),
        mlflow.running(**{f"MLFLOW_AUTH_{role}_USERNAME": name}),
    ):
        pass
