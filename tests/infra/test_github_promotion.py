"""What a workflow shows of a promotion, and the one status that is required."""

import json
import os
import subprocess
import sys

import pytest

from infra.github.promotion import as_markdown
from infra.github.required import failures
from insurance_predictor.release.promotion import promote, rollback
from insurance_predictor.release.registration import register
from insurance_predictor.store.status import read_state
from insurance_predictor.store.versions import delete_alias
from tests.planting import Workshop, plant


def test_the_page_names_the_version_and_who_moved_it(
    client, settings, production, store, sample, trained, monkeypatch
):
    monkeypatch.setenv("GITHUB_ACTOR", "ana")
    other = plant(client, store, sample, Workshop.of(trained, sample).slightly_other)
    register(client, settings, other)
    promote(client, settings, reason="better | by far")
    rollback(client, settings, "Slack said <b>so</b>")
    text = as_markdown(settings, read_state(client, settings))
    assert text.startswith("## In production: version 1\n")
    first, second = [line for line in text.splitlines() if line.startswith("| 2")][:2]
    assert r"| ana | rollback 2 to 1 | Slack said \<b\>so\</b\> |" in first
    assert r"| ana | promote 1 to 2 | better \| by far |" in second


def test_nothing_in_production_is_said(client, settings, production):
    delete_alias(client, settings, settings.production_alias)
    text = as_markdown(settings, read_state(client, settings))
    assert text.startswith("## In production: nothing\n")
    assert "**Problem:**" in text


@pytest.mark.parametrize(
    ("needs", "found"),
    [
        ({"lint": "success", "test": "success"}, []),
        ({"lint": "success", "test": "failure"}, ["test: failure"]),
        ({"lint": "skipped", "test": "cancelled"}, ["lint: skipped", "test: cancelled"]),
        ({}, ["NEEDS names no job: list them under `needs` of this one."]),
    ],
)
def test_every_job_has_to_succeed(needs, found):
    jobs = {name: {"result": result, "outputs": {}} for name, result in needs.items()}
    assert failures(json.dumps(jobs)) == found


@pytest.mark.parametrize("needs", ["", "[]", "null", '{"lint": "success"}'])
def test_what_is_no_list_of_jobs_is_a_failure(needs):
    assert len(failures(needs)) == 1


@pytest.mark.parametrize(("result", "code"), [("success", 0), ("skipped", 1)])
def test_the_status_needs_nothing_but_python(result, code):
    done = subprocess.run(
        [sys.executable, "-S", "-m", "infra.github.required"],
        env=os.environ | {"NEEDS": json.dumps({"lint": {"result": result}})},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, "")
