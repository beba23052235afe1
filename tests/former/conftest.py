"""A store, a log and a spool as release 0.1 left them, unpacked for one test each."""

import shutil
import sqlite3
import tarfile
from pathlib import Path

import pytest

from insurance_predictor.base.settings import Settings

STATE = Path(__file__).parent / "state.tar.xz"
# The sha256 of its preprocessor, which is loaded for those only who list it.
# pragma: allowlist nextline secret
PICKLE = "f94fbe09c0253b0d2cac0ab2ab4a3affc77d3d2f7c4176d14c8982e1200ff3af"
MADE_AT = "/former"  # where the archive's own files say that they are


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("former_state")
    with tarfile.open(STATE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "former"


@pytest.fixture
def former(unpacked: Path, tmp_path: Path) -> Settings:
    """Settings of a copy that nobody else uses."""
    folder = tmp_path / "former"
    shutil.copytree(unpacked, folder)
    _move(folder / "mlflow.db", str(folder))
    facts = folder / "cache" / "facts.json"
    facts.write_text(facts.read_text().replace(f"sqlite:///{MADE_AT}", f"sqlite:///{folder}"))
    return Settings(
        mlflow_tracking_uri=f"sqlite:///{folder}/mlflow.db",
        artifact_location=str(folder / "artifacts"),
        prediction_log_url=f"sqlite:///{folder}/prediction_log.db",
        prediction_spool=folder / "spool",
        model_cache=folder / "cache",
        trusted_pickles=PICKLE,
        report_folder=folder / "reports",
    )


def _move(database: Path, folder: str) -> None:
    """Let the paths in MLflow's tables begin at `folder`."""
    with sqlite3.connect(database) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
        for table in tables:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            for column in columns:
                connection.execute(
                    f'UPDATE {table} SET "{column}" = replace("{column}", ?, ?) '
                    f'WHERE "{column}" LIKE ?',
                    (MADE_AT, folder, f"%{MADE_AT}/%"),
                )
