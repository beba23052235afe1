"""The containers of this machine: Docker, the services and the ports they are to have."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from infra.checks.finding import (
    Finding,
    Verdict,
    check,
    not_looked_at,
    not_used_here,
    right,
    told,
    wrong,
)
from infra.compose import Service, check_docker, last_words, services
from infra.stack import OPTIONAL, PUBLISHED, Published, is_in_profile, is_ours, is_taken
from insurance_predictor.base.errors import InsurancePredictorError
from insurance_predictor.base.settings import Settings

LOGS = "`make logs` says why."
NAMES = ("Docker", "services", "ports")


def stack(settings: Settings) -> Iterator[Finding]:
    """Docker, services and ports; notes when the store is not the stack of this machine."""
    if not is_local_stack(settings):
        yield from not_used_here(NAMES, f"the store is {settings.mlflow_tracking_uri}")
        return
    found = docker()
    yield found
    if found.verdict is Verdict.RIGHT:
        running = services()
        yield health(running)
        yield ports(running)
    else:
        yield from not_looked_at(["services"], "Docker does not answer")
        yield ports([])


def is_local_stack(settings: Settings) -> bool:
    """Whether the store is the server that `make up` starts here."""
    parts = urlsplit(settings.mlflow_tracking_uri)
    here = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost")
    return here and str(parts.port) == (os.environ.get("MLFLOW_PORT") or "5000")


@check("Docker")
def docker() -> Finding:
    """Whether the engine and its compose plugin answer."""
    check_docker()
    return right("answers, and so does its compose plugin")


@check("services")
def health(found: Sequence[Service]) -> Finding:
    """Whether what is wanted runs and is healthy, and what else was started has ended well."""
    if not found:
        return wrong("the stack is down", "make up")
    for service in found:
        stopped = service.state == "exited" and not service.exit_code
        if not service.well and not stopped:
            return _illness(service)
    running = {service.name for service in found if service.state == "running"}
    for published in PUBLISHED:
        if _is_wanted(published) and published.service not in running:
            return wrong(f"{published.service} does not run", "make up")
    return right(", ".join(sorted(service.name for service in found)))


@check("ports")
def ports(found: Sequence[Service]) -> Finding:
    """Whether each port that the stack wants is free, or has our own service behind it."""
    for published in PUBLISHED:
        port = published.port
        if not is_ours(published, found) and _is_wanted(published) and is_taken(port):
            return wrong(
                f"{port}, for {published.words}, is taken by something else",
                f"Stop what uses it, or set {published.variable} to another port in .env.",
            )
    return right(", ".join(f"{published.port} {published.words}" for published in PUBLISHED))


def _illness(service: Service) -> Finding:
    condition = service.health if service.state == "running" else service.state
    words = _last_words(service)
    ill = f"{service.name} is {condition}{words and ': '}{words}"
    if words.startswith("error:"):  # as our own programs end, with the remedy
        return told(ill, LOGS)
    return wrong(ill, f"Give it a minute. {LOGS}" if condition == "starting" else LOGS)


def _last_words(service: Service) -> str:
    with suppress(InsurancePredictorError, OSError):  # they are an extra
        return last_words(service.name)
    return ""


def _is_wanted(published: Published) -> bool:
    """Outside their profiles app and API run without a container, on the same port."""
    if published.service in OPTIONAL:
        return is_in_profile(published.service)
    return published.service != "minio" or not os.environ.get("S3_ENDPOINT_URL")
