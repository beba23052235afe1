"""One stack for the session: PostgreSQL, an S3 server and MLflow, as processes of this machine."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from secrets import token_hex

import psycopg
import pytest

from insurance_predictor.table import storage as addresses
from tests.integration.postgres import Postgres, postgres
from tests.integration.stack import Stack, stack
from tests.integration.storage import REGION, Storage, storage
from tests.integration.terminal import Terminal

S3_SERVER = pytest.StashKey[str]()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say which S3 server the tests ran on: they hold for any, but not all are equally real."""
    if S3_SERVER in config.stash:
        terminalreporter.write_line(f"S3 server: {config.stash[S3_SERVER]}")


@pytest.fixture(scope="session")
def database() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture
def url(database: Postgres) -> str:
    """The stack's own database for predictions, emptied."""
    found = database.uri("predictions", "predictions")
    with psycopg.connect(found, connect_timeout=5) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return found


@pytest.fixture(scope="session")
def object_store(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Storage]:
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with ExitStack() as cleanup:
        with capture.global_and_fixture_disabled():  # a first build takes minutes and says so
            running = cleanup.enter_context(storage(tmp_path_factory.mktemp("s3")))
        pytestconfig.stash[S3_SERVER] = running.name
        yield running


@pytest.fixture
def bucket(object_store: Storage, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a folder that nobody else uses, in an environment that opens it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", object_store.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", object_store.secret_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", object_store.endpoint)
    addresses._s3.cache_clear()
    yield f"s3://{object_store.bucket}/{token_hex(8)}"
    addresses._s3.cache_clear()


@pytest.fixture(scope="session")
def server(
    database: Postgres, object_store: Storage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    with stack(database, object_store, tmp_path_factory.mktemp("mlflow")) as running:
        yield running


@pytest.fixture(scope="session")
def terminal_for(
    server: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Terminal]:
    """Makes the terminal of somebody whose model and experiments nobody else uses."""

    def make(name: str) -> Terminal:
        folder: Path = tmp_path_factory.mktemp(name)
        own = {"MODEL_NAME": name, "MLFLOW_EXPERIMENT_NAME": f"{name}_training"}
        return Terminal(folder, server.client_variables() | own)

    return make
