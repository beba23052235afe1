"""An approved version goes into production, and production goes back one step."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from insurance_predictor.base.errors import (
    BadInput,
    InsurancePredictorError,
    NotFound,
    RefusedByGate,
)
from insurance_predictor.base.settings import Settings
from insurance_predictor.serving.predictor import check_version
from insurance_predictor.store import versions
from insurance_predictor.store.ledger import (
    Action,
    Settled,
    close_line,
    drop_line,
    open_line,
    served_aliases,
    settle,
    way_back,
)
from insurance_predictor.store.versions import Version

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Move:
    """A move of the production alias; `moved` is False when it already stood there.

    `notes` says what else was found and written down on the way, a sentence each.
    """

    before: str | None
    after: str
    moved: bool
    notes: tuple[str, ...] = ()


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
    settled = begin(client, settings)
    if number is None:
        number = _challenger(client, settings)
    version = versions.get_version(client, settings, number)
    if not version.is_approved and not force:
        raise RefusedByGate(
            f"{version.objection} Register a better run, or override: "
            f'`make promote VERSION={version.number} FORCE=1 REASON="..."`.'
        )
    move = _move(
        client,
        settings,
        "promote",
        version,
        reason or "approved by the gate",
        settled,
        forced=not version.is_approved,
    )
    versions.clear_challenger(client, settings, version.number)
    return move


def rollback(client: "MlflowClient", settings: Settings, reason: str = "") -> Move:
    """Move the production alias to the approved version that served before, by the ledger.

    Deleting a version takes its alias along; the ledger still knows what served. Raises NotFound
    when it knows no version before that may serve.
    """
    settled = begin(client, settings)
    serving = versions.aliases(client, settings).get(settings.production_alias)
    if serving is None and settled.last is not None:
        serving = settled.last.after
    if serving is None:
        serving = versions.aliased_version(client, settings, settings.production_alias)
    version, passed = way_back(client, settings, settled.lines, serving)
    if version is None:
        which = " ".join([" that may serve." if passed else ".", *passed])
        raise NotFound(
            f"The ledger knows no version before {serving}{which} "
            "`make promote VERSION=n` moves to a version you name."
        )
    settled = Settled(settled.lines, settled.notes + passed)
    return _move(client, settings, "rollback", version, reason or "no reason given", settled)


def set_alias(
    client: "MlflowClient", settings: Settings, alias: str, number: str, reason: str = ""
) -> tuple[str, ...]:
    """Set any alias by hand; one that serves, or has served, is moved as by a promotion.

    Returns the notes of that move.
    """
    if _serves(client, settings, alias):
        ours = settings.model_copy(update={"production_alias": alias})
        return promote(client, ours, number, reason=reason or "alias set by hand").notes
    versions.set_alias(client, settings, alias, number)
    return ()


def delete_alias(client: "MlflowClient", settings: Settings, alias: str) -> None:
    """Take an alias away. Raises BadInput for one that serves, and NotFound for an absent one."""
    if _serves(client, settings, alias):
        raise BadInput(
            f"The alias {alias!r} serves, or has served, and is not taken away: `make rollback` "
            "or `make promote VERSION=n` moves it, and the ledger has a line of that."
        )
    versions.delete_alias(client, settings, alias)


def begin(client: "MlflowClient", settings: Settings) -> Settled:
    """What comes before every move and registration: the ledger has no open line any more.

    Raises BadInput where the settings call an alias the challenger's under which versions serve.
    """
    serving = {alias.casefold() for alias in served_aliases(client, settings)}
    if settings.challenger_alias.casefold() in serving:
        raise BadInput(
            f"CHALLENGER_ALIAS={settings.challenger_alias!r} is an alias that serves, or the one "
            "of production: a candidate would serve without a promotion. Set another."
        )
    return settle(client, settings)


def _serves(client: "MlflowClient", settings: Settings, alias: str) -> bool:
    """Whether versions serve under `alias`. Raises BadInput for another spelling of such a one."""
    serving = served_aliases(client, settings)
    plain = alias.strip().casefold()
    for name in sorted(serving - {alias}):
        if plain == name.casefold() and alias not in serving:
            raise BadInput(f"The alias {alias!r} is too like one that serves. Write {name!r}.")
    return alias in serving


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
    settled: Settled,
    forced: bool = False,
) -> Move:
    """Check the version once more, open a ledger line, move the alias, close the line."""
    check_version(client, settings, version)
    alias, after, notes = settings.production_alias, version.number, settled.notes
    before = versions.aliases(client, settings).get(alias)
    known = settled.last.after if settled.last else None
    if before == after == known:
        return Move(before, after, moved=False, notes=notes)
    line = open_line(
        client,
        settings,
        action=action,
        before=known if before == after else before,
        after=after,
        why=why,
        forced=forced,
        metrics=version.metrics,
    )
    if before == after:
        close_line(client, line)
        found = f"{alias!r} stood on version {after} without a line in the ledger; it has one now."
        return Move(before, after, moved=False, notes=(*notes, found))
    try:
        versions.set_alias(client, settings, alias, after)
    except InsurancePredictorError:  # an answer of ours; after anything else the alias may stand
        if versions.aliases(client, settings).get(alias) != after:
            drop_line(client, line)
        raise
    close_line(client, line)
    return Move(before, after, moved=True, notes=notes)
