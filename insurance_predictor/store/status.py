"""Aliases, versions and the ledger as they are now, and what is wrong with them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from insurance_predictor.base.errors import IntegrityFault
from insurance_predictor.base.settings import Settings
from insurance_predictor.store.ledger import Line, ledger_name, read_ledger
from insurance_predictor.store.tracking import existing
from insurance_predictor.store.versions import Version, aliases, incarnation, versions

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class RegistryState:
    """What `status` shows; `ledger` has the lines of every alias and incarnation of the model."""

    model_name: str
    aliases: Mapping[str, str]
    versions: tuple[Version, ...]
    ledger: tuple[Line, ...]
    problems: tuple[str, ...]
    model_created: str | None = None

    def moves_of(self, alias: str) -> tuple[Line, ...]:
        """The lines about one alias of the model as it is now."""
        return tuple(line for line in self.ledger if line.is_about(alias, self.model_created))


def read_state(client: "MlflowClient", settings: Settings) -> RegistryState:
    """Aliases, versions, ledger and what is wrong with them, in a handful of calls."""
    ledger = read_ledger(client, settings)
    state = RegistryState(
        model_name=settings.model_name,
        aliases=aliases(client, settings),
        versions=tuple(versions(client, settings)),
        ledger=ledger.lines,
        problems=(),
        model_created=incarnation(client, settings),
    )
    problems = (
        *_dangling(client, settings, state),
        *_unloadable(settings, state),
        *_foreign(settings, ledger.foreign),
        *_unfinished(settings, state),
        *_moved_by_hand(settings, state),
    )
    return replace(state, problems=problems)


def _dangling(client: "MlflowClient", settings: Settings, state: RegistryState) -> list[str]:
    by_number = {version.number: version for version in state.versions}
    problems = []
    for alias, number in sorted(state.aliases.items()):
        version = by_number.get(number)
        remedy = (
            "Run `make rollback`, or `make promote VERSION=n`."
            if alias == settings.production_alias
            else f"Run `python -m insurance_predictor alias delete {alias}`."
        )
        if version is None:
            problems.append(
                f"The alias {alias!r} dangles: it stands on version {number}, "
                f"which does not exist. {remedy}"
            )
        elif not _run_is_there(client, version):
            problems.append(
                f"The alias {alias!r} dangles: the run {version.run_id} of version {number} "
                f"has been deleted. {remedy}"
            )
    return problems


def _unloadable(settings: Settings, state: RegistryState) -> list[str]:
    """What the digests of the version in production say before anything of it is fetched."""
    problems = []
    for version in state.versions:
        if version.number == state.aliases.get(settings.production_alias):
            try:
                version.digests.refuse_pickle(settings.trusted_digests, f"Version {version.number}")
            except IntegrityFault as fault:
                problems.append(str(fault))
    return problems


def _run_is_there(client: "MlflowClient", version: Version) -> bool:
    run = existing(client.get_run, version.run_id)
    return run is not None and run.info.lifecycle_stage == "active"


def _foreign(settings: Settings, run_ids: tuple[str, ...]) -> list[str]:
    return [
        f"The run {run_id} in the experiment {ledger_name(settings)!r} is no line of the ledger "
        "and is passed over. Look at who wrote it, then "
        f"`.venv/bin/mlflow runs delete --run-id {run_id}`."
        for run_id in run_ids
    ]


def _unfinished(settings: Settings, state: RegistryState) -> list[str]:
    serving = state.aliases.get(settings.production_alias, "n")
    return [
        f"{line} by {line.who} was never closed: the move may not have happened. The next "
        f"promotion or rollback settles it, and so does `make promote VERSION={serving}`."
        for line in state.moves_of(settings.production_alias)
        if not line.finished
    ]


def _moved_by_hand(settings: Settings, state: RegistryState) -> list[str]:
    alias = settings.production_alias
    finished = [line for line in state.moves_of(alias) if line.finished]
    serving, known = state.aliases.get(alias), finished[-1].after if finished else None
    if serving == known:
        return []
    is_there = serving in {version.number for version in state.versions}
    remedy = (
        f"`make promote VERSION={serving}` writes it down, `make promote VERSION=n` moves on"
        if is_there
        else "Look at who did that, then `make promote VERSION=n`"
    )
    if known is None:
        return [f"{alias!r} stands on {serving}, but the ledger has no line of it. {remedy}."]
    return [
        f"{alias!r} stands on {serving or 'nothing'}, but the ledger's last line says {known}: it "
        f"was moved elsewhere, or two people moved it at once. {remedy}."
    ]
