"""Tells GitHub how a training ended: on the run's page, in a pull request, and as a check.

A refusal is an answer, not a failure: the check is neutral and the command ends well.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from infra.github.api import GitHub
from infra.github.outcome import Outcome, as_markdown, failure_as_markdown, read_outcome
from infra.github.workflow import Run, annotate, show
from insurance_predictor.base.errors import InsurancePredictorError
from insurance_predictor.base.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

MARKER = "<!-- insurance-predictor: outcome of the training -->"
CHECK = "Model"
CONCLUSIONS = {"approved": "success", "refused": "neutral"}
LONGEST = 60_000  # characters; GitHub takes 65,535


def report(client: "MlflowClient", settings: Settings, run: Run, run_id: str, why: str) -> Outcome:
    """Tell how the training of `run_id` ended, wherever this run may.

    Raises BadInput when it did not end with a version that the gate has judged, after telling so.
    """
    try:
        outcome = read_outcome(client, settings, run_id)
    except InsurancePredictorError as error:
        text = failure_as_markdown(str(error), run.url)
        show(text)
        _comment(settings, run, text)
        raise
    text = as_markdown(outcome, why, run.url)
    show(text)
    _comment(settings, run, text)
    _check(settings, run, outcome, text)
    return outcome


def _comment(settings: Settings, run: Run, text: str) -> None:
    """One comment of the pull request, if there is one, with what is true now."""
    if settings.github_token is None:
        return
    body = f"{MARKER}\n{text}"[:LONGEST]
    with _unless_forbidden("The pull request gets no comment"):
        github = GitHub(settings)
        number = run.pull_request or _open_pull_request(github, run)
        if number is None:
            return
        comments = f"issues/{number}/comments"
        ours = [one for one in github.all(comments) if one["body"].startswith(MARKER)]
        if ours:
            github.change(f"issues/comments/{ours[0]['id']}", {"body": body})
        else:
            github.create(comments, {"body": body})


def _open_pull_request(github: GitHub, run: Run) -> int | None:
    """The one whose branch ends with our commit, when a push and not itself has started the run."""
    if not run.commit:
        return None
    found = github.all(f"commits/{run.commit}/pulls")
    return next((one["number"] for one in found if one["state"] == "open"), None)


def _check(settings: Settings, run: Run, outcome: Outcome, text: str) -> None:
    """A check of the commit, neutral for a refusal; a refusal is also said in the run's list."""
    if outcome.verdict == "refused":
        annotate("notice", outcome.title, outcome.reasons)
    if not run.commit or settings.github_token is None:
        return
    with _unless_forbidden("The commit gets no check"):
        GitHub(settings).create(
            "check-runs",
            {
                "name": CHECK,
                "head_sha": run.commit,
                "status": "completed",
                "conclusion": CONCLUSIONS[outcome.verdict],
                "details_url": run.url or None,
                "output": {"title": outcome.title, "summary": text[:LONGEST]},
            },
        )


@contextmanager
def _unless_forbidden(what: str) -> Iterator[None]:
    """The token of a fork's pull request may only read; the page of the run says it all anyway."""
    try:
        yield
    except InsurancePredictorError as error:
        annotate("notice", what, str(error))
