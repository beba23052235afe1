"""Keeps one checked version on disk, whatever happens to the processes that share the folder.

Each store, model and alias has a folder of its own. `facts.json` in it says what is kept and which
folder beside it holds the files, so replacing this one file is the switch: a process that is killed
on the way leaves the version before in place.
"""

import json
import re
import shutil
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from insurance_predictor.base.masking import without_secrets
from insurance_predictor.base.settings import Settings
from insurance_predictor.model.manifest import folder_sha256
from insurance_predictor.store.version_facts import VersionFacts

FORMAT: Literal[3] = 3  # a folder of a format that is not known is as good as empty
FORMER: Literal[2] = 2  # holds more than what was vouched for
RECORD = "facts.json"
LOCK = ".lock"
PREFIX = "version-"  # of the folders that may be swept away
LOCK_PATIENCE = 5.0  # seconds; whoever holds the lock copies about a megabyte


@dataclass(frozen=True)
class Kept:
    """What `facts.json` says: the files are in `folder` of the cache, with the digest `sha256`.

    `store` is the registry they came from, `checked` when it last named this version (UTC).
    """

    format: Literal[2, 3]
    store: str
    folder: str
    sha256: str
    checked: datetime
    facts: VersionFacts

    @property
    def is_former(self) -> bool:
        """Whether an earlier release kept it, with files beside the pair that it did not check."""
        return self.format == FORMER


def find(settings: Settings) -> Kept | None:
    """What is kept for this registry, model and alias, unverified; None when nothing is."""
    kept = _record(own_folder(settings))
    return kept if kept is not None and _is_for(kept, settings) else _former(settings)


def own_folder(settings: Settings) -> Path:
    """Where the version of this registry, model and alias is kept, whatever their names hold."""
    store = _store(settings)
    if store.startswith("sqlite:///"):  # which may be named from here
        store = f"sqlite:///{Path(store.removeprefix('sqlite:///')).absolute()}"
    names = [settings.model_name, settings.production_alias]
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", "-".join(names))[:60]
    digest = sha256(json.dumps([store, *names]).encode()).hexdigest()[:12]
    return settings.model_cache / f"{readable}-{digest}"


def _former(settings: Settings) -> Kept | None:
    """What an earlier release kept, which had one place for all."""
    kept = _record(settings.model_cache)
    return kept if kept is not None and _is_for(kept, settings) else None


def _remove_former(settings: Settings) -> None:
    """Take away what an earlier release kept, and nothing else: others may use the folder, too."""
    former = _former(settings)
    if former is not None:
        (settings.model_cache / RECORD).unlink()
        if (name := Path(former.folder).name).startswith(PREFIX):
            shutil.rmtree(settings.model_cache / name, ignore_errors=True)


def _is_for(kept: Kept, settings: Settings) -> bool:
    return (without_secrets(kept.store), kept.facts.model_name, kept.facts.alias) == (
        _store(settings),
        settings.model_name,
        settings.production_alias,
    )


def keep(settings: Settings, files: Path, facts: VersionFacts, checked: datetime) -> None:
    """Copy the files of a checked version and switch to them; what was kept before goes.

    Nothing happens when another process has asked the registry since. Raises OSError where the
    folder cannot be written; what was kept then stays.
    """
    folder = own_folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone_in(folder):
        known = find(settings)
        if known is not None and checked < known.checked <= datetime.now(UTC):
            return
        try:
            copy = Path(mkdtemp(prefix=f"{PREFIX}{facts.version}-", dir=folder))
            shutil.copytree(files, copy, dirs_exist_ok=True)
            place, digest = f"{folder.name}/{copy.name}", folder_sha256(copy)
            _write(folder, Kept(FORMAT, _store(settings), place, digest, checked, facts))
            _remove_former(settings)
        finally:
            _sweep(folder)


def note(settings: Settings, facts: VersionFacts, checked: datetime) -> None:
    """Write what was learned of the version that is kept. Raises OSError as `keep` does."""
    if find(settings) is None:
        return
    folder = own_folder(settings)
    folder.mkdir(exist_ok=True)
    with _alone_in(folder):
        known = find(settings)
        if known is not None and known.facts.identity == facts.identity and known.checked < checked:
            _write(folder, replace(known, facts=facts, checked=checked))


def _store(settings: Settings) -> str:
    return without_secrets(settings.mlflow_tracking_uri)


def _record(folder: Path) -> Kept | None:
    try:
        return _json().validate_json((folder / RECORD).read_bytes())
    except (OSError, ValidationError):
        return None


def _write(folder: Path, kept: Kept) -> None:
    new = folder / f"{RECORD}.new"  # one name is enough: nobody else writes at this moment
    new.write_text(json.dumps(_json().dump_python(kept, mode="json"), indent=1) + "\n")
    new.replace(folder / RECORD)


@cache
def _json() -> TypeAdapter[Kept]:
    return TypeAdapter(Kept)


def _sweep(folder: Path) -> None:
    """Remove what no record names: the version before, and what killed processes left."""
    kept = _record(folder)
    for path in folder.glob(f"{PREFIX}*"):
        if kept is None or path.name != Path(kept.folder).name:
            shutil.rmtree(path, ignore_errors=True)


def _alone_in(folder: Path) -> AbstractContextManager[object]:
    """While the block runs, no other process writes to `folder`; a killed one lets go."""
    from filelock import FileLock  # loads asyncio, which reading does without

    # Whoever may write to the folder may lock it, whoever was the first to.
    return FileLock(folder / LOCK, timeout=LOCK_PATIENCE, mode=0o666)
