"""Incidents that call for a new model start the training workflow on GitHub; nothing is promoted.

The request is a `repository_dispatch` event of the type `retrain`, queued in the outbox like any
message. https://docs.github.com/rest/repos/repos#create-a-repository-dispatch-event
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from insurance_predictor.base.errors import InvalidSettings
from insurance_predictor.base.settings import Settings
from monitoring.alerts.channel import NotSent, Outgoing
from monitoring.domain.assessment import Assessment, Kind
from monitoring.domain.incidents import Incident

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session

EVENT_TYPE = "retrain"
CALLING: frozenset[Kind] = frozenset({"drift", "performance"})  # a fault is repaired instead

TIMEOUT = 10  # seconds to connect, and of silence
RETRIES = 2
PAUSE = 0.5  # seconds before the second retry, doubled each time
MOST_PATIENCE = 30  # seconds that GitHub may ask us to wait; the next run asks again
RUNS = 100  # workflow runs that are searched for one that was asked for: the most of one page
TAKEN = 204
NOT_GITHUB = "GITHUB_API_URL does not speak as GitHub does. Correct it."
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
REMEDIES = {
    401: "Make a new GITHUB_TOKEN",
    403: "Give GITHUB_TOKEN the permission to write contents",
    404: "Check GITHUB_REPOSITORY, and that GITHUB_TOKEN may see it",
}


def require_settings(settings: Settings) -> None:
    """Raises InvalidSettings unless a training can be asked for."""
    if not settings.github_token or not settings.github_repository:
        raise InvalidSettings(
            "A training is asked for at GitHub: set GITHUB_TOKEN and GITHUB_REPOSITORY "
            "(owner/name), or leave RETRAIN unset."
        )
    if not REPOSITORY.fullmatch(settings.github_repository):
        raise InvalidSettings(
            f"GITHUB_REPOSITORY={settings.github_repository!r} cannot be used. Write owner/name."
        )


def calls_for_training(incident: Incident) -> bool:
    """Whether a new model may be the answer; what nobody was told of is not acted on either."""
    return incident.kind in CALLING and incident.resolved is None and incident.told_at is not None


def training_request(incident: Incident, assessment: Assessment) -> dict[str, Any]:
    """What the workflow gets to know: why it was started, and about which version."""
    return {
        "event_type": EVENT_TYPE,
        "client_payload": {
            "incident": incident.id,
            "kind": incident.kind,
            "findings": list(incident.findings),
            "model_name": incident.model_name,
            "version": incident.version,
            "window_start": assessment.window.start.isoformat(),
            "window_end": assessment.window.end.isoformat(),
        },
    }


class GitHub:
    """The repository of the settings, as a channel of the outbox.

    Whether a request has arrived is seen from the workflow's runs, if their name holds the
    request's id: `run-name: Retrain ${{ github.event.client_payload.id }}`.
    """

    can_tell = False  # not at once: a run is seen seconds after the request, by the next run

    def __init__(self, settings: Settings, timeout: float = TIMEOUT) -> None:
        require_settings(settings)
        self._settings = settings
        self._timeout = timeout

    def send(self, outgoing: Outgoing) -> None:
        """Ask for the training, once. Raises NotSent."""
        payload = outgoing.message["client_payload"] | {"id": outgoing.id}
        with self._session() as session, _translated():
            answer = session.post(
                self._url("dispatches"),
                json={**outgoing.message, "client_payload": payload},
                timeout=self._timeout,
            )
        _require_success(answer)
        if answer.status_code != TAKEN:
            raise NotSent(NOT_GITHUB)

    def found(self, outgoing: Outgoing) -> str | None:
        """The address of the workflow run that an earlier request has started.

        Raises NotSent when GitHub does not answer. For a token that may not look, there is none.
        """
        asked = {"event": "repository_dispatch", "per_page": str(RUNS)}
        asked["created"] = f">={outgoing.time.date().isoformat()}"
        with self._session() as session, _translated():
            answer = session.get(self._url("actions/runs"), params=asked, timeout=self._timeout)
            if answer.status_code in REMEDIES:
                return None
            _require_success(answer)
            runs: list[Mapping[str, str]] = answer.json()["workflow_runs"]
            started = (run["html_url"] for run in runs if outgoing.id in run["display_title"])
            return next(started, None)

    def attach(self, outgoing: Outgoing) -> None:
        """Nothing: the workflow needs no report."""

    def _url(self, path: str) -> str:
        repository = quote(self._settings.github_repository or "")
        return f"{self._settings.github_api_url.rstrip('/')}/repos/{repository}/{path}"

    def _session(self) -> "Session":
        """One that repeats only what GitHub cannot have taken: no connection, or too many."""
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3.util import Retry

        session = requests.Session()
        session.headers["Accept"] = "application/vnd.github+json"
        session.headers["X-GitHub-Api-Version"] = "2022-11-28"
        session.auth = self._authorized
        retry = Retry(
            connect=RETRIES,
            read=0,
            status=RETRIES,
            status_forcelist=(429,),
            allowed_methods=None,
            respect_retry_after_header=True,
            retry_after_max=MOST_PATIENCE,
            raise_on_status=False,
            backoff_factor=PAUSE,
        )
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        return session

    def _authorized(self, request: "PreparedRequest") -> "PreparedRequest":
        """As `auth`, so that a .netrc of this machine does not speak for another account."""
        token = self._settings.github_token
        request.headers["Authorization"] = f"Bearer {token.get_secret_value() if token else ''}"
        return request


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what requests raises into NotSent; only a connection that never was is no doubt."""
    import requests

    try:
        yield
    except (requests.ConnectionError, requests.Timeout) as error:
        raise NotSent(
            "GitHub does not answer. Check the network and GITHUB_API_URL.",
            is_doubtful=not _never_left(error),
        ) from error
    except (requests.RequestException, LookupError, TypeError) as error:
        raise NotSent(NOT_GITHUB) from error


def _never_left(error: Exception) -> bool:
    """Whether there was no connection that the request could have gone through."""
    import requests
    from urllib3.exceptions import MaxRetryError, NewConnectionError

    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)


def _require_success(answer: "Response") -> None:
    status = answer.status_code
    if answer.ok:
        return
    if status == 429 or "retry-after" in answer.headers or _is_used_up(answer):
        raise NotSent("GitHub has too many requests from this token. The next run asks again.")
    if status >= 500:
        raise NotSent(f"GitHub is in trouble: it answers {status}.", is_doubtful=True)
    if status == 422:
        raise NotSent("GitHub will not take this request for a training: 422.", is_final=True)
    remedy = REMEDIES.get(status, "Check GITHUB_API_URL, GITHUB_REPOSITORY and GITHUB_TOKEN")
    raise NotSent(f"GitHub refuses to start a training: {status}. {remedy}.")


def _is_used_up(answer: "Response") -> bool:
    return bool(answer.status_code == 403 and answer.headers.get("x-ratelimit-remaining") == "0")
