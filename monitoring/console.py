"""What `monitor` prints: a terminal's words, Markdown for a workflow's page, JSON for programs."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from insurance_predictor.base.foreign_text import for_github
from insurance_predictor.base.words import Language
from monitoring.alerts.outbox import Delivery
from monitoring.domain.assessment import Assessment, Verdict
from monitoring.domain.incidents import Change
from monitoring.history.json import assessment_json
from monitoring.run import Monitored
from monitoring.words import verdict_text

if TYPE_CHECKING:
    from monitoring.scored import Scored

MOST_UNDECIDED = 3  # names of verdicts without enough data that are said
LANGUAGE: Language = "en"  # as all commands
HEADINGS = {"quiet": "all quiet", "alarm": "alarm", "unknown": "not enough data"}


def text(done: Monitored) -> str:
    """The result for a terminal."""
    found = done.assessment
    lines = [
        f"Version {found.version}: {_window(found)}: {HEADINGS[found.status]}.",
        *(f"  {line}" for line in _findings(found)),
        *(f"  {line}" for line in _undecided(found)),
        *done.problems,
        *done.notes,
        *_incidents(done),
        *_delivery(done.delivery),
    ]
    if done.report is not None:
        lines.append(f"Report: {done.report_url or done.report}")
    if done.messages and (
        done.delivery is None or done.delivery.is_broken or not done.delivery.sent
    ):
        lines += ["", *"\n\n".join(done.messages).splitlines()]
    return "\n".join(lines)


def scored_text(done: "Scored") -> str:
    """What was found of a scored portfolio, for a terminal: every verdict on data and drift."""
    found, columns = done.assessment, done.assessment.columns
    faulty = f" and {done.faulty:,} who could not be quoted" if done.faulty else ""
    judged = [one for one in found.verdicts if one.kind in ("schema", "drift")]
    rows = [
        (
            verdict_text.check_name(verdict, LANGUAGE, columns),
            verdict.status,
            verdict_text.title(verdict, LANGUAGE, columns),
            verdict_text.money(verdict, LANGUAGE, columns),
        )
        for verdict in (*found.alarms, *(one for one in judged if one.status != "alarm"))
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(4)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    told = [
        f"{done.out}: {found.rows:,} people scored by version {found.version}{faulty}: "
        f"{HEADINGS[found.status]}.",
        *(f"  {line}" for line in lines),
        "  Performance and service are not judged: nobody was charged or waited yet.",
    ]
    return "\n".join([*told, *([f"Report: {done.report}"] if done.report else [])])


def scored_json(done: "Scored") -> str:
    """The same for another program."""
    found = {
        "status": done.assessment.status,
        "scored": done.out,
        "faulty": done.faulty,
        "assessment": assessment_json(done.assessment),
        "report": str(done.report) if done.report else None,
    }
    return json.dumps(found, indent=2)


def markdown(done: Monitored) -> str:
    """The result for the page of a workflow's run."""
    columns = done.assessment.columns
    rows = [
        f"| {for_github(verdict_text.check_name(verdict, LANGUAGE, columns))} | {verdict.status} | "
        f"{for_github(verdict_text.title(verdict, LANGUAGE, columns))} | "
        f"{for_github(verdict_text.money(verdict, LANGUAGE, columns))} |"
        for verdict in (*done.assessment.alarms, *_others(done.assessment))
    ]
    return "\n".join(
        [
            f"## Monitoring: {HEADINGS[done.assessment.status]}",
            "",
            f"Version {for_github(done.assessment.version)}: {_window(done.assessment)}.",
            *problems_markdown(done),
            *map(for_github, _incidents(done)),
            "",
            *delivery_markdown(done.delivery),
            "| Check | Verdict | What was seen | In money |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def as_json(done: Monitored) -> str:
    """Everything, for another program."""
    changed = {change.incident.id for change in done.decision.changes}
    others = [Change(incident=one) for one in done.open if one.id not in changed]
    incidents = [
        {
            "id": change.incident.id,
            "kind": change.incident.kind,
            "version": change.incident.version,
            "schedule": change.incident.schedule,
            "event": change.event,
            "is_open": change.incident.resolved is None,
            "is_told": change.incident.told_at is not None,
            "opened": change.incident.opened.isoformat(),
            "findings": list(change.incident.findings),
        }
        for change in (*done.decision.changes, *others)
    ]
    found = {
        "status": done.assessment.status,
        "exit_code": done.exit_code,
        "assessment": assessment_json(done.assessment),
        "incidents": incidents,
        "messages": list(done.messages),
        "problems": list(done.problems),
        "notes": list(done.notes),
        "report": str(done.report) if done.report else None,
        "report_url": done.report_url,
        "run_id": done.run_id,
        "delivery": done.delivery and _delivery_json(done.delivery),
    }
    return json.dumps(found, indent=2)


def problems_markdown(done: Monitored) -> list[str]:
    """What monitoring could not see or do, or says of itself, for the page of a workflow's run."""
    said = (*done.problems, *done.notes)
    if not said:
        return []
    return ["", "> [!WARNING]", *(f"> - {for_github(one)}" for one in said), ""]


def delivery(done: Delivery) -> str:
    """What became of messages."""
    return "\n".join(_delivery(done)) or "Nothing was to be sent."


def delivery_markdown(done: Delivery | None) -> list[str]:
    """What did not arrive, for the page of a workflow's run; nothing where all did."""
    lines = list(_troubles(done))
    if done is None or not lines:
        return []
    heading = "Alerts do not arrive" if done.is_broken else "Not all that was to be told arrived"
    said = [f"> - {for_github(line)}" for line in lines]
    return ["> [!WARNING]", f"> **{heading}**", ">", *said, ""]


def untold_markdown(error: Exception) -> str:
    """That nobody was told which version serves, and why, for the page of a workflow's run."""
    why = f"> {for_github(str(error))} `make announce` tells it once that is right."
    return "\n".join(
        ["> [!WARNING]", "> **Production may have moved and nobody was told**", ">", why]
    )


def _delivery_json(done: Delivery) -> dict[str, Any]:
    return {name: value for name, value in vars(done).items() if name != "refused"}


def _window(assessment: Assessment) -> str:
    start, end = (
        f"{when:%Y-%m-%d %H:%M}" for when in (assessment.window.start, assessment.window.end)
    )
    others = sum(assessment.other_versions.values())
    more = f", {others:,} more by other versions" if others else ""
    charged = sum(assessment.other_outcomes.values())
    charged_more = f", {charged:,} more by other versions" if charged else ""
    left_out = (
        f"; {assessment.left_out:,} of other models in this log are left out"
        if assessment.left_out
        else ""
    )
    return (
        f"{assessment.rows:,} predictions from {start} to {end} UTC{more}; "
        f"{assessment.outcomes:,} outcomes{charged_more}{left_out}"
    )


def _findings(assessment: Assessment) -> Iterable[str]:
    for verdict in assessment.alarms:
        money = verdict_text.money(verdict, LANGUAGE, assessment.columns)
        title = verdict_text.title(verdict, LANGUAGE, assessment.columns)
        yield title + (f" ({money})" if money else "")


def _undecided(assessment: Assessment) -> Iterable[str]:
    unknown = [
        verdict
        for verdict in assessment.verdicts
        if verdict.status == "unknown" and (verdict.missing or not assessment.registry_problem)
    ]
    if unknown:
        names = [
            verdict_text.check_name(verdict, LANGUAGE, assessment.columns)
            for verdict in unknown[:MOST_UNDECIDED]
        ]
        more = f" and {len(unknown) - len(names)} more" if len(unknown) > len(names) else ""
        missing = max(verdict.missing for verdict in unknown)
        yield f"Not decided for want of data: {', '.join(names)}{more}; {missing:,} rows missing."


def _incidents(done: Monitored) -> Iterable[str]:
    if not done.decision.counts:
        why = "A later window was judged before"
        if not done.assessment.window.schedule:
            why = "It is no length that is looked back at regularly (WINDOW=7d)"
        yield f"{why}, so this one changes no incident."
    for incident in done.open:
        columns = done.assessment.columns
        names = ", ".join(
            verdict_text.check_name(name, LANGUAGE, columns) for name in incident.findings
        )
        yield (
            f"Open since {incident.opened:%Y-%m-%d %H:%M} UTC, in windows of {incident.schedule}: "
            f"{incident.kind}: {names}."
        )


def _delivery(done: Delivery | None) -> Iterable[str]:
    if done is not None and done.sent:
        yield f"Messages sent: {done.sent}."
    if done is not None and done.is_broken:
        yield "Alerts do not arrive; `make alert-test` tries them."
    yield from _troubles(done)


def _troubles(done: Delivery | None) -> Iterable[str]:
    if done is None:
        return
    yield from done.troubles
    yield from done.given_up
    if done.waiting:
        yield f"Messages that wait for the next run: {done.waiting}."


def _others(assessment: Assessment) -> Iterable[Verdict]:
    return (verdict for verdict in assessment.verdicts if verdict.status != "alarm")
