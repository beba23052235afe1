"""The doctor on the prediction log and on alerts."""

import sqlite3
from pathlib import Path

import pytest
from pydantic import SecretStr

from infra.checks.alerts import alerts
from infra.checks.finding import Verdict
from infra.checks.prediction_log import prediction_log
from insurance_predictor.base.settings import Settings
from insurance_predictor.log.spool import Spool
from tests.servers import free_port, silent_host


def test_a_log_that_is_not_there_yet_is_not_made(tmp_path):
    found = log_at(f"sqlite:///{tmp_path}/log.db")
    assert found.verdict is Verdict.RIGHT
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["absent/log.db", "file/log.db"])
def test_a_log_without_a_folder_is_told(where, tmp_path):
    (tmp_path / "file").touch()
    found = log_at(f"sqlite:///{tmp_path}/{where}")
    assert found.verdict is Verdict.WRONG
    assert f"{(tmp_path / where).parent} is no folder" in found.found
    assert found.remedy == "Make it."


def test_a_log_is_written_to_and_left_as_it_was(tmp_path):
    path = tmp_path / "log.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE predictions (premium REAL)")
    found = log_at(f"sqlite:///{path}")
    assert (found.verdict, found.found) == (Verdict.RIGHT, f"sqlite:///{path} can be written")
    with sqlite3.connect(path) as connection:
        assert [row[0] for row in connection.execute("SELECT name FROM sqlite_master")] == [
            "predictions"
        ]


def test_a_log_that_can_only_be_read_is_wrong(tmp_path):
    path = log_with_a_table(tmp_path)
    found = log_at(f"sqlite:///file:{path}?mode=ro&uri=true")
    assert found.verdict is Verdict.WRONG
    assert "readonly database" in found.found


def test_a_log_that_is_locked_is_wrong(tmp_path):
    path = log_with_a_table(tmp_path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        found = log_at(f"sqlite:///{path}")
    finally:
        holder.close()
    assert found.verdict is Verdict.WRONG
    assert "database is locked" in found.found


def test_a_log_of_a_newer_program_is_wrong(tmp_path):
    path = log_with_a_table(tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.execute("INSERT INTO alembic_version VALUES ('0999')")
    found = log_at(f"sqlite:///{path}")
    assert found.verdict is Verdict.WRONG
    assert "are at revision '0999', newer than this program" in found.found
    assert found.remedy == "Update this program, or change PREDICTION_LOG_URL."


def test_predictions_that_wait_for_the_log_are_told(tmp_path):
    spool = Spool(tmp_path / "spool")
    spool.append([b"1\n", b"2\n"])
    path = log_with_a_table(tmp_path)
    found = prediction_log(
        Settings(prediction_log_url=f"sqlite:///{path}", prediction_spool=tmp_path / "spool")
    )
    spool.close()
    assert found.verdict is Verdict.RIGHT
    assert found.found.endswith(f"can be written; 2 predictions wait in {tmp_path}/spool")


@pytest.mark.parametrize("is_new", [True, False])
def test_predictions_that_wait_for_another_log_are_named(is_new, tmp_path):
    spool = Spool(tmp_path / "spool", "postgresql://ana:hush@db/log")
    spool.append([b"1\n"])
    spool.close()
    path = tmp_path / "new.db" if is_new else log_with_a_table(tmp_path)
    found = prediction_log(
        Settings(prediction_log_url=f"sqlite:///{path}", prediction_spool=tmp_path / "spool")
    )
    assert found.verdict is Verdict.RIGHT
    assert found.found.endswith(
        "; in the spool 1 rows wait for postgresql://db:5432/log: start something with that "
        "PREDICTION_LOG_URL, and they are delivered there"
    )


def test_a_file_that_is_no_database_is_wrong(tmp_path):
    (tmp_path / "log.db").write_text("age,sex\n" * 100)
    assert "file is not a database" in log_at(f"sqlite:///{tmp_path}/log.db").found


@pytest.mark.parametrize("host", ["closed", "silent"])
def test_a_database_that_does_not_answer_is_told_without_its_password(host):
    with silent_host() as silent:
        port = silent if host == "silent" else free_port()
        found = log_at(f"postgresql://ana:hush@127.0.0.1:{port}/predictions")
    assert found.verdict is Verdict.WRONG
    assert found.found.startswith(f"postgresql://ana:***@127.0.0.1:{port}/predictions: ")
    assert "hush" not in repr(found)
    assert found.remedy.startswith("Check PREDICTION_LOG_URL")


@pytest.mark.parametrize("url", ["predictions.db", "postgresql+none://host/db", "oracle://host/db"])
def test_a_url_that_can_be_no_database_is_wrong(url):
    found = log_at(url)
    assert found.verdict is Verdict.WRONG
    assert found.remedy.startswith("Check PREDICTION_LOG_URL")


@pytest.mark.parametrize(
    ("values", "verdict", "said"),
    [
        ({}, Verdict.NOTE, "not set: alerts are printed"),
        ({"slack_channel": "#premiums"}, Verdict.NOTE, "not set: alerts are printed"),
        (
            {"slack_webhook_url": "https://hooks.example/hush"},
            Verdict.RIGHT,
            "a Slack webhook is set",
        ),
        (
            {"slack_bot_token": "xoxb-hush", "slack_channel": "#premiums"},
            Verdict.RIGHT,
            "a Slack bot posts to #premiums",
        ),
        (
            # pragma: allowlist nextline secret
            {"alert_urls": "json://localhost/hush, mailto://ana:hush@example.org"},
            Verdict.RIGHT,
            "2 in ALERT_URLS (json://, mailto://)",
        ),
        (
            {
                "alert_urls": "json://localhost/hush",
                "slack_webhook_url": "https://hooks.example/hush",
            },
            Verdict.RIGHT,
            "a Slack webhook is set; 1 in ALERT_URLS (json://)",
        ),
        (
            {"alert_urls": "json://localhost/hush nonsense://hush"},
            Verdict.WRONG,
            "apprise cannot send to this in ALERT_URLS: nonsense://",
        ),
        (
            {"alert_urls": "hush"},
            Verdict.WRONG,
            "apprise cannot send to this in ALERT_URLS: one without ://",
        ),
        (
            {"slack_bot_token": "xoxb-hush"},
            Verdict.WRONG,
            "SLACK_BOT_TOKEN is set and SLACK_CHANNEL is not",
        ),
        (
            {"slack_webhook_url": "hooks.example/hush"},
            Verdict.WRONG,
            "SLACK_WEBHOOK_URL does not begin with https://",
        ),
    ],
)
def test_alerts_are_judged_by_what_is_set(values, verdict, said):
    secret = ("slack_webhook_url", "slack_bot_token", "alert_urls")
    found = alerts(
        Settings(**{name: SecretStr(v) if name in secret else v for name, v in values.items()})
    )
    assert (found.verdict, found.found) == (verdict, said)
    assert bool(found.remedy) is (verdict is Verdict.WRONG)
    assert "hush" not in repr(found)


def log_at(url: str):
    return prediction_log(Settings(prediction_log_url=url))


def log_with_a_table(folder: Path) -> Path:
    with sqlite3.connect(folder / "log.db") as connection:
        connection.execute("CREATE TABLE predictions (premium REAL)")
    return folder / "log.db"
