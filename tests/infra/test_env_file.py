"""`.env` is written once, with secrets that are nobody else's, for its owner alone."""

import re
import stat
from pathlib import Path

import pytest
from dotenv import dotenv_values

from infra.compose import check_env_file
from infra.env_file import write_env_file
from insurance_predictor.base.errors import BadInput
from tests.repository import ROOT

REQUIRED = set(re.findall(r"\$\{(\w+):\?run make env\}", (ROOT / "docker-compose.yml").read_text()))


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_it_has_a_value_for_every_name_that_compose_refuses_to_start_without(env_file):
    write_env_file(env_file)
    values = dotenv_values(env_file)
    assert len(REQUIRED) == 9
    assert all(values[name] for name in REQUIRED)


def test_only_its_owner_can_read_it(env_file):
    write_env_file(env_file)
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600


def test_no_secret_is_used_twice_and_none_is_short(env_file, tmp_path):
    write_env_file(env_file)
    write_env_file(tmp_path / "another")
    secrets = [
        value
        for path in (env_file, tmp_path / "another")
        for name, value in dotenv_values(path).items()
        if re.search("PASSWORD|SECRET|KEY", name) and not name.startswith("MLFLOW_TRACKING")
    ]
    assert len(secrets) == 2 * 10
    assert len(set(secrets)) == len(secrets)
    assert min(len(str(secret)) for secret in secrets) >= 20


def test_the_client_is_the_administrator_until_somebody_says_otherwise(env_file, monkeypatch):
    write_env_file(env_file)
    values = dotenv_values(env_file)
    assert values["MLFLOW_TRACKING_USERNAME"] == "admin"
    assert values["MLFLOW_TRACKING_PASSWORD"] == values["MLFLOW_ADMIN_PASSWORD"]


def test_a_second_time_changes_nothing(env_file):
    assert write_env_file(env_file)
    before = env_file.read_bytes()
    assert write_env_file(env_file) == ()
    assert env_file.read_bytes() == before


def test_what_a_person_wrote_stays_and_only_the_rest_is_added(env_file):
    env_file.write_text("MLFLOW_TRACKING_URI=https://mlflow.example.org\nDATA=mine.csv")
    added = write_env_file(env_file)
    assert "MLFLOW_TRACKING_URI" not in added
    values = dotenv_values(env_file)
    assert values["MLFLOW_TRACKING_URI"] == "https://mlflow.example.org"
    assert values["DATA"] == "mine.csv"
    assert values["POSTGRES_PASSWORD"]


def test_the_file_of_an_earlier_release_gets_what_is_new_from_any_command_of_the_stack(env_file):
    write_env_file(env_file)
    lines = env_file.read_text().splitlines(keepends=True)
    new = ("MLFLOW_READER_PASSWORD", "MLFLOW_MONITOR_PASSWORD")
    older = "".join(line for line in lines if not line.startswith(new))
    env_file.write_text(older)
    check_env_file(env_file)
    assert env_file.read_text().startswith(older)
    assert all(dotenv_values(env_file)[name] for name in new)


def test_a_file_that_no_stack_was_made_with_is_left_alone(env_file):
    env_file.write_text("MLFLOW_TRACKING_URI=https://mlflow.example.org\n")
    check_env_file(env_file)
    assert env_file.read_text() == "MLFLOW_TRACKING_URI=https://mlflow.example.org\n"


def test_a_file_that_others_could_read_is_closed(env_file):
    write_env_file(env_file)
    env_file.chmod(0o644)
    write_env_file(env_file)
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600


def test_the_addresses_follow_the_ports(env_file, monkeypatch):
    env_file.write_text("MLFLOW_PORT=5050\nPOSTGRES_PORT=5433\n")
    write_env_file(env_file)
    values = dotenv_values(env_file)
    assert values["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:5050"
    password = values["PREDICTION_LOG_PASSWORD"]
    assert values["PREDICTION_LOG_URL"] == (
        f"postgresql://predictions:{password}@127.0.0.1:5433/predictions"
    )


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / ".env").mkdir()
    with pytest.raises(BadInput, match=r"\.env cannot be written: .*Move it away"):
        write_env_file(tmp_path / ".env")
    assert list(tmp_path.iterdir()) == [tmp_path / ".env"]
