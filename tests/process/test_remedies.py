"""What a sentence tells to correct, corrected: the next command in the same folder works."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from insurance_predictor.base.settings import Settings
from insurance_predictor.log.prediction_log import PredictionLog
from insurance_predictor.table.synthetic import make_table
from tests.outcome import Outcome
from tests.predictions import entry
from tests.repository import ROOT
from tests.servers import host_of

pytestmark = pytest.mark.process

LIBRARY = "insurance_predictor"
ROW = "27,female,35.11,3,no,northeast,5699.69\n"
TABLE = make_table(200, seed=1).to_csv(index=False)
Type = Callable[[str], Outcome]


@pytest.fixture
def type_in(tmp_path: Path) -> Type:
    """Types a command in a folder of its own, whose `.env` is all that is set."""
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}

    def run(typed: str) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", *typed.split()],
            capture_output=True, text=True, check=False, cwd=tmp_path,
            env=clean | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    """Serves a folder with the file people.csv in it."""
    folder = tmp_path / "host"
    folder.mkdir()
    (folder / "people.csv").write_text(TABLE)
    with host_of(folder) as uri:
        yield uri


@pytest.mark.parametrize(
    ("wrong", "right", "typed", "code"),
    [
        ("REGISTRY_CHECK_SECONDS=soon", "REGISTRY_CHECK_SECONDS=30", f"{LIBRARY} status", 2),
        ("GATE_LEAST_PEOPLE=x", "GATE_LEAST_PEOPLE=20", f"{LIBRARY} check-data", 2),
        ("DATA=nowhere.csv", "DATA=people.csv", f"{LIBRARY} check-data", 2),
        ("DATA=folder", "DATA=people.csv", f"{LIBRARY} check-data", 2),
        ("ALERT_LANGUAGE=fr", "ALERT_LANGUAGE=en", "monitoring alert-test", 2),
        ("ALERT_URLS=nothing://", "ALERT_URLS=", "monitoring alert-test", 4),
    ],
)
def test_a_value_in_the_env_file(
    wrong: str, right: str, typed: str, code: int, tmp_path: Path, type_in: Type
):
    (tmp_path / "folder").mkdir()
    (tmp_path / "people.csv").write_text(TABLE)
    settings = tmp_path / ".env"
    settings.write_text(f"DATA=people.csv\n{wrong}\n")
    refused = type_in(typed)
    assert refused.code == code
    assert wrong.partition("=")[0] in refused.out + refused.err
    settings.write_text(f"DATA=people.csv\n{right}\n")
    corrected = type_in(typed)
    assert (corrected.code, corrected.err) == (0, "")


def test_a_cell_of_a_table(tmp_path: Path, type_in: Type):
    (tmp_path / ".env").write_text("DATA=people.csv\n")
    table = tmp_path / "people.csv"
    table.write_text(TABLE + ROW.replace("27", "17"))
    refused = type_in(f"{LIBRARY} check-data")
    assert refused.code == 2
    assert "Correct the table and run again" in refused.message
    table.write_text(TABLE + ROW)
    assert type_in(f"{LIBRARY} check-data").code == 0


def test_the_log_and_a_cell_of_the_outcomes(tmp_path: Path, type_in: Type):
    url = f"sqlite:///{tmp_path / 'log.db'}"
    quote = entry()
    with PredictionLog(Settings(prediction_log_url=url, prediction_spool=tmp_path)) as log:
        log.write([quote])
        assert log.flush(60)
    file, settings = tmp_path / "known.csv", tmp_path / ".env"
    file.write_text(f"id,charges\n{quote.id},many\n")
    settings.write_text("PREDICTION_LOG_URL=x\n")
    refused = type_in(f"{LIBRARY} outcomes known.csv")
    assert refused.code == 2
    assert "Correct the file and run again" in refused.message
    file.write_text(f"id,charges\n{quote.id},900\n")
    refused = type_in(f"{LIBRARY} outcomes known.csv")
    assert refused.code == 2
    assert "Give it a SQLite file" in refused.message
    settings.write_text(f"PREDICTION_LOG_URL={url}\n")
    corrected = type_in(f"{LIBRARY} outcomes known.csv")
    assert (corrected.code, corrected.err) == (0, "")


@pytest.mark.parametrize("wrong", ["DATA_URL", "DATA_SHA256"])
def test_where_the_public_table_is(wrong: str, host: str, tmp_path: Path, type_in: Type):
    right = {
        "DATA_URL": f"{host}/people.csv",
        "DATA_SHA256": hashlib.sha256(TABLE.encode()).hexdigest(),
    }
    other = {"DATA_URL": f"{host}/nowhere.csv", "DATA_SHA256": "0" * 64}
    # The table lands beside the program, so this one is a copy.
    shutil.copytree(ROOT / LIBRARY, tmp_path / LIBRARY)
    settings = tmp_path / ".env"
    settings.write_text(_lines(right | {wrong: other[wrong]}))
    refused = type_in(f"{LIBRARY} data")
    assert refused.code == 2
    assert "Correct DATA_URL" in refused.message
    settings.write_text(_lines(right))
    assert type_in(f"{LIBRARY} data").code == 0
    assert (tmp_path / "data" / "insurance.csv").read_text() == TABLE


def _lines(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())
