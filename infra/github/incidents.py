"""One GitHub issue for each incident of monitoring: opened, updated and closed with it.

An issue is known by two lines in its body that nobody sees: whose it is, and what was last told
in it. So a second run with the same result changes nothing.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from infra.github.api import Found, GitHub
from infra.github.markdown import block, code
from insurance_predictor.base.errors import BadInput

LABEL = "incident"
MARKER = "<!-- insurance-predictor: incident {id} of {model} -->"
TOLD = "<!-- told: {digest} -->"
LONGEST_TITLE = 200  # characters; GitHub takes 256
LONGEST_MESSAGE = 50_000  # characters; GitHub takes 65,536 for a body


@dataclass(frozen=True)
class Incident:
    """An incident as a run of monitoring left it.

    `message` is what was told in this run, None when there was nothing new. `is_told` says whether
    anybody was ever told; a silenced incident is not.
    """

    id: str
    kind: str
    findings: tuple[str, ...]
    is_open: bool
    is_told: bool
    message: str | None

    @property
    def told(self) -> str:
        """The line of a body that says what was told last."""
        return TOLD.format(digest=sha256((self.message or "").encode()).hexdigest())


@dataclass(frozen=True)
class Result:
    """What `python -m monitoring run --json` says, as far as issues need it."""

    model_name: str
    incidents: tuple[Incident, ...]
    report_url: str | None


def read_result(file: Path) -> Result:
    """The result in `file`. Raises BadInput for one that is damaged, or of a dry run."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if found["report"] is None:
            raise BadInput(f"{file} is of a dry run, which decides about no incident.")
        return Result(
            found["assessment"]["model_name"], tuple(_incidents(found)), found["report_url"]
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BadInput(f"{file} is no result of `make monitor`: {error!r}.") from error


def keep_issues(github: GitHub, result: Result, run_url: str = "") -> Iterator[str]:
    """Bring the issues up to date; what was done, a sentence each. Raises as `GitHub` does."""
    issues = dict(_known(github, result.model_name))
    for incident in result.incidents:
        issue = issues.get(incident.id)
        if incident.is_open and incident.is_told:
            yield from _kept(github, result, incident, issue, run_url)
        elif not incident.is_open and issue is not None and issue["state"] == "open":
            yield _closed(github, issue, incident.message)
    going_on = {incident.id for incident in result.incidents}
    for name, issue in issues.items():
        if name not in going_on and issue["state"] == "open":  # it ended in a run that got lost
            yield _closed(github, issue, None)


def _incidents(found: Mapping[str, Any]) -> Iterator[Incident]:
    """Each incident with the message of it: messages stand in the order of what was told."""
    messages = list(found["messages"])
    for one in found["incidents"]:
        yield Incident(
            id=one["id"],
            kind=one["kind"],
            findings=tuple(one["findings"]),
            is_open=one["is_open"],
            is_told=one["is_told"],
            message=messages.pop(0) if one["event"] else None,
        )


def _known(github: GitHub, model_name: str) -> Iterator[tuple[str, Found]]:
    """The issues of this model's incidents, each with its incident's id; the oldest comes last."""
    asked = {"labels": LABEL, "state": "all", "sort": "created", "direction": "desc"}
    before, after = MARKER.format(id="\n", model=model_name).split("\n")
    for issue in github.all("issues", **asked):
        first = (issue["body"] or "").partition("\n")[0].strip()
        if "pull_request" not in issue and first.startswith(before) and first.endswith(after):
            yield first.removeprefix(before).removesuffix(after), issue


def _kept(
    github: GitHub, result: Result, incident: Incident, issue: Found | None, run_url: str
) -> Iterator[str]:
    """The issue of an incident that goes on, made if it is missing and changed if there is news."""
    if issue is None:
        made = github.create(
            "issues",
            {
                "title": _title(incident),
                "body": _body(result, incident, run_url),
                "labels": [LABEL],
            },
        )
        yield f"Issue #{made['number']} is open: {_title(incident)}"
    elif incident.message is not None and incident.told not in issue["body"]:
        path = f"issues/{issue['number']}"
        body = {"title": _title(incident), "body": _body(result, incident, run_url)}
        github.change(path, {**body, "state": "open"})
        github.create(f"{path}/comments", {"body": _quoted(incident.message)})
        yield f"Issue #{issue['number']} has news: {_title(incident)}"


def _closed(github: GitHub, issue: Found, message: str | None) -> str:
    path = f"issues/{issue['number']}"
    github.change(path, {"state": "closed", "state_reason": "completed"})
    said = _quoted(message) if message else "The incident is over."
    github.create(f"{path}/comments", {"body": said})
    return f"Issue #{issue['number']} is closed: the incident is over."


def _title(incident: Incident) -> str:
    first = (incident.message or "").partition("\n")[0]
    return (first or f"Monitoring: {incident.kind}")[:LONGEST_TITLE]


def _body(result: Result, incident: Incident, run_url: str) -> str:
    """The two lines that nobody sees, what was told, and where to look."""
    findings = ", ".join(code(name) for name in incident.findings)
    links = [("Report", result.report_url), ("The run of the workflow, with the report", run_url)]
    return "\n\n".join(
        [
            f"{MARKER.format(id=incident.id, model=result.model_name)}\n{incident.told}",
            f"Monitoring has an open incident of the kind {code(incident.kind)}: {findings}.",
            *([_quoted(incident.message)] if incident.message else []),
            *(f"[{label}]({address})" for label, address in links if address),
            "This issue is kept by the workflow *monitor*, which closes it when the incident is "
            "over. What to do stands in docs/runbook.md.",
        ]
    )


def _quoted(message: str) -> str:
    return block(message[:LONGEST_MESSAGE])
