"""The benchmark measures pairs in turn and says honestly what missed its goal."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from insurance_predictor.base.settings import Settings
from insurance_predictor.table.synthetic import make_table, write_table
from tests.benchmarks.bench import (
    Row,
    as_json,
    chosen,
    forget_configuration,
    in_turn,
    python,
    rows_table,
    run,
    taken,
)


def test_calls_are_made_in_turn_and_none_is_left_out():
    made = []

    seconds = in_turn({"a": lambda: made.append("a"), "b": lambda: made.append("b")}, repeats=3)

    assert made == ["a", "b"] * 3
    assert set(seconds) == {"a", "b"}


def test_a_missed_goal_is_marked():
    kept = Row("x", "y", ours=1.0, theirs=1.0, goal=1.0, repeats=5)
    missed = Row("x", "y", ours=3.0, theirs=1.0, goal=2.5, repeats=5)

    table = rows_table([kept, missed]).splitlines()

    assert "3.00×" in table[3]
    assert "**no**" in table[3]
    assert "**no**" not in table[2]
    assert [row["met"] for row in json.loads(as_json([kept, missed], "t.csv"))["rows"]] == [
        True,
        False,
    ]


def test_a_command_that_fails_ends_the_benchmark(tmp_path: Path):
    with pytest.raises(SystemExit, match="ended with 7"):
        run(python("-c", "raise SystemExit(7)"), tmp_path)


def test_a_process_runs_in_its_folder_with_its_variables(tmp_path: Path):
    code = "import os; print(os.getcwd(), os.environ['DATA'])"

    assert run(python("-c", code), tmp_path, DATA="t.csv").split() == [str(tmp_path), "t.csv"]


def test_the_configured_store_stays_out_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example:5000")
    monkeypatch.setenv("PRODUCTION", "1")

    forget_configuration()

    names = run(python("-c", "import os; print(*os.environ)"), tmp_path).split()
    assert not {"MLFLOW_TRACKING_URI", "PRODUCTION"} & set(names)
    assert "PATH" in names


def test_what_a_process_takes_is_measured_of_that_process_alone(tmp_path: Path):
    little = taken(python("-c", "pass"), tmp_path)
    much = taken(python("-c", "b = b'x' * 200 * 2**20; sum(range(10**7))"), tmp_path)

    assert much[1] - little[1] == pytest.approx(200, abs=20)
    assert much[0] > little[0]


def test_a_process_that_fails_ends_the_measurement(tmp_path: Path):
    with pytest.raises(SystemExit, match=r"(?s)ended with 1:.*no table"):
        taken(python("-c", "raise SystemExit('no table')"), tmp_path)


def test_memory_is_shown_in_its_unit():
    row = Row("x, memory", "y", ours=300.0, theirs=200.0, goal=1.5, repeats=1, unit="MiB")

    assert "300 MiB" in rows_table([row])


def test_only_what_is_named_is_measured(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BENCH_ONLY", "registry,train")

    assert chosen(["train", "large", "registry", "setup"]) == ["train", "registry"]


def test_what_cannot_be_measured_is_refused_with_what_can(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BENCH_ONLY", "register")

    with pytest.raises(SystemExit, match=r"names register; there are train, registry\."):
        chosen(["train", "registry"])


def test_environments_are_left_out_on_demand(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BENCH_ONLY", "")
    monkeypatch.setenv("BENCH_SETUP", "0")

    assert chosen(["train", "setup"]) == ["train"]


def test_the_peers_of_the_registry_leave_what_our_commands_leave(
    client, settings: Settings, trained, tmp_path: Path
):
    at = {"MLFLOW_TRACKING_URI": settings.mlflow_tracking_uri}
    client.create_registered_model("peer")

    run(python("-m", "tests.benchmarks.peer_register", "peer", trained.run_id), tmp_path, **at)
    waiting = client.get_model_version_by_alias("peer", "desafio")
    run(python("-m", "tests.benchmarks.peer_promote", "peer", "moves"), tmp_path, **at)
    told = run(python("-m", "tests.benchmarks.peer_status", "peer", "moves"), tmp_path, **at)

    assert waiting.run_id == trained.run_id
    assert client.get_registered_model("peer").aliases == {"producao": waiting.version}
    assert f"producao: version {waiting.version}" in told
    assert f"nothing to {waiting.version}" in told


def test_the_peer_of_train_logs_the_model_and_its_pictures(tmp_path: Path):
    write_table(make_table(300), tmp_path / "people.csv")

    call = python("-m", "tests.benchmarks.peer_train", "people.csv", "careful")
    run(call, tmp_path, OMP_NUM_THREADS="1")

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name("peer").experiment_id
    (logged,) = client.search_runs([experiment])
    names = {file.path for file in client.list_artifacts(logged.info.run_id)}
    assert {"importance.png", "learning_curve.png", "holdout.csv"} <= names
    assert logged.data.metrics["holdout.r2_score"] > 0
    assert len(client.search_logged_models([experiment])) == 1
