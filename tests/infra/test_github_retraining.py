"""A training is asked for once an incident, of a GitHub that refuses, hides or loses things."""

import json
from datetime import timedelta

import pytest

from infra.github.api import open_repository
from infra.github.incidents import Result, keep_issues, read_result
from infra.github.retraining import ask_for_trainings
from insurance_predictor.base.errors import BadInput, InvalidSettings, Unreachable
from insurance_predictor.base.settings import Settings
from insurance_predictor.serving import served_model
from monitoring import console
from monitoring.run import MonitoringOptions, monitor
from tests.infra import github_server
from tests.infra.test_github_incidents import (
    CHANGED,
    ONE,
    OPENED,
    OVER,
    TWO,
    incident,
    over,
    result,
)
from tests.monitoring.logged_quotes import NOW, in_folder, log_quotes, population
from tests.servers import free_port

ASKED = ["A training is asked for because of drift."]
BEFORE = ["A training because of drift was asked for before."]


@pytest.fixture
def server():
    with github_server.github() as running:
        yield running


@pytest.fixture
def look(tmp_path):
    """What a run of monitoring said, in its JSON."""

    def read(*incidents: dict, messages: tuple[str, ...] = ()) -> Result:
        file = tmp_path / "monitor.json"
        file.write_text(json.dumps(result(*incidents, messages=messages)))
        return read_result(file)

    return read


@pytest.fixture
def ask(server):
    """`make incidents RETRAIN=1` without make: what was done about trainings."""

    def asked(found: Result) -> list[str]:
        repository = open_repository(server.settings(Settings()))
        list(keep_issues(repository, found))
        return list(ask_for_trainings(repository, found))

    return asked


@pytest.fixture
def opened(look) -> Result:
    return look(incident(event="opened"), messages=(OPENED,))


def test_a_training_is_asked_for_with_what_the_workflow_needs_to_know(server, ask, look):
    found = look(incident(event="opened", findings=["drift.age", "drift.bmi"]), messages=(OPENED,))
    assert ask(found) == ASKED
    (body,) = server.trainings
    assert body == {
        "event_type": "retrain",
        "client_payload": {
            "id": ONE,
            "incident": ONE,
            "kind": "drift",
            "findings": ["drift.age", "drift.bmi"],
            "model_name": "mine",
            "version": "3",
            "window_start": "2026-02-23T00:00:00+00:00",
            "window_end": "2026-03-02T00:00:00+00:00",
        },
    }
    assert len(body["client_payload"]) <= 10  # GitHub refuses more


def test_it_is_asked_for_once_an_incident(server, ask, look, opened):
    assert ask(opened) == ASKED
    again = look(incident(event="updated"), messages=(CHANGED,))
    assert [ask(one) for one in (opened, look(incident()), again, look(incident()))] == [[]] * 4
    another = incident(TWO, "opened", kind="performance")
    found = look(over(), another, messages=(OVER, OPENED))
    assert ask(found) == ["A training is asked for because of performance."]
    assert [one["client_payload"]["incident"] for one in server.trainings] == [ONE, TWO]
    assert "GET actions/runs" not in server.asked[-2:]


@pytest.mark.parametrize(
    ("changes", "does"),
    [
        ({}, True),
        ({"kind": "performance"}, True),
        ({"kind": "schema"}, False),
        ({"kind": "service"}, False),
        ({"is_open": False}, False),
        ({"is_told": False}, False),
    ],
)
def test_what_calls_for_a_training(server, ask, look, changes, does):
    ask(look(incident(**changes)))
    assert bool(server.trainings) is does


def test_a_request_whose_answer_got_lost_is_found_by_its_run(server, ask, look, opened):
    repository = open_repository(server.settings(Settings()))
    list(keep_issues(repository, opened))
    server.faults = [None, None, "kept and hang up"]  # the issues, the runs, the request
    with pytest.raises(Unreachable, match="GitHub does not answer"):
        list(ask_for_trainings(repository, opened))
    assert ask(look(incident())) == BEFORE
    assert ask(look(incident())) == []
    assert len(server.trainings) == 1


def test_the_runs_since_the_incident_began_are_looked_through(server, ask, look, opened):
    server.runs = [{"display_title": f"Retrain other-{number}"} for number in range(3)]
    server.runs.append({"display_title": f"Retrain {ONE}"})
    repository = open_repository(server.settings(Settings()))
    list(keep_issues(repository, opened))
    server.forbidden = {"issues/1"}  # so that the runs are the last that is asked for
    with pytest.raises(InvalidSettings, match="not change an issue: 403"):
        list(ask_for_trainings(repository, opened))
    asked = next(one for one in server.queries if "event" in one)
    assert asked == {"event": "repository_dispatch", "created": ">=2026-03-01", "per_page": "100"}
    assert server.trainings == []


def test_what_github_did_not_take_is_asked_for_by_the_next_run(server, ask, look, opened):
    server.forbidden = {"dispatches"}
    with pytest.raises(InvalidSettings, match="not start a training: 403"):
        ask(opened)
    server.forbidden = set()
    assert ask(look(incident())) == ASKED


def test_the_issue_knows_of_a_request_whose_run_nobody_may_see(server, ask, look, opened):
    assert ask(opened) == ASKED
    server.hidden = {"actions/runs"}
    assert ask(look(incident())) == []
    assert len(server.trainings) == 1


def test_who_may_not_look_whether_it_was_asked_for_does_not_ask(server, ask, look, opened):
    ask(opened)
    server.issues.clear()  # what they knew is lost
    server.hidden = {"actions/runs"}
    refused = r"runs of the workflows: 403\. .* No training is asked for.* actions \(read\)\.$"
    with pytest.raises(InvalidSettings, match=refused):
        ask(look(incident()))
    assert len(server.trainings) == 1
    server.hidden.clear()
    assert ask(look(incident())) == BEFORE


def test_a_run_knows_of_a_request_whose_issue_is_gone(server, ask, look, opened):
    ask(opened)
    server.issues.clear()
    assert ask(look(incident())) == BEFORE
    assert len(server.trainings) == 1


def test_a_github_that_does_not_say_what_was_asked_is_not_asked_again(server, opened):
    repository = open_repository(server.settings(Settings()))
    list(keep_issues(repository, opened))
    for fault in [(502, {})] * 3, [(403, {"x-ratelimit-remaining": "0"})]:
        server.faults = [None, *fault]
        with pytest.raises(Unreachable):
            list(ask_for_trainings(repository, opened))
    server.faults = [None, (200, {})]
    with pytest.raises(InvalidSettings, match="does not speak as GitHub"):
        list(ask_for_trainings(repository, opened))
    assert "POST dispatches" not in server.asked


@pytest.mark.parametrize(
    ("fault", "error", "sentence"),
    [
        ((401, {}), InvalidSettings, "not start a training: 401. Make a new GITHUB_TOKEN."),
        ((404, {}), InvalidSettings, "404. Check GITHUB_REPOSITORY"),
        ((403, {"x-ratelimit-remaining": "0"}), Unreachable, "too many requests from this"),
        ((403, {"Retry-After": "60"}), Unreachable, "too many requests from this token"),
        ((422, {}), BadInput, "GitHub does not start a training: 422, A fault."),
        ((500, {}), Unreachable, "GitHub is in trouble: it answers 500."),
        ((503, {}), Unreachable, "GitHub is in trouble: it answers 503."),
        ((200, {}), InvalidSettings, "GITHUB_API_URL does not speak as GitHub does."),
        ("hang up", Unreachable, "GitHub does not answer."),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_asked_once(server, opened, fault, error, sentence):
    repository = open_repository(server.settings(Settings()))
    list(keep_issues(repository, opened))
    server.faults = [None, None, fault]
    with pytest.raises(error, match=sentence) as caught:
        list(ask_for_trainings(repository, opened))
    assert github_server.TOKEN not in str(caught.value)
    assert server.asked.count("POST dispatches") == 1


def test_github_is_asked_again_when_it_had_too_many_requests(server, opened):
    repository = open_repository(server.settings(Settings()))
    list(keep_issues(repository, opened))
    server.faults = [None, None, (429, {"Retry-After": "0"}), (429, {"Retry-After": "0"})]
    assert list(ask_for_trainings(repository, opened)) == ASKED
    assert server.asked.count("POST dispatches") == 3


def test_a_host_where_nothing_listens_is_said(server, opened):
    server.port = free_port()
    with pytest.raises(Unreachable, match="GitHub does not answer"):
        list(ask_for_trainings(open_repository(server.settings(Settings())), opened))


@pytest.mark.process
def test_what_monitoring_finds_starts_a_training(server, settings, production, tmp_path):
    ours = in_folder(settings, tmp_path)
    served = served_model.refresh(ours, None)
    repository = open_repository(server.settings(ours))
    file = tmp_path / "monitor.json"
    said = []
    for number in range(2):
        now = NOW + timedelta(days=number)
        log_quotes(ours, served, population(300, seed=number), now, bmi=40.0)
        file.write_text(console.as_json(monitor(ours, MonitoringOptions(window="1d"), now)))
        list(keep_issues(repository, read_result(file)))
        said.append(list(ask_for_trainings(repository, read_result(file))))
    assert said == [ASKED, []]
    (request,) = [one["client_payload"] for one in server.trainings]
    assert (request["kind"], request["version"]) == ("drift", "1")
    assert "drift.bmi" in request["findings"]
    assert request["window_end"] == NOW.isoformat()
