"""S3_ENDPOINT_URL names another S3 store: the artifacts go there, and our MinIO stays away."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import requests

from tests.servers import free_port
from tests.stack.clone import Clone, cloned
from tests.stack.docker import docker, inspect, wait_until

KEYS = """
import json, os
from infra.mlflow.bucket import connect
found = connect().list_objects_v2(Bucket=os.environ["S3_BUCKET"])
print(json.dumps([one["Key"] for one in found["Contents"]]))
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A stack whose artifacts lie in a MinIO that it knows nothing of but its URL and key."""
    with cloned(tmp_path_factory.mktemp("other_store")) as made:
        made.good("env")
        image = json.loads(made.compose("config", "--format", "json"))["services"]["minio"]["image"]
        made.compose("build", "minio")
        user, password = made.secret("S3_ACCESS_KEY_ID"), made.secret("S3_SECRET_ACCESS_KEY")
        with (
            elsewhere(f"{made.project}-elsewhere", image, user, password) as endpoint,
            made.other_value("S3_ENDPOINT_URL", endpoint),
        ):
            made.good("up")
            yield made


def test_our_minio_is_not_started(own: Clone):
    running = own.compose("ps", "--all", "--format", "{{.Service}}").split()
    assert sorted(running) == ["minio-init", "mlflow", "postgres"]


def test_a_model_goes_into_production_with_its_files_elsewhere(own: Clone):
    own.good("train", "register", "promote")
    assert own.person.quote()["version"] == "1"
    assert any(key.endswith("/MLmodel") for key in json.loads(own.python_with_keys(KEYS)))


def test_up_again_still_leaves_our_minio_out(own: Clone):
    own.good("up")
    test_our_minio_is_not_started(own)


@contextmanager
def elsewhere(name: str, image: str, user: str, password: str) -> Iterator[str]:
    """The URL of a MinIO outside the stack's network, which containers reach through the host."""
    docker("network", "create", name)
    try:
        (network,) = json.loads(docker("network", "inspect", name))
        address = network["IPAM"]["Config"][0]["Gateway"]
        with minio(name, image, f"{address}:{free_port()}", user, password) as endpoint:
            yield endpoint
    finally:
        docker("network", "rm", name)


@contextmanager
def minio(name: str, image: str, address: str, user: str, password: str) -> Iterator[str]:
    """The URL of a MinIO that listens on `address` of this machine."""
    run = ["run", "--detach", "--name", name, "--network", "host", "--tmpfs", "/tmp"]
    keys = ["--env", f"MINIO_ROOT_USER={user}", "--env", f"MINIO_ROOT_PASSWORD={password}"]
    docker(*run, *keys, image, "server", "/data", "--address", address)
    try:
        wait_until(lambda: is_ready(f"http://{address}", name), "a MinIO elsewhere")
        yield f"http://{address}"
    finally:
        docker("rm", "--force", name)


def is_ready(endpoint: str, container: str) -> bool:
    assert inspect(container)["State"]["Running"], docker("logs", container)
    with suppress(requests.RequestException):
        return requests.get(f"{endpoint}/minio/health/ready", timeout=5).status_code == 200
    return False
