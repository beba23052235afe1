"""Incidents of real assessments, and the issues that a repository has of them."""

import json
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from infra.github.api import open_repository
from infra.github.cli import incidents
from infra.github.incidents import keep_issues, read_result
from insurance_predictor.base.errors import BadInput, InvalidSettings, Unreachable
from insurance_predictor.base.settings import Settings
from insurance_predictor.serving import served_model
from monitoring import console
from monitoring.run import MonitoringOptions, monitor
from tests.infra import github_server
from tests.monitoring.logged_quotes import NOW, in_folder, log_quotes, population

WINDOW = {"start": "2026-02-23T00:00:00+00:00", "end": "2026-03-02T00:00:00+00:00"}
ONE, TWO = "6f1c1f0e-5d0b-4d53-9a52-6f0f0d5f3a01", "0b9a4c1e-2f0d-4a52-8f2e-33d7a1d2f902"
RUN = "https://github.com/ana/insurance/actions/runs/7"
OPENED = "🔴 Data drift: incident opened – Age\nFrom 40 to 52. Ask @everybody ``` #1"
CHANGED = "🟠 Data drift: the incident has changed – BMI\nFrom 28 to 34."
OVER = "🟢 Data drift: incident resolved\nNothing is in alarm any more."


@pytest.fixture
def server():
    with github_server.github() as running:
        yield running


@pytest.fixture
def keep(server, tmp_path):
    """Brings the issues up to date with a result in the words of `monitoring run --json`."""

    def kept(*incidents: dict, messages: tuple[str, ...] = (), model: str = "mine") -> list[str]:
        file = tmp_path / "monitor.json"
        file.write_text(json.dumps(result(*incidents, messages=messages, model=model)))
        repository = open_repository(server.settings(Settings()))
        return list(keep_issues(repository, read_result(file), RUN))

    return kept


def result(*incidents: dict, messages: tuple[str, ...] = (), model: str = "mine") -> dict:
    return {
        "assessment": {"model_name": model, "window": WINDOW},
        "incidents": list(incidents),
        "messages": list(messages),
        "report": "reports/report.html",
        "report_url": None,
    }


def incident(name: str = ONE, event: str | None = None, **more: object) -> dict:
    usual = {"kind": "drift", "is_open": True, "is_told": True, "findings": ["drift.age"]}
    since = {"version": "3", "opened": "2026-03-01T06:00:00+00:00"}
    return {**usual, **since, "id": name, "event": event, **more}


def over(name: str = ONE, event: str | None = "resolved") -> dict:
    return incident(name, event, is_open=False)


def test_an_incident_becomes_an_issue(server, keep):
    assert keep(incident(event="opened"), messages=(OPENED,)) == [
        "Issue #1 is open: 🔴 Data drift: incident opened – Age"
    ]
    (issue,) = server.issues
    assert issue["title"] == "🔴 Data drift: incident opened – Age"
    assert issue["labels"] == ["incident"]
    assert "`drift.age`" in issue["body"]
    assert RUN in issue["body"]


def test_a_message_calls_nobody(server, keep):
    keep(incident(event="opened"), messages=(OPENED,))
    assert f"````text\n{OPENED}\n````" in server.issues[0]["body"]


@pytest.mark.parametrize("name", ["x --> @acme/all ![](http://e.vil/p)", "", "o", f"{{{ONE}}}"])
def test_an_id_that_is_not_ours_leaves_no_comment_and_is_known_again(server, keep, name):
    for event, messages in (("opened", (OPENED,)), (None, ())):
        keep(incident(name, event), messages=messages)
    (issue,) = server.issues
    first, _, rest = issue["body"].partition("\n")
    assert re.fullmatch(r"<!-- insurance-predictor: incident [0-9a-f-]{36} of mine -->", first)
    assert "@acme" not in rest
    keep(over(name), messages=(OVER,))
    assert issue["state"] == "closed"


@pytest.mark.parametrize("event", ["opened", None])
def test_the_same_again_changes_nothing(server, keep, event):
    keep(incident(event="opened"), messages=(OPENED,))
    before = list(server.writes)
    messages = (OPENED,) if event else ()
    assert [keep(incident(event=event), messages=messages) for _ in range(3)] == [[]] * 3
    assert server.writes == before


def test_news_change_the_issue_and_are_a_comment(server, keep):
    keep(incident(event="opened"), messages=(OPENED,))
    for _ in range(2):
        keep(incident(event="updated", findings=["drift.bmi"]), messages=(CHANGED,))
    (issue,) = server.issues
    assert issue["title"].startswith("🟠")
    assert "`drift.bmi`" in issue["body"]
    assert server.on(1) == [f"```text\n{CHANGED}\n```"]


def test_the_end_closes_the_issue_once(server, keep):
    keep(incident(event="opened"), messages=(OPENED,))
    for _ in range(2):
        keep(over(), messages=(OVER,))
    (issue,) = server.issues
    assert (issue["state"], issue["state_reason"]) == ("closed", "completed")
    assert server.on(1) == [f"```text\n{OVER}\n```"]


def test_each_incident_has_its_own_issue_and_message(server, keep):
    keep(incident(ONE, "opened"), messages=(OPENED,))
    keep(over(ONE), incident(TWO, "opened", kind="service"), messages=(OVER, CHANGED))
    assert [one["state"] for one in server.issues] == ["closed", "open"]
    assert CHANGED in server.issues[1]["body"]


def test_an_issue_that_could_not_be_opened_is_opened_by_the_next_run(server, keep):
    server.forbidden = {"issues"}
    with pytest.raises(InvalidSettings, match="permission"):
        keep(incident(event="opened"), messages=(OPENED,))
    server.forbidden = set()
    keep(incident())
    assert [one["title"] for one in server.issues] == ["Monitoring: drift"]


def test_an_issue_of_an_incident_that_ended_unseen_is_closed(server, keep):
    keep(incident(ONE, "opened"), messages=(OPENED,))
    keep()
    assert server.issues[0]["state"] == "closed"
    assert server.on(1) == ["The incident is over."]


def test_a_silenced_incident_has_no_issue(server, keep):
    assert keep(incident(is_told=False)) == []
    assert server.issues == []


def test_an_issue_that_somebody_closed_is_opened_by_news_alone(server, keep):
    keep(incident(event="opened"), messages=(OPENED,))
    server.issues[0]["state"] = "closed"
    keep(incident())
    assert server.issues[0]["state"] == "closed"
    keep(incident(event="updated"), messages=(CHANGED,))
    assert server.issues[0]["state"] == "open"


def test_issues_of_others_are_left_alone(server, keep):
    marker = f"<!-- insurance-predictor: incident {ONE} of mine -->"
    server.open_issue("Ours too", labels=("incident",))
    server.open_issue(None, labels=("incident",))
    server.open_issue(f"They quote us:\n{marker}", labels=("incident",))
    server.open_issue(marker)  # without the label
    server.open_issue(marker, labels=("incident",), pull_request={})
    keep(incident(event="opened"), messages=(OPENED,), model="another")
    keep(incident(event="opened"), messages=(OPENED,))
    keep()
    assert [one["state"] for one in server.issues] == ["open"] * 6 + ["closed"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no result of `make monitor`"),
        ("[]", "no result of `make monitor`"),
        ("{}", "no result of `make monitor`"),
        (json.dumps(result() | {"report": None}), "a dry run"),
        (json.dumps(result(incident(event="opened"))), "no result of `make monitor`"),
    ],
)
def test_a_result_that_is_none_is_refused(tmp_path, content, words):
    file = tmp_path / "monitor.json"
    file.write_text(content)
    with pytest.raises(BadInput, match=words):
        read_result(file)


@pytest.fixture
def step(tmp_path, monkeypatch, elsewhere):
    """`make incidents` without make and without a process, in a folder of its own."""

    def run(**variables: str) -> None:
        monkeypatch.chdir(tmp_path)
        for name, value in {"GITHUB_ACTIONS": "true", **variables}.items():
            monkeypatch.setenv(name, value)
        incidents(Path("monitor.json"), retrain=bool(variables.get("RETRAIN")))

    return run


def test_where_nothing_is_in_production_the_run_is_green_and_says_so(step, tmp_path, capsys):
    page = tmp_path / "page.md"
    step(GITHUB_STEP_SUMMARY=str(page))
    assert capsys.readouterr().out.startswith("::notice title=Nothing in production::No version of")
    assert page.read_text().startswith("## Monitoring: nothing in production")


def test_without_a_token_incidents_are_said_and_no_issue_is_touched(step, tmp_path, capsys):
    (tmp_path / "monitor.json").write_text(json.dumps(result(incident())))
    step()
    assert capsys.readouterr().out == (
        "::warning title=Open incident of drift::drift.age\n"
        "Without GITHUB_TOKEN no issue is opened, changed or closed.\n"
    )


TROUBLE = "Slack refuses: token_revoked. Install the Slack app again."
LOST = "The report of “Data drift” is given up: Slack answered 500."


def test_alerts_that_do_not_arrive_are_a_warning_and_a_failure(step, tmp_path, capsys):
    delivery = {"is_broken": True, "troubles": [TROUBLE], "given_up": []}
    found = result(incident()) | {"delivery": delivery}
    (tmp_path / "monitor.json").write_text(json.dumps(found))
    with pytest.raises(Unreachable, match=f"Alerts do not arrive: {TROUBLE}"):
        step()
    said = capsys.readouterr().out
    assert f"::warning title=Alerts do not arrive::{TROUBLE}\n" in said
    assert "::warning title=Open incident of drift::drift.age" in said


def test_a_store_that_was_away_is_a_warning_and_a_failure_and_a_note_is_none(
    step, tmp_path, capsys
):
    away, note = "Judged by version 3: the registry is away.", "Monitoring had stopped for 9 days."
    file = tmp_path / "monitor.json"
    file.write_text(json.dumps(result(incident()) | {"problems": [], "notes": [note]}))
    step()
    said = capsys.readouterr().out
    assert f"::warning title=About monitoring itself::{note}\n" in said
    file.write_text(json.dumps(result(incident()) | {"problems": [away]}))
    with pytest.raises(Unreachable, match="could not reach all that it needs: Judged by version 3"):
        step()
    assert f"::warning title=Monitoring could not reach all that it needs::{away}\n" in (
        capsys.readouterr().out
    )


def test_issues_and_trainings_do_not_wait_for_alerts(server, step, tmp_path):
    delivery = {"is_broken": True, "troubles": [TROUBLE], "given_up": []}
    found = result(incident()) | {"delivery": delivery}
    (tmp_path / "monitor.json").write_text(json.dumps(found))
    named = {"GITHUB_TOKEN": github_server.TOKEN, "GITHUB_REPOSITORY": github_server.REPOSITORY}
    named |= {"GITHUB_API_URL": f"http://127.0.0.1:{server.port}/api/v3", "RETRAIN": "1"}
    with pytest.raises(Unreachable):
        step(**named)
    assert (len(server.issues), len(server.trainings)) == (1, 1)


def test_a_report_that_is_given_up_is_a_warning_and_no_failure(step, tmp_path, capsys):
    delivery = {"is_broken": False, "troubles": [], "given_up": [LOST]}
    (tmp_path / "monitor.json").write_text(json.dumps(result() | {"delivery": delivery}))
    step()
    assert f"::warning title=Not all that was to be told arrived::{LOST}" in capsys.readouterr().out


def test_a_training_cannot_be_asked_for_without_a_token(step, tmp_path):
    (tmp_path / "monitor.json").write_text(json.dumps(result(incident())))
    with pytest.raises(InvalidSettings, match="GITHUB_TOKEN and GITHUB_REPOSITORY"):
        step(RETRAIN="1")


@pytest.mark.process
@pytest.mark.parametrize("trains", [True, False])
def test_the_command_keeps_issues_and_asks_for_trainings_only_with_retrain(
    server, tmp_path, trains
):
    (tmp_path / "monitor.json").write_text(json.dumps(result(incident())))
    named = {"GITHUB_TOKEN": github_server.TOKEN, "GITHUB_REPOSITORY": github_server.REPOSITORY}
    named |= {"GITHUB_API_URL": f"http://127.0.0.1:{server.port}/api/v3"}
    done = command(tmp_path, **named, RETRAIN=str(int(trains)))
    assert (done.returncode, done.stderr) == (0, "")
    assert "Issue #1 is open: Monitoring: drift" in done.stdout
    assert len(server.trainings) == trains


@pytest.mark.process
def test_a_look_that_failed_is_red(tmp_path, settings, store, production):
    named = {"MLFLOW_TRACKING_URI": store.mlflow_tracking_uri, "MODEL_NAME": settings.model_name}
    done = command(tmp_path, **named)
    assert done.returncode == 2
    assert done.stderr == (
        "error: `make monitor` said nothing of version 1. Its own step says why.\n"
    )


def command(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """`make incidents` without make."""
    return subprocess.run(
        [sys.executable, "-m", "infra", "github", "incidents", "monitor.json"],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.process
def test_what_monitoring_finds_is_an_issue_until_it_is_over(server, settings, production, tmp_path):
    ours = in_folder(settings, tmp_path)
    served = served_model.refresh(ours, None)
    log_quotes(ours, served, population(300))
    log_quotes(ours, served, population(3), NOW - timedelta(hours=1), bmi=0.04)
    log_quotes(ours, served, population(300, seed=12), NOW + timedelta(days=1))
    repository = open_repository(server.settings(ours))

    def assess(now: datetime) -> list[str]:
        file = tmp_path / "monitor.json"
        file.write_text(console.as_json(monitor(ours, MonitoringOptions(window="1d"), now)))
        return list(keep_issues(repository, read_result(file)))

    (opened,) = assess(NOW)
    assert "BMI is out of range" in opened
    assert assess(NOW + timedelta(minutes=5)) == []
    assert assess(NOW + timedelta(days=1)) == ["Issue #1 is closed: the incident is over."]
    assert "incident resolved" in server.on(1)[0]
