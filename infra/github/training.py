"""Tells GitHub how a training ended: on the run's page, in a pull request, and as a check.

A refusal is an answer, not a failure: the check is neutral and the command ends well.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from github.GithubObject import NotSet
from github.Repository import Repository

from infra.github.api import open_repository, translated
from infra.github.training_summary import (
    TrainingSummary,
    as_markdown,
    failure_as_markdown,
    read_summary,
)
from infra.github.workflow import Run, annotate, show
from insurance_predictor.base.errors import InsurancePredictorError
from insurance_predictor.base.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

MARKER = "<!-- insurance-predictor: outcome of the training -->"
CHECK = "Model"
CONCLUSIONS = {"approved": "success", "refused": "neutral"}
LONGEST = 60_000  # characters; GitHub takes 65,535


def report(
    client: "MlflowClient", settings: Settings, run: Run, run_id: str, why: str
) -> TrainingSummary:
    """Tell how the training of `run_id` ended, wherever this run may.

    Raises BadInput when it did not end with a version that the gate has judged, after telling so.
    """
    try:
        summary = read_summary(client, settings, run_id)
    except InsurancePredictorError as error:
        text = failure_as_markdown(str(error), run.url)
        show(text)
        comment(settings, run, text)
        raise
    text = as_markdown(summary, why, run.url)
    show(text)
    comment(settings, run, text)
    if summary.status == "refused":
        annotate("notice", summary.title, summary.reasons)
    check(settings, run, summary.title, CONCLUSIONS[summary.status], text)
    return summary


def comment(settings: Settings, run: Run, text: str) -> None:
    """One comment of the pull request, if there is one, with what is true now."""
    if settings.github_token is None:
        return
    body = f"{MARKER}\n{text}"[:LONGEST]
    with _unless_forbidden("The pull request gets no comment"), translated("take a comment"):
        repository = open_repository(settings)
        number = run.pull_request or _open_pull_request(repository, run)
        if number is None:
            return
        issue = repository.get_issue(number)
        ours = [one for one in issue.get_comments() if one.body.startswith(MARKER)]
        if ours:
            ours[0].edit(body)
        else:
            issue.create_comment(body)


def _open_pull_request(repository: Repository, run: Run) -> int | None:
    """The one whose branch ends with our commit, when a push and not itself has started the run."""
    if not run.commit:
        return None
    found = repository.get_commit(run.commit).get_pulls()
    return next((one.number for one in found if one.state == "open"), None)


def check(settings: Settings, run: Run, title: str, conclusion: str, text: str) -> None:
    """A check of the commit; what is no failure and no success is neutral."""
    if not run.commit or settings.github_token is None:
        return
    with _unless_forbidden("The commit gets no check"), translated("take a check"):
        open_repository(settings).create_check_run(
            CHECK,
            run.commit,
            details_url=run.url or NotSet,
            status="completed",
            conclusion=conclusion,
            output={"title": title, "summary": text[:LONGEST]},
        )


@contextmanager
def _unless_forbidden(what: str) -> Iterator[None]:
    """The token of a fork's pull request may only read; the page of the run says it all anyway."""
    try:
        yield
    except InsurancePredictorError as error:
        annotate("notice", what, str(error))
