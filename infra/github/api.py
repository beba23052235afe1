"""GitHub's REST API as far as the workflows need it, with its failures in words.

https://docs.github.com/rest
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from insurance_predictor.base.errors import (
    BadInput,
    InsurancePredictorError,
    InvalidSettings,
    Unreachable,
)
from insurance_predictor.base.settings import Settings

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session
    from urllib3.util import Retry

TIMEOUT = 10  # seconds to connect, and of silence
RETRIES = 2
PAUSE = 0.5  # seconds before the second retry, doubled each time
MOST_PATIENCE = 60  # seconds that GitHub may ask us to wait
PAGE = 100  # the most that GitHub gives at once
BUSY = (429,)
TROUBLED = (429, 500, 502, 503, 504)
REMEDIES = {
    401: "Make a new GITHUB_TOKEN.",
    403: "Give GITHUB_TOKEN the permission to write this.",
    404: "Check GITHUB_REPOSITORY, and that GITHUB_TOKEN may see it.",
    410: "Switch issues on in the repository's settings.",
}

Found = dict[str, Any]


class GitHub:
    """The repository of the settings.

    Every method raises InvalidSettings when GitHub does not let us, BadInput for what it will not
    take, and Unreachable when it does not answer.
    """

    def __init__(self, settings: Settings) -> None:
        if not settings.github_token or not settings.github_repository:
            raise InvalidSettings("Set GITHUB_TOKEN and GITHUB_REPOSITORY (owner/name).")
        self._token = settings.github_token
        repository = quote(settings.github_repository)
        self._root = f"{settings.github_api_url.rstrip('/')}/repos/{repository}"

    def all(self, path: str, **asked: str) -> Iterator[Found]:
        """Everything that the list at `path` holds, from all of its pages."""
        url: str | None = f"{self._root}/{path}"
        parameters: Mapping[str, str] | None = {**asked, "per_page": str(PAGE)}
        with self._session(_repeating()) as session, _translated():
            while url is not None:
                answer = session.get(url, params=parameters, timeout=TIMEOUT)
                _require_success(answer, f"show {path}")
                yield from answer.json()
                # The link of the next page has the parameters in it.
                url, parameters = answer.links.get("next", {}).get("url"), None

    def create(self, path: str, body: Mapping[str, object]) -> Found:
        """Add one to the list at `path`. After a lost answer it is not tried again."""
        with self._session(_careful()) as session, _translated():
            answer = session.post(f"{self._root}/{path}", json=body, timeout=TIMEOUT)
            _require_success(answer, f"take this for {path}")
            made: Found = answer.json()
            return made

    def change(self, path: str, body: Mapping[str, object]) -> None:
        """Change what is at `path`; twice is as good as once."""
        with self._session(_repeating()) as session, _translated():
            answer = session.patch(f"{self._root}/{path}", json=body, timeout=TIMEOUT)
            _require_success(answer, f"change {path}")

    def _session(self, retry: "Retry") -> "Session":
        import requests
        from requests.adapters import HTTPAdapter

        session = requests.Session()
        session.headers["Accept"] = "application/vnd.github+json"
        session.headers["X-GitHub-Api-Version"] = "2022-11-28"
        session.auth = self._authorized
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        return session

    def _authorized(self, request: "PreparedRequest") -> "PreparedRequest":
        """As `auth`, so that a .netrc of this machine does not speak for another account."""
        request.headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        return request


def _repeating() -> "Retry":
    return _retry(read=RETRIES, statuses=TROUBLED)


def _careful() -> "Retry":
    """Repeats only what GitHub cannot have taken: no connection, or too many requests."""
    return _retry(read=0, statuses=BUSY)


def _retry(read: int, statuses: tuple[int, ...]) -> "Retry":
    from urllib3.util import Retry

    return Retry(
        connect=RETRIES,
        read=read,
        status=RETRIES,
        status_forcelist=statuses,
        allowed_methods=None,
        respect_retry_after_header=True,
        retry_after_max=MOST_PATIENCE,
        raise_on_status=False,
        backoff_factor=PAUSE,
    )


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what requests raises into one sentence of ours."""
    import requests
    from requests.exceptions import ChunkedEncodingError

    try:
        yield
    except (requests.ConnectionError, requests.Timeout, ChunkedEncodingError) as error:
        raise Unreachable(
            "GitHub does not answer. Check the network and GITHUB_API_URL."
        ) from error
    except (requests.RequestException, LookupError, TypeError) as error:
        raise InvalidSettings("GITHUB_API_URL does not speak as GitHub does. Correct it.") from (
            error
        )


def _require_success(answer: "Response", what: str) -> None:
    if not answer.ok:
        raise _in_words(answer, what)


def _in_words(answer: "Response", what: str) -> InsurancePredictorError:
    status = answer.status_code
    if status == 429 or "retry-after" in answer.headers or _is_used_up(answer):
        return Unreachable("GitHub has too many requests from this token. Run this again later.")
    if status >= 500:
        return Unreachable(f"GitHub is in trouble: it answers {status}. Run this again later.")
    if status in REMEDIES:
        return InvalidSettings(f"GitHub does not {what}: {status}. {REMEDIES[status]}")
    return BadInput(f"GitHub does not {what}: {status}, {_reason(answer)}.")


def _is_used_up(answer: "Response") -> bool:
    return bool(answer.status_code == 403 and answer.headers.get("x-ratelimit-remaining") == "0")


def _reason(answer: "Response") -> str:
    try:
        return str(answer.json()["message"]).rstrip(".")
    except (ValueError, LookupError, TypeError):
        return "without a reason"
