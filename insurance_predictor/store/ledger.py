"""Who moved production, when, from what to what and why: append-only lines kept in MLflow.

A line is one run in an experiment of its own, so two people who write at once make two lines
and neither can overwrite the other. A line is opened before the alias moves and closed after,
so whatever goes wrong in between leaves an open line, which `status` names and the next command
settles by looking where the alias stands.
"""

import getpass
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

from insurance_predictor.base.errors import NotFound
from insurance_predictor.base.settings import Settings
from insurance_predictor.store.tracking import every_page, experiment_id
from insurance_predictor.store.versions import Version, aliases, get_version, incarnation

if TYPE_CHECKING:
    from mlflow import MlflowClient

Action = Literal["promote", "rollback", "alias"]
# Runs may be marked as failed by somebody who looked too early; this mark is never taken away.
DONE_TAG = "ledger.done"
GREATEST = 10**18 - 1  # of the numbers in a line; where one has it, times order what comes after


@dataclass(frozen=True)
class Line:
    """One move of the production alias; `before` is None for the first.

    `alias` is the one that moved, `model_created` the incarnation of the model (see `versions`),
    `number` the line's place among all: each is absent in lines of releases that did not write it.
    """

    line_id: str
    action: str
    before: str | None
    after: str
    who: str
    when: datetime
    why: str
    forced: bool
    finished: bool
    metrics: Mapping[str, float] = field(default_factory=dict)
    alias: str | None = None
    model_created: str | None = None
    number: int = 0

    def is_about(self, alias: str, model_created: str | None) -> bool:
        """Whether this is a move of `alias` of that very model.

        A line without an alias counts for any, one without an incarnation for a model that is
        not younger than the line.
        """
        if model_created is None or self.alias not in (None, alias):
            return False
        if self.model_created is None:
            return round(self.when.timestamp() * 1000) >= int(model_created)
        return self.model_created == model_created

    def __str__(self) -> str:
        return (
            f"The ledger line of {self.when:%Y-%m-%d %H:%M} UTC "
            f"({self.action} {self.before or 'nothing'} to {self.after})"
        )


@dataclass(frozen=True)
class Ledger:
    """Every line but the dropped ones, oldest first, and the ids of runs that are no lines."""

    lines: tuple[Line, ...] = ()
    foreign: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settled:
    """The production alias's own lines once none is open, and a sentence for each that was."""

    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()

    @property
    def last(self) -> Line | None:
        """The last move that is known to have happened."""
        finished = [line for line in self.lines if line.finished]
        return finished[-1] if finished else None


def actor(settings: Settings) -> str:
    """Who is acting: the workflow's actor, else the tracking user, else the machine's user."""
    # Elsewhere the name says nothing.
    in_workflow = os.environ.get("GITHUB_ACTIONS") == "true"
    workflow_s = os.environ.get("GITHUB_ACTOR") if in_workflow else None
    if named := workflow_s or settings.mlflow_tracking_username:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has a number and no name
        return f"uid {os.getuid()}"


def open_line(
    client: "MlflowClient",
    settings: Settings,
    *,
    action: Action,
    before: str | None,
    after: str,
    why: str,
    forced: bool = False,
    metrics: Mapping[str, float] | None = None,
) -> str:
    """Write a line for a move of the production alias that is about to happen; returns its id."""
    from mlflow.entities import Metric

    where = experiment_id(client, ledger_name(settings), settings)
    # The store keeps the order: a client's clock may be wrong.
    last = max((line.number for line, _ in _read(client, settings)[0]), default=0)
    number = min(last + 1, GREATEST)
    run = client.create_run(
        where,
        run_name=f"{action} {before or 'nothing'} to {after}",
        tags={
            "ledger.action": action,
            "ledger.before": before or "",
            "ledger.after": after,
            "ledger.who": actor(settings),
            "ledger.why": why,
            "ledger.forced": str(forced).lower(),
            "ledger.alias": settings.production_alias,
            "ledger.model_created": incarnation(client, settings) or "",
            "ledger.number": str(number),
        },
    )
    now = run.info.start_time
    entries = [Metric(key, value, now, 0) for key, value in (metrics or {}).items()]
    client.log_batch(run.info.run_id, metrics=entries)
    return str(run.info.run_id)


def close_line(client: "MlflowClient", line_id: str) -> None:
    """Mark a line as done: the alias has moved."""
    client.set_tag(line_id, DONE_TAG, "true")
    client.set_terminated(line_id, status="FINISHED")


def drop_line(client: "MlflowClient", line_id: str) -> None:
    """Mark a line as failed: the alias has not moved. The line stays, and may still be closed."""
    client.set_terminated(line_id, status="FAILED")


def read_ledger(client: "MlflowClient", settings: Settings) -> Ledger:
    """Every line but the dropped ones, of whatever alias and incarnation of the model."""
    read, foreign = _read(client, settings)
    return Ledger(tuple(line for line, dropped in read if not dropped), foreign)


def read_lines(client: "MlflowClient", settings: Settings) -> list[Line]:
    """The lines of `read_ledger`."""
    return list(read_ledger(client, settings).lines)


def production_lines(client: "MlflowClient", settings: Settings) -> list[Line]:
    """Those lines that are about the production alias of the model as it is now."""
    created = incarnation(client, settings)
    return [
        line
        for line in read_lines(client, settings)
        if line.is_about(settings.production_alias, created)
    ]


def settle(client: "MlflowClient", settings: Settings) -> Settled:
    """Find out for each open line whether the alias has moved, and write that down.

    Only the newest can be the one that moved it to where it stands. One that is dropped while its
    own command is still at work is closed by that command all the same.
    """
    lines = production_lines(client, settings)
    left_open = [line for line in lines if not line.finished]
    if not left_open:
        return Settled(tuple(lines))
    standing = aliases(client, settings).get(settings.production_alias)
    notes = []
    for line in left_open:
        moved = line is left_open[-1] and line.after == standing
        (close_line if moved else drop_line)(client, line.line_id)
        notes.append(f"{line} is settled: the alias has {'' if moved else 'not '}moved.")
    return Settled(tuple(production_lines(client, settings)), tuple(notes))


def served_aliases(client: "MlflowClient", settings: Settings) -> set[str]:
    """The production alias, and every other alias of this model that has served by the ledger.

    Its default name always counts: lines of former releases do not say which alias moved, and
    before the first line any setting might call it another's.
    """
    created = incarnation(client, settings)
    default = str(type(settings).model_fields["production_alias"].default)
    return {settings.production_alias, default} | {
        line.alias
        for line in read_lines(client, settings)
        if line.finished and line.alias and line.is_about(line.alias, created)
    }


def versions_before(lines: Sequence[Line], current: str | None) -> list[str]:
    """The versions that a rollback from `current` may return to, the nearest first.

    Promotions stack up and a rollback takes the top away, so two rollbacks in a row go two
    versions back and never return to the one that was left.
    """
    stack: list[str] = []
    for line in lines:
        if not line.finished:
            continue
        if line.action == "rollback" and line.after in stack:
            while stack[-1] != line.after:
                stack.pop()
        elif not stack or stack[-1] != line.after:
            stack.append(line.after)
    return [number for number in dict.fromkeys(reversed(stack)) if number != current]


def way_back(
    client: "MlflowClient", settings: Settings, lines: Sequence[Line], current: str | None
) -> tuple[Version | None, tuple[str, ...]]:
    """The version that a rollback returns to, if any, and a sentence for each it passes over."""
    passed: list[str] = []
    for number in versions_before(lines, current):
        try:
            version = get_version(client, settings, number)
        except NotFound:
            why = "it has been deleted"
        else:
            if version.is_approved:
                return version, tuple(passed)
            why = "it is not approved any more"
        passed.append(f"Version {number} served too and was passed over: {why}.")
    return None, tuple(passed)


def ledger_name(settings: Settings) -> str:
    """The experiment that holds the lines."""
    return f"{settings.model_name}_ledger"


def _read(
    client: "MlflowClient", settings: Settings
) -> tuple[list[tuple[Line, bool]], tuple[str, ...]]:
    """Every line, oldest first, with whether it was dropped; and the ids of runs that are none."""
    found = client.get_experiment_by_name(ledger_name(settings))
    if found is None:
        return [], ()
    runs = every_page(
        lambda token: client.search_runs([found.experiment_id], max_results=1000, page_token=token)
    )
    read, foreign = [], []
    for run in runs:
        try:
            line = _line(run)
        except (KeyError, ValueError, OverflowError, OSError):  # the last two for its time
            foreign.append(str(run.info.run_id))
        else:
            read.append((line, run.info.status == "FAILED" and not line.finished))
    # Lines of before they had numbers come first, by the time of those who wrote them.
    read.sort(key=lambda one: (one[0].number, one[0].when, one[0].line_id))
    return read, tuple(sorted(foreign))


def _line(run: Any) -> Line:
    """Raises KeyError or ValueError for a run that is no line."""
    tags = run.data.tags
    return Line(
        line_id=run.info.run_id,
        action=_one_of(tags["ledger.action"], get_args(Action)),
        before=_whole(tags["ledger.before"]) if tags["ledger.before"] else None,
        after=_whole(tags["ledger.after"]),
        who=tags["ledger.who"],
        when=datetime.fromtimestamp((run.info.start_time or 0) / 1000, UTC),
        why=tags["ledger.why"],
        forced=_one_of(tags["ledger.forced"], ("true", "false")) == "true",
        finished=run.info.status == "FINISHED" or DONE_TAG in tags,
        metrics=dict(run.data.metrics),
        alias=tags.get("ledger.alias"),
        model_created=_whole(tags["ledger.model_created"])
        if tags.get("ledger.model_created")
        else None,
        number=int(_whole(tags.get("ledger.number", "0"))),
    )


def _one_of(text: str, allowed: Sequence[str]) -> str:
    if text not in allowed:
        raise ValueError(text)
    return text


def _whole(text: str) -> str:
    """A whole number as it is written, of 18 digits at most."""
    if not re.fullmatch("[0-9]{1,18}", text):
        raise ValueError(text)
    return text
