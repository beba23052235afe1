"""The commands as a person types them, against the server: twice in a row, and back again."""

import json
import re
import subprocess
import sys

import pytest

from tests.integration.stack import Stack
from tests.integration.storage import Storage
from tests.integration.terminal import Terminal


@pytest.fixture(scope="module")
def run(terminal_for) -> Terminal:
    return terminal_for("life_cycle")


@pytest.fixture(scope="module")
def run_id(run: Terminal) -> str:
    """The first training."""
    printed = run.good("train")
    assert "View run" not in printed  # MLflow's own words
    return trained_run(printed)


@pytest.fixture(scope="module")
def first_quote(run: Terminal, run_id: str) -> dict[str, object]:
    """The first model is in production; this is what it asks of Ana."""
    assert run.good("register").startswith("Version 1 is approved and stands as 'desafio'.")
    assert "moved from nothing to version 1." in run.good("promote")
    return run.quote()


@pytest.fixture(scope="module")
def second_quote(run: Terminal, first_quote: dict[str, object]) -> dict[str, object]:
    """The same commands again, on another table."""
    run.good("synthetic", "--output", "more.csv", "--rows", "2000", "--seed", "2")
    run.good("train", DATA="more.csv")
    assert run.good("register").startswith("Version 2 is approved and stands as 'desafio'.")
    assert "moved from version 1 to version 2." in run.good("promote")
    return run.quote()


def test_the_first_model_quotes(first_quote: dict[str, object]):
    assert first_quote["version"] == "1"
    assert first_quote["low"] < first_quote["premium"] < first_quote["high"]


def test_the_same_commands_again_bring_the_next_model(run: Terminal, second_quote, first_quote):
    assert second_quote["version"] == "2"
    assert second_quote["premium"] != first_quote["premium"]
    state = run.state()
    assert state["aliases"] == {"producao": "2"}
    assert {version["tags"]["validacao_status"] for version in state["versions"]} == {"aprovado"}


def test_production_goes_back_to_the_first_model(run: Terminal, second_quote, first_quote):
    assert "moved from version 2 to version 1." in run.good("rollback", REASON="too dear")
    assert run.quote() == first_quote
    state = run.state()
    assert state["problems"] == []
    assert [(line["action"], line["before"], line["after"]) for line in state["ledger"]] == [
        ("promote", None, "1"),
        ("promote", "1", "2"),
        ("rollback", "2", "1"),
    ]
    assert {line["who"] for line in state["ledger"]} == {"admin"}
    assert state["ledger"][-1]["why"] == "too dear"


def test_the_files_of_a_run_and_its_model_lie_in_the_bucket(
    object_store: Storage, server: Stack, run_id: str
):
    pages = object_store.client().get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=object_store.bucket).search("Contents[].Key")
    names = "\n".join(found)
    assert f"{run_id}/artifacts/preprocessing/preprocessor.joblib" in names
    ((location,),) = server.postgres.ask(
        "SELECT artifact_location FROM logged_models WHERE source_run_id = %s", run_id
    )
    assert location.startswith("mlflow-artifacts:/")
    assert f"{location.removeprefix('mlflow-artifacts:/')}/MLmodel" in names


def test_the_commands_hold_no_key_of_the_object_store(run: Terminal):
    asked = "import boto3; print(boto3.Session().get_credentials())"
    answer = subprocess.run(
        [sys.executable, "-c", asked], env=run.environment, capture_output=True, timeout=60
    )
    assert answer.stdout.strip() == b"None"


def test_a_stranger_is_told_which_variables_to_check(run: Terminal, server: Stack):
    refused = run("status", MLFLOW_TRACKING_PASSWORD="wrong")
    assert refused.code == 2
    assert refused.out == ""
    assert refused.message.startswith(
        f"{server.uri} refused the credentials. Check MLFLOW_TRACKING_USERNAME and "
        "MLFLOW_TRACKING_PASSWORD."
    )
    assert "\n" not in refused.message
    assert server.password not in json.dumps([refused.out, refused.err])


def trained_run(printed: str) -> str:
    """The id that `train` printed."""
    found = re.search(r"^Run (\w{32}) in ", printed, re.MULTILINE)
    assert found is not None, printed
    return found[1]
