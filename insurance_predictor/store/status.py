"""Aliases, versions and the ledger as they are now, and what is wrong with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from insurance_predictor.base.settings import Settings
from insurance_predictor.store.ledger import Line, read_lines
from insurance_predictor.store.tracking import existing
from insurance_predictor.store.versions import Version, aliases, versions

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class RegistryState:
    """What `status` shows."""

    model_name: str
    aliases: Mapping[str, str]
    versions: tuple[Version, ...]
    ledger: tuple[Line, ...]
    problems: tuple[str, ...]


def read_state(client: "MlflowClient", settings: Settings) -> RegistryState:
    """Aliases, versions, ledger and what is wrong with them, in a handful of calls."""
    found_aliases = aliases(client, settings)
    found_versions = tuple(versions(client, settings))
    lines = tuple(read_lines(client, settings))
    problems = [
        *_dangling(client, settings, found_aliases, found_versions),
        *_unfinished(lines),
        *_moved_by_hand(settings, found_aliases, lines),
    ]
    return RegistryState(settings.model_name, found_aliases, found_versions, lines, tuple(problems))


def _dangling(
    client: "MlflowClient",
    settings: Settings,
    found: Mapping[str, str],
    existing: tuple[Version, ...],
) -> list[str]:
    by_number = {version.number: version for version in existing}
    problems = []
    for alias, number in sorted(found.items()):
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


def _run_is_there(client: "MlflowClient", version: Version) -> bool:
    run = existing(client.get_run, version.run_id)
    return run is not None and run.info.lifecycle_stage == "active"


def _unfinished(lines: tuple[Line, ...]) -> list[str]:
    return [
        f"The ledger line of {line.when:%Y-%m-%d %H:%M} UTC ({line.action} "
        f"{line.before or 'nothing'} to {line.after}, {line.who}) was never closed: "
        "the move may not have happened. Repeat it or leave it."
        for line in lines
        if not line.finished
    ]


def _moved_by_hand(
    settings: Settings, found: Mapping[str, str], lines: tuple[Line, ...]
) -> list[str]:
    finished = [line for line in lines if line.finished]
    serving = found.get(settings.production_alias)
    if not finished or serving == finished[-1].after:
        return []
    return [
        f"{settings.production_alias!r} stands on {serving or 'nothing'}, but the ledger's last "
        f"line says {finished[-1].after}: it was moved elsewhere, or two people moved it at once."
    ]
