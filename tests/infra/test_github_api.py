"""A GitHub that answers, refuses, is away, or loses its answers."""

import logging

import pytest

from infra.github.api import open_repository, translated
from insurance_predictor.base.errors import BadInput, InvalidSettings, Unreachable
from insurance_predictor.base.settings import Settings
from tests.infra import github_server
from tests.servers import free_port, silent_host


@pytest.fixture
def server():
    with github_server.github() as running:
        yield running


@pytest.fixture
def repository(server):
    return open_repository(server.settings(Settings()))


@pytest.fixture
def create(repository):
    """Opens an issue."""

    def created(title: str = "New"):
        with translated("open an issue"):
            return repository.create_issue(title)

    return created


def test_nothing_is_asked_before_it_is_needed(server, repository):
    assert server.asked == []
    repository.get_issue(1).create_comment("Hello.")
    assert server.asked == ["POST issues/1/comments"]


def test_every_page_of_a_list_is_read(server, repository):
    for number in range(5):
        server.open_issue(f"issue {number}", labels=("incident",))
    found = repository.get_issues(labels=["incident"], direction="asc")
    assert [one.body for one in found] == [f"issue {number}" for number in range(5)]
    assert server.asked == ["GET issues"] * 3


def test_what_was_made_can_be_changed(server, create):
    create().edit(state="closed")
    assert [(one["title"], one["state"]) for one in server.issues] == [("New", "closed")]


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ((401, {}), InvalidSettings, "not open an issue: 401. Make a new GITHUB_TOKEN"),
        ((403, {}), InvalidSettings, "403. Give GITHUB_TOKEN the permission"),
        ((404, {}), InvalidSettings, "404. Check GITHUB_REPOSITORY"),
        ((410, {}), InvalidSettings, "410. Switch issues on"),
        ((403, {"x-ratelimit-remaining": "0"}), Unreachable, "too many requests"),
        ((403, {"Retry-After": "60"}), Unreachable, "too many requests"),
        ((422, {}), BadInput, "422, A fault."),
        ((500, {}), Unreachable, "it answers 500"),
        ((503, {"Retry-After": "0"}), Unreachable, "too many requests"),
        ("hang up", Unreachable, "does not answer"),
    ],
)
def test_a_fault_is_one_sentence_and_nothing_is_made_twice(server, create, fault, error, words):
    server.faults = [fault]
    with pytest.raises(error) as caught:
        create()
    assert words in str(caught.value)
    assert github_server.TOKEN not in str(caught.value)
    assert server.asked == ["POST issues"]


def test_an_issue_whose_answer_gets_lost_is_not_made_again(server, create):
    server.faults = ["kept and hang up"]
    with pytest.raises(Unreachable):
        create()
    assert len(server.issues) == 1


@pytest.mark.parametrize("fault", [(503, {}), (429, {"Retry-After": "0"}), "hang up"])
def test_what_may_be_repeated_is_repeated(server, repository, fault):
    server.open_issue("mine", labels=("incident",))
    server.faults = [fault, fault]
    (issue,) = repository.get_issues(labels=["incident"], direction="asc")
    server.faults = [fault]
    issue.edit(state="closed")
    assert server.issues[0]["state"] == "closed"


def test_too_many_requests_are_waited_for(server, create):
    server.faults = [(429, {"Retry-After": "0"})] * 2
    create()
    assert len(server.issues) == 1


def test_a_host_that_says_nothing_is_not_waited_for():
    with silent_host() as port:
        settings = github_server.GitHub(port=port).settings(Settings())
        with pytest.raises(Unreachable, match="GitHub does not answer"), translated("open"):
            open_repository(settings, timeout=1).create_issue("New")


def test_a_wrong_token_is_named_and_not_shown(server, caplog):
    caplog.set_level(logging.DEBUG)
    repository = open_repository(server.settings(Settings(), token="another"))
    with pytest.raises(InvalidSettings, match="401") as caught, translated("open an issue"):
        repository.create_issue("New")
    assert "another" not in str(caught.value)
    assert "another" not in caplog.text


def test_an_account_in_netrc_does_not_speak_for_the_token(server, create, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    create()
    assert len(server.issues) == 1


def test_nobody_there_is_said_at_once(server):
    server.port = free_port()
    with pytest.raises(Unreachable, match="GitHub does not answer"), translated("open"):
        open_repository(server.settings(Settings())).create_issue("New")


@pytest.mark.parametrize("address", ["nowhere", "ftp://127.0.0.1", "http://"])
def test_an_address_that_is_none_is_named(server, address):
    odd = server.settings(Settings()).model_copy(update={"github_api_url": address})
    with pytest.raises(InvalidSettings, match="GITHUB_API_URL"):
        open_repository(odd)


def test_something_else_that_answers_is_named(server, repository):
    server.faults = [(200, {})]
    with pytest.raises(InvalidSettings, match="does not speak as GitHub"), translated("look"):
        list(repository.get_workflow_runs())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"github_token": None}, "GITHUB_TOKEN and GITHUB_REPOSITORY"),
        ({"github_repository": None}, "GITHUB_TOKEN and GITHUB_REPOSITORY"),
        ({"github_repository": "insurance"}, "GITHUB_REPOSITORY='insurance' cannot be used"),
        ({"github_repository": "a/b/../c"}, "cannot be used. Write owner/name"),
    ],
)
def test_what_is_missing_is_said(server, changes, sentence):
    with pytest.raises(InvalidSettings, match=sentence):
        open_repository(server.settings(Settings()).model_copy(update=changes))
