"""An archive of any age comes back on a real PostgreSQL, and what fails leaves the stack as it was.

The commands run as a person types them; only Docker is the stand-in of `local_docker`.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import psycopg
import pytest

from insurance_predictor.base.settings import Settings
from tests.integration.local_docker import note, states
from tests.integration.postgres import SUPERUSER, Postgres, binaries, postgres
from tests.integration.stack import MONITOR, READER
from tests.integration.storage import Storage
from tests.outcome import Outcome
from tests.repository import ROOT, copy_repository
from tests.servers import free_port

DATABASES = ("mlflow", "mlflow_auth", "predictions")
RUN = "0123456789abcdef0123456789abcdef"  # pragma: allowlist secret
MADE = f"""
INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (7, 'kept', 'active');
INSERT INTO runs (run_uuid, name, status, experiment_id, lifecycle_stage)
  VALUES ('{RUN}', 'the one', 'FINISHED', 7, 'active');
"""
AGES = (8, 3, 1, 0)  # in migrations
# A migration ends with its number, which here cannot be written.
IN_THE_WAY = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
  AS $$ BEGIN RAISE EXCEPTION 'not today'; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON alembic_version FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@dataclass(frozen=True)
class LocalStack:
    """The stack over `cluster` and `storage`, steered from `folder`."""

    cluster: Postgres
    storage: Storage
    folder: Path
    administrator: str = field(default_factory=secrets.token_hex)

    def infra(self, *command: str, **variables: str) -> Outcome:
        """How `python -m infra ...` ends."""
        done = subprocess.run(
            [sys.executable, "-m", "infra", *command],
            cwd=self.folder,
            env=self._environment() | variables,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Outcome(done.returncode, done.stdout, done.stderr)

    def good(self, *command: str, **variables: str) -> str:
        """What a command printed that has to end well."""
        done = self.infra(*command, **variables)
        assert done.code == 0, done
        return done.out

    def archive(self) -> str:
        """A backup of what is there now, out of the way of others."""
        self.good("backup")
        [made] = (self.folder / "backups").glob("*.tar")
        return str(made.rename(self.folder / f"{secrets.token_hex(4)}.tar"))

    def replace_databases(self, runs: str, users: str | None, predictions: str | None) -> None:
        """Put copies of others in the place of the three databases; of None, an empty one."""
        copies = {"mlflow": runs, "mlflow_auth": users, "predictions": predictions}
        with superuser(self.cluster) as connection:
            for name, template in copies.items():
                connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
                if template:
                    copy(connection, template, name)
        self.cluster.make_databases()  # what is missing, and who may enter

    def empty_bucket(self) -> None:
        """As after `make destroy`."""
        client = self.storage.client()
        for one in client.list_objects_v2(Bucket=self.storage.bucket).get("Contents", ()):
            client.delete_object(Bucket=self.storage.bucket, Key=one["Key"])

    def execute(self, database: str, statement: str) -> list[tuple[object, ...]]:
        """What the owner of `database` is answered."""
        role = "predictions" if database == "predictions" else "mlflow"
        with psycopg.connect(self.cluster.uri(role, database), connect_timeout=5) as connection:
            done = connection.execute(statement)  # type: ignore[arg-type]
            return done.fetchall() if done.description else []

    def calls(self) -> list[str]:
        """What Docker was asked for since the last time."""
        path = self.folder / "calls"
        found = path.read_text().splitlines()
        path.write_text("")
        return found

    def states(self) -> dict[str, str]:
        return states(self.folder)

    def everything(self) -> dict[str, object]:
        """What an archive holds, as it can be compared."""
        objects = self.storage.client().list_objects_v2(Bucket=self.storage.bucket)
        return {
            "experiments": self.execute("mlflow", "SELECT experiment_id, name FROM experiments"),
            "runs": self.execute("mlflow", "SELECT run_uuid, name, status FROM runs"),
            "users": self.execute("mlflow_auth", "SELECT username FROM users ORDER BY 1"),
            "log": self.execute("predictions", "SELECT premium FROM quotes"),
            "objects": [(one["Key"], one["Size"]) for one in objects.get("Contents", ())],
        }

    def revision(self) -> object:
        return self.execute("mlflow", "SELECT version_num FROM alembic_version")[0][0]

    def _environment(self) -> dict[str, str]:
        uri = self.cluster.uri("mlflow", "{}").replace("postgresql://", "postgresql+psycopg://")
        path = [self.folder, binaries(), *os.environ["PATH"].split(os.pathsep)]
        ports = ("MLFLOW_PORT", "POSTGRES_PORT", "MINIO_CONSOLE_PORT", "APP_PORT")
        return {
            "PATH": os.pathsep.join(map(str, path)),
            "PYTHONPATH": str(ROOT),
            "HOME": os.environ.get("HOME", "/"),
            "LOCAL_DOCKER": str(self.folder),
            "NEWEST_SCHEMA": revisions()[0],
            "POSTGRES_PASSWORD": self.cluster.superuser_password,
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.cluster.port),
            "MLFLOW_BACKEND_STORE_URI": uri.format("mlflow"),
            "MLFLOW_AUTH_DATABASE_URI": uri.format("mlflow_auth"),
            "MLFLOW_ADMIN_PASSWORD": self.administrator,
            "S3_BUCKET": self.storage.bucket,
            **self.storage.variables(),
            **{name: str(free_port()) for name in ports},
        }


@pytest.fixture(scope="module")
def cluster() -> Iterator[Postgres]:
    """Not the one that other tests keep connections to; with a database of every age to copy."""
    with postgres(durable=False) as running:
        make_templates(running)
        yield running


@pytest.fixture
def own(cluster: Postgres, object_store: Storage, tmp_path: Path) -> Iterator[LocalStack]:
    """A stack that holds nothing; its services were never started."""
    copy_repository(tmp_path)
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.integration.local_docker "$@"\n')
    docker.chmod(0o755)
    bucket = f"insurance-predictor-restore-{secrets.token_hex(6)}"
    storage = replace(object_store, bucket=bucket)
    storage.make_bucket()
    try:
        yield LocalStack(cluster, storage, tmp_path)
    finally:
        storage.remove_bucket()


@cache
def revisions() -> list[str]:
    """Every schema that MLflow ever had, the newest first."""
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config

    steps = ScriptDirectory.from_config(_get_alembic_config("sqlite://"))
    return [step.revision for step in steps.walk_revisions()]


def make_templates(cluster: Postgres) -> None:
    """Databases to copy: `empty` as a new server makes it, `mlflow_8` ... `mlflow_0` with a run.

    The number says how many migrations ago they were made. `users` has those of the stack only,
    and `people` somebody besides.
    """
    from alembic import command
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore as Users
    from mlflow.store.db.utils import _get_alembic_config
    from mlflow.store.tracking.dbmodels.initial_models import Base
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy import create_engine

    with superuser(cluster) as connection:
        copy(connection, "template1", "growing")
        uri = cluster.uri("mlflow", "growing")
        engine = create_engine(uri)
        Base.metadata.create_all(engine)
        engine.dispose()
        for migrations in AGES:
            command.upgrade(_get_alembic_config(uri), revisions()[migrations])
            copy(connection, "growing", f"mlflow_{migrations}")
            with psycopg.connect(cluster.uri("mlflow", f"mlflow_{migrations}")) as made:
                made.execute(MADE)
        store = SqlAlchemyStore(uri, "mlflow-artifacts:/")
        store.create_experiment(Settings().monitoring_experiment_name)
        copy(connection, "growing", "empty")
        copy(connection, "template1", "users")
        users = Users()
        users.init_db(cluster.uri("mlflow", "users"))
        users.create_user("admin", secrets.token_hex(), is_admin=True)
        users.create_user(READER, secrets.token_hex())
        users.create_user(MONITOR, secrets.token_hex())
        copy(connection, "users", "people")
        with psycopg.connect(cluster.uri("mlflow", "people")) as made:
            made.execute("INSERT INTO users (username, is_admin) VALUES ('ana', false)")


def superuser(cluster: Postgres) -> psycopg.Connection:
    """The administrator of the cluster, outside any transaction."""
    return psycopg.connect(**cluster.as_superuser(), dbname=SUPERUSER, autocommit=True)


def copy(connection: psycopg.Connection, template: str, name: str) -> None:
    """A database like `template`, which nobody may be using at that moment."""
    leave = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    connection.execute(leave, (template,))
    connection.execute(f"CREATE DATABASE {name} OWNER mlflow TEMPLATE {template}")


def fill(stack: LocalStack, migrations: int) -> None:
    """What a stack may hold, made by the MLflow of so many `migrations` ago."""
    stack.replace_databases(f"mlflow_{migrations}", "people", None)
    stack.execute("predictions", "CREATE TABLE quotes AS SELECT 4186.5 AS premium")
    key = "7/model/model.skops"
    stack.storage.client().put_object(Bucket=stack.storage.bucket, Key=key, Body=b"model" * 1000)


def fresh(stack: LocalStack) -> None:
    """A healthy stack that holds nothing, with the app beside it."""
    stack.replace_databases("empty", "users", None)
    stack.empty_bucket()
    note(stack.folder, ["postgres", "minio", "mlflow", "app"], "running")


@pytest.mark.parametrize("migrations", AGES)
def test_an_archive_of_an_older_mlflow_comes_back_and_is_migrated(own: LocalStack, migrations: int):
    fill(own, migrations)
    kept, archive = own.everything(), own.archive()
    assert own.revision() == revisions()[migrations]
    fresh(own)
    said = own.good("restore", archive)
    assert ("Migrated." if migrations else "The schema is current.") in said
    assert own.everything() == kept
    assert own.revision() == revisions()[0]
    assert {own.states()[name] for name in ("postgres", "minio", "mlflow", "app")} == {"running"}
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(own.cluster.uri("predictions", "mlflow"), connect_timeout=5)
    left = "SELECT datname FROM pg_database WHERE datname LIKE '%restored%'"
    assert own.execute("mlflow", left) == []


@pytest.mark.parametrize(
    ("database", "statement", "words"),
    [
        ("mlflow_auth", "INSERT INTO users (username, is_admin) VALUES ('ana', true)", "1 users"),
        ("mlflow", "INSERT INTO experiments (experiment_id, name) VALUES (3, 'a')", "1 entries"),
        ("predictions", "CREATE TABLE quotes AS SELECT 1 AS premium", "1 entries"),
        (None, "", "1 objects in the bucket"),
    ],
)
def test_a_stack_that_holds_anything_is_refused_and_keeps_running(
    own: LocalStack, database: str | None, statement: str, words: str
):
    fill(own, 0)
    archive = own.archive()
    fresh(own)
    if database:
        own.execute(database, statement)
    else:
        own.storage.client().put_object(Bucket=own.storage.bucket, Key="theirs", Body=b"")
    own.calls()
    refused = own.infra("restore", archive)
    assert refused.code == 2
    assert words in refused.err
    assert "`make destroy` deletes them" in refused.err
    assert not [call for call in own.calls() if call.startswith("stop")]
    assert own.execute("mlflow", "SELECT * FROM runs") == []


def test_an_archive_that_cannot_be_migrated_leaves_the_stack_as_it_was(own: LocalStack):
    fill(own, 1)
    good = own.archive()
    own.execute("mlflow", IN_THE_WAY)
    bad = own.archive()
    fresh(own)
    refused = own.infra("restore", bad)
    assert refused.code == 4
    assert "The migration failed: " in refused.err
    assert own.states()["mlflow"] == own.states()["app"] == "running"
    assert own.execute("mlflow", "SELECT * FROM runs") == []
    assert own.revision() == revisions()[0]
    own.good("restore", good)
    assert own.execute("mlflow", "SELECT run_uuid FROM runs") == [(RUN,)]


def test_upgrade_db_backs_up_what_was_written_until_the_server_stopped_and_starts_the_app(
    own: LocalStack,
):
    fill(own, 1)
    note(own.folder, ["postgres", "minio", "mlflow", "app"], "running")
    own.good("env")
    assert "Migrated." in own.good("upgrade-db", MLFLOW_IMAGE="ours.example.com/mlflow:3")
    calls = own.calls()
    stopped = calls.index("stop mlflow app api")
    dumped = next(place for place, call in enumerate(calls) if "pg_dump" in call)
    assert stopped < dumped
    assert [call for call in calls if call.startswith("build")] == ["build postgres minio"]
    assert own.states()["mlflow"] == own.states()["app"] == "running"
    assert own.revision() == revisions()[0]


def test_what_cannot_be_migrated_runs_again_as_it_was(own: LocalStack):
    fill(own, 1)
    own.execute("mlflow", IN_THE_WAY)
    note(own.folder, ["postgres", "minio", "mlflow", "app"], "running")
    own.good("env")
    kept = own.everything()
    refused = own.infra("upgrade-db")
    assert refused.code == 4
    assert "The migration failed: " in refused.err
    assert "start mlflow app" in own.calls()
    assert own.states()["mlflow"] == own.states()["app"] == "running"
    assert own.revision() == revisions()[1]
    assert own.everything() == kept
