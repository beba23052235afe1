"""What a user who may register can do on a server where people change only what is theirs.

docs/deployment.md says what this protects, and what not.
"""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.server.auth.client import AuthServiceClient

from insurance_predictor.base.errors import InsurancePredictorError, RefusedByGate
from insurance_predictor.base.settings import Settings
from insurance_predictor.release.promotion import promote
from insurance_predictor.release.registration import register
from insurance_predictor.store.ledger import ledger_name, read_ledger
from insurance_predictor.store.status import read_state
from insurance_predictor.store.tracking import connect, store_errors
from insurance_predictor.store.versions import aliases
from insurance_predictor.table.read import read_table
from insurance_predictor.table.synthetic import make_table, write_table
from insurance_predictor.training.train import TrainingOptions, train
from tests.servers import mlflow_server

As = Callable[[str], MlflowClient]


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
    with pytest.raises(InsurancePredictorError, match=r"403|refused"), store_errors(settings):
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
