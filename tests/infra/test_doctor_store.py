"""The doctor on a database and its artifacts, without changing either."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.checks.artifacts import locations, round_trip
from infra.checks.finding import Finding, Verdict
from infra.checks.store import NAMES, store
from insurance_predictor.base.settings import DEFAULT_TRACKING_URI, Settings
from insurance_predictor.store.tracking import connect, experiment_id
from tests.conftest import Prepared
from tests.databases import copy_database
from tests.servers import free_port, silent_host


@pytest.fixture
def empty(elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The embedded default in a folder where nothing has been done yet."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow sets it on connecting
    monkeypatch.chdir(tmp_path)
    return Settings()


@pytest.fixture
def begun(elsewhere, prepared: Prepared, tmp_path: Path) -> Settings:
    """A store with its database and its experiment, before the first run."""
    settings = Settings(
        mlflow_tracking_uri=f"sqlite:///{tmp_path}/mlflow.db",
        artifact_location=str(tmp_path / "mlartifacts"),
    )
    copy_database(prepared.empty, tmp_path / "mlflow.db")
    experiment_id(connect(settings), settings.mlflow_experiment_name, settings)
    return settings


def test_where_nothing_has_been_done_nothing_is_wrong_and_nothing_is_made(empty, tmp_path):
    found = findings(empty)
    assert tuple(found) == NAMES
    assert {one.verdict for one in found.values()} == {Verdict.NOTE}
    assert found["MLflow"].found == "nothing yet: the first command makes mlflow.db"
    assert list(tmp_path.iterdir()) == []


def test_a_database_without_tables_is_left_without_them(empty, tmp_path):
    path = tmp_path / "mlflow.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE other (number INTEGER)")
    before = path.read_bytes()
    assert findings(empty)["MLflow"].found.startswith("nothing yet: the first command makes")
    assert path.read_bytes() == before


def test_a_store_before_its_first_training_has_no_artifacts_folder_afterwards(begun, tmp_path):
    found = findings(begun)
    assert wrong(found) == {}
    assert found["schema"].verdict is Verdict.RIGHT
    assert found["artifacts"].found == (
        f"nothing yet: the first training makes {tmp_path / 'mlartifacts'}"
    )
    assert found["aliases"].found.startswith("nothing is in production yet: `make train")
    assert not (tmp_path / "mlartifacts").exists()


def test_a_store_with_a_version_in_production_is_right_and_keeps_nothing(settings, production):
    before = everything_below(Path(settings.artifact_location or ""))
    found = findings(settings)
    assert wrong(found) == {}
    assert found["aliases"].found == "'producao' stands on version 1"
    assert found["artifacts"].found.endswith(": written, read back, deleted")
    assert everything_below(Path(settings.artifact_location or "")) == before


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A storage of artifacts that lets everybody connect and never says a word."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with silent_host() as port:
        yield f"http://127.0.0.1:{port}/api/2.0/mlflow-artifacts/artifacts/0"


def test_storage_that_hangs_is_wrong_before_there_is_a_database(empty, hung):
    found = findings(empty.model_copy(update={"artifact_location": hung}))
    assert tuple(found) == NAMES
    assert set(wrong(found)) == {"artifacts"}
    assert f"{hung} does not keep a file" in found["artifacts"].found


def test_storage_that_hangs_is_wrong_beside_a_folder_that_is_to_be_made(begun, hung):
    found = findings(begun.model_copy(update={"artifact_location": hung}))
    assert set(wrong(found)) == {"artifacts"}
    assert f"{hung} does not keep a file" in found["artifacts"].found


def test_storage_of_production_elsewhere_is_wrong_and_not_asked(begun, hung):
    client = connect(begun)
    client.create_experiment(begun.production_experiment_name, artifact_location=hung)
    found = findings(begun)
    assert set(wrong(found)) == {"artifacts"}
    assert f"the experiment has files at '{hung}'" in found["artifacts"].found


def test_an_alias_on_a_deleted_run_dangles(client, settings, production):
    client.delete_run(production.run_id)
    try:
        found = findings(settings)["aliases"]
    finally:
        client.restore_run(production.run_id)
    assert found.verdict is Verdict.WRONG
    assert found.found.startswith("The alias 'producao' dangles")
    assert found.remedy == "Run `make rollback`, or `make promote VERSION=n`."


def test_an_alias_that_was_moved_by_hand_is_told_with_where_to_look(client, settings, production):
    client.delete_registered_model_alias(settings.model_name, settings.production_alias)
    found = findings(settings)["aliases"]
    assert found.verdict is Verdict.WRONG
    assert "the ledger's last line says 1" in found.found
    assert found.remedy == "Look at who did that, then `make promote VERSION=n`."


def test_several_problems_are_counted(client, settings, production):
    client.set_registered_model_alias(settings.model_name, "canary", "1")
    client.delete_run(production.run_id)
    try:
        found = findings(settings)["aliases"]
    finally:
        client.restore_run(production.run_id)
    assert found.found.startswith("The alias 'canary' dangles")
    assert found.found.endswith("(1 more: `make status`)")


def test_an_older_schema_is_told_with_its_command_and_left_as_it_is(begun, tmp_path):
    # pragma: allowlist nextline secret
    stamp(tmp_path / "mlflow.db", "451aebb31d03")
    before = (tmp_path / "mlflow.db").read_bytes()
    found = findings(begun)
    assert set(wrong(found)) == {"schema"}
    assert found["schema"].found.startswith("The database has the schema 451aebb31d03 and MLflow")
    assert f"`.venv/bin/mlflow db upgrade sqlite:///{tmp_path}/mlflow.db`" in found["schema"].remedy
    assert found["artifacts"].found == "not looked at: the schema is another"
    assert (tmp_path / "mlflow.db").read_bytes() == before


def test_a_file_where_the_artifacts_should_be_is_told(begun, tmp_path):
    (tmp_path / "mlartifacts").write_text("in the way")
    found = findings(begun)
    assert set(wrong(found)) == {"artifacts"}
    assert f"{tmp_path / 'mlartifacts'}" in found["artifacts"].found
    assert found["artifacts"].remedy.endswith("or set ARTIFACT_LOCATION.")


def test_artifacts_are_tried_where_the_experiment_has_them_and_where_new_ones_will_be(
    begun, tmp_path
):
    (tmp_path / "mlartifacts").mkdir()
    (tmp_path / "new").mkdir()
    settings = begun.model_copy(update={"artifact_location": str(tmp_path / "new")})
    found = findings(settings)["artifacts"]
    assert found.found == (
        f"{tmp_path / 'mlartifacts'} and {tmp_path / 'new'}: written, read back, deleted"
    )


def test_the_artifacts_of_the_embedded_default_will_be_in_the_working_folder(client):
    settings = Settings(
        mlflow_tracking_uri=DEFAULT_TRACKING_URI, mlflow_experiment_name="not_made_yet"
    )
    assert list(locations(client, settings)) == [str(Path("mlartifacts").resolve())]


def test_artifacts_without_an_experiment_are_where_the_store_puts_them(client, store):
    settings = store.model_copy(
        update={"mlflow_experiment_name": "not_made_yet", "artifact_location": None}
    )
    default = client.get_experiment("0").artifact_location
    assert list(locations(client, settings)) == [default]


def test_a_bucket_that_nobody_has_is_told_with_what_to_check(begun, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    settings = begun.model_copy(update={"artifact_location": "s3://gone/folder"})
    (tmp_path / "mlartifacts").mkdir()
    found = findings(settings)["artifacts"]
    assert found.verdict is Verdict.WRONG
    assert found.found.startswith("s3://gone/folder does not keep a file: ")
    assert found.remedy.startswith("Check that the bucket is there")


def test_a_round_trip_leaves_nothing_behind(tmp_path):
    round_trip(tmp_path.as_uri())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("mlruns", "is a folder, which MLflow no longer writes to"),
        # pragma: allowlist nextline secret
        ("postgresql://ana:hush@127.0.0.1:{port}/mlflow", "does not let us in"),
        ("sqlite:///{file}", "is not a SQLite database"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_once(uri, said, tmp_path):
    (tmp_path / "table.csv").write_text("age,sex,bmi,children\n")
    settings = Settings(
        mlflow_tracking_uri=uri.format(port=free_port(), file=tmp_path / "table.csv")
    )
    found = findings(settings)
    assert set(wrong(found)) == {"MLflow"}
    assert said in found["MLflow"].found
    assert found["MLflow"].remedy
    assert "hush" not in repr(found)
    assert found["aliases"].found == "not looked at: the store is out of reach"


def findings(settings: Settings) -> dict[str, Finding]:
    return {finding.name: finding for finding in store(settings)}


def wrong(found: dict[str, Finding]) -> dict[str, str]:
    return {name: one.found for name, one in found.items() if one.verdict is Verdict.WRONG}


def everything_below(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def stamp(path: Path, revision: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [revision])
