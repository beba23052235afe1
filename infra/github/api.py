"""The repository of the settings at GitHub, as PyGithub has it, with its failures in words.

https://docs.github.com/rest
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from github import Auth, BadAttributeException, Github, GithubException
from github.Repository import Repository
from requests.exceptions import ChunkedEncodingError
from urllib3.util import Retry

from insurance_predictor.base.errors import (
    BadInput,
    InsurancePredictorError,
    InvalidSettings,
    Unreachable,
)
from insurance_predictor.base.settings import Settings

TIMEOUT = 10  # seconds to connect, and of silence
RETRIES = 2
PAUSE = 0.5  # seconds before the second retry, doubled each time
MOST_PATIENCE = 60  # seconds that GitHub may ask us to wait
PAGE = 100  # the most that GitHub gives at once
BUSY = 429
TROUBLED = (500, 502, 503, 504)
REPEATABLE = frozenset({"GET", "PATCH"})  # twice is as good as once
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
ADDRESS = re.compile(r"https?://[^/]+.*")
NOT_GITHUB = "GITHUB_API_URL does not speak as GitHub does. Correct it."
# What PyGithub raises when it makes an object of an answer that is none of GitHub's.
UNREADABLE = (AttributeError, LookupError, TypeError, ValueError)
REMEDIES = {
    401: "Make a new GITHUB_TOKEN.",
    403: "Give GITHUB_TOKEN the permission to do this.",
    404: "Check GITHUB_REPOSITORY, and that GITHUB_TOKEN may see it.",
    410: "Switch issues on in the repository's settings.",
}


class NotAllowed(InvalidSettings):
    """GitHub does not let this token do it, or see it."""


class _Careful(Retry):
    """After a lost answer only what is repeatable is sent again; what was too much always is."""

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        return status_code == BUSY or super().is_retry(method, status_code, has_retry_after)


def open_repository(settings: Settings, timeout: int = TIMEOUT) -> Repository:
    """The repository, of which nothing is asked yet. Raises InvalidSettings."""
    token, name = settings.github_token, settings.github_repository
    if not token or not name:
        raise InvalidSettings("Set GITHUB_TOKEN and GITHUB_REPOSITORY (owner/name).")
    if not REPOSITORY.fullmatch(name):
        raise InvalidSettings(f"GITHUB_REPOSITORY={name!r} cannot be used. Write owner/name.")
    if not ADDRESS.fullmatch(settings.github_api_url):
        raise InvalidSettings(NOT_GITHUB)
    retry = _Careful(
        connect=RETRIES,
        read=RETRIES,
        status=RETRIES,
        status_forcelist=TROUBLED,
        allowed_methods=REPEATABLE,
        retry_after_max=MOST_PATIENCE,
        raise_on_status=False,
        backoff_factor=PAUSE,
    )
    client = Github(
        auth=Auth.Token(token.get_secret_value()),
        base_url=settings.github_api_url.rstrip("/"),
        timeout=timeout,
        per_page=PAGE,
        retry=retry,
        seconds_between_requests=None,
        seconds_between_writes=None,
        lazy=True,  # what is named is not looked up first
    )
    return client.get_repo(name)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Say in one sentence that GitHub does not `what`, and what to do.

    Raises InvalidSettings when GitHub does not let us, BadInput for what it will not take, and
    Unreachable when it does not answer.
    """
    try:
        yield
    except GithubException as error:
        raise _in_words(error, what) from error
    except (requests.ConnectionError, requests.Timeout, ChunkedEncodingError) as error:
        raise Unreachable(
            "GitHub does not answer. Check the network and GITHUB_API_URL."
        ) from error
    except (requests.RequestException, BadAttributeException, *UNREADABLE) as error:
        raise InvalidSettings(NOT_GITHUB) from error


def _in_words(error: GithubException, what: str) -> InsurancePredictorError:
    status, headers = error.status, error.headers or {}
    is_used_up = status == 403 and headers.get("x-ratelimit-remaining") == "0"
    if status == BUSY or "retry-after" in headers or is_used_up:
        return Unreachable("GitHub has too many requests from this token. Run this again later.")
    if status >= 500:
        return Unreachable(f"GitHub is in trouble: it answers {status}. Run this again later.")
    if status in REMEDIES:
        return NotAllowed(f"GitHub does not {what}: {status}. {REMEDIES[status]}")
    reason = (error.message or "without a reason").rstrip(".")
    return BadInput(f"GitHub does not {what}: {status}, {reason}.")
