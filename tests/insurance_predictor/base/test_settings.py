"""What differs between machines: where a value comes from, and what a wrong one is told."""

import os
import re
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from insurance_predictor.base.environment import export_defaults
from insurance_predictor.base.errors import InvalidSettings
from insurance_predictor.base.settings import GateThresholds, Settings, read_settings
from tests.repository import ROOT

EXAMPLE = ROOT / ".env.example"
COMPOSE_FILE = EXAMPLE.with_name("docker-compose.yml")
# MLflow and boto3 read these by themselves; they are no fields of Settings.
READ_BY_LIBRARIES = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "MLFLOW_S3_ENDPOINT_URL",
    "AWS_REQUEST_CHECKSUM_CALCULATION",
}
# `make up` reads it before there is a stack.
READ_BY_UP = {"IMAGE_REGISTRY"}


def read_by_compose() -> dict[str, str]:
    """Variable -> its default, of what the compose file reads and the settings do not."""
    found = re.findall(r"\$\{(\w+)(?::-([^}]*))?", COMPOSE_FILE.read_text())
    # Another store than the stack's MinIO has no default.
    values = dict(found) | {"S3_ENDPOINT_URL": ""}
    return {name: value for name, value in values.items() if name not in defaults()}


def defaults() -> dict[str, str]:
    """Variable -> its default as text; empty for None."""
    fields = {name: field.default for name, field in Settings.model_fields.items()}
    for group in ("gate", "monitor", "incident", "batch"):
        parts = fields.pop(group).model_dump()
        fields |= {f"{group}_{name}": value for name, value in parts.items()}
    return {name.upper(): "" if value is None else str(value) for name, value in fields.items()}


@pytest.fixture
def env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A .env whose names leave the environment again after the test."""
    for name in {*defaults(), *READ_BY_LIBRARIES, *READ_BY_UP, *read_by_compose()}:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return tmp_path / ".env"


def complaint(env_file: Path) -> str:
    with pytest.raises(InvalidSettings) as caught:
        read_settings(env_file)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_without_any_variable_the_defaults_are_those_of_the_documentation(env_file):
    settings = read_settings(env_file)
    assert settings.mlflow_tracking_uri == "sqlite:///mlflow.db"
    assert settings.model_name == "insurance_predictor"
    assert (settings.production_alias, settings.challenger_alias) == ("producao", "desafio")
    assert settings.mlflow_experiment_name == "insurance_predictor_dev"
    assert settings.production_experiment_name == "insurance_predictor_prod_training"
    assert settings.gate == GateThresholds()
    assert settings.data is None


def test_the_environment_beats_the_file_and_the_file_beats_the_default(env_file, monkeypatch):
    # pragma: allowlist nextline secret
    env_file.write_text("MODEL_NAME=from_file\nPRODUCTION_ALIAS=from_file\n")
    monkeypatch.setenv("MODEL_NAME", "from_environment")
    settings = read_settings(env_file)
    assert settings.model_name == "from_environment"
    assert settings.production_alias == "from_file"
    assert settings.challenger_alias == "desafio"


def test_the_file_reaches_the_libraries_that_read_the_environment(env_file, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME", raising=False)
    env_file.write_text("MLFLOW_TRACKING_USERNAME=ana\n")
    assert read_settings(env_file).mlflow_tracking_username == "ana"
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == "ana"


@pytest.mark.parametrize("name", sorted(defaults()))
def test_an_empty_value_means_the_default(name, env_file, monkeypatch):
    monkeypatch.setenv(name, "")
    assert read_settings(env_file) == Settings()


def test_a_threshold_of_the_gate_is_set_by_its_own_variable(env_file, monkeypatch):
    monkeypatch.setenv("GATE_WORSE_THAN_PRODUCTION", "0.02")
    gate = read_settings(env_file).gate
    assert gate == GateThresholds(worse_than_production=0.02)


def test_settings_cannot_be_changed_after_they_were_read():
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.model_name = "another"
    with pytest.raises(ValidationError, match="frozen"):
        settings.gate.total_bias = 1.0


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("MODEL_NAME", "team/model", "letters, digits, spaces, '.', '-' and '_'"),
        ("MODEL_NAME", "it's", "letters, digits, spaces, '.', '-' and '_'"),
        ("PRODUCTION_ALIAS", "latest", "neither 'latest' nor 'v' with a number"),
        ("PRODUCTION_ALIAS", "Latest", "neither 'latest' nor 'v' with a number"),
        ("CHALLENGER_ALIAS", "v3", "neither 'latest' nor 'v' with a number"),
        ("CHALLENGER_ALIAS", "a b", "letters, digits, '-' and '_'"),
        ("DATA_SHA256", "505C1C", "64 digits of 0-9 and a-f"),
        ("DOWNLOAD_TIMEOUT", "0", "greater than 0"),
        ("DOWNLOAD_TIMEOUT", "601", "less than or equal to 600"),
        ("DOWNLOAD_TIMEOUT", "soon", "valid number"),
        ("DOWNLOAD_RETRIES", "1.5", "valid integer"),
        ("DOWNLOAD_RETRIES", "-1", "greater than or equal to 0"),
        ("GATE_TOTAL_BIAS", "8", "less than or equal to 1"),
        ("GATE_TOTAL_BIAS", "8 %", "valid number"),
        ("GATE_AGE_FALL", "-1", "greater than or equal to 0"),
        ("MLFLOW_PUBLIC_URL", "mlflow.example.org", "an address that begins with https://"),
        ("MLFLOW_PUBLIC_URL", "http://", "an address that begins with https://"),
    ],
)
def test_a_wrong_value_is_one_line_with_variable_value_and_what_is_allowed(
    name, value, allowed, env_file, monkeypatch
):
    monkeypatch.setenv(name, value)
    said = complaint(env_file)
    assert said.startswith(f"{name}={value!r} cannot be used: ")
    assert allowed in said
    assert "\n" not in said


def test_every_wrong_value_has_its_line(env_file, monkeypatch):
    monkeypatch.setenv("MODEL_NAME", "a:b")
    monkeypatch.setenv("GATE_SLICE_BIAS", "-1")
    lines = complaint(env_file).split("\n")
    assert sorted(line.partition("=")[0] for line in lines) == ["GATE_SLICE_BIAS", "MODEL_NAME"]


def test_a_misspelt_threshold_is_not_ignored(env_file, monkeypatch):
    monkeypatch.setenv("GATE_TOTAL_BAIS", "0.5")
    assert complaint(env_file) == (
        "GATE_TOTAL_BAIS is not a setting. Look for its name in .env.example."
    )


def test_the_gate_is_not_set_as_a_whole(env_file, monkeypatch):
    monkeypatch.setenv("GATE", "strict")
    assert complaint(env_file) == "GATE cannot be used. Set its parts, as in GATE_TOTAL_BIAS=0.05."


def test_challenger_and_production_may_not_share_an_alias(env_file, monkeypatch):
    monkeypatch.setenv("CHALLENGER_ALIAS", "producao")
    assert complaint(env_file) == (
        "PRODUCTION_ALIAS and CHALLENGER_ALIAS are both 'producao': a candidate would serve "
        "without a promotion. Change one of them."
    )


def test_a_setting_of_before_is_named(env_file, monkeypatch):
    monkeypatch.setenv("INCIDENT_VOTES", "2")
    assert complaint(env_file) == (
        "INCIDENT_VOTES is not a setting. Look for its name in .env.example."
    )


def test_a_file_that_is_not_text_is_named(env_file):
    env_file.write_bytes(b"MODEL_NAME=\xff\xfe\n")
    assert complaint(env_file) == f"{env_file} is not UTF-8 text. Write it again."


def test_secrets_are_in_no_representation_and_no_message(env_file, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hush-1")
    # pragma: allowlist nextline secret
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://ana:hush-2@db/mlflow")
    # pragma: allowlist nextline secret
    monkeypatch.setenv("DATA_URL", "https://ana:hush-3@host/table.csv")
    settings = read_settings(env_file)
    assert settings.mlflow_tracking_password == SecretStr("hush-1")
    assert "hush" not in f"{settings!r} {settings}"
    monkeypatch.setenv("MODEL_NAME", "a/b")
    assert "hush" not in complaint(env_file)


def examples() -> dict[str, str]:
    found = re.findall(r"^# ([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE.read_text(), re.MULTILINE)
    assert len(found) == len(dict(found)), "a name is there twice"
    return dict(found)


def test_an_empty_value_in_the_environment_gives_way_to_the_file(env_file, monkeypatch):
    monkeypatch.setenv("MODEL_NAME", "")
    env_file.write_text("MODEL_NAME=people\n")
    assert read_settings(env_file).model_name == "people"


@pytest.mark.parametrize("name", ["DATA", "DATA_DEFAULT"])
def test_the_table_of_the_file_is_the_usual_one_and_a_typed_one_that_of_the_command(
    name, env_file, monkeypatch
):
    monkeypatch.setenv("DATA", "")  # what `make train` exports when nobody types DATA=
    env_file.write_text(f"{name}=people.csv\n")
    settings = read_settings(env_file)
    assert (settings.data, settings.data_default) == (None, "people.csv")
    monkeypatch.setenv("DATA", "typed.csv")
    settings = read_settings(env_file)
    assert (settings.data, settings.data_default) == ("typed.csv", "people.csv")


def test_the_example_file_documents_every_name_with_its_default_and_no_other():
    elsewhere = dict.fromkeys(READ_BY_LIBRARIES | READ_BY_UP, "")
    expected = defaults() | elsewhere | read_by_compose()
    assert examples() == expected


def test_the_example_file_says_what_each_name_is_for():
    lines = EXAMPLE.read_text().splitlines()
    for before, line in pairwise(lines):
        if re.match(r"# [A-Z][A-Z0-9_]*=", line):
            assert re.fullmatch(r"# [A-Z][A-Za-z]*[ :].*\.", before), line


def test_the_example_file_with_every_line_uncommented_is_the_defaults(env_file):
    text = re.sub(r"^# ([A-Z][A-Z0-9_]*=)", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)
    env_file.write_text(text)
    assert read_settings(env_file) == Settings()
    # boto3 takes an empty value for a wrong one.
    assert not READ_BY_LIBRARIES & set(os.environ)


def test_a_value_that_was_corrected_in_the_file_is_read_anew(env_file):
    env_file.write_text("PRODUCTION_ALIAS=latest\nAWS_DEFAULT_REGION=moon\nDATA=people.csv\n")
    assert "PRODUCTION_ALIAS" in complaint(env_file)
    corrected = ("PRODUCTION_ALIAS=producao", "AWS_DEFAULT_REGION=" + "sa-east-1")
    env_file.write_text("\n".join(corrected) + "\n")
    settings = read_settings(env_file)
    assert (settings.production_alias, settings.data) == ("producao", None)
    assert os.environ["AWS_DEFAULT_REGION"] == "sa-east-1"
    env_file.unlink()
    read_settings(env_file)
    assert "AWS_DEFAULT_REGION" not in os.environ


def test_what_the_environment_itself_says_wins_at_every_reading(env_file, monkeypatch):
    monkeypatch.setenv("MODEL_NAME", "from_environment")
    env_file.write_text("MODEL_NAME=from_file\nDATA=people.csv\n")
    for _ in range(2):
        assert read_settings(env_file).model_name == "from_environment"
    os.environ["DATA"] = "set_since.csv"
    assert read_settings(env_file).data == "set_since.csv"
    env_file.unlink()
    settings = read_settings(env_file)
    assert (settings.model_name, settings.data) == ("from_environment", "set_since.csv")


def test_a_default_of_ours_gives_way_to_the_file_whenever_it_is_read(env_file, monkeypatch):
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)
    export_defaults({"MLFLOW_HTTP_REQUEST_TIMEOUT": "8"})
    env_file.write_text("MLFLOW_HTTP_REQUEST_TIMEOUT=3\n")
    read_settings(env_file)
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "3"
    env_file.unlink()
    read_settings(env_file)
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "8"
