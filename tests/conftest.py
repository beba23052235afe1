"""One real MLflow store on SQLite for the whole session; each test has a registry of its own."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import hypothesis
import joblib
import pytest
from filelock import FileLock

from insurance_predictor.base.environment import export_file
from insurance_predictor.base.settings import Settings
from insurance_predictor.release.promotion import promote
from insurance_predictor.release.registration import register
from insurance_predictor.store.tracking import connect
from insurance_predictor.store.versions import Version, create_version, get_version
from insurance_predictor.table.download import DATA_FOLDER
from insurance_predictor.table.read import Table, read_table
from insurance_predictor.training.train import TrainingOptions, train
from insurance_predictor.training.trained_run import TrainedRun
from tests.databases import copy_database

NUMBERS = count(1)
PREFIXES = ("DATA", "DOWNLOAD_", "MLFLOW_", "AWS_", "GATE", "MODEL_NAME", "ARTIFACT_LOCATION")
PREFIXES += ("PRODUCTION", "CHALLENGER", "GITHUB_", "TUNE", "N_TRIALS", "N_JOBS", "AUTOLOG")
PREFIXES += ("MODEL_CACHE", "REGISTRY_", "PREDICTION_", "SLACK_", "BATCH_", "UPLOAD_FOLDER")
PREFIXES += ("MONITOR", "INCIDENT", "ALERT_", "RUNBOOK_", "REPORT_FOLDER", "STREAMLIT_")
PREFIXES += ("WINDOW", "LAST", "DRY_RUN", "FULL", "RETRAIN", "SCENARIO", "MONTHS")
PREFIXES += ("ARCHIVE", "OLDER", "SCORED")
PREFIXES += ("RUN_ID", "VERSION", "FORCE", "REASON", "PORT", "TRUSTED_", "CODESPACE")
# On a busy machine a good example takes as long as it takes; examples may share a folder.
IGNORED = [hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture]
hypothesis.settings.register_profile("suite", deadline=None, suppress_health_check=IGNORED)
hypothesis.settings.load_profile("suite")

TESTS = Path(__file__).parent
PROCESS_FOLDERS = tuple(TESTS / name for name in ("process", "studies", "benchmarks"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole folders are left to `make test-process`, as single tests are by their marker."""
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in PROCESS_FOLDERS):
            item.add_marker("process")


@pytest.fixture(autouse=True)
def _no_file_of_another_test() -> Iterator[None]:
    """What a test's .env put in the environment goes with it."""
    yield
    export_file({})


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Neither the machine's environment nor a developer's .env may decide a test."""
    # A shell starts what runs in the background with interruptions ignored, for its children, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(PREFIXES):
                patch.delenv(name)
        # Processes that tests start compile our modules once, wherever that is switched off.
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("NO_PROXY", "127.0.0.1")
        # Nor may a table that a team keeps in data/, or that its branch brings.
        patch.setenv("DATA", str(DATA_FOLDER / "sample.csv"))
        patch.setenv("PYTHONPATH", str(TESTS.parent))  # for the processes tests start
        patch.chdir(tmp_path_factory.mktemp("work"))
        yield


@dataclass(frozen=True)
class Prepared:
    """What every test worker copies instead of making it: databases, and a training."""

    empty: Path  # MLflow's tables with nothing in them
    database: Path  # with one run in it, registered and approved
    trained: TrainedRun
    approved: Version


@pytest.fixture(scope="session")
def sample() -> Table:
    return read_table(Settings())


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, worker_id: str, sample: Table) -> Prepared:
    """Made by the worker that comes first; the others wait for it."""
    folder = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        folder = folder.parent  # which the workers of a session share
    kept = folder / "prepared.joblib"
    with FileLock(folder / "prepared.lock"):
        if not kept.is_file():
            joblib.dump(_prepare(folder, sample), kept)
    return joblib.load(kept)


def _prepare(folder: Path, sample: Table) -> Prepared:
    """A real training on the bundled sample, judged by the gate."""
    database, empty = folder / "prepared.db", folder / "empty.db"
    ours = Settings(
        mlflow_tracking_uri=f"sqlite:///{database}",
        artifact_location=str(folder / "prepared_artifacts"),
        model_name="prepared",
    )
    client = connect(ours)
    client.search_experiments()  # makes the tables
    copy_database(database, empty)
    trained = train(client, ours, sample, TrainingOptions())
    approved = register(client, ours, trained.run_id).version
    version = get_version(client, ours, approved.number)
    client.delete_registered_model(ours.model_name)
    return Prepared(empty, database, trained, version)


@pytest.fixture(scope="session")
def store(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of the worker's store, which keeps its database and artifacts in one folder."""
    folder: Path = tmp_path_factory.mktemp("store")
    copy_database(prepared.database, folder / "mlflow.db")
    (folder / "artifacts").mkdir()
    return Settings(
        mlflow_tracking_uri=f"sqlite:///{folder}/mlflow.db",
        artifact_location=str(folder / "artifacts"),
    )


@pytest.fixture(scope="session")
def client(store: Settings):
    return connect(store)


@pytest.fixture(scope="session")
def trained(client, prepared: Prepared) -> TrainedRun:
    """A real training on the bundled sample."""
    return prepared.trained


@pytest.fixture
def settings(store: Settings) -> Settings:
    """The session's store with a registered model that no other test knows."""
    return store.model_copy(update={"model_name": f"model_{next(NUMBERS)}"})


@pytest.fixture
def elsewhere(client, store: Settings) -> Iterator[None]:
    """For a test that connects to another store: afterwards MLflow is back on the session's."""
    yield
    connect(store)


@pytest.fixture
def production(client, settings: Settings, prepared: Prepared) -> Version:
    """The trained run, registered and promoted: version 1."""
    known = prepared.approved
    version = create_version(
        client,
        settings,
        source=known.source,
        run_id=known.run_id,
        description=known.description,
        tags=known.tags,
    )
    promote(client, settings, version.number)
    return version
