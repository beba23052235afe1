"""A GitHub that answers, refuses, is away, or loses its answers."""

import pytest

from infra.github.api import GitHub
from insurance_predictor.base.errors import BadInput, InvalidSettings, Unreachable
from insurance_predictor.base.settings import Settings
from tests.infra import github_server
from tests.servers import free_port


@pytest.fixture
def server():
    with github_server.github() as running:
        yield running


@pytest.fixture
def github(server) -> GitHub:
    return GitHub(server.settings(Settings()))


def test_every_page_of_a_list_is_read(server, github):
    for number in range(5):
        server.open_issue(f"issue {number}", labels=("incident",))
    asked = {"labels": "incident", "direction": "asc"}
    assert [one["body"] for one in github.all("issues", **asked)] == [
        f"issue {number}" for number in range(5)
    ]
    assert server.asked == ["GET issues"] * 3


def test_what_was_made_can_be_changed(server, github):
    made = github.create("issues", {"title": "New", "body": "", "labels": []})
    github.change(f"issues/{made['number']}", {"state": "closed"})
    assert [(one["title"], one["state"]) for one in server.issues] == [("New", "closed")]


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ((401, {}), InvalidSettings, "take this for issues: 401. Make a new GITHUB_TOKEN"),
        ((403, {}), InvalidSettings, "403. Give GITHUB_TOKEN the permission"),
        ((404, {}), InvalidSettings, "404. Check GITHUB_REPOSITORY"),
        ((410, {}), InvalidSettings, "410. Switch issues on"),
        ((403, {"x-ratelimit-remaining": "0"}), Unreachable, "too many requests"),
        ((403, {"Retry-After": "60"}), Unreachable, "too many requests"),
        ((422, {}), BadInput, "422, A fault."),
        ((500, {}), Unreachable, "it answers 500"),
        ("hang up", Unreachable, "does not answer"),
    ],
)
def test_a_fault_is_one_sentence_and_nothing_is_made_twice(server, github, fault, error, words):
    server.faults = [fault]
    with pytest.raises(error) as caught:
        github.create("issues", {"title": "New", "labels": []})
    assert words in str(caught.value)
    assert github_server.TOKEN not in str(caught.value)
    assert server.asked == ["POST issues"]


def test_an_issue_whose_answer_gets_lost_is_not_made_again(server, github):
    server.faults = ["kept and hang up"]
    with pytest.raises(Unreachable):
        github.create("issues", {"title": "New", "labels": []})
    assert len(server.issues) == 1


@pytest.mark.parametrize("fault", [(503, {}), (429, {"Retry-After": "0"}), "hang up"])
def test_what_may_be_repeated_is_repeated(server, github, fault):
    server.open_issue("mine", labels=("incident",))
    server.faults = [fault, fault]
    assert len(list(github.all("issues", labels="incident", direction="asc"))) == 1
    server.faults = [fault]
    github.change("issues/1", {"state": "closed"})
    assert server.issues[0]["state"] == "closed"


def test_too_many_requests_are_waited_for(server, github):
    server.faults = [(429, {"Retry-After": "0"})]
    github.create("issues", {"title": "New", "labels": []})
    assert len(server.issues) == 1


def test_a_wrong_token_is_named_and_not_shown(server):
    github = GitHub(server.settings(Settings(), token="another"))
    with pytest.raises(InvalidSettings, match="401") as caught:
        github.change("issues/1", {})
    assert "another" not in str(caught.value)


def test_an_account_in_netrc_does_not_speak_for_the_token(server, github, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    github.create("issues", {"title": "New", "labels": []})
    assert len(server.issues) == 1


def test_nobody_there_is_said_at_once(server):
    server.port = free_port()
    with pytest.raises(Unreachable, match="GitHub does not answer"):
        list(GitHub(server.settings(Settings())).all("issues"))


def test_something_else_that_answers_is_named(server):
    settings = server.settings(Settings())
    odd = settings.model_copy(update={"github_api_url": "nowhere"})
    with pytest.raises(InvalidSettings, match="GITHUB_API_URL"):
        GitHub(odd).change("issues/1", {})


def test_without_a_token_the_names_are_said():
    with pytest.raises(InvalidSettings, match="GITHUB_TOKEN and GITHUB_REPOSITORY"):
        GitHub(Settings())
