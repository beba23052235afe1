"""The manifest for Kubernetes starts what the containers of `make up SCALE=2` start."""

import yaml

from tests.repository import ROOT


def _command(container: dict) -> list[str]:
    return [*container["command"], *container.get("args", [])]


def test_scheduler_and_workers_are_those_of_the_compose_file():
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    spec = yaml.safe_load((ROOT / "docs" / "kubernetes.yaml").read_text())["spec"]
    [worker] = spec["worker"]["spec"]["containers"]
    [scheduler] = spec["scheduler"]["spec"]["containers"]
    assert _command(scheduler) == compose["scheduler"]["command"]
    named = ["--name", "$(DASK_WORKER_NAME)"]  # by which the operator knows it
    own = [word for word in _command(worker) if word not in named]
    assert sorted(own) == sorted(set(compose["worker"]["command"]) - {"tcp://scheduler:8786"})
    assert worker["image"] == scheduler["image"]
    assert worker["image"].startswith("ghcr.io/OWNER/NAME/app:")


def test_the_service_leads_to_the_scheduler_s_own_ports():
    document = yaml.safe_load((ROOT / "docs" / "kubernetes.yaml").read_text())
    scheduler = document["spec"]["scheduler"]
    [container] = scheduler["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert {port["targetPort"]: port["port"] for port in scheduler["service"]["ports"]} == ports
    name = document["metadata"]["name"]
    assert scheduler["service"]["selector"] == {
        "dask.org/cluster-name": name,
        "dask.org/component": "scheduler",
    }
