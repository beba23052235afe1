"""A tracking server: its version, its clock, and whether it lets us in."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from infra.checks.finding import Finding, check, failed, not_looked_at, note, right, wrong
from infra.checks.stack import is_local_stack
from insurance_predictor.base.errors import Unreachable
from insurance_predictor.base.masking import without_secrets
from insurance_predictor.base.settings import Settings
from insurance_predictor.store.tracking import CONNECT_TIMEOUT, check_version, store_errors

# S3 signatures fail at 15 minutes; long before that a ledger is out of order.
MOST_SKEW = 60  # seconds
API = "/api/2.0/mlflow/experiments/search"  # unlike /version it knows hosts and passwords
REFUSALS = (401, 403)
OF_THE_STACK = "`make up` builds the server's image from our lock; then `make upgrade-db`."
REFUSED_HOST = "Invalid Host header"


@dataclass(frozen=True)
class Greeting:
    """What a server says first: `version` is None when it tells that only to those it lets in.

    `ahead` is by how many seconds its clock is before ours, None when it does not tell the time.
    """

    version: str | None
    ahead: float | None


def greet(settings: Settings) -> Greeting:
    """Ask for the version. Raises Unreachable when the answer is not one of an MLflow server."""
    begun = time.time()
    with store_errors(settings):
        answer = _ask(settings, "/version")
    ahead = _ahead(answer.headers.get("Date"), (begun + time.time()) / 2)
    if answer.status_code in REFUSALS:
        return Greeting(None, ahead)
    where = without_secrets(settings.mlflow_tracking_uri)
    if answer.status_code != 200:
        raise Unreachable(
            f"{where} answers /version with {answer.status_code}, but not as an MLflow server. "
            "Check MLFLOW_TRACKING_URI, and any proxy in between."
        )
    return Greeting(check_version(answer.text, where), ahead)


@check("MLflow")
def server_version(settings: Settings, greeting: Greeting) -> Finding:
    """Whether server and client are of the same version; another major one is no greeting."""
    ours, uri = version("mlflow"), settings.mlflow_tracking_uri
    if greeting.version is None:
        return note(f"answers at {uri}, and tells its version to those it lets in")
    if _minor(greeting.version) == _minor(ours):
        return right(f"{greeting.version} at {uri}")
    if is_local_stack(settings):
        return wrong(f"the server at {uri} is {greeting.version}, this is {ours}", OF_THE_STACK)
    return note(f"{greeting.version} at {uri}, this is {ours}; these work together")


@check("clock")
def clock(greeting: Greeting) -> Finding:
    """Whether the server's clock agrees with ours."""
    if greeting.ahead is None:
        return note("the server does not tell the time")
    if abs(greeting.ahead) <= MOST_SKEW:
        return right(f"within {MOST_SKEW} s of the server's")
    which = "ahead of" if greeting.ahead > 0 else "behind"
    return wrong(
        f"the server's is {abs(greeting.ahead):,.0f} s {which} ours",
        "Set both by NTP: `timedatectl set-ntp true`.",
    )


def access(settings: Settings) -> Iterator[Finding]:
    """Whether the server takes the name we call it by, and then our credentials."""
    try:
        with store_errors(settings):
            answer = _ask(settings, API)
    except Unreachable as error:
        yield failed("host header", error)
        yield from not_looked_at(["credentials"], "the API does not answer")
        return
    yield host_header(settings, answer)
    if REFUSED_HOST in answer.text:
        yield from not_looked_at(["credentials"], "the host header is refused")
    else:
        yield credentials(settings, answer)


@check("host header")
def host_header(settings: Settings, answer: Any) -> Finding:
    """Whether the server takes the host of the URI for its own."""
    host = urlsplit(settings.mlflow_tracking_uri).netloc.rpartition("@")[2]
    if answer.status_code == 403 and REFUSED_HOST in answer.text:
        return wrong(
            f"the server refuses to be called {host}",
            f"Add {host} to MLFLOW_SERVER_ALLOWED_HOSTS of the server and start it again.",
        )
    return right(f"{host} is allowed")


@check("credentials")
def credentials(settings: Settings, answer: Any) -> Finding:
    """Whether the API lets in who we say we are."""
    who = settings.mlflow_tracking_username
    if answer.status_code in REFUSALS:
        return wrong(
            f"the server refuses {f'{who!r} with this password' if who else 'who gives no name'}",
            "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in .env.",
        )
    if answer.status_code != 200:
        return wrong(
            f"the API answers {answer.status_code}", "Look at the server's log: `make logs`."
        )
    return right(f"{who!r} is let in" if who else "none needed")


def _ask(settings: Settings, path: str) -> Any:
    """The answer to what MLflow's own client would send, credentials included."""
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    return http_request(
        get_default_host_creds(settings.mlflow_tracking_uri),
        path,
        "GET",
        params={"max_results": 1},
        max_retries=0,
        timeout=CONNECT_TIMEOUT,
        raise_on_status=False,
    )


def _ahead(date: str | None, now: float) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() - now if date else None
    except ValueError:
        return None


def _minor(text: str) -> list[str]:
    return text.split(".")[:2]
