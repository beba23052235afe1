"""Who moved production, when, from what to what and why: append-only lines kept in MLflow.

A line is one run in an experiment of its own, so two people who write at once make two lines
and neither can overwrite the other. A line is opened before the alias moves and closed after,
so a crash in between leaves an open line that `status` names.
"""

import getpass
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from insurance_predictor.base.settings import Settings
from insurance_predictor.store.tracking import every_page, experiment_id

if TYPE_CHECKING:
    from mlflow import MlflowClient

Action = Literal["promote", "rollback", "alias"]


@dataclass(frozen=True)
class Line:
    """One move of the production alias; `before` is None for the first."""

    line_id: str
    action: str
    before: str | None
    after: str
    who: str
    when: datetime
    why: str
    forced: bool
    finished: bool
    metrics: Mapping[str, float]


def actor(settings: Settings) -> str:
    """Who is acting: the workflow's actor, else the tracking user, else the machine's user."""
    return os.environ.get("GITHUB_ACTOR") or settings.mlflow_tracking_username or getpass.getuser()


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
    """Write a line for a move that is about to happen; returns its id."""
    from mlflow.entities import Metric

    run = client.create_run(
        _experiment(client, settings),
        run_name=f"{action} {before or 'nothing'} to {after}",
        tags={
            "ledger.action": action,
            "ledger.before": before or "",
            "ledger.after": after,
            "ledger.who": actor(settings),
            "ledger.why": why,
            "ledger.forced": str(forced).lower(),
        },
    )
    now = run.info.start_time
    entries = [Metric(key, value, now, 0) for key, value in (metrics or {}).items()]
    client.log_batch(run.info.run_id, metrics=entries)
    return str(run.info.run_id)


def close_line(client: "MlflowClient", line_id: str) -> None:
    """Mark a line as done: the alias has moved."""
    client.set_terminated(line_id, status="FINISHED")


def drop_line(client: "MlflowClient", line_id: str) -> None:
    """Mark a line as failed: the alias has not moved. The line stays."""
    client.set_terminated(line_id, status="FAILED")


def read_lines(client: "MlflowClient", settings: Settings) -> list[Line]:
    """Every line but the failed ones, oldest first."""
    found = client.get_experiment_by_name(ledger_name(settings))
    if found is None:
        return []
    runs = every_page(
        lambda token: client.search_runs(
            [found.experiment_id],
            filter_string="attributes.status != 'FAILED'",
            order_by=["attributes.start_time ASC"],
            max_results=1000,
            page_token=token,
        )
    )
    return [_line(run) for run in runs]


def previous_version(lines: Sequence[Line], current: str) -> str | None:
    """The version that a rollback from `current` returns to; None when there is none.

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
    while stack and stack[-1] == current:
        stack.pop()
    return stack[-1] if stack else None


def ledger_name(settings: Settings) -> str:
    """The experiment that holds the lines."""
    return f"{settings.model_name}_ledger"


def _experiment(client: "MlflowClient", settings: Settings) -> str:
    return experiment_id(client, ledger_name(settings), settings)


def _line(run: Any) -> Line:
    tags = run.data.tags
    return Line(
        line_id=run.info.run_id,
        action=tags["ledger.action"],
        before=tags["ledger.before"] or None,
        after=tags["ledger.after"],
        who=tags["ledger.who"],
        when=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        why=tags["ledger.why"],
        forced=tags["ledger.forced"] == "true",
        finished=run.info.status == "FINISHED",
        metrics=dict(run.data.metrics),
    )
