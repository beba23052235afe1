"""One GitHub issue for each incident of monitoring: opened, updated and closed with it.

An issue is known by lines in its body that nobody sees: whose it is, what was last told in it, and
whether a training was asked for. So a second run with the same result changes nothing.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from github.Issue import Issue
from github.Repository import Repository

from infra.github.api import translated
from infra.github.markdown import block, code
from insurance_predictor.base.errors import BadInput

LABEL = "incident"
MARKER = "<!-- insurance-predictor: incident {id} of {model} -->"
TOLD = "<!-- told: {digest} -->"
ASKED = "<!-- a training was asked for because of {id} -->"
LONGEST_TITLE = 200  # characters; GitHub takes 256
LONGEST_MESSAGE = 50_000  # characters; GitHub takes 65,536 for a body


@dataclass(frozen=True)
class ReportedIncident:
    """An incident as a run of monitoring left it; `opened` is in ISO 8601.

    `message` is what was told in this run, None when there was nothing new. `is_told` says whether
    anybody was ever told; a silenced incident is not.
    """

    id: str
    kind: str
    version: str
    opened: str
    findings: tuple[str, ...]
    is_open: bool
    is_told: bool
    message: str | None

    @property
    def told(self) -> str:
        """The line of a body that says what was told last."""
        return TOLD.format(digest=sha256((self.message or "").encode()).hexdigest())

    @property
    def asked(self) -> str:
        """The line of a body that says that a training was asked for."""
        return ASKED.format(id=self.id)


@dataclass(frozen=True)
class Result:
    """What `python -m monitoring run --json` says, as far as GitHub needs it.

    The window's `start` and `end` are in ISO 8601. `troubles` are what is in the way of alerts and
    what is given up, a sentence each; `is_broken` says that alerts do not arrive. `problems` are
    what monitoring could not ask or record, and `notes` what else a person should know.
    """

    model_name: str
    start: str
    end: str
    incidents: tuple[ReportedIncident, ...]
    report_url: str | None
    troubles: tuple[str, ...] = ()
    is_broken: bool = False
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_result(file: Path) -> Result:
    """The result in `file`. Raises BadInput for one that is damaged, or of a dry run."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if found["report"] is None:
            raise BadInput(f"{file} is of a dry run, which decides about no incident.")
        assessment = found["assessment"]
        delivery = found.get("delivery") or {}  # an earlier release did not tell
        return Result(
            model_name=assessment["model_name"],
            start=assessment["window"]["start"],
            end=assessment["window"]["end"],
            incidents=tuple(_incidents(found)),
            report_url=found["report_url"],
            troubles=(*delivery.get("troubles", ()), *delivery.get("given_up", ())),
            is_broken=delivery.get("is_broken", False),
            problems=tuple(found.get("problems", ())),
            notes=tuple(found.get("notes", ())),
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise BadInput(f"{file} is no result of `make monitor`: {error!r}.") from error


def keep_issues(repository: Repository, result: Result, run_url: str = "") -> Iterator[str]:
    """Bring the issues up to date; what was done, a sentence each. Raises as `translated` does."""
    issues = known_issues(repository, result.model_name)
    for incident in result.incidents:
        issue = issues.get(incident.id)
        if incident.is_open and incident.is_told:
            yield from _kept(repository, result, incident, issue, run_url)
        elif not incident.is_open and issue is not None and issue.state == "open":
            yield _closed(issue, incident.message)
    going_on = {incident.id for incident in result.incidents}
    for name, issue in issues.items():
        if name not in going_on and issue.state == "open":  # it ended in a run that got lost
            yield _closed(issue, None)


def known_issues(repository: Repository, model_name: str) -> dict[str, Issue]:
    """The issues of this model's incidents by the incident's id, of several the oldest."""
    before, after = MARKER.format(id="\n", model=model_name).split("\n")
    known = {}
    with translated("show the issues"):
        for issue in repository.get_issues(labels=[LABEL], state="all", direction="desc"):
            first = (issue.body or "").partition("\n")[0].strip()
            # Asking for `pull_request`, which an issue lacks, would fetch each one by itself.
            is_issue = "/pull/" not in issue.html_url
            if is_issue and first.startswith(before) and first.endswith(after):
                known[first.removeprefix(before).removesuffix(after)] = issue
    return known


def _incidents(found: Mapping[str, Any]) -> Iterator[ReportedIncident]:
    """Each incident with the message of it: messages stand in the order of what was told."""
    messages = list(found["messages"])
    for one in found["incidents"]:
        yield ReportedIncident(
            id=_harmless(one["id"]),
            kind=one["kind"],
            version=one["version"],
            opened=one["opened"],
            findings=tuple(one["findings"]),
            is_open=one["is_open"],
            is_told=one["is_told"],
            message=messages.pop(0) if one["event"] else None,
        )


def _harmless(name: str) -> str:
    """An incident's id; of one that monitoring did not make, an id that can stand in any text.

    Whoever writes to the log's database may put what he likes there.
    """
    with suppress(ValueError):
        if str(UUID(name)) == name:
            return name
    return str(uuid5(NAMESPACE_OID, name))


def _kept(
    repository: Repository,
    result: Result,
    incident: ReportedIncident,
    issue: Issue | None,
    run_url: str,
) -> Iterator[str]:
    """The issue of an incident that goes on, made if it is missing and changed if there is news."""
    title = _title(incident)
    if issue is None:
        with translated("open an issue"):
            body = _body(result, incident, run_url)
            made = repository.create_issue(title, body, labels=[LABEL])
        yield f"Issue #{made.number} is open: {title}"
    elif incident.message is not None and incident.told not in issue.body:
        body = _body(result, incident, run_url, is_asked=incident.asked in issue.body)
        with translated("change an issue"):
            issue.edit(title, body, state="open")
            issue.create_comment(_quoted(incident.message))
        yield f"Issue #{issue.number} has news: {title}"


def _closed(issue: Issue, message: str | None) -> str:
    with translated("close an issue"):
        issue.edit(state="closed", state_reason="completed")
        issue.create_comment(_quoted(message) if message else "The incident is over.")
    return f"Issue #{issue.number} is closed: the incident is over."


def _title(incident: ReportedIncident) -> str:
    first = (incident.message or "").partition("\n")[0]
    return (first or f"Monitoring: {incident.kind}")[:LONGEST_TITLE]


def _body(result: Result, incident: ReportedIncident, run_url: str, is_asked: bool = False) -> str:
    """The lines that nobody sees, what was told, and where to look."""
    hidden = [MARKER.format(id=incident.id, model=result.model_name), incident.told]
    hidden += [incident.asked] if is_asked else []
    findings = ", ".join(code(name) for name in incident.findings)
    links = [("Report", result.report_url), ("The run of the workflow, with the report", run_url)]
    return "\n\n".join(
        [
            "\n".join(hidden),
            f"Monitoring has an open incident of the kind {code(incident.kind)}: {findings}.",
            *([_quoted(incident.message)] if incident.message else []),
            *(f"[{label}]({address})" for label, address in links if address),
            "This issue is kept by the workflow *monitor*, which closes it when the incident is "
            "over. What to do stands in docs/runbook.md.",
        ]
    )


def _quoted(message: str) -> str:
    return block(message[:LONGEST_MESSAGE])
