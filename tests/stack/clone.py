"""A copy of the repository with a stack of its own, where commands run as a person types them."""

import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import requests
from dotenv import dotenv_values, set_key

from tests.integration.stack import USER
from tests.integration.terminal import Terminal
from tests.outcome import Outcome
from tests.repository import copy_repository
from tests.servers import free_port
from tests.stack.docker import docker, inspect, remove_project, wait_until

PATIENCE = 1800  # seconds for a command; images that nobody has built yet take minutes
HTTP_TIMEOUT = 60  # seconds
SERVICES = ("postgres", "minio", "mlflow")  # those that stay up
PORTS = ("MLFLOW_PORT", "POSTGRES_PORT", "MINIO_CONSOLE_PORT")
# What a machine may need to reach its Docker, and to have the images behind a proxy or a mirror.
PASSED_ON = ("DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "BUILD_NETWORK")
PASSED_ON += ("POSTGRES_BASE", "GOLANG_BASE", "PYTHON_BASE", "MINIO_VERSION", "IMAGE_REGISTRY")


@dataclass(frozen=True)
class Clone:
    """The repository's files in `folder`; the containers of its stack are those of `project`."""

    folder: Path
    project: str
    variables: Mapping[str, str] = field(repr=False)

    @property
    def person(self) -> Terminal:
        """Runs `python -m insurance_predictor ...` here."""
        return Terminal(self.folder, self.variables)

    def with_model(self, name: str) -> "Clone":
        """The same clone for somebody whose model and experiments nobody else uses."""
        own = {"MODEL_NAME": name, "MLFLOW_EXPERIMENT_NAME": f"{name}_training"}
        return replace(self, variables={**self.variables, **own})

    def make(self, *arguments: str, **variables: str) -> Outcome:
        """How `make ...` ends."""
        return self._run("make", "--no-print-directory", *arguments, **variables)

    def good(self, *arguments: str, **variables: str) -> str:
        """What a `make ...` printed that has to end well."""
        done = self.make(*arguments, **variables)
        assert done.code == 0, f"make {arguments}: {done.out}{done.err}"
        return done.out

    def infra(self, *arguments: str, **variables: str) -> Outcome:
        """How `python -m infra ...` ends; make would hide its exit code."""
        return self._run(".venv/bin/python", "-m", "infra", *arguments, **variables)

    def compose(self, *arguments: str, stdin: str = "") -> str:
        """What `docker compose ...` prints when it ends well."""
        done = self._run("docker", "compose", *arguments, stdin=stdin)
        assert done.code == 0, f"docker compose {arguments}: {done.code} {done.err} {done.out}"
        return done.out

    def python_with_keys(self, program: str) -> str:
        """What a program prints in a container that holds the keys of the object store."""
        run = ("run", "--rm", "--no-deps", "-T", "minio-init")
        return self.compose(*run, "python", "-", stdin=program)

    def psql(self, database: str, statement: str) -> str:
        """The answer of PostgreSQL to its administrator."""
        command = 'PGPASSWORD=$POSTGRES_PASSWORD psql -U postgres -Atqc "$1" "$0"'
        return self.compose(
            "exec", "-T", "postgres", "sh", "-c", command, database, statement
        ).strip()

    def container(self, service: str) -> str:
        """The name of the container of a service."""
        return f"{self.project}-{service}-1"

    def wait_until_healthy(self) -> None:
        """Return once Docker finds every service healthy again."""
        wait_until(lambda: all(map(self._is_healthy, SERVICES)), "a healthy stack")

    def secret(self, name: str) -> str:
        """A value of the clone's .env."""
        value = dotenv_values(self.folder / ".env", interpolate=False)[name]
        assert value, name
        return value

    @contextmanager
    def other_value(self, name: str, value: str) -> Iterator[None]:
        """Another value of one name of .env, for a while."""
        path = self.folder / ".env"
        before = path.read_text()
        set_key(path, name, value, quote_mode="never")
        try:
            yield
        finally:
            path.write_text(before)

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.variables['MLFLOW_PORT']}"

    def ask(self, method: str, path: str, **content: Any) -> requests.Response:
        """The answer of the server to its administrator, past MLflow's client."""
        return requests.request(
            method,
            f"{self.uri}/api/2.0/{path}",
            auth=(USER, self.secret("MLFLOW_ADMIN_PASSWORD")),
            timeout=HTTP_TIMEOUT,
            **content,
        )

    def _is_healthy(self, service: str) -> bool:
        state = inspect(self.container(service))["State"]
        return state["Running"] and state["Health"]["Status"] == "healthy"

    def _run(self, *command: str, stdin: str = "", **variables: str) -> Outcome:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.person.environment | variables,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)


@contextmanager
def cloned(folder: Path) -> Iterator[Clone]:
    """A clone in `folder` on ports of its own; nothing of its stack is left afterwards."""
    copy_repository(folder)
    project = f"insurance-predictor-test-{secrets.token_hex(4)}"
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    ports = {name: str(free_port()) for name in PORTS}
    try:
        yield Clone(folder, project, {"COMPOSE_PROJECT_NAME": project, **ports, **passed_on})
    finally:
        remove_project(project)


def complaint(outcome: Outcome) -> str:
    """What a command ended with, once it is sure that it complained, and without a traceback."""
    assert "Traceback" not in outcome.err, outcome.err
    _, found, said = f"\n{outcome.err}".rpartition("\nerror: ")
    assert found, outcome
    return said.strip()


def quotes(clone: Clone, database: str = "predictions") -> int:
    """How many quotes the prediction log has; its first one makes its tables."""
    if clone.psql(database, "SELECT to_regclass('predictions')") == "":
        return 0
    return int(clone.psql(database, "SELECT count(*) FROM predictions"))


def restart(clone: Clone, service: str) -> None:
    """Restart one service as a person does."""
    clone.compose("restart", service)


def kill(clone: Clone, service: str) -> None:
    """End one service at once, as the kernel does when memory runs out."""
    docker("kill", "--signal", "KILL", clone.container(service))
