"""The stack as a whole: up, down, away."""

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from infra.compose import (
    Service,
    check_docker,
    check_env_file,
    compose,
    last_words,
    services,
    volumes,
    wait_for_docker,
)
from infra.env_file import write_env_file
from infra.images import provide, pull
from insurance_predictor.base.environment import public_address
from insurance_predictor.base.errors import BadInput, InsurancePredictorError, Unreachable
from insurance_predictor.base.settings import read_settings

ENV_FILE = Path(".env")
HEALTHY_WITHIN = 300  # seconds
DOCKER_WITHIN = 60  # seconds; a codespace begins to work before its daemon does
# A variable that names a user of MLflow whom the server makes at its start -> the name without it.
USERS = {
    "MLFLOW_ADMIN_USERNAME": "admin",
    "MLFLOW_READER_USERNAME": "stack-reader",
    "MLFLOW_MONITOR_USERNAME": "stack-monitor",
}
# Each with the profile that it is in; all are of one image.
OPTIONAL = {"app": "app", "api": "api", "scheduler": "scale", "worker": "scale"}
MOST_WORKERS = 64
WRITERS = ("mlflow", "app", "api")
RUNNING = ("running", "restarting")


@dataclass(frozen=True)
class Published:
    """A port of this machine that leads to a service; `variable` moves it."""

    service: str
    variable: str
    default: int
    words: str

    @property
    def port(self) -> int:
        """The port in force, after `.env` has been read."""
        value = os.environ.get(self.variable) or str(self.default)
        if not value.isdecimal() or not 0 < int(value) < 65536:
            raise BadInput(f"{self.variable}={value!r} is not a port. Use a number up to 65535.")
        return int(value)


PUBLISHED = (
    Published("mlflow", "MLFLOW_PORT", 5000, "MLflow"),
    Published("minio", "MINIO_CONSOLE_PORT", 9001, "MinIO console"),
    Published("postgres", "POSTGRES_PORT", 5432, "PostgreSQL"),
    Published("app", "APP_PORT", 8501, "App"),
    Published("api", "API_PORT", 8000, "API"),
    Published("scheduler", "SCHEDULER_PORT", 8786, "Dask"),
    Published("scheduler", "DASHBOARD_PORT", 8787, "Dask's pages"),
)


def make_env() -> tuple[str, ...]:
    """The names that `.env` got. Raises BadInput when volumes of a lost `.env` are still there."""
    read_settings(ENV_FILE)  # puts the names of the file in our environment
    if not os.environ.get("POSTGRES_PASSWORD"):
        _refuse_lost_secrets()
    return write_env_file(ENV_FILE)


def up(build: bool = False, patience: float = DOCKER_WITHIN) -> str:
    """Have the images, start it all, wait until it is healthy; the value says where it is.

    With `build` the images are built, even when the registry has them. A Docker that is not up
    yet has `patience` seconds to come up.
    """
    wait_for_docker(patience)
    make_env()
    read_settings(ENV_FILE)
    _check_scale()
    names = wanted()
    _check_ports(names)
    provide(*_with_images(names), build=build)
    start(*names)
    return addresses(names)


def take_images(patience: float = DOCKER_WITHIN) -> list[str]:
    """Take what the registry has of the images of a start; the value names what is missing.

    A Docker that is not up yet has `patience` seconds to come up.
    """
    wait_for_docker(patience)
    read_settings(ENV_FILE)
    return pull(*_with_images(wanted()))


def start(*names: str) -> None:
    """Start the services called `names` and what they need, and wait until they are healthy.

    Raises Unreachable with the last words of a service that does not become so.
    """
    elsewhere = [] if object_store() else ["--scale", "minio=0"]
    waiting = ["--detach", "--no-build", "--wait", "--wait-timeout", str(HEALTHY_WITHIN)]
    try:
        compose("up", *waiting, *elsewhere, *names)
    except Unreachable as error:
        raise _unhealthy(error) from error


def stop_writers() -> list[str]:
    """Stop what writes to the databases and the bucket; the value names what of it was running."""
    running = [it.name for it in services() if it.name in WRITERS and it.state in RUNNING]
    compose("stop", *WRITERS)
    return running


def down() -> None:
    """Stop everything and keep the data."""
    check_docker()
    check_env_file()
    compose("down")


def destroy() -> None:
    """Stop everything and delete the data."""
    check_docker()
    check_env_file()
    compose("down", "--volumes")


def addresses(wanted: list[str]) -> str:
    """Where each service can be looked at, on this machine or through Codespaces."""
    shown = [published for published in PUBLISHED if published.service in wanted]
    lines = [f"  {it.words:<14}{_address(it)}" for it in shown]
    user = os.environ.get("MLFLOW_ADMIN_USERNAME") or USERS["MLFLOW_ADMIN_USERNAME"]
    who = f"User {user!r}, password MLFLOW_ADMIN_PASSWORD in .env."
    return "\n".join(["The stack is healthy.", *lines, who])


def _address(published: Published) -> str:
    here = f"127.0.0.1:{published.port}"
    if published.variable == "SCHEDULER_PORT":
        return f"tcp://{here}"
    return here if published.service == "postgres" else public_address(f"http://{here}")


def wanted() -> list[str]:
    """The services of this start: what COMPOSE_PROFILES adds, without a MinIO nobody asks."""
    return ["postgres", *object_store(), "mlflow", *filter(is_in_profile, OPTIONAL)]


def is_in_profile(service: str) -> bool:
    """Whether COMPOSE_PROFILES names the profile of an OPTIONAL service, or SCALE asks for it."""
    profiles = (os.environ.get("COMPOSE_PROFILES") or "").split(",")
    return OPTIONAL[service] in [*profiles, *(["scale"] if os.environ.get("SCALE") else [])]


def _with_images(names: list[str]) -> list[str]:
    """Those that have an image of their own: what is OPTIONAL has the app's."""
    return list(dict.fromkeys("app" if name in OPTIONAL else name for name in names))


def object_store() -> list[str]:
    """The service that keeps the artifacts; none when S3_ENDPOINT_URL names another store."""
    return [] if os.environ.get("S3_ENDPOINT_URL") else ["minio"]


def _check_scale() -> None:
    value = os.environ.get("SCALE") or "1"
    if not value.isdecimal() or not 0 < int(value) <= MOST_WORKERS:
        raise BadInput(
            f"SCALE={value!r} is no number of workers. Use one from 1 to {MOST_WORKERS}."
        )


def _check_ports(wanted: list[str]) -> None:
    there = services()
    for published in PUBLISHED:
        asked = published.service in wanted and not is_ours(published, there)
        if asked and is_taken(published.port):
            raise BadInput(
                f"Port {published.port} for {published.words} is taken. Stop what uses it, "
                f"or set {published.variable} to another port in .env."
            )


def is_ours(published: Published, there: Iterable[Service]) -> bool:
    """Whether the service behind a port is one of those that are `there`.

    One that starts again and again has its port, which Docker does not tell of between two starts.
    """
    return any(
        published.port in service.ports
        or (service.name == published.service and service.state == "restarting")
        for service in there
    )


def is_taken(port: int) -> bool:
    """Whether something on this machine listens on `port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _refuse_lost_secrets() -> None:
    try:
        check_docker()
    except Unreachable:
        return
    if left := volumes():
        raise BadInput(
            f"The volumes {', '.join(left)} are there, but the .env that knows their passwords is "
            "not. Bring it back, or delete the data: docker volume rm " + " ".join(left)
        )


def _unhealthy(error: InsurancePredictorError) -> InsurancePredictorError:
    unwell = [it for it in services() if not it.well and it.state != "created"]
    if not unwell:
        return error
    lines = [f"{it.name} is {it.health or it.state}: {last_words(it.name)}" for it in unwell]
    return Unreachable("\n".join([*lines, "`make logs` shows the rest."]))
