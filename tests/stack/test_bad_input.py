"""What people get wrong, and what breaks by itself: each is said in words, with the remedy."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import free_port
from tests.stack.clone import Clone, complaint, copy_repository

VANISH = """
import os
from infra.mlflow.bucket import connect
client, bucket = connect(), os.environ["S3_BUCKET"]
for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
    for one in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
        client.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
client.delete_bucket(Bucket=bucket)
"""


@pytest.fixture(scope="module")
def own(stack: Clone) -> Clone:
    return stack.with_model("bad_input")


@pytest.fixture
def never_up(tmp_path: Path) -> Clone:
    """A clone where nobody has started anything."""
    copy_repository(tmp_path)
    return Clone(tmp_path, "insurance-predictor-never-up", {})


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("command", ["down", "destroy", "ps", "logs", "backup", "upgrade-db"])
def test_without_a_stack_a_command_says_how_to_make_one(command: str, never_up: Clone):
    refused = never_up.infra(command, YES="1")
    assert refused.code == 2
    assert complaint(refused) == "There is no .env: no stack was made here. Run `make up`."


def test_without_docker_up_waits_a_minute_and_says_what_to_start(never_up: Clone):
    refused = never_up.infra("up", DOCKER_HOST=f"tcp://127.0.0.1:{free_port()}")
    assert refused.code == 4
    assert refused.err.startswith("Docker does not answer yet; waiting up to 60 s.\n")
    assert complaint(refused).startswith("Docker is not running or does not let you in: ")


def test_a_taken_port_is_named_with_its_variable(own: Clone, taken_port: int):
    refused = own.infra("up", MLFLOW_PORT=str(taken_port))
    assert refused.code == 2
    assert complaint(refused) == (
        f"Port {taken_port} for MLflow is taken. Stop what uses it, "
        "or set MLFLOW_PORT to another port in .env."
    )


def test_a_lost_env_file_is_not_replaced_by_one_that_opens_nothing(own: Clone):
    env, away = own.folder / ".env", own.folder / "env.away"
    env.rename(away)
    try:
        refused = own.infra("up")
        assert not env.exists()
    finally:
        away.rename(env)
    assert refused.code == 2
    assert f"The volumes {own.project}_minio, {own.project}_postgres" in complaint(refused)


def test_a_wrong_password_in_env_is_a_setting_to_check(own: Clone):
    with own.other_value("MLFLOW_TRACKING_PASSWORD", "wrong"):
        refused = own.person("status")
    assert refused.code == 2
    assert refused.message.startswith(f"{own.uri} refused the credentials. Check MLFLOW_TRACKING_")
    assert "\n" not in refused.message


def test_an_env_file_of_another_stack_is_refused_by_the_database(own: Clone):
    with own.other_value("MLFLOW_DATABASE_PASSWORD", "wrong"):
        refused = own.infra("up")
    own.good("up")
    assert refused.code == 4
    said = complaint(refused)
    assert 'password authentication failed for user "mlflow"' in said
    assert ".env" in said


def test_a_bucket_that_vanished_stops_a_training_and_is_made_again(own: Clone):
    own.python_with_keys(VANISH)
    refused = own.person("train")
    own.good("up")
    assert refused.code == 4
    assert "\n" not in complaint(refused)
    assert own.uri in complaint(refused)
    own.good("train", "register")
