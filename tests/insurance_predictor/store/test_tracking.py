"""The edge to MLflow: which store is used, and what is said when it is not there."""

import errno
import os
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from insurance_predictor.base.errors import InvalidSettings, NotFound, Unreachable
from insurance_predictor.base.settings import Settings
from insurance_predictor.store import tracking
from insurance_predictor.store.tracking import (
    MLFLOW_DEFAULTS,
    ask_storage,
    check_reachable,
    connect,
    experiment_id,
    store_errors,
)
from tests.repository import ROOT
from tests.servers import USABLE, Quiet, free_port, host, host_that_answers, silent_host

LIMIT = 20  # seconds, of the exit code 4
PATIENCE = 120  # seconds, on a busy machine; a client left to itself takes four minutes


def test_without_a_uri_everything_is_kept_in_the_working_folder(elsewhere, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow sets it on connecting
    monkeypatch.chdir(tmp_path)
    settings = Settings()
    client = connect(settings)
    made = client.get_experiment(experiment_id(client, "first", settings))
    assert (tmp_path / "mlflow.db").is_file()
    assert Path(made.artifact_location) == tmp_path / "mlartifacts"
    run = client.create_run(made.experiment_id)
    client.log_text(run.info.run_id, "kept", "note.txt")
    assert [file.read_text() for file in tmp_path.glob("mlartifacts/**/note.txt")] == ["kept"]


def test_a_new_experiment_keeps_its_artifacts_where_the_settings_say(client, store):
    settings = store.model_copy(update={"artifact_location": "s3://bucket/folder"})
    made = client.get_experiment(experiment_id(client, "on_s3", settings))
    assert made.artifact_location == "s3://bucket/folder"


def test_an_experiment_is_made_once_and_then_found(client, store):
    assert experiment_id(client, "once", store) == experiment_id(client, "once", store)


def test_a_deleted_experiment_is_named_with_its_remedy(client, store):
    found = experiment_id(client, "deleted", store)
    client.delete_experiment(found)
    with pytest.raises(InvalidSettings, match=f"mlflow experiments restore -x {found}"):
        experiment_id(client, "deleted", store)


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("mlruns", "is a folder, which MLflow no longer writes to"),
        ("./mlruns", "is a folder, which MLflow no longer writes to"),
        ("file:///srv/mlruns", "is a folder, which MLflow no longer writes to"),
        ("ftp://host/mlruns", "is of a kind that is not supported"),
        ("http://", "is not a URL"),
        ("http://[::1", "is not a URL"),
        ("http://host:99999", "is not a URL"),
        ("postgresql+none://ana:***@host/mlflow", "cannot be opened"),
        ("postgresql://ana:***@host:port/mlflow", "cannot be opened"),
    ],
)
def test_a_uri_that_can_be_no_store_is_bad_settings(uri, why):
    with pytest.raises(InvalidSettings) as caught:
        check_reachable(uri.replace("***", "hush"))
    said = str(caught.value)
    assert said.startswith(f"MLFLOW_TRACKING_URI={uri!r} {why}")
    assert said.endswith(
        "Use sqlite:///mlflow.db, a postgresql:// database or the URL of a server."
    )
    assert "\n" not in said


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("file", "is not a SQLite database"),
        ("file/mlflow.db", "lies below {folder}/file, which is a file"),
        ("file/deeper/mlflow.db", "lies below {folder}/file, which is a file"),
        ("", "names a folder, not a database file"),
    ],
)
def test_a_database_file_that_cannot_be_one_is_bad_settings(place, why, tmp_path):
    (tmp_path / "file").write_text("age,sex\n")
    with pytest.raises(InvalidSettings) as caught:
        check_reachable(f"sqlite:///{tmp_path}/{place}")
    assert why.format(folder=tmp_path) in str(caught.value)


def test_a_file_that_is_empty_yet_may_become_the_database(tmp_path):
    (tmp_path / "mlflow.db").touch()
    check_reachable(f"sqlite:///{tmp_path}/mlflow.db")


def test_a_closed_port_is_unreachable_with_its_url_and_what_to_check():
    port = free_port()
    with pytest.raises(Unreachable) as caught:
        # pragma: allowlist nextline secret
        check_reachable(f"http://ana:hush@127.0.0.1:{port}/")
    assert str(caught.value) == (
        f"No answer from http://ana:***@127.0.0.1:{port}/ within 5 s. Check that the MLflow server "
        "is running (`curl` its /version) and that MLFLOW_TRACKING_URI is right."
    )


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateway_without_its_server_is_unreachable(status):
    with host_that_answers(status) as port, pytest.raises(Unreachable) as caught:
        check_reachable(f"http://127.0.0.1:{port}")
    assert f"http://127.0.0.1:{port} answers {status}: something is there" in str(caught.value)


def test_a_host_that_is_no_mlflow_server_is_unreachable(elsewhere):
    with host_that_answers(404) as port:
        settings = Settings(mlflow_tracking_uri=f"http://127.0.0.1:{port}")
        with pytest.raises(Unreachable, match="failed with error code 404"), store_errors(settings):
            connect(settings).get_experiment_by_name("any")


@pytest.mark.parametrize("version", ["2.22.1", "1.30.0", "4.0.0", "4.0.0rc1", "30.1.0"])
def test_a_server_of_another_major_version_is_told_before_anything_is_done(version, elsewhere):
    with host_that_answers(200, version) as port:
        uri = f"http://127.0.0.1:{port}"
        with pytest.raises(Unreachable) as caught:
            connect(Settings(mlflow_tracking_uri=uri))
    assert str(caught.value) == (
        f"{uri} is an MLflow server of version {version}, and this program works with 3.x. Use a "
        "server of version 3.x, as `make up` starts, or update that one."
    )


@pytest.mark.parametrize("version", ["3.0.0", "3.99.1\n", "3.18.0rc0", "3.18.0.dev0"])
def test_a_server_of_any_minor_version_is_worked_with(version):
    with host_that_answers(200, version) as port:
        check_reachable(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("said", ["<html>Sign in</html>", ""])
def test_a_page_in_front_of_the_server_is_told(said):
    with host_that_answers(200, said) as port, pytest.raises(Unreachable) as caught:
        check_reachable(f"http://127.0.0.1:{port}")
    assert "answers as a website does, not as an MLflow server" in str(caught.value)
    assert "login page" in str(caught.value)


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_who_does_not_tell_the_version_may_be_a_server_all_the_same(status):
    with host_that_answers(status) as port:
        check_reachable(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("variables", "header"),
    [
        ({"USERNAME": "ana", "PASSWORD": "hush"}, "Basic YW5hOmh1c2g="),  # pragma: allowlist secret
        ({"TOKEN": "hush"}, "Bearer hush"),
        # pragma: allowlist nextline secret
        ({"USERNAME": "ana", "PASSWORD": "hush", "TOKEN": "other"}, "Basic YW5hOmh1c2g="),
        ({}, None),
    ],
)
def test_the_first_look_has_the_login_that_mlflow_uses(variables, header, monkeypatch):
    heard: list[str | None] = []

    class Handler(Quiet):
        def do_GET(self) -> None:  # noqa: N802 (the name is the server's)
            heard.append(self.headers.get("Authorization"))
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    with host(Handler) as port:
        check_reachable(f"http://127.0.0.1:{port}")
    assert heard == [header]


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_that_fails_after_the_first_look_is_unreachable(status, elsewhere, monkeypatch):
    # The retries are MLflow's; one shows that they end in our words.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with host_that_answers(200, USABLE) as fine:
        settings = Settings(mlflow_tracking_uri=f"http://127.0.0.1:{fine}")
        client = connect(settings)
    with host_that_answers(status) as port:
        settings = Settings(mlflow_tracking_uri=f"http://127.0.0.1:{port}")
        client = type(client)(settings.mlflow_tracking_uri)
        with pytest.raises(Unreachable, match=f"127.0.0.1:{port}"), store_errors(settings):
            client.get_experiment_by_name("any")


def test_a_server_that_falls_silent_on_the_way_is_given_up_in_time():
    tries = int(MLFLOW_DEFAULTS["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]) + 1
    seconds = int(MLFLOW_DEFAULTS["MLFLOW_HTTP_REQUEST_TIMEOUT"])
    pauses = int(MLFLOW_DEFAULTS["MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR"]) * 2 ** (tries - 1)
    assert tries * seconds + pauses < LIMIT


def test_a_server_that_asks_to_be_left_alone_for_an_hour_is_not_waited_for(elsewhere):
    class Busy(Quiet):
        def do_GET(self) -> None:  # noqa: N802 (the name is the server's)
            said = USABLE if self.path == "/version" else ""
            self.send_response(200 if said else 503)
            self.send_header("Retry-After", "3600")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said.encode())

    with host(Busy) as port:
        settings = Settings(mlflow_tracking_uri=f"http://127.0.0.1:{port}")
        answer: Future[None] = Future()

        def ask() -> None:
            try:
                with store_errors(settings):
                    connect(settings).get_experiment_by_name("any")
            except Exception as error:
                answer.set_exception(error)

        threading.Thread(target=ask, daemon=True).start()
        with pytest.raises(Unreachable, match="too many 503 error responses"):
            answer.result(PATIENCE)


def test_a_storage_that_stays_silent_is_asked_once_and_named(client, store, monkeypatch):
    monkeypatch.setattr(tracking, "STORAGE_PATIENCE", 0.2)
    with silent_host() as port:
        location = f"http://127.0.0.1:{port}/api/2.0/mlflow-artifacts/artifacts"
        made = client.create_experiment("on_a_silent_storage", artifact_location=location)
        there = store.model_copy(update={"artifact_location": location})
        with pytest.raises(Unreachable) as caught:
            ask_storage(client, there, made)
    assert str(caught.value).startswith(
        f"The storage of artifacts, {location}, did not answer within 0.2 s."
    )


def test_a_database_server_that_is_not_there_is_unreachable():
    port = free_port()
    with pytest.raises(Unreachable) as caught:
        check_reachable(f"postgresql://ana:hu/sh@127.0.0.1:{port}/mlflow")
    said = str(caught.value)
    assert said.startswith(f"postgresql://ana:***@127.0.0.1:{port}/mlflow does not let us in: ")
    assert said.endswith("MLFLOW_TRACKING_URI has the right host, user and password.")
    assert "hu/sh" not in said


def test_a_full_disk_is_unreachable_storage(store):
    with pytest.raises(Unreachable, match="that the disk is not full"), store_errors(store):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_our_own_errors_and_bugs_pass_unchanged(store):
    for error in (NotFound("as it is"), ZeroDivisionError("a bug"), MlflowException("a bug")):
        with pytest.raises(type(error)) as caught, store_errors(store):
            raise error
        assert caught.value is error


def test_a_database_that_breaks_under_a_command_is_unreachable(elsewhere, tmp_path, capfd):
    database = tmp_path / "new" / "folders" / "mlflow.db"
    settings = Settings(mlflow_tracking_uri=f"sqlite:///{database}")
    client = connect(settings)
    assert database.is_file()
    with sqlite3.connect(database) as connection:
        connection.execute("DROP TABLE experiment_tags")
        connection.execute("DROP TABLE experiments")
    with pytest.raises(Unreachable, match="no such table"), store_errors(settings):
        client.get_experiment_by_name("any")
    database.write_bytes(b"SQLite format 3, or so it says. " * 100)
    with pytest.raises(Unreachable, match="file is not a database"), store_errors(settings):
        client.get_experiment_by_name("any")
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.process
@pytest.mark.parametrize("host", ["closed", "silent"])
def test_a_command_without_its_server_ends_with_4_in_time_and_without_a_traceback(host, tmp_path):
    with silent_host() as silent:
        port = silent if host == "silent" else free_port()
        uri = f"http://127.0.0.1:{port}"
        begun = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-m", "insurance_predictor", "status"],
            cwd=tmp_path,
            env=os.environ | {"MLFLOW_TRACKING_URI": uri, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert time.monotonic() - begun < PATIENCE
    assert ended.returncode == 4
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"error: No answer from {uri} within 5 s.")
    assert ended.stderr.count("\n") == 1
