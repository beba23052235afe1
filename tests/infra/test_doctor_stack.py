"""The doctor on the containers, as far as it can be tried without any."""

import os
import socket

import pytest

from infra.checks.finding import Verdict
from infra.checks.stack import health, is_local_stack, ports, stack
from infra.compose import Service
from insurance_predictor.base.settings import Settings
from tests.servers import free_port

HEALTHY = [
    Service("mlflow", "running", "healthy", 0, (5000,)),
    Service("postgres", "running", "healthy", 0, (5432,)),
    Service("minio", "running", "healthy", 0, (9001,)),
    Service("minio-init", "exited", "", 0, ()),
]


@pytest.fixture
def free_ports(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The variables of the stack's ports, each set to a free one."""
    names = ("MLFLOW_PORT", "POSTGRES_PORT", "MINIO_CONSOLE_PORT", "APP_PORT")
    chosen = {name: free_port() for name in names}
    for name, port in chosen.items():
        monkeypatch.setenv(name, str(port))
    return chosen


@pytest.mark.parametrize(
    ("uri", "local"),
    [
        ("http://127.0.0.1:5000", True),
        ("http://localhost:5000/", True),
        ("http://127.0.0.1:5001", False),
        ("http://mlflow:5000", False),
        ("https://127.0.0.1:5000", False),
        ("sqlite:///mlflow.db", False),
    ],
)
def test_the_local_stack_is_known_by_host_and_port(uri, local):
    assert is_local_stack(Settings(mlflow_tracking_uri=uri)) is local


def test_the_port_of_the_local_stack_can_be_moved(monkeypatch):
    monkeypatch.setenv("MLFLOW_PORT", "5001")
    assert is_local_stack(Settings(mlflow_tracking_uri="http://127.0.0.1:5001"))


def test_another_store_needs_no_containers():
    found = list(stack(Settings(mlflow_tracking_uri="http://mlflow.example:5000")))
    assert {one.verdict for one in found} == {Verdict.NOTE}
    assert found[0].found == "not used here: the store is http://mlflow.example:5000"


def test_without_docker_the_stack_is_wrong_and_its_ports_are_looked_at(
    free_ports, monkeypatch, tmp_path
):
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = Settings(mlflow_tracking_uri=f"http://127.0.0.1:{free_ports['MLFLOW_PORT']}")
    docker, services, ports = stack(settings)
    assert (docker.name, docker.verdict) == ("Docker", Verdict.WRONG)
    assert docker.found == "Docker is not installed"
    assert docker.remedy.startswith("Install Docker Engine")
    assert services.found == "not looked at: Docker does not answer"
    assert ports.verdict is Verdict.RIGHT


def test_a_stack_that_is_down_is_answered_with_its_command():
    assert health([]).remedy == "make up"


def test_services_that_run_or_have_done_their_work_are_right():
    found = health(HEALTHY)
    assert (found.verdict, found.found) == (Verdict.RIGHT, "minio, minio-init, mlflow, postgres")


@pytest.mark.parametrize("name", ["mlflow", "postgres", "minio"])
def test_a_service_that_was_stopped_or_taken_away_is_named(name):
    others = [service for service in HEALTHY if service.name != name]
    for found in (health([*others, Service(name, "exited", "", 0, ())]), health(others)):
        assert (found.verdict, found.found) == (Verdict.WRONG, f"{name} does not run")
        assert found.remedy == "make up"


def test_with_another_object_store_minio_need_not_run(monkeypatch):
    monkeypatch.setenv("S3_ENDPOINT_URL", "https://s3.example")
    assert health([one for one in HEALTHY if one.name != "minio"]).verdict is Verdict.RIGHT


def test_a_service_that_is_starting_needs_a_minute(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = health([*HEALTHY[1:], Service("mlflow", "running", "starting", 0, (5000,))])
    assert (found.verdict, found.found) == (Verdict.WRONG, "mlflow is starting")
    assert found.remedy.startswith("Give it a minute")


@pytest.mark.parametrize(
    ("service", "said"),
    [
        (Service("mlflow", "running", "unhealthy", 0, (5000,)), "mlflow is unhealthy"),
        (Service("postgres", "restarting", "", 1, ()), "postgres is restarting"),
        (Service("minio-init", "exited", "", 1, ()), "minio-init is exited"),
    ],
)
def test_a_service_that_is_ill_is_named(service, said, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))  # whatever a stack of this machine says
    found = health([*HEALTHY, service])
    assert (found.verdict, found.found) == (Verdict.WRONG, said)
    assert found.remedy == "`make logs` says why."


@pytest.mark.parametrize("variable", ["MLFLOW_PORT", "POSTGRES_PORT", "MINIO_CONSOLE_PORT"])
def test_a_port_that_something_else_has_is_named_with_its_variable(variable, free_ports):
    with listener(free_ports[variable]):
        found = ports([])
    assert found.verdict is Verdict.WRONG
    assert found.found.startswith(f"{free_ports[variable]}, for ")
    assert found.remedy == f"Stop what uses it, or set {variable} to another port in .env."
    assert ports([]).verdict is Verdict.RIGHT


def test_a_port_behind_which_our_own_service_is_may_be_taken(free_ports):
    port = free_ports["MLFLOW_PORT"]
    with listener(port):
        assert ports([Service("mlflow", "running", "healthy", 0, (port,))]).verdict is Verdict.RIGHT


def test_a_port_of_our_own_service_that_starts_again_and_again_may_be_taken(free_ports):
    again = [Service("mlflow", "restarting", "", 4, ())]  # whose port Docker does not tell then
    with listener(free_ports["MLFLOW_PORT"]):
        assert ports(again).verdict is Verdict.RIGHT
    with listener(free_ports["POSTGRES_PORT"]):
        assert "POSTGRES_PORT" in ports(again).remedy


def test_the_port_of_the_app_counts_once_the_app_is_to_run_in_a_container(free_ports):
    with listener(free_ports["APP_PORT"]):
        assert ports([]).verdict is Verdict.RIGHT
        os.environ["COMPOSE_PROFILES"] = "app,monitor"
        assert "APP_PORT" in ports([]).remedy


def test_no_console_is_expected_of_another_object_store(free_ports):
    os.environ["S3_ENDPOINT_URL"] = "https://s3.example"
    with listener(free_ports["MINIO_CONSOLE_PORT"]):
        assert ports([]).verdict is Verdict.RIGHT


@pytest.mark.parametrize("value", ["http", "0", "70000"])
def test_a_port_that_can_be_none_is_named(value, free_ports):
    os.environ["MLFLOW_PORT"] = value
    found = ports([])
    assert found.verdict is Verdict.WRONG
    assert found.found == f"MLFLOW_PORT={value!r} is not a port"
    assert found.remedy == "Use a number up to 65535."


def listener(port: int) -> socket.socket:
    """Something that has `port`, until it is closed."""
    return socket.create_server(("127.0.0.1", port))
