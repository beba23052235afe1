"""An approved version goes into production, and production goes back one step."""

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from insurance_predictor.base.errors import BadInput, NotFound, RefusedByGate
from insurance_predictor.base.settings import Settings
from insurance_predictor.model.run_layout import APPROVED, STATUS_TAG
from insurance_predictor.serving.predictor import check_version
from insurance_predictor.store import versions
from insurance_predictor.store.ledger import (
    Action,
    close_line,
    drop_line,
    open_line,
    previous_version,
    read_lines,
)
from insurance_predictor.store.versions import Version

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Move:
    """A move of the production alias; `moved` is False when it already stood there."""

    before: str | None
    after: str
    moved: bool


def promote(
    client: "MlflowClient",
    settings: Settings,
    number: str | None = None,
    *,
    force: bool = False,
    reason: str = "",
) -> Move:
    """Move the production alias to an approved version (default: the challenger).

    `force` with a `reason` overrides the gate's verdict, never the integrity checks. Raises
    Refused or IntegrityFault when the version may not serve, NotFound when it is not there.
    """
    if force and not reason.strip():
        raise BadInput('FORCE=1 overrides the gate and is recorded: give a REASON="...".')
    if number is None:
        number = _challenger(client, settings)
    version = versions.get_version(client, settings, number)
    forced = version.status != APPROVED
    if forced and not force:
        raise RefusedByGate(
            f"Version {number} has {STATUS_TAG}={version.status or 'nothing'}, not {APPROVED}. "
            'Register a better run, or override with FORCE=1 REASON="...".'
        )
    move = _move(
        client, settings, "promote", version, reason or "approved by the gate", forced=forced
    )
    versions.clear_challenger(client, settings, number)
    return move


def rollback(client: "MlflowClient", settings: Settings, reason: str = "") -> Move:
    """Move the production alias to the version before, by the ledger.

    Deleting a version takes its alias along; the ledger still knows what served. Raises NotFound
    when it knows no version before.
    """
    lines = read_lines(client, settings)
    served = [line.after for line in lines if line.finished]
    if served and settings.production_alias not in versions.aliases(client, settings):
        serving = served[-1]
    else:
        serving = versions.aliased_version(client, settings, settings.production_alias)
    target = previous_version(lines, serving)
    if target is None:
        raise NotFound(
            f"The ledger knows no version before {serving}. "
            "`make promote VERSION=n` moves to a version you name."
        )
    version = versions.get_version(client, settings, target)
    return _move(client, settings, "rollback", version, reason or "no reason given")


def set_alias(
    client: "MlflowClient", settings: Settings, alias: str, number: str, reason: str = ""
) -> None:
    """Set any alias by hand; for the production alias, like a promotion: checked and recorded."""
    if alias == settings.production_alias:
        promote(client, settings, number, reason=reason or "alias set by hand")
    else:
        versions.set_alias(client, settings, alias, number)


def _challenger(client: "MlflowClient", settings: Settings) -> str:
    """The version that waits for promotion; when none does, say what serves."""
    found = versions.aliases(client, settings)
    if settings.challenger_alias not in found and settings.production_alias in found:
        raise NotFound(
            f"No version waits as {settings.challenger_alias!r}; version "
            f"{found[settings.production_alias]} serves as {settings.production_alias!r}. "
            "Run `make train register` for a new candidate, or name one: `make promote VERSION=n`."
        )
    return versions.aliased_version(client, settings, settings.challenger_alias)


def _move(
    client: "MlflowClient",
    settings: Settings,
    action: Action,
    version: Version,
    why: str,
    forced: bool = False,
) -> Move:
    """Check the version once more, open a ledger line, move the alias, close the line."""
    check_version(client, version)
    before = versions.aliases(client, settings).get(settings.production_alias)
    if before == version.number:
        _close_open_lines(client, settings, version.number)
        return Move(before, version.number, moved=False)
    line = open_line(
        client,
        settings,
        action=action,
        before=before,
        after=version.number,
        why=why,
        forced=forced,
        metrics=version.metrics,
    )
    try:
        versions.set_alias(client, settings, settings.production_alias, version.number)
    except Exception:
        # A store that is gone cannot take the mark either: `status` then names the open line.
        with suppress(Exception):
            drop_line(client, line)
        raise
    close_line(client, line)
    return Move(before, version.number, moved=True)


def _close_open_lines(client: "MlflowClient", settings: Settings, number: str) -> None:
    """A crash between the move and its line left the line open: the move did happen."""
    for line in read_lines(client, settings):
        if not line.finished and line.after == number:
            close_line(client, line.line_id)
