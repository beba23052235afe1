"""Asks GitHub for a training when a new model may be the answer to an incident: once an incident.

The request is a `repository_dispatch` event with the incident's id. An incident is in the result
of every run of monitoring until it is over, so what GitHub did not take is asked for by the next.
https://docs.github.com/rest/repos/repos#create-a-repository-dispatch-event
"""

from collections.abc import Iterator
from typing import Any

from github.Repository import Repository

from infra.github.api import NOT_GITHUB, NotAllowed, translated
from infra.github.incidents import ReportedIncident, Result, known_issues
from insurance_predictor.base.errors import InvalidSettings

EVENT_TYPE = "retrain"
CALLING = frozenset({"drift", "performance"})  # a fault is repaired instead


def ask_for_trainings(repository: Repository, result: Result) -> Iterator[str]:
    """Ask for what was not asked for yet; what was done, a sentence each.

    That it was is written in the incident's issue. Where that got lost, a run of the workflow has
    the incident's id in its name: `run-name: Retrain ${{ github.event.client_payload.id }}`.
    Raises as `translated` does.
    """
    issues = known_issues(repository, result.model_name)
    for incident in filter(calls_for_training, result.incidents):
        issue = issues.get(incident.id)
        if issue is not None and incident.asked in issue.body:
            continue
        if _has_run(repository, incident):
            yield f"A training because of {incident.kind} was asked for before."
        else:
            _ask(repository, training_request(incident, result))
            yield f"A training is asked for because of {incident.kind}."
        if issue is not None:
            marker, _, rest = issue.body.partition("\n")
            with translated("change an issue"):
                issue.edit(body=f"{marker}\n{incident.asked}\n{rest}")


def calls_for_training(incident: ReportedIncident) -> bool:
    """Whether a new model may be the answer; what nobody was told of is not acted on either."""
    return incident.kind in CALLING and incident.is_open and incident.is_told


def training_request(incident: ReportedIncident, result: Result) -> dict[str, Any]:
    """What the workflow gets to know: why it was started, and about which version."""
    return {
        "event_type": EVENT_TYPE,
        "client_payload": {
            "id": incident.id,
            "incident": incident.id,
            "kind": incident.kind,
            "findings": list(incident.findings),
            "model_name": result.model_name,
            "version": incident.version,
            "window_start": result.start,
            "window_end": result.end,
        },
    }


def _has_run(repository: Repository, incident: ReportedIncident) -> bool:
    """Whether an earlier request has started the workflow.

    Raises InvalidSettings for a token that may not look: what cannot be seen may still be there.
    """
    since = f">={incident.opened.partition('T')[0]}"
    try:
        with translated("show the runs of the workflows"):
            runs = repository.get_workflow_runs(event="repository_dispatch", created=since)
            return any(incident.id in run.display_title for run in runs)
    except NotAllowed as error:
        raise InvalidSettings(
            f"{error} No training is asked for: it may have been before. The permission is "
            "actions (read)."
        ) from error


def _ask(repository: Repository, request: dict[str, Any]) -> None:
    """Not by `create_repository_dispatch`, which keeps to itself why GitHub refuses."""
    url = f"{repository.url}/dispatches"
    with translated("start a training"):
        _, answer = repository.requester.requestJsonAndCheck("POST", url, input=request)
    if answer is not None:
        raise InvalidSettings(NOT_GITHUB)
