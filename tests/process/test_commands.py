"""Commands that search, that are interrupted, and that serve until they are stopped."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from insurance_predictor.base.settings import Settings
from tests.outcome import Outcome, Terminal, library_terminal
from tests.repository import ROOT
from tests.servers import Server, free_port, start


@pytest.fixture
def run(client, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys) -> Terminal:
    return library_terminal(settings, monkeypatch, capsys)


@pytest.fixture(scope="module")
def handed_on(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that a step of a workflow hands values to the later ones in."""
    return tmp_path_factory.mktemp("workflow") / "outputs"


@pytest.fixture(scope="module")
def searched(store: Settings, client, handed_on: Path) -> Iterator[Outcome]:
    """`make train TUNE=1 N_TRIALS=2 AUTOLOG=1 PRODUCTION=1`, once."""
    done = subprocess.run(
        [sys.executable, "-m", "insurance_predictor", "train"],
        env=os.environ
        | {
            "MLFLOW_TRACKING_URI": store.mlflow_tracking_uri,
            "ARTIFACT_LOCATION": str(store.artifact_location),
            "PYTHONPATH": str(ROOT),
            "TUNE": "1",
            "N_TRIALS": "2",
            "N_JOBS": "1",
            "AUTOLOG": "1",
            "PRODUCTION": "1",
            "GITHUB_OUTPUT": str(handed_on),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def test_a_search_makes_a_nested_run_of_each_trial(searched, client):
    parent, *trials = sorted(production_runs(client), key=lambda run: run.info.start_time)
    assert len(trials) == 3 * 2
    assert {trial.data.tags["mlflow.parentRunId"] for trial in trials} == {parent.info.run_id}
    assert all("cv.rmse_mean" in trial.data.metrics for trial in trials)


def test_training_says_what_it_did_and_nothing_on_the_side(searched):
    assert searched.code == 0
    assert searched.err == ""
    assert searched.out.startswith("Training on bundled synthetic sample (data/sample.csv): ")
    assert "in 'insurance_predictor_prod_training' on sqlite:///" in searched.out
    assert searched.out.endswith("Next: `make register`, and `make ui` to look at it.\n")


def test_autologging_adds_mlflows_own_metrics(searched, client, trained):
    (parent,) = [run for run in production_runs(client) if run.data.tags["role"] == "training"]
    added = {"training_mean_squared_error", "training_r2_score"}
    assert added <= set(parent.data.metrics)
    assert not added & set(client.get_run(trained.run_id).data.metrics)


def test_a_workflow_gets_to_know_the_run(searched, client, handed_on):
    (parent,) = [run for run in production_runs(client) if run.data.tags["role"] == "training"]
    assert handed_on.read_text() == f"run_id={parent.info.run_id}\n"


def test_production_is_registered_from_its_own_experiment(searched, client, run):
    (parent,) = [run for run in production_runs(client) if run.data.tags["role"] == "training"]
    assert run("register", PRODUCTION="1").code == 0
    state = json.loads(run("status", "--json").out)
    assert [version["run_id"] for version in state["versions"]] == [parent.info.run_id]


def production_runs(client):
    found = client.get_experiment_by_name("insurance_predictor_prod_training")
    return client.search_runs([found.experiment_id])


def test_ctrl_c_ends_a_training_without_a_traceback_and_without_a_candidate(run, store, client):
    database, over = store.mlflow_tracking_uri.removeprefix("sqlite:///"), threading.Event()
    presser = threading.Thread(target=press_ctrl_c, args=(database, "interrupted", over))
    presser.start()
    try:
        ended = run("train", MLFLOW_EXPERIMENT_NAME="interrupted")
    finally:
        over.set()
        presser.join()
    assert ended.code == 130
    assert "Traceback" not in ended.err
    found = client.get_experiment_by_name("interrupted")
    assert [one.info.status for one in client.search_runs([found.experiment_id])] == ["FAILED"]
    refused = run("register", MLFLOW_EXPERIMENT_NAME="interrupted")
    assert "'interrupted' has no finished training" in refused.message


def press_ctrl_c(database: str, experiment: str, over: threading.Event) -> None:
    """Once a run of `experiment` is under way, and again if it goes on as if nothing had been.

    Python drops an interruption that meets a destructor or a callback from C.
    """
    query = (
        "SELECT COUNT(*) FROM runs JOIN experiments USING (experiment_id) "
        "WHERE experiments.name = ? AND runs.status = 'RUNNING'"
    )
    while not over.wait(0.02):
        with closing(sqlite3.connect(database)) as connection:
            is_running = connection.execute(query, [experiment]).fetchone()[0]
        if is_running:
            os.kill(os.getpid(), signal.SIGINT)
            over.wait(3)


@pytest.fixture
def pages(settings: Settings, tmp_path: Path) -> Iterator[Server]:
    port = free_port()
    server = start(
        [sys.executable, "-m", "insurance_predictor", "ui"],
        port,
        tmp_path,
        MLFLOW_TRACKING_URI=settings.mlflow_tracking_uri,
        PYTHONPATH=str(ROOT),
        PORT=str(port),
    )
    try:
        server.wait_until_healthy()
        yield server
    finally:
        server.stop()


def test_the_pages_show_the_configured_store(pages, production, run, elsewhere):
    shown = run("status", MLFLOW_TRACKING_URI=pages.uri)
    assert shown.code == 0
    assert f"on {pages.uri}" in shown.out
    assert "producao  version 1" in shown.out
    assert "sqlite" not in Path(f"/proc/{pages.process.pid}/cmdline").read_text()
