"""The commands as a person or a workflow types them: what is printed, and the exit code."""

import json
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from insurance_predictor.base.settings import Settings
from insurance_predictor.serving import served_model
from monitoring import cli
from tests.monitoring.logged_quotes import NOW, in_folder, log_quotes, population
from tests.monitoring.slack_server import CHANNEL, TOKEN, slack
from tests.outcome import Outcome, Terminal
from tests.servers import free_port

WINDOW = ("--window", "1d", "--to", NOW.isoformat())
PASSWORD = secrets.token_hex()
NO_LOG = f"postgresql://nobody:{PASSWORD}@127.0.0.1:9/none"
NAMES = ("mlflow_tracking_uri", "model_name", "prediction_log_url", "prediction_spool")
NAMES += ("model_cache", "report_folder", "monitoring_experiment_name", "alert_language")


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Settings:
    return in_folder(settings, tmp_path)


@pytest.fixture
def command(own: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> Terminal:
    """Monitoring's commands with these settings, typed in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.setenv(name.upper(), str(getattr(own, name)))
    return Terminal(cli.main, monkeypatch, capsys)


@pytest.fixture
def served(own: Settings, production) -> served_model.Served:
    return served_model.refresh(own, None)


@pytest.mark.process
def test_help_is_light():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "monitoring", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "typer" in loaded
    heavy = {"mlflow", "pandas", "scipy", "sqlalchemy", "evidently", "streamlit", "slack_sdk"}
    assert not heavy & loaded


@pytest.mark.process
def test_a_process_says_what_is_wrong_and_ends_with_2(command, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "monitoring", "run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    ended = Outcome(done.returncode, done.stdout, done.stderr)
    assert (ended.code, ended.out) == (2, "")
    assert ended.message.startswith("No version of")


def test_a_quiet_run_ends_with_0_and_says_where_the_report_is(command, own, served):
    log_quotes(own, served, population(300))
    done = command("run", *WINDOW)
    assert (done.code, done.err) == (0, "")
    assert "300 predictions from 2026-03-14 06:00 to 2026-03-15 06:00 UTC" in done.out
    assert "all quiet" in done.out
    assert "Report: " in done.out


def test_an_open_incident_ends_with_10_and_is_printed_without_a_channel(
    command, own, served, tmp_path
):
    log_quotes(own, served, population(300), region="<script>|x")
    page = tmp_path / "summary.md"
    variables = {"GITHUB_STEP_SUMMARY": str(page), "JSON_FILE": "assessment.json"}
    done = command("run", "--json", *WINDOW, **variables)
    assert done.code == 10
    told = json.loads(done.out)
    assert json.loads((tmp_path / "assessment.json").read_text()) == told
    assert (told["status"], told["exit_code"]) == ("alarm", 10)
    assert [one["event"] for one in told["incidents"]] == ["opened"]
    assert "Region" in told["messages"][0]
    written = page.read_text()
    assert "## Monitoring: alarm" in written
    assert "<script>" not in written
    assert r"\<script\>\|x" in written
    again = command("run", *WINDOW)
    assert again.code == 10
    assert "Open since" in again.out


def test_alerts_that_do_not_arrive_end_with_4_even_while_an_incident_is_open(
    command, own, served, tmp_path
):
    log_quotes(own, served, population(300), region="midwest")
    page = tmp_path / "summary.md"
    with slack() as heard:
        variables = {
            "SLACK_BOT_TOKEN": "xoxb-revoked",
            "SLACK_CHANNEL": CHANNEL,
            "SLACK_API_URL": f"http://127.0.0.1:{heard.port}/api/",
            "GITHUB_STEP_SUMMARY": str(page),
            "JSON_FILE": "assessment.json",
        }
        done = command("run", *WINDOW, **variables)
        tried = command("alert-test", **variables)
        mended = command("run", *WINDOW, **variables | {"SLACK_BOT_TOKEN": TOKEN})
    assert done.code == 4
    assert "Alerts do not arrive; `make alert-test` tries them." in done.out
    assert "Slack refuses: invalid_auth. Check SLACK_BOT_TOKEN." in done.out
    assert "Open since" in done.out
    assert "midwest" in done.out
    assert tried.code == 4
    summary = page.read_text()
    assert "> [!WARNING]\n> **Alerts do not arrive**" in summary
    assert r"invalid\_auth" in summary
    assert (mended.code, len(heard.messages)) == (10, 2)
    told = json.loads((tmp_path / "assessment.json").read_text())
    assert told["delivery"] == {
        "sent": 2,
        "waiting": 0,
        "troubles": [],
        "given_up": [],
        "is_broken": False,
    }


def test_the_json_says_that_alerts_do_not_arrive(command, own, served):
    log_quotes(own, served, population(300), region="midwest")
    port = free_port()
    url = f"json://127.0.0.1:{port}/"
    told = json.loads(command("run", "--json", *WINDOW, ALERT_URLS=url).out)
    assert (told["exit_code"], told["status"]) == (4, "alarm")
    assert told["delivery"]["is_broken"] is True
    assert told["delivery"]["waiting"] == 1
    assert "did not take the message" in told["delivery"]["troubles"][0]


def test_a_dry_run_is_asked_for_by_a_variable(command, own, served):
    log_quotes(own, served, population(300), region="midwest")
    done = command("run", *WINDOW, DRY_RUN="1")
    assert done.code == 10
    assert "midwest" in done.out
    assert "Report" not in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--window", "soon"), "WINDOW='soon' is no length of time"),
        (("run", "--from", "yesterday"), "'yesterday' is no time like"),
        (("run", "--from", "2026-03-02", "--to", "2026-03-01"), "is empty"),
        (("run",), "No version of"),
        (("snooze", "weather"), "'weather' is no kind of incident"),
        (("simulate", "--scenario", "flood"), "SCENARIO='flood' does not exist"),
    ],
)
def test_what_cannot_be_used_is_one_sentence_and_2(command, arguments, said: str):
    done = command(*arguments)
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert said in done.err
    assert "Traceback" not in done.err


def test_a_log_that_is_not_there_ends_with_4(command, served, tmp_path):
    done = command("run", PREDICTION_LOG_URL=NO_LOG)
    assert done.code == 4
    assert "did not do its part" in done.err


def test_a_log_that_is_not_there_is_told_by_every_run_and_no_dry_one(command, served):
    with slack() as heard:
        variables = {"PREDICTION_LOG_URL": NO_LOG, "SLACK_WEBHOOK_URL": heard.url}
        done = command("run", "--json", **variables)
        command("run", **variables)
        command("run", "--dry-run", **variables)
        assert len(heard.messages) == 2
        message = str(heard.messages[0])
    assert (done.code, done.out) == (4, "")
    assert "Messages sent: 1." in done.err
    assert "Monitoring did not finish" in message
    assert "did not do its part" in message
    assert PASSWORD not in message + done.err


def test_what_cannot_be_told_is_said_and_changes_no_exit_code(command, served, tmp_path):
    page = tmp_path / "summary.md"
    with slack() as heard:
        heard.faults = ["no_service"]
        variables = {"SLACK_WEBHOOK_URL": heard.url, "GITHUB_STEP_SUMMARY": str(page)}
        done = command("run", PREDICTION_LOG_URL=NO_LOG, **variables)
        assert heard.asked == ["hook"]
    assert done.code == 4
    assert "Slack refuses: no_service. Make a new SLACK_WEBHOOK_URL" in done.err
    assert "did not do its part" in done.err
    assert "> **Alerts do not arrive**" in page.read_text()


def test_a_page_that_cannot_be_written_changes_none_either(command, served, tmp_path):
    with slack() as heard:
        heard.faults = ["no_service"]
        variables = {"SLACK_WEBHOOK_URL": heard.url, "GITHUB_STEP_SUMMARY": str(tmp_path)}
        done = command("run", PREDICTION_LOG_URL=NO_LOG, **variables)
    assert done.code == 4
    assert "did not do its part" in done.err
    assert "The page of the run does not have it" in done.err
    assert "Traceback" not in done.err


def test_what_a_person_asks_wrongly_and_a_first_setup_are_not_told(command):
    with slack() as heard:
        assert command("run", "--window", "soon", SLACK_WEBHOOK_URL=heard.url).code == 2
        assert command("run", SLACK_WEBHOOK_URL=heard.url).code == 2
        assert heard.asked == []


def test_a_registry_that_is_missing_is_told_before_anything_was_assessed(command, own, tmp_path):
    nobody = f"http://127.0.0.1:{free_port()}"
    with slack() as heard:
        done = command("run", MLFLOW_TRACKING_URI=nobody, SLACK_WEBHOOK_URL=heard.url)
        [text] = heard.texts()
    assert done.code == 4
    assert "Monitoring did not finish" in text


def test_a_snooze_silences_and_ends(command, own, served):
    assert "silent until" in command("snooze", "schema", "--hours", "2").out
    log_quotes(own, served, population(300), region="midwest")
    done = command("run", *WINDOW, "--json")
    assert done.code == 10
    assert json.loads(done.out)["messages"] == []
    assert "no longer silent" in command("snooze", "schema", "--hours", "0").out
    assert "midwest" in json.loads(command("run", *WINDOW, "--json").out)["messages"][0]


def test_a_test_message_is_sent_and_a_refusal_is_said(command):
    with slack() as heard:
        url = f"http://127.0.0.1:{heard.port}"
        done = command("alert-test", SLACK_WEBHOOK_URL=f"{url}/hook")
        assert (done.code, done.out) == (0, "Messages sent: 1.\n")
        done = command("alert-test", SLACK_WEBHOOK_URL=f"{url}/nobody")
    assert done.code == 4
    assert "No channel is set" in command("alert-test").out


def test_a_move_that_nobody_could_be_told_of_is_on_the_page_of_the_run(
    command, production, tmp_path
):
    page = tmp_path / "page.md"
    with slack() as heard:
        url = f"http://127.0.0.1:{heard.port}/hook"
        done = command(
            "announce",
            GITHUB_STEP_SUMMARY=str(page),
            SLACK_WEBHOOK_URL=url,
            PREDICTION_LOG_URL="postgresql://nobody@127.0.0.1:9/none",
        )
    assert done.code == 4
    assert "**Production may have moved and nobody was told**" in page.read_text()
    assert "did not do its part" in page.read_text()
