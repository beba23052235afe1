"""The commands as a person types them: what is printed where, and the exit code."""

import json
import socket
from hashlib import sha256

import pytest

from insurance_predictor.base.settings import Settings
from insurance_predictor.log.database import FAILURES
from insurance_predictor.table import download
from tests.outcome import Terminal, library_terminal
from tests.predictions import kept
from tests.servers import USABLE, free_port, host_that_answers

ANA = ["--age", "40", "--sex", "female", "--bmi", "27.5", "--children", "2"]
ANA += ["--smoker", "no", "--region", "southeast"]


@pytest.fixture
def run(client, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys) -> Terminal:
    return library_terminal(settings, monkeypatch, capsys)


def test_the_life_cycle_by_its_commands(run, trained):
    registered = run("register", RUN_ID=trained.run_id)
    assert registered.code == 0
    assert registered.out.startswith("Version 1 is approved and stands as 'desafio'.")
    assert registered.out.endswith("Next: `make promote`.\n")
    promoted = run("promote", REASON="the first")
    assert promoted.out == ("'producao' moved from nothing to version 1.\n")
    shown = run("status")
    assert "producao  version 1" in shown.out
    assert "promote nothing to 1  the first" in shown.out
    state = json.loads(run("status", "--json").out)
    assert state["aliases"] == {"producao": "1"}
    assert state["ledger"][0]["why"] == "the first"


def test_a_quote_is_printed_for_people_and_for_programs(run, production):
    printed = run("predict", *ANA)
    quote = json.loads(run("predict", *ANA, "--json").out)
    assert printed.code == 0
    assert printed.err == ""
    assert printed.out == (
        f"US$ {quote['premium']:,.2f} a year "
        f"(90 % interval: {quote['low']:,.2f} to {quote['high']:,.2f}), version 1\n"
    )
    assert quote["low"] < quote["premium"] < quote["high"]


def test_each_quote_is_in_the_prediction_log(run, production, tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/log.db"
    monkeypatch.setenv("PREDICTION_LOG_URL", url)
    monkeypatch.setenv("PREDICTION_SPOOL", str(tmp_path / "spool"))
    quote = json.loads(run("predict", *ANA, "--json").out)
    [row] = kept(url)
    assert row["id"] == quote["prediction_id"]
    assert (row["source"], row["version"], row["age"]) == ("command", "1", 40)
    assert row["premium"] == quote["premium"]


def test_a_log_that_is_down_costs_no_quote(run, production, tmp_path, monkeypatch):
    monkeypatch.setenv("PREDICTION_LOG_URL", f"sqlite:///{tmp_path}/later/log.db")
    monkeypatch.setenv("PREDICTION_SPOOL", str(tmp_path / "spool"))
    printed = run("predict", *ANA)
    assert (printed.code, printed.out[:4]) == (0, "US$ ")
    (tmp_path / "later").mkdir()
    run("predict", *ANA)
    assert len(kept(f"sqlite:///{tmp_path}/later/log.db")) == 2


def test_a_quote_in_vain_is_a_failure_in_the_prediction_log(run, settings, tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/log.db"
    monkeypatch.setenv("PREDICTION_LOG_URL", url)
    monkeypatch.setenv("PREDICTION_SPOOL", str(tmp_path / "spool"))
    assert run("predict", *ANA).code == 2
    assert run("predict", *ANA, "--alias", "other").code == 2  # nobody said that it is there
    assert run("predict", *ANA, "--age", "17").code == 2
    [row] = kept(url, FAILURES)
    told = (row["model"], row["version"], row["source"], row["error"])
    assert told == (settings.model_name, None, "command", "NoProductionModel")


def test_a_quote_outside_the_training_is_printed_with_a_caution(run, production):
    printed = run("predict", *ANA, "--age", "90")
    assert printed.code == 0
    assert "caution: age 90 is outside what the model saw" in printed.out


def test_what_the_version_needs_and_nobody_gave_is_named(run, production):
    refused = run("predict", "--age", "40", "--sex", "male", "--bmi", "25")
    assert refused.code == 2
    assert refused.message == (
        "This person cannot be quoted: children is missing; smoker is missing; region is missing."
    )


def test_a_person_is_described_as_files_and_forms_have_it(run, production):
    said = ["--age", "40,0", "--sex", " Feminino", "--bmi", "27,5", "--children", "2"]
    said += ["--smoker", "NÃO", "--region", "South East"]
    found, expected = (json.loads(run("predict", *who, "--json").out) for who in (said, ANA))
    assert found | {"prediction_id": ""} == expected | {"prediction_id": ""}
    assert (
        json.loads(run("predict", *ANA, "--smoker", "0", "--json").out)["premium"]
        == (expected["premium"])
    )


def test_what_is_no_number_is_told_with_the_rule(run):
    refused = run("predict", *ANA, "--age", "forty", "--bmi", "7.500,00")
    assert (refused.code, refused.out) == (2, "")
    assert refused.message == (
        "This person cannot be quoted: age is 'forty'; it must be a whole number from 18 to 100; "
        "bmi is 7500.0; it must be a number from 10 to 60."
    )


def test_every_rule_that_a_person_breaks_is_named_at_once(run):
    wrong = ["--age", "7", "--sex", "cat", "--bmi", "nan", "--children", "-1"]
    wrong += ["--smoker", "maybe", "--region", "north"]
    refused = run("predict", *wrong)
    assert refused.code == 2
    assert refused.out == ""
    assert refused.message == (
        "This person cannot be quoted: age is 7; it must be a whole number from 18 to 100; "
        "sex is 'cat'; it must be one of female, male; "
        "bmi is 'nan'; it must be a number from 10 to 60; "
        "children is -1; it must be a whole number from 0 to 20; "
        "smoker is 'maybe'; it must be one of no, yes; "
        "region is 'north'; it must be one of northeast, northwest, southeast, southwest."
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["predict", *ANA], "has the alias 'producao'. Run `make train register promote` first."),
        (["predict", *ANA, "--alias", "other"], "`make status` lists the aliases."),
        (["promote"], "has the alias 'desafio'. Run `make train register` first."),
        (["promote", "--version", "9"], "has no version 9. `make status` lists the versions."),
        (["promote", "--version", "9" * 20], f"has no version {'9' * 20}. `make status` lists"),
        (["promote", "--version", "nine"], "VERSION='nine' is not a version number"),
        (["promote", "--force"], 'give a REASON="...".'),
        (["rollback"], "has the alias 'producao'. Run `make train register promote` first."),
        (["register", "--run-id", "none"], "There is no run 'none'."),
        (["alias", "set", "shadow", "9"], "has no version 9."),
        (["alias", "delete", "shadow"], "has the alias 'shadow'. `make status` lists"),
        (["tag", "9", "key", "value"], "has no version 9."),
    ],
)
def test_what_is_not_there_is_said_in_one_message_and_exits_2(arguments, said, run):
    refused = run(*arguments)
    assert refused.code == 2
    assert refused.out == ""
    assert said in refused.message
    assert "\n" not in refused.message


def test_status_of_an_empty_registry_says_what_to_run(run, settings):
    shown = run("status")
    assert shown.code == 0
    assert shown.out.startswith(f"{settings.model_name!r} has no version on sqlite:///")
    assert json.loads(run("status", "--json").out)["versions"] == []


def test_a_refusal_prints_its_reasons_and_exits_3(run, settings, production, trained, client):
    again = client.create_model_version(settings.model_name, production.source, trained.run_id)
    refused = run("promote", "--version", again.version)
    assert refused.code == 3
    assert refused.out == ""
    assert refused.message == (
        f"Version {again.version} has validacao_status=nothing, not aprovado. "
        f"Register a better run, or override: `make promote VERSION={again.version} FORCE=1 "
        'REASON="..."`.'
    )


def test_a_table_can_be_checked_before_it_is_trained_on(run, tmp_path):
    made = run("synthetic", "--output", str(tmp_path / "made.csv"), "--rows", "300", "--seed", "7")
    assert made.out == f"{tmp_path}/made.csv: 300 made-up people, seed 7.\n"
    checked = run("check-data", DATA=str(tmp_path / "made.csv"))
    assert checked.code == 0
    assert checked.out.startswith(f"{tmp_path}/made.csv can be used: 300 people, ")


@pytest.mark.parametrize("command", ["check-data", "train"])
def test_a_broken_table_exits_2_with_every_violation(command, run, tmp_path):
    table = tmp_path / "broken.csv"
    table.write_text(
        "age,sex,bmi,children,smoker,region,charges\n"
        "17,female,27.9,0,yes,southwest,16884.92\n"
        "18,male,33.77,1,perhaps,southeast,-5\n"
    )
    refused = run(command, DATA=str(table))
    assert refused.code == 2
    assert refused.out == ""
    for said in ("row 2, age", "row 3, smoker", "row 3, charges", str(table)):
        assert said in refused.message


def test_a_download_that_is_there_already_is_ready(run, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "DOWNLOADED", tmp_path / "insurance.csv")
    download.DOWNLOADED.write_bytes(b"people")
    named = {"DATA": str(download.DOWNLOADED)}
    done = run("data", **named, DATA_SHA256=sha256(b"people").hexdigest())
    assert (done.code, done.out) == (0, f"{tmp_path}/insurance.csv is ready.\n")


def test_nothing_is_downloaded_when_another_table_is_meant(run):
    done = run("data", DATA="s3://people/table.csv")
    assert done.out == (
        "Nothing to download: the table is s3://people/table.csv, because DATA names it.\n"
    )


def test_aliases_and_tags_are_set_and_taken_away_by_hand(run, production):
    assert run("alias", "set", "shadow", "1").out == "'shadow' stands on version 1.\n"
    assert run("tag", "1", "owner", "ana").out == "Version 1: owner is 'ana'.\n"
    state = json.loads(run("status", "--json").out)
    assert state["aliases"] == {"producao": "1", "shadow": "1"}
    assert state["versions"][0]["tags"]["owner"] == "ana"
    assert run("alias", "delete", "shadow").out == "'shadow' is gone.\n"
    assert run("tag", "1", "owner", "--delete").out == "Version 1: owner is gone.\n"
    state = json.loads(run("status", "--json").out)
    assert state["aliases"] == {"producao": "1"}
    assert "owner" not in state["versions"][0]["tags"]
    assert "has no tag 'owner'" in run("tag", "1", "owner", "--delete").message


def test_what_the_gate_and_the_ledger_go_by_is_not_changed_by_hand(run, production):
    refused = run("tag", "1", "validacao_status", "aprovado")
    assert refused.code == 2
    assert refused.message == (
        "The tag 'validacao_status' is one that decisions rest on: it is written by the "
        f"registration alone. `make register RUN_ID={production.run_id}` judges it again."
    )
    assert run("tag", "1", "metric.rmse", "--delete").code == 2
    refused = run("alias", "delete", "producao")
    assert refused.code == 2
    assert refused.message.startswith("The alias 'producao' serves, or has served, and is not")
    assert run("alias", "set", "producao", "1").out == "'producao' stands on version 1.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["alias", "set", "v3", "1"],
        ["alias", "set", "latest", "1"],
        ["alias", "set", "two words", "1"],
        ["tag", "1", "a" * 300, "value"],
    ],
)
def test_a_name_that_mlflow_forbids_is_bad_input(arguments, run, production):
    refused = run(*arguments)
    assert refused.code == 2
    assert refused.message.startswith("MLflow does not take the ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--loud"],
        ["sing"],
        ["predict", *ANA, "--height", "2"],
        ["tag", "1", "key"],
        ["tag", "1", "key", "value", "--delete"],
        ["train", "--trials", "0"],
        ["train", "--jobs", "0"],
        ["ui", "--port", "70000"],
    ],
)
def test_a_command_that_cannot_be_read_exits_2_and_shows_its_usage(arguments, run):
    refused = run(*arguments)
    assert refused.code == 2
    assert refused.out == ""
    assert refused.err.startswith("Usage: ")
    assert "Traceback" not in refused.err


def test_a_wrong_setting_exits_2_before_anything_is_done(run):
    refused = run("status", PRODUCTION_ALIAS="latest")
    assert refused.code == 2
    assert refused.message.startswith("PRODUCTION_ALIAS='latest' cannot be used: ")


def test_a_store_that_does_not_answer_exits_4(run):
    for command in (["status"], ["promote"], ["predict", *ANA], ["register"], ["ui"]):
        refused = run(*command, MLFLOW_TRACKING_URI=f"http://127.0.0.1:{free_port()}")
        assert refused.code == 4, command
        assert refused.message.startswith("No answer from http://127.0.0.1:")


def test_the_pages_of_a_server_are_its_own(run):
    with host_that_answers(200, USABLE) as port:
        shown = run("ui", MLFLOW_TRACKING_URI=f"http://ana:hush@127.0.0.1:{port}")
    assert (shown.code, shown.out) == (
        0,
        f"The server has its own pages: http://ana:***@127.0.0.1:{port}\n",
    )


def test_pages_on_a_port_that_is_taken_say_so(run):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        refused = run("ui", PORT=str(port))
    assert refused.code == 2
    assert refused.message == f"Port {port} is taken. Stop what uses it, or `make ui PORT=5001`."
