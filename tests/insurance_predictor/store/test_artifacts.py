"""Files are asked for where the operator keeps them, whatever a run or a version says."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from insurance_predictor.base.errors import IntegrityFault, InvalidSettings, RefusedByGate
from insurance_predictor.base.settings import Settings
from insurance_predictor.model.manifest import Digests
from insurance_predictor.model.run_layout import MANIFEST, MODEL_URI_TAG, REFERENCE
from insurance_predictor.release.registration import register
from insurance_predictor.serving.served_model import refresh
from insurance_predictor.store import versions
from insurance_predictor.store.artifacts import MOST_BYTES, MOST_MANIFEST_BYTES, fetch
from insurance_predictor.store.locations import foreign_place
from insurance_predictor.store.tracking import ask_storage
from tests.planting import Planted, plant, stored_files, write_version
from tests.servers import Quiet, host

PROXY = "api/2.0/mlflow-artifacts/artifacts"
SERVER = "https://ana:secret@mlflow.example:5000/team"  # pragma: allowlist secret


@dataclass
class Thief:
    """A server of somebody else that notes what it is asked, and with which credentials."""

    uri: str = ""
    asked: list[str | None] = field(default_factory=list)


@pytest.fixture
def thief(monkeypatch: pytest.MonkeyPatch) -> Iterator[Thief]:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ana")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "nobody else's")
    found = Thief()

    class Handler(Quiet):
        def do_GET(self) -> None:  # noqa: N802 (the name is the server's)
            found.asked.append(self.headers.get("Authorization"))
            self.send_error(404)

        do_POST = do_PUT = do_GET  # noqa: N815 (the names are the server's)

    with host(Handler) as port:
        found.uri = f"http://127.0.0.1:{port}/{PROXY}/steal"
        yield found


@pytest.fixture
def run_id(client, store, sample, trained) -> str:
    """A good run that a test may spoil."""
    return plant(client, store, sample, Planted(trained.trained, 1), store.mlflow_experiment_name)


def test_a_run_whose_model_is_elsewhere_is_refused_and_nobody_is_asked(
    client, settings, run_id, thief
):
    client.set_tag(run_id, MODEL_URI_TAG, thief.uri)
    with pytest.raises(RefusedByGate, match=r"is no model that the run \w+ logged") as refused:
        register(client, settings, None)
    assert run_id in str(refused.value)
    assert versions.versions(client, settings) == []
    assert thief.asked == []


@pytest.mark.parametrize("kind", ["another run's", "one that is not there", "a folder", "a name"])
def test_a_run_whose_model_it_did_not_log_is_refused(client, settings, run_id, trained, kind):
    others = client.get_run(trained.run_id).data.tags[MODEL_URI_TAG]
    wrong = {
        "another run's": others,
        "one that is not there": f"models:/m-{'0' * 32}",
        "a folder": "/dev",
        "a name": "models:/prepared/1",
    }
    client.set_tag(run_id, MODEL_URI_TAG, wrong[kind])
    with pytest.raises(RefusedByGate, match=rf"run {run_id} is refused by the gate.*\n.*model"):
        register(client, settings, run_id)
    assert versions.versions(client, settings) == []


def test_a_version_whose_model_is_elsewhere_leaves_the_last_good_one(
    client, settings, trained, run_id, thief, tmp_path
):
    settings = settings.model_copy(update={"model_cache": tmp_path / "cache"})
    write_version(client, settings, trained.run_id)
    versions.set_alias(client, settings, "producao", "1")
    good = refresh(settings, None)
    client.set_tag(run_id, MODEL_URI_TAG, thief.uri)
    write_version(client, settings, run_id)  # by a client of MLflow's own, which asks there
    thief.asked.clear()
    versions.set_alias(client, settings, "producao", "2")
    now = refresh(settings, good)
    assert "Version 2 is refused" in now.refusal
    assert (now.facts.version, now.problem) == ("1", None)
    assert thief.asked == []


def test_an_experiment_that_keeps_its_files_elsewhere_is_neither_read_nor_written(
    client, settings, run_id, thief
):
    name = settings.model_name
    experiment = client.create_experiment(name, artifact_location=thief.uri)
    made = client.create_run(experiment).info.run_id
    model = client.create_logged_model(experiment, name="model", source_run_id=made)
    for key, value in client.get_run(run_id).data.tags.items():
        client.set_tag(made, key, value)
    client.set_tag(made, MODEL_URI_TAG, f"models:/{model.model_id}")
    client.set_terminated(made)
    with pytest.raises(RefusedByGate, match="ARTIFACT_LOCATION"):
        register(client, settings, made)
    with pytest.raises(InvalidSettings, match="ARTIFACT_LOCATION") as refused:
        ask_storage(client, settings, experiment)
    assert thief.uri in str(refused.value)
    assert thief.asked == []


@pytest.mark.parametrize(
    ("location", "tracking"),
    [
        ("mlflow-artifacts:/1/abc/artifacts", SERVER),
        ("mlflow-artifacts://mlflow.example:5000/1/abc", SERVER),
        (f"https://mlflow.example:5000/team/{PROXY}/1/abc", SERVER),
        ("s3://bucket/mlflow/1/abc", SERVER),
        ("s3://bucket/mlflow/1/abc", "sqlite:///mlflow.db"),
        ("/srv/mlartifacts/1", "sqlite:///mlflow.db"),
        ("file:///srv/mlartifacts/1", "postgresql://db/mlflow"),
        ("/allowed/1", SERVER),
        ("file:///allowed/1", SERVER),
    ],
)
def test_where_files_may_be(location, tracking):
    settings = Settings(mlflow_tracking_uri=tracking, artifact_location="/allowed")
    assert foreign_place(location, settings, "s3://bucket/mlflow") is None


@pytest.mark.parametrize(
    ("location", "tracking"),
    [
        ("mlflow-artifacts://evil.example/1", SERVER),
        ("mlflow-artifacts://mlflow.example/1", SERVER),
        ("mlflow-artifacts:/1", "sqlite:///mlflow.db"),
        (f"http://mlflow.example:5000/team/{PROXY}/1", SERVER),
        (f"https://evil.example/team/{PROXY}/1", SERVER),
        (f"https://mlflow.example:5000@evil.example/team/{PROXY}/1", SERVER),
        ("https://mlflow.example:5000/other", SERVER),
        (f"https://mlflow.example:5000/team/{PROXY}/../../../../x", SERVER),
        (f"https://mlflow.example:5000/team/{PROXY}/%2e%2e/x", SERVER),
        ("s3://bucket/mlflow-of-others/1", SERVER),
        ("s3://other/mlflow/1", SERVER),
        ("ftp://evil.example/x", SERVER),
        ("ftp://evil.example/x", "sqlite:///mlflow.db"),
        ("/srv/mlartifacts", SERVER),
        ("/allowedness/1", SERVER),
        ("/allowed/../srv", SERVER),
        ("file://evil.example/srv", "sqlite:///mlflow.db"),
        ("", "sqlite:///mlflow.db"),
    ],
)
def test_where_files_may_not_be(location, tracking):
    settings = Settings(mlflow_tracking_uri=tracking, artifact_location="/allowed")
    assert foreign_place(location, settings, "s3://bucket/mlflow") is not None


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        (MANIFEST, MOST_MANIFEST_BYTES + 1, r"its manifest.json has 1,048,577 bytes"),
        (REFERENCE, MOST_BYTES + 1, r"its files have \d+,\d+,\d+ bytes"),
    ],
)
def test_files_that_are_too_large_are_not_fetched(
    client, store, run_id, tmp_path, name, size, said
):
    tags = client.get_run(run_id).data.tags
    source = tags[MODEL_URI_TAG]
    os.truncate(stored_files(client, run_id, source).run / name, size)  # which takes no disk
    with pytest.raises(IntegrityFault, match=f"The run is refused: {said}"):
        fetch(client, store, run_id, source, Digests.from_tags(tags, ""), tmp_path, "The run")
    assert not (tmp_path / name).exists()
