"""The edge to Docker Compose: runs it and puts its failures in words."""

import json
import os
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from infra.env_file import complete_env_file
from insurance_predictor.base.command_line import say
from insurance_predictor.base.errors import BadInput, InsurancePredictorError, Unreachable

PROJECT = "insurance-predictor"
PATIENCE = 15  # seconds, for what Docker knows by heart
PAUSE = 0.5  # seconds between two questions whether it is up
ONE_SHOT = "minio-init"
DOCKER = ("docker", "compose", "--profile", "*")

NO_DOCKER = (
    "Docker is not installed. Install Docker Engine with the compose plugin, or leave the stack: "
    "without MLFLOW_TRACKING_URI in .env the commands keep to SQLite."
)
STOPPED = "Docker is not running or does not let you in: {reason}. Start it, or join its group."
NO_COMPOSE = "Docker has no compose plugin. Install docker-compose-plugin (version 2.20 or newer)."


@dataclass(frozen=True)
class Service:
    """A container of the stack as Compose sees it; `health` is empty where nothing checks it."""

    name: str
    state: str
    health: str
    exit_code: int
    ports: tuple[int, ...]

    @property
    def well(self) -> bool:
        """Running and healthy, or a one-shot service that ended well."""
        if self.name == ONE_SHOT and self.state == "exited":
            return self.exit_code == 0
        return self.state == "running" and self.health in ("", "healthy")


class Stopped(Unreachable):
    """Docker is installed, and its daemon does not answer."""


def wait_for_docker(patience: float) -> None:
    """As `check_docker`, but give a daemon that is starting `patience` seconds, and say so once."""
    try:
        return check_docker()
    except Stopped:
        say(f"Docker does not answer yet; waiting up to {patience:.0f} s.", to_stderr=True)
    end = time.monotonic() + patience
    while True:
        time.sleep(PAUSE)
        try:
            return check_docker()
        except Stopped:
            if time.monotonic() > end:
                raise


def check_docker() -> None:
    """Raise Unreachable with the remedy unless Docker and its compose plugin answer.

    Where only its daemon does not, it is a Stopped.
    """
    for command in ("version", "compose version"):
        try:
            done = _docker(*command.split())
        except FileNotFoundError as error:
            raise Unreachable(NO_DOCKER) from error
        except subprocess.TimeoutExpired as error:
            raise Stopped(STOPPED.format(reason=f"no answer in {PATIENCE} s")) from error
        if done.returncode and command != "version":
            raise Unreachable(NO_COMPOSE)
        if done.returncode:
            reason = _last_line(done.stderr)
            kind = Unreachable if "permission denied" in reason.lower() else Stopped
            raise kind(STOPPED.format(reason=reason))


def check_env_file(path: Path = Path(".env")) -> None:
    """Raise BadInput when there is neither `.env` nor the secrets in the environment.

    A `.env` that an earlier release made for its stack gets the names that it lacks.
    """
    if path.exists():
        complete_env_file(path)
    elif not os.environ.get("POSTGRES_PASSWORD"):
        raise BadInput("There is no .env: no stack was made here. Run `make up`.")


def compose(*arguments: str) -> None:
    """Run `docker compose` with its progress on this terminal.

    Raises Unreachable or BadInput with one sentence for what it complains about.
    """
    process = subprocess.Popen([*DOCKER, *arguments], stderr=subprocess.PIPE, text=True)  # noqa: S603
    assert process.stderr is not None  # noqa: S101 - asked for above
    said = [""]
    for line in process.stderr:
        if line != said[-1]:  # without a terminal Compose says some things twice
            say(line.rstrip("\n"), to_stderr=True)
        said.append(line)
    if process.wait():
        raise _in_words("".join(said))


def answer(*arguments: str, stdin: IO[bytes] | None = None, timeout: float | None = None) -> str:
    """What `docker compose` prints for `arguments`, within `timeout` seconds.

    Raises as `compose` does.
    """
    try:
        done = subprocess.run(  # noqa: S603
            [*DOCKER, *arguments],
            stdin=stdin or subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Unreachable(STOPPED.format(reason=f"no answer in {timeout:.0f} s")) from error
    if done.returncode:
        raise _in_words(done.stderr.decode(errors="replace"))
    return done.stdout.decode()


def into(file: IO[bytes], *arguments: str) -> None:
    """Write what `docker compose` prints for `arguments` to `file`. Raises as `compose` does."""
    done = subprocess.run([*DOCKER, *arguments], stdout=file, stderr=subprocess.PIPE, check=False)  # noqa: S603
    if done.returncode:
        raise _in_words(done.stderr.decode(errors="replace"))


def services() -> list[Service]:
    """The containers of this stack; none when it is down or was never up."""
    lines = answer("ps", "--all", "--format", "json", timeout=PATIENCE).splitlines()
    return [_service(json.loads(line)) for line in lines if line.strip()]


def volumes() -> list[str]:
    """The names of the volumes that an earlier stack of this project left."""
    project = os.environ.get("COMPOSE_PROJECT_NAME") or PROJECT
    label = f"label=com.docker.compose.project={project}"
    return _docker("volume", "ls", "--quiet", "--filter", label).stdout.split()


def last_words(service: str) -> str:
    """The last line of `service`'s log that tells of an error, or else its last line."""
    said = answer("logs", "--no-log-prefix", "--tail", "20", service, timeout=PATIENCE)
    errors = [line for line in said.splitlines() if re.search("error|fatal", line, re.IGNORECASE)]
    return _last_line("\n".join(errors)) or _last_line(said)


def _service(found: Mapping[str, Any]) -> Service:
    published = {publisher["PublishedPort"] for publisher in found.get("Publishers") or ()}
    return Service(
        found["Service"],
        found["State"],
        found.get("Health") or "",
        int(found.get("ExitCode") or 0),
        tuple(sorted(published - {0})),
    )


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        ["docker", *arguments],  # noqa: S607 - wherever it is installed
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def _in_words(said: str) -> InsurancePredictorError:
    taken = re.search(
        r":(\d{1,5})(?!\d)[^:\n]*(?:address already in use|port is already allocated)", said
    )
    if taken:
        return BadInput(f"Port {taken[1]} is taken. Stop what uses it, or set another in .env.")
    if "no space left on device" in said:
        return Unreachable("The disk is full. `docker system df` shows what Docker keeps there.")
    if "is missing a value" in said:
        names = sorted(set(re.findall(r"required variable (\w+)", said)))
        return BadInput(f"{', '.join(names)} not set. Run `make env`, which adds what is missing.")
    if "Cannot connect to the Docker daemon" in said:
        return Unreachable(STOPPED.format(reason=_last_line(said)))
    return Unreachable(f"Docker Compose did not do its part: {_last_line(said)}")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else ""
