"""One archive brings everything back, into a stack with other secrets; a bad one changes nothing.

The tests follow one stack from its first model to its restored copy, so their order counts.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.stack.clone import Clone, cloned, complaint

PREDICTION = ("2026-01-31", 4186.5)  # day, US dollars a year
OBJECTS = """
import hashlib, json, os
from infra.mlflow.bucket import connect
client, bucket, found = connect(), os.environ["S3_BUCKET"], {}
for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
    for one in page.get("Contents", ()):
        content = client.get_object(Bucket=bucket, Key=one["Key"])["Body"].read()
        found[one["Key"]] = hashlib.sha256(content).hexdigest()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A stack that only these tests use, because they destroy it."""
    with cloned(tmp_path_factory.mktemp("backup")) as made:
        made.good("up")
        yield made


@pytest.fixture(scope="module")
def kept(own: Clone) -> dict[str, Any]:
    """Everything that a stack may hold, once there is something of each kind."""
    own.good("train", "register", "promote")
    own.good("train")
    own.person.good("tag", "1", "looked_at", "yes")
    own.person.good("alias", "set", "reference", "1")
    with predictions(own) as log:
        log.execute("CREATE TABLE prediction (day date, premium double precision)")
        log.execute("INSERT INTO prediction VALUES (%s, %s)", PREDICTION)
    return everything(own)


@pytest.fixture(scope="module")
def archive(own: Clone, kept: dict[str, Any]) -> Path:
    printed = own.good("backup")
    (made,) = (own.folder / "backups").iterdir()
    assert f"Backed up to backups/{made.name}." in printed
    return made


def test_an_archive_is_for_its_owner_alone(archive: Path):
    assert archive.stat().st_mode & 0o777 == 0o600


def test_a_stack_that_holds_something_is_not_overwritten(own: Clone, archive: Path, kept):
    refused = own.infra("restore", str(archive))
    assert refused.code == 2
    assert complaint(refused).startswith("The stack is not empty: ")
    assert everything(own) == kept


def in_half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def with_another_byte(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def without_a_database(content: bytes) -> bytes:
    """Cut where the header of its last part begins."""
    return content[: content.index(b"predictions.dump\0")]


@pytest.mark.parametrize("damage", [in_half, with_another_byte, without_a_database])
def test_a_damaged_archive_changes_nothing(
    damage: Callable[[bytes], bytes], own: Clone, archive: Path, kept
):
    damaged = own.folder / "damaged.tar"
    damaged.write_bytes(damage(archive.read_bytes()))
    refused = own.infra("restore", str(damaged))
    assert refused.code == 2
    assert str(damaged) in complaint(refused)
    assert "whole archive" in complaint(refused)
    assert "\n" not in complaint(refused)
    assert everything(own) == kept


def test_everything_comes_back_under_other_secrets(own: Clone, archive: Path, kept):
    secret, status = own.secret("POSTGRES_PASSWORD"), own.good("status")
    own.good("destroy", YES="1")
    (own.folder / ".env").unlink()
    own.good("up")
    assert own.secret("POSTGRES_PASSWORD") != secret
    assert own.person.state()["versions"] == []
    own.good("restore", FILE=str(archive))
    assert everything(own) == kept
    assert own.good("status") == status


def test_the_restored_stack_goes_on(own: Clone):
    own.good("train")
    own.person.good("tag", "1", "looked_at", "again")
    with predictions(own) as log:
        log.execute("INSERT INTO prediction VALUES (%s, %s)", PREDICTION)
        log.execute("ALTER TABLE prediction ADD COLUMN version text")


def everything(clone: Clone) -> dict[str, Any]:
    """Registry, runs, files, the logged prediction and a quote, as they can be compared."""
    with predictions(clone) as log:
        logged = log.execute("SELECT day::text, premium FROM prediction").fetchall()
    return {
        "registry": clone.person.state(),
        "quote": clone.person.quote(),
        "runs": runs(clone),
        "objects": json.loads(clone.python_with_keys(OBJECTS)),
        "predictions": logged,
    }


def runs(clone: Clone) -> list[dict[str, Any]]:
    """Every run with its metrics, parameters and tags."""
    found = clone.ask("POST", "mlflow/experiments/search", json={"max_results": 1000}).json()
    experiments = [experiment["experiment_id"] for experiment in found["experiments"]]
    asked = {"experiment_ids": experiments, "max_results": 1000}
    return clone.ask("POST", "mlflow/runs/search", json=asked).json()["runs"]


def predictions(clone: Clone) -> psycopg.Connection:
    """The prediction log, as the app opens it."""
    port, password = clone.variables["POSTGRES_PORT"], clone.secret("PREDICTION_LOG_PASSWORD")
    uri = f"postgresql://predictions:{password}@127.0.0.1:{port}/predictions"
    return psycopg.connect(uri, connect_timeout=5)
