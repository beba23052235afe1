"""One real MLflow store on SQLite for the whole session; each test has a registry of its own."""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import hypothesis
import pytest

from insurance_predictor.base.settings import Settings
from insurance_predictor.release.promotion import promote
from insurance_predictor.release.registration import register
from insurance_predictor.store.tracking import connect
from insurance_predictor.store.versions import Version
from insurance_predictor.table.read import Table, read_table
from insurance_predictor.training.train import TrainingOptions, train
from insurance_predictor.training.trained_run import TrainedRun

NUMBERS = count(1)
PREFIXES = ("DATA", "DOWNLOAD_", "MLFLOW_", "AWS_", "GATE", "MODEL_NAME", "ARTIFACT_LOCATION")
PREFIXES += ("PRODUCTION", "CHALLENGER", "GITHUB_", "TUNE", "N_TRIALS", "N_JOBS", "AUTOLOG")
PREFIXES += ("MODEL_CACHE", "REGISTRY_", "PREDICTION_", "SLACK_")
PREFIXES += ("MONITOR", "INCIDENT", "ALERT_", "RUNBOOK_", "REPORT_FOLDER", "STREAMLIT_")
PREFIXES += ("WINDOW", "LAST", "DRY_RUN", "FULL", "RETRAIN", "SCENARIO", "MONTHS")
PREFIXES += ("RUN_ID", "VERSION", "FORCE", "REASON", "PORT")
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


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Neither the machine's environment nor a developer's .env may decide a test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(PREFIXES):
                patch.delenv(name)
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv("PYTHONPATH", str(TESTS.parent))  # for the processes tests start
        patch.chdir(tmp_path_factory.mktemp("work"))
        yield


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of the session's store, which keeps its database and artifacts in one folder."""
    folder: Path = tmp_path_factory.mktemp("store")
    return Settings(
        mlflow_tracking_uri=f"sqlite:///{folder}/mlflow.db",
        artifact_location=str(folder / "artifacts"),
    )


@pytest.fixture(scope="session")
def client(store: Settings):
    return connect(store)


@pytest.fixture(scope="session")
def sample() -> Table:
    return read_table(Settings())


@pytest.fixture(scope="session")
def trained(client, store: Settings, sample: Table) -> TrainedRun:
    """A real training on the bundled sample."""
    return train(client, store, sample, TrainingOptions())


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
def production(client, settings: Settings, trained: TrainedRun) -> Version:
    """The trained run, registered and promoted: version 1."""
    version = register(client, settings, trained.run_id).version
    promote(client, settings, version.number)
    return version
