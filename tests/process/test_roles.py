"""What users of MLflow can do on a server where people change only what is theirs.

docs/deployment.md says what this protects, and what not.
"""

import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.server.auth.client import AuthServiceClient

from insurance_predictor.base.errors import InvalidSettings, RefusedByGate
from insurance_predictor.base.settings import Settings
from insurance_predictor.release.promotion import promote
from insurance_predictor.release.registration import register
from insurance_predictor.serving import served_model
from insurance_predictor.store.ledger import ledger_name, read_ledger
from insurance_predictor.store.status import read_state
from insurance_predictor.store.tracking import connect, store_errors
from insurance_predictor.store.versions import aliases
from insurance_predictor.table.read import read_table
from insurance_predictor.table.synthetic import make_table, write_table
from insurance_predictor.training.train import TrainingOptions, train
from monitoring.run import MonitoringOptions, monitor
from tests.monitoring.logged_quotes import NOW, in_folder, log_quotes, population
from tests.monitoring.slack_server import slack
from tests.servers import mlflow_server

As = Callable[[str], MlflowClient]
HOUR = timedelta(hours=1)


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[tuple[Settings, str]]:
    """Settings of a server like that of the stack, and everybody's password."""
    password = secrets.token_urlsafe()
    with mlflow_server(tmp_path, ("admin", password), permission="READ") as server:
        yield Settings(mlflow_tracking_uri=server.uri), password


@pytest.fixture
def sign_in(ours: tuple[Settings, str], elsewhere, monkeypatch: pytest.MonkeyPatch) -> As:
    settings, password = ours
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)

    def sign_in(name: str) -> MlflowClient:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
        return connect(settings)

    return sign_in


def test_who_may_register_can_neither_promote_nor_write_the_ledger(
    ours: tuple[Settings, str], sign_in: As, tmp_path: Path
):
    settings, password = ours
    write_table(make_table(300, seed=4), tmp_path / "people.csv")
    table = read_table(Settings(data=str(tmp_path / "people.csv")))
    sign_in("admin")
    users = AuthServiceClient(settings.mlflow_tracking_uri)
    for name in ("production", "training"):
        users.create_user(name, password)

    client = sign_in("production")
    options = TrainingOptions(production=True)
    first = train(client, settings, table, options).run_id
    register(client, settings, first)
    promote(client, settings)
    before = read_ledger(client, settings).lines

    sign_in("admin")
    experiment = client.get_run(first).info.experiment_id
    users.grant_user_permission("training", "experiment", experiment, "EDIT")
    users.grant_user_permission("training", "registered_model", settings.model_name, "EDIT")

    client = sign_in("training")
    second = train(client, settings, table, options).run_id
    with pytest.raises(RefusedByGate, match="identical to production"):
        register(client, settings, second)
    with pytest.raises(InvalidSettings, match="does not let this user"), store_errors(settings):
        promote(client, settings, "2", force=True, reason="past the reviewers")
    assert aliases(client, settings)[settings.production_alias] == "1"
    assert read_ledger(client, settings).lines == before
    ledger = client.get_experiment_by_name(ledger_name(settings)).experiment_id
    with pytest.raises(MlflowException, match=r"[Pp]ermission"):
        client.create_run(ledger)

    # MLflow itself has no right between registering and moving an alias: it is seen, not stopped.
    client.set_registered_model_alias(settings.model_name, settings.production_alias, "2")
    assert "stands on 2, but the ledger's last line says 1" in " ".join(
        read_state(client, settings).problems
    )


def test_monitoring_needs_no_right_of_its_own_and_goes_on_without_a_record(
    ours: tuple[Settings, str], sign_in: As, tmp_path: Path
):
    settings, password = ours
    settings = in_folder(settings, tmp_path)
    write_table(make_table(300, seed=4), tmp_path / "people.csv")
    table = read_table(Settings(data=str(tmp_path / "people.csv")))
    client = sign_in("admin")
    run = train(client, settings, table, TrainingOptions(production=True)).run_id
    register(client, settings, run)
    promote(client, settings)
    client.create_experiment("of the administrator")
    AuthServiceClient(settings.mlflow_tracking_uri).create_user("monitoring", password)

    sign_in("monitoring")
    log_quotes(settings, served_model.refresh(settings, None), population(300))
    day = MonitoringOptions(window="1d")
    done = monitor(settings, day, NOW)
    assert (done.problems, done.exit_code) == ((), 0)
    assert client.get_run(done.run_id).info.status == "FINISHED"

    theirs = settings.model_copy(update={"monitoring_experiment_name": "of the administrator"})
    log_quotes(settings, served_model.refresh(settings, None), population(3), NOW - HOUR, bmi=0.04)
    with slack() as heard:
        done = monitor(heard.webhook(theirs), day, NOW)
        assert len(heard.messages) == 1
    assert [incident.kind for incident in done.open] == ["schema"]
    assert (done.exit_code, done.run_id) == (4, None)
    assert "not in MLflow: " in done.problems[0]
    assert "does not let this user do that" in done.problems[0]
