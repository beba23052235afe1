"""PostgreSQL or MinIO dies in the middle of writing: what was acknowledged is there afterwards."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
import requests

from tests.stack.clone import Clone, cloned, kill
from tests.stack.docker import PATIENCE, docker, wait_until
from tests.stack.moments import MODEL_BEGUN, assert_done_or_explained, interrupted

ENOUGH = 20  # acknowledged writes before the kill


class Writer(Thread):
    """Logs runs with one file each until the server says no; `acknowledged` has file by run."""

    def __init__(self, clone: Clone) -> None:
        super().__init__(daemon=True)
        self.acknowledged: dict[str, bytes] = {}
        self._clone = clone

    def run(self) -> None:
        try:
            while True:
                self._write()
        except requests.RequestException:
            return

    def _write(self) -> None:
        made = self._clone.ask("POST", "mlflow/runs/create", json={"experiment_id": "0"})
        made.raise_for_status()
        run_id, content = made.json()["run"]["info"]["run_id"], secrets.token_bytes(50_000)
        self._clone.ask("PUT", file_of(run_id), data=content).raise_for_status()
        self.acknowledged[run_id] = content


@pytest.fixture(scope="module")
def own(stack: Clone) -> Clone:
    """With a model in production."""
    made = stack.with_model("kills")
    made.good("train", "register", "promote")
    made.person.good("tag", "1", "looked_at", "yes")
    return made


@pytest.mark.parametrize("service", ["postgres", "minio"])
def test_nothing_acknowledged_is_lost(own: Clone, service: str):
    state, quote = own.person.state(), own.person.quote()
    with writing(own) as writer:
        outcome = interrupted(own, "train", MODEL_BEGUN, lambda: kill(own, service))
    own.good("up")
    assert_done_or_explained(outcome)
    assert len(writer.acknowledged) >= ENOUGH
    for run_id, content in writer.acknowledged.items():
        assert own.ask("GET", "mlflow/runs/get", params={"run_id": run_id}).status_code == 200
        assert own.ask("GET", file_of(run_id)).content == content
    assert (own.person.state(), own.person.quote()) == (state, quote)


def test_a_first_start_that_was_cut_off_before_the_databases_is_finished(tmp_path: Path):
    with cloned(tmp_path) as own:
        own.good("env")
        own.compose("build", "postgres")
        # What a kill between initdb and the first script leaves.
        cut_off = 'initdb -U postgres -A trust -D "$PGDATA"'
        own.compose("run", "--rm", "--entrypoint", "sh", "postgres", "-c", cut_off)
        own.good("up")
        databases = "SELECT count(*) FROM pg_database WHERE datname ~ '^(mlflow|predictions)'"
        assert own.psql("postgres", databases) == "3"


def test_postgres_without_a_database_is_not_healthy_and_makes_it_at_its_next_start(own: Clone):
    own.psql("postgres", "DROP DATABASE predictions WITH (FORCE)")
    health = ["inspect", "--format", "{{.State.Health.Status}}", own.container("postgres")]
    wait_until(lambda: docker(*health).strip() == "unhealthy", "a complaint")
    own.compose("restart", "postgres")
    own.wait_until_healthy()
    assert own.psql("predictions", "SELECT 1") == "1"


@contextmanager
def writing(clone: Clone) -> Iterator[Writer]:
    """Somebody who is writing, until something makes that impossible."""
    writer = Writer(clone)
    writer.start()
    wait_until(lambda: len(writer.acknowledged) >= ENOUGH or not writer.is_alive(), "writing")
    yield writer
    writer.join(PATIENCE)
    assert not writer.is_alive()


def file_of(run_id: str) -> str:
    return f"mlflow-artifacts/artifacts/kills/{run_id}.bin"
