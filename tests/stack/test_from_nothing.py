"""`make up` in a fresh clone, and what it has put on the machine."""

import pytest

from tests.outcome import Outcome
from tests.stack.clone import PORTS, SERVICES, Clone
from tests.stack.docker import docker, inspect

EVERY_CONTAINER = (*SERVICES, "minio-init")


def test_up_says_where_everything_is(stack: Clone, first_up: Outcome):
    assert "The stack is healthy." in first_up.out
    for name in PORTS:
        assert f"127.0.0.1:{stack.variables[name]}\n" in first_up.out


def test_up_again_says_the_same_and_restarts_nothing(stack: Clone, first_up: Outcome):
    before = [inspect(stack.container(service))["State"]["StartedAt"] for service in SERVICES]
    again = stack.good("up")
    after = [inspect(stack.container(service))["State"]["StartedAt"] for service in SERVICES]
    assert after == before
    assert again.endswith(first_up.out[first_up.out.index("The stack is healthy.") :])


def test_down_keeps_the_data(stack: Clone):
    run_id = stack.ask("POST", "mlflow/runs/create", json={"experiment_id": "0"}).json()["run"][
        "info"
    ]["run_id"]
    stack.good("down")
    assert docker("ps", "--all", "--quiet", "--filter", f"name={stack.project}") == ""
    stack.good("up")
    assert stack.ask("GET", "mlflow/runs/get", params={"run_id": run_id}).status_code == 200


def test_ps_shows_every_service_as_healthy(stack: Clone):
    assert stack.good("ps").count("(healthy)") == len(SERVICES)


def test_doctor_finds_nothing_wrong(stack: Clone):
    assert stack.good("doctor").endswith("Nothing is wrong.\n")


@pytest.mark.parametrize("service", EVERY_CONTAINER)
def test_a_container_has_no_right_that_it_does_not_need(stack: Clone, service: str):
    found = inspect(stack.container(service))["HostConfig"]
    assert found["ReadonlyRootfs"]
    assert found["CapDrop"] == ["ALL"]
    assert not found["CapAdd"]
    assert not found["Privileged"]
    assert "no-new-privileges:true" in found["SecurityOpt"]
    assert found["Memory"] > 0


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_runs_as_root(stack: Clone, service: str):
    _, *processes = docker("top", stack.container(service), "-eo", "uid,pid").splitlines()
    assert processes
    assert "0" not in {line.split()[0] for line in processes}


def test_only_this_machine_reaches_the_ports(stack: Clone):
    published = {
        (port, binding["HostIp"])
        for service in EVERY_CONTAINER
        for port, bindings in inspect(stack.container(service))["NetworkSettings"]["Ports"].items()
        for binding in bindings or ()
    }
    # Not MinIO's own port 9000: only MLflow talks to it.
    assert published == {(port, "127.0.0.1") for port in ("5000/tcp", "5432/tcp", "9001/tcp")}
