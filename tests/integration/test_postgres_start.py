"""The container's start of PostgreSQL makes what a first start that was cut off did not make."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.integration.postgres import (
    SUPERUSER,
    Postgres,
    binaries,
    give_to_unprivileged,
    postgres,
    unprivileged,
)
from tests.repository import ROOT
from tests.servers import PATIENCE

START = ROOT / "infra" / "postgres" / "start.sh"
DATABASES = """SELECT datname, pg_get_userbyid(datdba) FROM pg_database
  WHERE datname <> 'postgres' AND NOT datistemplate"""
WANTED = [("mlflow", "mlflow"), ("mlflow_auth", "mlflow"), ("predictions", "predictions")]


@pytest.fixture
def cluster() -> Iterator[Postgres]:
    with postgres(durable=False) as running:
        yield running


def as_superuser(cluster: Postgres, *statements: str) -> list[tuple[object, ...]]:
    """What the administrator is answered at last."""
    found: list[tuple[object, ...]] = []
    with psycopg.connect(
        **cluster.as_superuser(), dbname=SUPERUSER, autocommit=True, connect_timeout=5
    ) as connection:
        for statement in statements:
            done = connection.execute(statement)  # type: ignore[arg-type]
            found = done.fetchall() if done.description else []
    return found


@contextmanager
def started(cluster: Postgres, **changes: str) -> Iterator[None]:
    """While the container's program runs on the cluster's files, once it answers."""
    entrypoint = cluster.folder / "docker-entrypoint.sh"  # the image's own, which then starts it
    entrypoint.write_text('#!/bin/sh\nexec "$@"\n')
    entrypoint.chmod(0o755)
    secret = {
        "POSTGRES_PASSWORD": cluster.superuser_password,
        "MLFLOW_DATABASE_PASSWORD": cluster.passwords["mlflow"],
        "PREDICTION_LOG_PASSWORD": cluster.passwords["predictions"],
    }
    path = f"{cluster.folder}:{binaries()}:{os.environ['PATH']}"
    here = {"PATH": path, "PGDATA": str(cluster.folder / "data"), "TMPDIR": str(cluster.folder)}
    command = ["bash", str(START), "postgres", "-p", str(cluster.port)]
    command += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    give_to_unprivileged(cluster.folder)
    with (cluster.folder / "start.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=cluster.folder, env=here | secret | changes, stdout=log, stderr=log,
            **unprivileged(),
        )  # fmt: skip
    cluster.process = process
    end = time.monotonic() + PATIENCE
    try:
        while not cluster.answers():
            assert process.poll() is None, (cluster.folder / "start.log").read_text()
            assert time.monotonic() < end
            time.sleep(0.1)
        yield
    finally:
        cluster.stop()


def hba(cluster: Postgres) -> list[str]:
    """Who is let in from elsewhere than this machine."""
    lines = (cluster.folder / "data" / "pg_hba.conf").read_text().splitlines()
    return [line for line in lines if line.startswith("host all all all")]


EVERYTHING = [f"DROP DATABASE {database}" for database, _ in WANTED]
EVERYTHING += ["DROP ROLE mlflow", "DROP ROLE predictions"]


@pytest.mark.parametrize(
    "lost",
    [[], ["DROP DATABASE predictions"], EVERYTHING],
    ids=["nothing", "one database", "everything"],
)
def test_what_is_missing_is_made_and_what_is_there_is_left_alone(
    cluster: Postgres, lost: list[str]
):
    if not lost:
        with psycopg.connect(cluster.uri("mlflow", "mlflow")) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
    as_superuser(cluster, *lost)
    cluster.stop()
    with started(cluster):
        assert sorted(as_superuser(cluster, DATABASES)) == WANTED
        for database, role in WANTED:
            psycopg.connect(cluster.uri(role, database), connect_timeout=5).close()
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(cluster.uri("predictions", "mlflow"), connect_timeout=5)
        if not lost:
            assert cluster.ask("SELECT number FROM kept") == [(1,)]
    assert hba(cluster) == ["host all all all scram-sha-256"]


def test_after_a_kill_it_starts_and_lets_others_in_once(cluster: Postgres):
    for _ in range(2):
        cluster.kill()
        with started(cluster):
            assert sorted(as_superuser(cluster, DATABASES)) == WANTED
    assert hba(cluster) == ["host all all all scram-sha-256"]


def test_another_password_in_the_environment_does_not_stop_a_cluster_that_is_whole(
    cluster: Postgres,
):
    cluster.stop()
    with started(cluster, POSTGRES_PASSWORD="another"):  # pragma: allowlist secret
        assert sorted(as_superuser(cluster, DATABASES)) == WANTED
    assert "error: The databases cannot be looked at." in (cluster.folder / "start.log").read_text()


def test_the_health_check_enters_every_database(cluster: Postgres):
    import yaml

    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    [_, check] = compose["services"]["postgres"]["healthcheck"]["test"]
    environment = {
        "PATH": f"{binaries()}:{os.environ['PATH']}",
        "PGPORT": str(cluster.port),
        "POSTGRES_PASSWORD": cluster.superuser_password,
    }

    def code() -> int:
        done = subprocess.run(
            ["sh", "-c", check.replace("$$", "$")], env=environment, timeout=60, check=False
        )
        return done.returncode

    assert code() == 0
    as_superuser(cluster, "DROP DATABASE mlflow_auth")
    assert code() != 0
    cluster.make_databases()
    assert code() == 0
