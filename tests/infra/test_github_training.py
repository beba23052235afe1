"""How trainings ended, told to a GitHub: approved, refused, identical, and not at all."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from infra.github.cli import training_summary
from infra.github.training_summary import as_markdown, read_summary
from infra.github.workflow import read_run
from insurance_predictor.base import formats
from insurance_predictor.base.errors import BadInput, RefusedByGate
from insurance_predictor.release.promotion import promote
from insurance_predictor.release.registration import register
from insurance_predictor.store.versions import delete_tag
from insurance_predictor.table.columns import target_json
from insurance_predictor.table.schema import TARGET
from tests.infra import github_server
from tests.own_columns import IN_REAIS
from tests.planting import Workshop, linear, plant

PUSHED, HEAD = "a" * 40, "b" * 40
EVENT = {"pull_request": {"number": 12, "head": {"sha": HEAD}}}


@pytest.fixture(scope="module")
def workshop(trained, sample) -> Workshop:
    return Workshop.of(trained, sample)


@pytest.fixture(scope="module")
def bad_run(client, store, sample, workshop) -> str:
    columns = tuple(workshop.pair.preprocessor.get_feature_names_out())
    return plant(client, store, sample, workshop.with_model(linear(columns, 0.0, -5_000.0)))


@pytest.fixture
def server():
    with github_server.github() as running:
        yield running


@pytest.fixture
def step(settings, store, tmp_path, server):
    """The environment of a step of a workflow, for a pull request unless `event` is another."""

    def variables(event: dict | None = None, **more: str) -> dict[str, str]:
        (tmp_path / "event.json").write_text(json.dumps(EVENT if event is None else event))
        return {
            "MLFLOW_TRACKING_URI": store.mlflow_tracking_uri,
            "MODEL_NAME": settings.model_name,
            "GITHUB_ACTIONS": "true",
            "GITHUB_SHA": PUSHED,
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_RUN_ID": "7",
            "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "page.md"),
            "GITHUB_TOKEN": github_server.TOKEN,
            "GITHUB_REPOSITORY": github_server.REPOSITORY,
            "GITHUB_API_URL": f"http://127.0.0.1:{server.port}/api/v3",
        } | more

    return variables


@pytest.fixture
def summarize(step, monkeypatch, capsys):
    """`make training-summary` without make and without a process: what it prints."""

    def run(run_id: str, event: dict | None = None, reason: str = "", **more: str) -> str:
        for name, value in step(event, **more).items():
            monkeypatch.setenv(name, value)
        training_summary(run_id, reason)
        return capsys.readouterr().out

    return run


@pytest.fixture
def command(step):
    """`make training-summary` without make."""

    def run(run_id: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "infra", "github", "training-summary"],
            env=os.environ | step() | {"RUN_ID": run_id},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture
def page(tmp_path: Path):
    return lambda: (tmp_path / "page.md").read_text()


def refuse(client, settings, run_id: str) -> None:
    with pytest.raises(RefusedByGate):
        register(client, settings, run_id)


@pytest.mark.process
def test_an_approved_version_is_a_check_that_succeeded(client, settings, trained, command, server):
    register(client, settings, trained.run_id)
    done = command(trained.run_id)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Version 1 is approved and waits for promotion.\n"
    (check,) = server.checks
    assert (check["conclusion"], check["head_sha"]) == ("success", HEAD)
    assert check["details_url"] == "https://github.com/ana/insurance/actions/runs/7"


def test_a_refusal_is_neutral_and_no_crash(client, settings, bad_run, summarize, server, page):
    refuse(client, settings, bad_run)
    assert summarize(bad_run).startswith(
        "::notice title=Version 1 is refused by the gate (exit 3)::"
    )
    (check,) = server.checks
    assert check["conclusion"] == "neutral"
    assert "not above zero" in page()
    assert check["output"]["summary"] in page()


@pytest.fixture
def identical(client, settings, production, trained):
    """The summary of the very run that serves, registered as another version."""
    client.create_model_version(
        settings.model_name,
        production.source,
        trained.run_id,
        tags=production.digests.as_tags(),
    )
    refuse(client, settings, trained.run_id)
    return read_summary(client, settings, trained.run_id)


def row(text: str, name: str, sign: str = "US$") -> list[str]:
    """The cells of a metric, without its name."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {name} | {sign}")]
    return line.strip("| ").split(" | ")[1:]


def test_what_is_identical_to_production_is_said_to_be_no_fault(identical):
    text = as_markdown(identical)
    assert "identical to production: version 1" in text
    assert "Nothing is wrong" in text
    assert "| Against version 1, on the same people | Difference |" in text


def test_metrics_stand_with_their_intervals_and_beside_production(identical, trained):
    rmse = trained.trained.evaluation.overall["rmse"]
    value, low, high = (
        formats.amount(one, TARGET, "en") for one in (rmse.value, rmse.low, rmse.high)
    )
    assert row(as_markdown(identical), "RMSE") == [value, f"{low} to {high}", value, "US$\xa00"]


def test_the_difference_from_production_has_its_sign(identical):
    worse = dict(identical.production.metrics)
    worse["holdout.rmse"] += 100
    other = replace(identical, production=replace(identical.production, metrics=worse))
    assert row(as_markdown(other), "RMSE")[-1] == "−US$\xa0100"


def test_each_version_is_in_its_own_currency_and_two_currencies_have_no_difference(identical):
    tag = target_json(IN_REAIS.target)
    reais = replace(identical, facts=replace(identical.facts, target_tag=tag))
    value, interval, theirs, difference = row(as_markdown(reais), "RMSE", "R$")
    assert value.startswith("R$\xa0")
    assert "US$" not in interval
    assert theirs.startswith("US$\xa0")
    assert difference == "–"
    assert "| largest difference of one quote | R$ 0.00 a year |" in as_markdown(reais)


def test_another_table_is_said_to_be_another(identical):
    old = replace(identical.production, dataset="0123456789ab")
    text = as_markdown(replace(identical, production=old))
    assert "Version 1 was measured on another table (0123456789ab, not " in text
    assert "another table" not in as_markdown(identical)


def test_the_first_version_has_nothing_to_compare_with(client, settings, trained):
    register(client, settings, trained.run_id)
    text = as_markdown(read_summary(client, settings, trained.run_id))
    assert "only the absolute rules applied" in text
    assert "in production |" not in text


def test_a_version_that_serves_is_not_compared_with_itself(client, settings, production, trained):
    assert read_summary(client, settings, trained.run_id).production is None


def test_a_pull_request_has_one_comment_that_is_updated(
    client, settings, trained, bad_run, summarize, server
):
    server.comments = [
        {"id": 100 + number, "issue": 12, "body": f"comment {number}"} for number in range(3)
    ]
    register(client, settings, trained.run_id)
    summarize(trained.run_id)
    promote(client, settings)
    refuse(client, settings, bad_run)
    summarize(bad_run)
    assert len(server.on(12)) == 4
    assert "Version 2 is refused" in server.on(12)[-1]


def test_what_started_it_is_shown_as_it_is(client, settings, trained, summarize, page):
    register(client, settings, trained.run_id)
    summarize(trained.run_id, event={}, reason="drift, says @ana\n## <b>now</b>")
    assert "Started for: drift, says @\u200bana \\#" in page()
    assert "<b>" not in page()


def test_a_fork_may_write_nothing_and_its_run_is_as_good(
    client, settings, trained, summarize, server, page
):
    register(client, settings, trained.run_id)
    server.forbidden = {"comments", "check-runs"}
    said = summarize(trained.run_id)
    assert "::notice title=The pull request gets no comment::" in said
    assert "::notice title=The commit gets no check::" in said
    assert "## Version 1 is approved" in page()
    assert (server.comments, server.checks) == ([], [])


def test_without_a_token_nothing_is_asked_of_github(client, settings, trained, summarize, server):
    register(client, settings, trained.run_id)
    summarize(trained.run_id, GITHUB_TOKEN="")
    assert server.asked == []


def test_a_push_has_a_check_and_no_comment(client, settings, trained, summarize, server):
    register(client, settings, trained.run_id)
    summarize(trained.run_id, event={"ref": "refs/heads/data-update"})
    assert server.asked == [f"GET commits/{PUSHED}/pulls", "POST check-runs"]
    assert server.checks[0]["head_sha"] == PUSHED


def test_a_push_to_the_branch_of_an_open_pull_request_comments_there(
    client, settings, trained, summarize, server
):
    states = {11: "closed", 12: "closed", 13: "open"}
    server.pulls = [
        {"number": number, "state": state, "commit": PUSHED} for number, state in states.items()
    ]
    register(client, settings, trained.run_id)
    summarize(trained.run_id, event={"ref": "refs/heads/data-update"})
    assert len(server.on(13)) == len(server.comments) == 1


def test_a_training_that_was_not_judged_is_a_failure_and_says_so(trained, summarize, server, page):
    with pytest.raises(BadInput, match="was trained and not registered"):
        summarize(trained.run_id)
    assert "## The training failed" in page()
    assert "The training failed" in server.on(12)[0]
    assert server.checks == []


@pytest.mark.process
def test_a_training_that_failed_is_red_and_says_so(command, server, page):
    done = command("")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "## The training failed" in page()
    assert "The training failed" in server.on(12)[0]
    assert server.checks == []


def test_a_version_without_a_status_has_no_summary(client, settings, trained):
    number = register(client, settings, trained.run_id).version.number
    delete_tag(client, settings, number, "validacao_status")
    with pytest.raises(BadInput, match="not registered"):
        read_summary(client, settings, trained.run_id)


def test_a_copy_that_is_not_what_was_trained_is_a_failure(client, settings, bad_run):
    with suppress(RefusedByGate):
        register(client, settings, bad_run)
    delete_tag(client, settings, "1", "gate_reasons")
    with pytest.raises(BadInput, match="not what was trained"):
        read_summary(client, settings, bad_run)


def test_an_event_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "nowhere.json"))
    with pytest.raises(BadInput, match=r"nowhere\.json"):
        read_run()
