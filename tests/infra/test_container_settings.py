"""What the containers read of `.env`: each setting reaches them, or stands here with the reason."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from insurance_predictor.base.settings import Settings, read_settings
from monitoring.history import mlflow_runs
from tests.monitoring import example_assessments as examples
from tests.repository import ROOT

CLIENTS = ("app", "monitor")
# A container has a value of its own.
OWN = {
    "MLFLOW_TRACKING_URI": "the stack's server has another name inside",
    "MLFLOW_TRACKING_USERNAME": "a container's own user, not the person's",
    "MLFLOW_TRACKING_PASSWORD": "that user's",
    "PREDICTION_LOG_URL": "the stack's; infra/app/start.py takes the team's",
    "MODEL_CACHE": "in the volume",
    "PREDICTION_SPOOL": "in the volume",
    "UPLOAD_FOLDER": "in the volume",
    "REPORT_FOLDER": "in the volume",
}
# No container reads it.
NOT_READ = {
    "ARTIFACT_LOCATION": "the stack's server keeps the files, and it alone has the keys",
    "GITHUB_TOKEN": "issues are written by a workflow",
    "GITHUB_REPOSITORY": "issues are written by a workflow",
    "GITHUB_API_URL": "issues are written by a workflow",
    "DATA": "no container trains",
    "DATA_DEFAULT": "no container trains",
    "STRICT": "no container reads a table to train on",
    "SHEET": "no container reads a table to train on",
    "FAULTY_ROWS": "no container reads a table to train on",
    "FAULTY_SHARE": "no container reads a table to train on",
    "SCHEDULER": "of a command outside, which workers in containers are asked by",
    "DATA_URL": "no container downloads",
    "DATA_SHA256": "no container downloads",
    "DOWNLOAD_TIMEOUT": "no container downloads",
    "DOWNLOAD_RETRIES": "no container downloads",
    "GATE_*": "no container registers",
    "API_*": "of the API, whose container has them",
}
# The app reads none of these, and strangers reach it.
NOT_OF_THE_APP = {
    "ARCHIVE",
    *("SLACK_WEBHOOK_URL", "SLACK_BOT_TOKEN", "SLACK_CHANNEL", "SLACK_API_URL"),
    *("ALERT_URLS", "ALERT_LANGUAGE", "RUNBOOK_URL"),
}
# Where tables on s3:// are, as `table.storage` reads it.
STORAGE = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
STORAGE += ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
SECRETS = re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text())


def names() -> set[str]:
    """The variable of each setting, also of those in a group."""
    found = set()
    for name, field in Settings.model_fields.items():
        group = field.default
        parts = type(group).model_fields if isinstance(group, BaseModel) else None
        found |= {f"{name}_{part}".upper() for part in parts} if parts else {name.upper()}
    return found


def unplaced(settings: Iterable[str], environment: Mapping[str, object]) -> set[str]:
    """Those of `settings` that a container neither takes from `.env` nor may do without."""
    rest = set(settings) - OWN.keys() - not_read(settings)
    return {name for name in rest if environment.get(name) != planted(name)}


def not_read(settings: Iterable[str]) -> set[str]:
    pattern = "|".join(name.replace("*", r"\w+") for name in NOT_READ)
    return {name for name in settings if re.fullmatch(pattern, name)}


def planted(name: str) -> str:
    return "8123" if name == "API_PORT" else f"planted-{name}"  # Compose publishes that one


def compose_config(env_file: Path, profile: str = "*", **environment: str) -> dict[str, Any]:
    """Service -> what Compose makes of it with `env_file` and a person's `environment`."""
    program = Path(sys.executable).with_name("docker-compose")
    command = [program, "--file", ROOT / "docker-compose.yml", "--env-file", env_file]
    done = subprocess.run(
        [*command, "--profile", profile, "config", "--format", "json"],
        env={"PATH": os.environ["PATH"], "HOME": str(env_file.parent)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["services"]


@pytest.fixture
def env_file(tmp_path: Path):
    """Writes a `.env` with the secrets of a stack and what somebody has `written` besides."""

    def write(written: Mapping[str, str]) -> Path:
        values = {name: f"secret-{name}" for name in SECRETS} | dict(written)
        path = tmp_path / ".env"
        path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        return path

    return write


@pytest.fixture
def containers(env_file):
    """Service -> its environment, of a `.env` and of a person's environment."""

    def read(written: Mapping[str, str], **environment: str) -> dict[str, dict[str, Any]]:
        services = compose_config(env_file(written), **environment)
        return {name: service.get("environment") or {} for name, service in services.items()}

    return read


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The settings that a program reads in a container with such an environment."""

    def read(environment: Mapping[str, str | None]) -> Settings:
        for name in names():
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            if value is not None:
                monkeypatch.setenv(name, value)
        return read_settings(tmp_path / "none")

    return read


def test_each_setting_of_the_env_file_reaches_both_containers_or_has_a_reason_not_to(containers):
    found = containers({name: planted(name) for name in names()})
    assert unplaced(names(), found["monitor"]) == set()
    assert unplaced(names(), found["app"]) == NOT_OF_THE_APP


def test_the_api_s_container_has_what_the_app_s_has_and_its_own(containers):
    found = containers({name: planted(name) for name in names()})
    own = {name for name in names() if name.startswith("API_")} - {"API_HOST", "API_PORT"}
    assert {name: found["api"][name] for name in own} == {name: planted(name) for name in own}
    assert found["app"].items() <= found["api"].items()


def test_who_reads_tables_on_s3_has_what_the_env_file_says_of_it(containers):
    written = {name: planted(name) for name in STORAGE}
    found = containers(written)
    for service in ("monitor", "worker"):
        assert written.items() <= found[service].items()


def test_a_new_setting_that_nobody_has_placed_is_named():
    environment = {name: planted(name) for name in names()}
    assert unplaced({*names(), "MONITOR_NEWEST"}, environment) == {"MONITOR_NEWEST"}


def test_each_exception_is_a_setting_that_no_container_takes_from_the_file(containers):
    found = containers({name: planted(name) for name in names()})
    for service in CLIENTS:
        assert not not_read(names()) & found[service].keys()
        assert not any(found[service][name] == planted(name) for name in OWN)
    groups = {f"{name.partition('_')[0]}_*" for name in names()}
    assert {*OWN, *NOT_READ, *NOT_OF_THE_APP} <= names() | groups


@pytest.mark.parametrize("empty", [True, False])
def test_an_empty_value_and_none_at_all_are_the_default_inside(containers, inside, empty):
    own = {name.lower() for name in OWN} | {"mlflow_public_url"}  # which is the published port
    written = dict.fromkeys(names(), "") if empty else {}
    for service in CLIENTS:
        settings = inside(containers(written)[service])
        assert settings.model_dump(exclude=own) == Settings().model_dump(exclude=own)


def test_a_group_of_settings_is_read_inside(containers, inside):
    written = {"MONITOR_DRIFT_BUDGET": "0.01", "INCIDENT_WINDOWS": "3", "BATCH_ROWS": "7"}
    for service in CLIENTS:
        settings = inside(containers(written)[service])
        assert settings.monitor.drift_budget == 0.01
        assert settings.incident.windows == 3
        assert settings.batch.rows == 7


def test_the_app_holds_no_secret_but_the_reader_s_and_the_log_s(containers):
    secret = {name: f"secret-{name}" for name in SECRETS}
    written = {name: planted(name) for name in (*NOT_OF_THE_APP, *STORAGE)}
    held = json.dumps(containers(written)["app"])
    known = {"MLFLOW_READER_PASSWORD", "PREDICTION_LOG_PASSWORD"}
    assert {name for name, value in secret.items() if value in held} == known
    assert "planted" not in held


def test_the_monitoring_is_its_own_user_of_the_experiment_that_the_server_makes(containers):
    secret = {name: f"secret-{name}" for name in SECRETS}
    for written in ({}, {"MONITORING_EXPERIMENT_NAME": "ours"}):
        found = containers(written)
        name = written.get("MONITORING_EXPERIMENT_NAME", Settings().monitoring_experiment_name)
        assert found["mlflow"]["MONITORING_EXPERIMENT_NAME"] == name
        held = json.dumps(found["monitor"])
        known = {"MLFLOW_MONITOR_PASSWORD", "PREDICTION_LOG_PASSWORD"}
        assert {name for name, value in secret.items() if value in held} == known


def test_links_lead_to_the_published_port_or_where_the_file_says(containers, inside):
    run = examples.recorded(0)
    end = f"/#/experiments/{run.experiment_id}/runs/{run.run_id}"

    def link(written: Mapping[str, str], **environment: str) -> str | None:
        found = containers(written, **environment)["monitor"]
        return mlflow_runs.run_url(inside(found), run)

    assert link({}) == f"http://127.0.0.1:5000{end}"
    assert link({"MLFLOW_PORT": "5050"}) == f"http://127.0.0.1:5050{end}"
    public = "https://mlflow.example.org/team"
    assert link({"MLFLOW_PUBLIC_URL": public}) == public + end
    space = {"CODESPACE_NAME": "fuzzy-umbrella-4jx"}
    assert link({"MLFLOW_PORT": "5050"}, **space) == (
        f"https://fuzzy-umbrella-4jx-5050.app.github.dev{end}"
    )
    assert link({"MLFLOW_PUBLIC_URL": public}, **space) == public + end


def test_the_monitoring_can_be_started_where_nothing_was_built(env_file):
    services = compose_config(env_file({}), profile="monitor").values()
    built = {service["image"] for service in services if "build" in service}
    assert {service["image"] for service in services} == built
    # Without the app's profile nothing but the monitoring itself says how its image is made.
    assert all("streamlit" not in json.dumps(service) for service in services)


def test_what_is_kept_lies_in_the_volume(containers):
    # The rest of a container cannot be written, and /tmp is memory.
    for service in CLIENTS:
        folders = [name for name, reason in OWN.items() if reason == "in the volume"]
        found = containers({})[service]
        assert all(found[name].startswith("/var/lib/app/") for name in folders)
