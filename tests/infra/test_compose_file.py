"""Every rule for docker-compose.yml holds, and is broken by the fault it is there for."""

import subprocess
import sys
from pathlib import Path

import pytest

from infra.check_compose import MADE, RULES, faults, read_config, unguarded
from infra.stack import HEALTHY_WITHIN
from insurance_predictor.base.errors import BadInput
from tests.repository import ROOT

TEXT = (ROOT / "docker-compose.yml").read_text()

# What stands in the file, what a careless hand writes instead, and what the check says.
PLANTED = {
    "memory_limit": ("mem_limit: 512m", "mem_swappiness: 0", "may take all memory"),
    "read_only_root": ("read_only: true", "read_only: false", "root file system can be written"),
    "no_capabilities": ("cap_drop: [ALL]", "cap_drop: [NET_RAW]", "keeps capabilities"),
    "no_new_privileges": ("no-new-privileges:true", "label:disable", "may gain privileges"),
    "rotated_log": ("max-size: 10m, ", "", "its log grows without end"),
    "restart_policy": ("restart: unless-stopped", "init: true", "no restart policy"),
    "tested_health": ('test: ["CMD", "probe"]', "disable: true", "minio: nothing tests its health"),
    "local_ports": ("127.0.0.1:${MLFLOW_PORT", "${MLFLOW_PORT", "5000 is open to the network"),
    "exact_image": ("insurance-predictor-mlflow:3.17.2", "mlflow:latest", "no exact version"),
    "named_volumes": ("minio:/data", "./minio:/data", "/data is no named volume"),
    "no_written_secrets": (
        "${POSTGRES_PASSWORD:?run make env}",
        "changeme",
        "POSTGRES_PASSWORD holds a secret that stands in the file",
    ),
}
# The same rules, got round in another way.
EVADED = {
    "no tag": ("insurance-predictor-mlflow:3.17.2", "mlflow", "no exact version"),
    "a tag that moves": ("insurance-predictor-mlflow:3.17.2", "mlflow:3", "no exact version"),
    "a default password": (
        "${S3_SECRET_ACCESS_KEY:?run make env}",
        "${S3_SECRET_ACCESS_KEY:-minio123}",
        "holds a secret that stands in the file",
    ),
    "a password in a URL": (
        "predictions:${PREDICTION_LOG_PASSWORD:?run make env}@",
        "predictions:changeme@",
        "PREDICTION_LOG_URL holds a secret",
    ),
    "a volume without a name": ("minio:/data", "/data", "/data is no named volume"),
    "the host's network": ("shm_size: 128m", "network_mode: host", "machine's own network"),
    "every address": ("127.0.0.1:${MLFLOW_PORT", "0.0.0.0:${MLFLOW_PORT", "open to the network"),
    "no test at all": ('test: ["CMD", "probe"]', 'test: ["NONE"]', "nothing tests its health"),
}


@pytest.fixture
def written(tmp_path):
    """Writes docker-compose.yml with one text changed, in a folder of its own."""

    def write(before: str, after: str) -> Path:
        assert before in TEXT
        file = tmp_path / "docker-compose.yml"
        file.write_text(TEXT.replace(before, after))
        return file

    return write


def check(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra.check_compose", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.process
def test_our_compose_file_keeps_to_every_rule():
    done = check()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_rule_has_a_fault_planted_for_it():
    assert {rule.__name__ for rule in RULES} == PLANTED.keys()


@pytest.mark.parametrize(
    ("before", "after", "words"), [*PLANTED.values(), *EVADED.values()], ids=[*PLANTED, *EVADED]
)
def test_a_planted_fault_is_named(before, after, words, written):
    found = faults(read_config(written(before, after)))
    assert found
    assert all(words in fault for fault in found)


def test_a_server_that_is_still_starting_is_not_called_ill_before_make_up_gives_up():
    """`up --wait` ends at the first service that is unhealthy, however long it may wait."""
    check = read_config(ROOT / "docker-compose.yml")["services"]["mlflow"]["healthcheck"]
    assert check["start_period"] == f"{HEALTHY_WITHIN // 60}m0s"


def test_services_of_profiles_are_checked_too():
    assert {"app", "monitor"} <= read_config(ROOT / "docker-compose.yml")["services"].keys()


def test_a_memory_limit_may_also_stand_under_deploy(written):
    file = written("mem_limit: 512m", "deploy: {resources: {limits: {memory: 512m}}}")
    assert faults(read_config(file)) == []


def test_a_service_that_ends_needs_no_healthcheck_and_a_switched_off_slack_no_secret():
    services = read_config(ROOT / "docker-compose.yml")["services"]
    assert "healthcheck" not in services["minio-init"]
    assert not services["monitor"]["environment"]["SLACK_WEBHOOK_URL"]
    assert services["monitor"]["environment"]["MLFLOW_TRACKING_PASSWORD"] == MADE


def test_without_an_env_file_compose_refuses_and_names_the_command_that_makes_one():
    assert list(unguarded(ROOT / "docker-compose.yml")) == []


def test_a_refusal_without_the_remedy_is_a_fault(written):
    file = written("${POSTGRES_PASSWORD:?run make env}", "${POSTGRES_PASSWORD:?}")
    said = " ".join(unguarded(file))
    assert "POSTGRES_PASSWORD" in said
    assert "does not name `make env`" in said


def test_a_variable_that_may_be_forgotten_is_a_fault(written):
    file = written("${POSTGRES_PASSWORD:?run make env}", "${POSTGRES_PASSWORD}")
    assert list(unguarded(file)) == [
        "POSTGRES_PASSWORD is empty when unset. "
        "Write ${POSTGRES_PASSWORD:?run make env} or a default."
    ]


def test_a_file_that_asks_for_no_secret_is_a_fault(written):
    assert "without a single secret" in " ".join(unguarded(written(":?run make env", ":-changeme")))


def test_a_shell_that_holds_the_secrets_does_not_hide_a_forgotten_one(written, monkeypatch):
    monkeypatch.setenv("POSTGRES_PASSWORD", "from-the-shell")
    assert list(unguarded(written("${POSTGRES_PASSWORD:?run make env}", "${POSTGRES_PASSWORD}")))


@pytest.mark.process
def test_the_command_prints_each_fault_with_its_file_and_ends_with_1(written):
    file = written("read_only: true", "read_only: false")
    done = check(file)
    assert done.returncode == 1
    assert f"{file}: mlflow: its root file system can be written." in done.stdout


@pytest.mark.process
def test_a_file_that_compose_cannot_read_is_one_error(written):
    file = written("restart: unless-stopped", "restart: [sometimes]")
    with pytest.raises(BadInput, match=r"Compose refuses .*restart"):
        read_config(file)
    done = check(file)
    assert done.returncode == 2
    assert done.stderr.startswith("error: Compose refuses")
