"""A training is asked for at a GitHub that answers, refuses, is away or dies in the middle."""

import json
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from insurance_predictor.base.errors import InvalidSettings
from insurance_predictor.base.settings import Settings
from monitoring.alerts.channel import NotSent, Outgoing
from monitoring.alerts.retraining import (
    GitHub,
    calls_for_training,
    require_settings,
    training_request,
)
from monitoring.domain.incidents import Incident
from tests.monitoring.assessments import MODEL, assessment, day
from tests.servers import Quiet, free_port, host, silent_host

TOKEN = "a-token"
INCIDENT = Incident(
    id="one",
    model_name=MODEL,
    kind="drift",
    version="3",
    opened=day(1),
    findings=("drift.age", "drift.bmi"),
    told_at=day(1),
)


class FakeGitHub:
    """What it was asked, and what it answers next: a status with headers, or None to hang up."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str]] | None] = []
        self.runs: list[dict[str, str]] = []
        self.asked: list[tuple[str, str, dict[str, str], dict]] = []
        self.port = 0

    @property
    def started(self) -> list[dict]:
        """The bodies of the requests for a training, those without an answer included."""
        return [body for method, _, _, body in self.asked if method == "POST"]


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    fake = FakeGitHub()

    class Handler(Quiet):
        def answer(self, content: bytes, usual: int) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length) or b"{}")
            fake.asked.append((self.command, self.path, dict(self.headers), body))
            answer = fake.answers.pop(0) if fake.answers else (usual, {})
            if answer is None:
                self.close_connection = True
                return
            status, headers = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:  # noqa: N802 (the name is the server's)
            self.answer(b"", 204)

        def do_GET(self) -> None:  # noqa: N802
            self.answer(json.dumps({"workflow_runs": fake.runs}).encode(), 200)

    with host(Handler) as port:
        fake.port = port
        yield fake


def settings_for(port: int) -> Settings:
    return Settings(
        github_token=SecretStr(TOKEN),
        github_repository="ana/insurance",
        github_api_url=f"http://127.0.0.1:{port}/api/",
    )


def channel(github: FakeGitHub) -> GitHub:
    return GitHub(settings_for(github.port))


def request() -> Outgoing:
    return Outgoing(
        id="row-7",
        time=day(1),
        event="training",
        message=training_request(INCIDENT, assessment(1)),
        channel="github",
        incident_id="one",
    )


def trouble(channel: GitHub) -> NotSent:
    with pytest.raises(NotSent) as caught:
        channel.send(request())
    assert TOKEN not in str(caught.value)
    return caught.value


def test_a_training_is_asked_for_with_what_the_workflow_needs_to_know(github):
    assert channel(github).send(request()) is None
    ((method, path, headers, body),) = github.asked
    assert (method, path) == ("POST", "/api/repos/ana/insurance/dispatches")
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["Accept"] == "application/vnd.github+json"
    assert body == {
        "event_type": "retrain",
        "client_payload": {
            "id": "row-7",
            "incident": "one",
            "kind": "drift",
            "findings": ["drift.age", "drift.bmi"],
            "model_name": MODEL,
            "version": "3",
            "window_start": "2026-02-23T00:00:00+00:00",
            "window_end": "2026-03-02T00:00:00+00:00",
        },
    }
    assert len(body["client_payload"]) <= 10  # GitHub refuses more


def test_an_account_in_netrc_does_not_speak_for_the_token(github, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    channel(github).send(request())
    assert github.asked[0][2]["Authorization"] == f"Bearer {TOKEN}"


def test_github_is_asked_again_when_it_had_too_many_requests(github):
    github.answers = [(429, {"Retry-After": "0"}), (429, {"Retry-After": "0"})]
    channel(github).send(request())
    assert len(github.started) == 3


@pytest.mark.parametrize(
    ("answer", "sentence", "is_doubtful", "is_final"),
    [
        ((401, {}), "GitHub refuses to start a training: 401. Make a new GITHUB_TOKEN.", 0, 0),
        ((403, {}), "GitHub refuses to start a training: 403. Give GITHUB_TOKEN the perm", 0, 0),
        ((403, {"x-ratelimit-remaining": "0"}), "GitHub has too many requests from this", 0, 0),
        ((403, {"Retry-After": "60"}), "GitHub has too many requests from this token", 0, 0),
        ((404, {}), "GitHub refuses to start a training: 404. Check GITHUB_REPOSITORY", 0, 0),
        ((422, {}), "GitHub will not take this request for a training: 422.", 0, 1),
        ((500, {}), "GitHub is in trouble: it answers 500.", 1, 0),
        ((503, {}), "GitHub is in trouble: it answers 503.", 1, 0),
        ((200, {}), "GITHUB_API_URL does not speak as GitHub does. Correct it.", 0, 0),
        (None, "GitHub does not answer. Check the network and GITHUB_API_URL.", 1, 0),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_asked_once(
    github, answer, sentence, is_doubtful, is_final
):
    github.answers = [answer]
    found = trouble(channel(github))
    assert str(found).startswith(sentence)
    assert (found.is_doubtful, found.is_final) == (bool(is_doubtful), bool(is_final))
    assert len(github.started) == 1


def test_a_host_where_nothing_listens_leaves_no_doubt():
    found = trouble(GitHub(settings_for(free_port())))
    assert str(found).startswith("GitHub does not answer.")
    assert not found.is_doubtful


def test_a_host_that_says_nothing_leaves_a_doubt():
    with silent_host() as port:
        found = trouble(GitHub(settings_for(port), timeout=0.2))
    assert str(found).startswith("GitHub does not answer.")
    assert found.is_doubtful


def test_what_arrived_before_the_connection_broke_is_found_by_its_id(github):
    github.answers = [None]
    asking = channel(github)
    trouble(asking)
    assert asking.found(request()) is None
    github.runs = [
        {"display_title": "Retrain row-6", "html_url": "https://github.test/runs/6"},
        {"display_title": "Retrain row-7", "html_url": "https://github.test/runs/7"},
    ]
    assert asking.found(request()) == "https://github.test/runs/7"
    _, path, headers, _ = github.asked[-1]
    assert urlsplit(path).path == "/api/repos/ana/insurance/actions/runs"
    assert parse_qs(urlsplit(path).query) == {
        "event": ["repository_dispatch"],
        "created": [">=2026-03-02"],
        "per_page": ["100"],
    }
    assert headers["Authorization"] == f"Bearer {TOKEN}"


def test_who_may_not_see_the_runs_finds_none(github):
    github.answers = [(403, {})]
    assert channel(github).found(request()) is None


def test_a_github_that_does_not_say_what_arrived_leaves_the_question_open(github):
    github.answers = [(502, {})]
    with pytest.raises(NotSent, match="it answers 502"):
        channel(github).found(request())
    github.runs = [{"display_title": "a run without its address row-7"}]
    with pytest.raises(NotSent, match="does not speak as GitHub"):
        channel(github).found(request())


@pytest.mark.parametrize(
    ("changes", "does"),
    [
        ({}, True),
        ({"kind": "performance"}, True),
        ({"kind": "schema"}, False),
        ({"kind": "service"}, False),
        ({"resolved": day(2)}, False),
        ({"told_at": None}, False),
    ],
)
def test_what_calls_for_a_training(changes, does):
    assert calls_for_training(replace(INCIDENT, **changes)) is does


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"github_token": None}, "set GITHUB_TOKEN and GITHUB_REPOSITORY"),
        ({"github_repository": None}, "set GITHUB_TOKEN and GITHUB_REPOSITORY"),
        ({"github_repository": "insurance"}, "GITHUB_REPOSITORY='insurance' cannot be used"),
        ({"github_repository": "a/b/../c"}, "cannot be used. Write owner/name"),
    ],
)
def test_what_is_missing_is_said(changes, sentence):
    with pytest.raises(InvalidSettings, match=sentence):
        require_settings(settings_for(1).model_copy(update=changes))
