"""A real MLflow server below a path, behind a proxy that asks for a login of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from insurance_predictor.base.errors import InvalidSettings, Unreachable
from insurance_predictor.base.settings import Settings
from insurance_predictor.release.promotion import promote
from insurance_predictor.release.registration import register
from insurance_predictor.serving.served_model import refresh
from insurance_predictor.store.status import read_state
from insurance_predictor.store.tracking import connect, store_errors
from tests.planting import Workshop, plant
from tests.servers import mlflow_server, relay

USER, PASSWORD = "ana", "of-the-proxy"  # pragma: allowlist secret


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("server")
    with (
        mlflow_server(folder) as server,
        relay(server.uri, prefix="/tools/mlflow", login=(USER, PASSWORD)) as proxy,
    ):
        yield proxy.uri


@pytest.fixture
def settings(address: str, elsewhere, tmp_path: Path, monkeypatch) -> Settings:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", USER)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    return Settings(mlflow_tracking_uri=address, model_cache=tmp_path / "cache")


def test_the_life_cycle_goes_through_it(settings, address, sample, trained):
    """With a slash at the end, as people write it."""
    ours = settings.model_copy(update={"mlflow_tracking_uri": f"{address}/"})
    client = connect(ours)
    run_id = plant(client, ours, sample, Workshop.of(trained, sample).slightly_other)
    register(client, ours, run_id)
    promote(client, ours, reason="through the proxy")
    assert refresh(settings, None).facts.version == "1"
    assert refresh(ours, None).facts.version == "1"


def test_a_login_that_the_proxy_refuses_is_bad_settings(settings, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "another")
    with pytest.raises(InvalidSettings, match="refused the credentials"), store_errors(settings):
        read_state(connect(settings), settings)


def test_without_the_path_there_is_no_store(settings, address):
    """A proxy that has something else at its root."""
    bare = settings.model_copy(update={"mlflow_tracking_uri": address.removesuffix("/mlflow")})
    with pytest.raises(Unreachable, match="error code 404"), store_errors(bare):
        read_state(connect(bare), bare)
