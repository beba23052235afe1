"""Model versions, their tags and aliases: what the registry knows, in our words."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from insurance_predictor.base.errors import BadInput, IntegrityFault, NoProductionModel, NotFound
from insurance_predictor.base.foreign_text import one_line
from insurance_predictor.base.settings import Settings
from insurance_predictor.model.manifest import Digests
from insurance_predictor.model.run_layout import (
    APPROVED,
    METRIC_TAG_PREFIX,
    STATUS_TAG,
    TARGET_TAG,
    TRIED_TAG,
    is_decision_tag,
)
from insurance_predictor.store.tracking import every_page, existing
from insurance_predictor.table.columns import NumberColumn, target_of

if TYPE_CHECKING:
    from mlflow import MlflowClient


GREATEST_NUMBER = 2**31 - 1  # what a column of MLflow's database holds


@dataclass(frozen=True)
class Version:
    """One model version; `status` is aprovado, reprovado or None before the gate has spoken."""

    number: str
    run_id: str
    source: str
    created: datetime
    description: str
    tags: Mapping[str, str] = field(default_factory=dict)
    incarnation: str | None = None  # of its model, where it was found by an alias

    @property
    def status(self) -> str | None:
        return self.tags.get(STATUS_TAG)

    @property
    def target(self) -> NumberColumn:
        """What its amounts are in."""
        return target_of(self.tags.get(TARGET_TAG))

    @property
    def digests(self) -> Digests:
        """What its files must be. Raises IntegrityFault where a digest is absent."""
        return Digests.from_tags(self.tags, f"Version {self.number}")

    @property
    def is_approved(self) -> bool:
        """Whether the gate let this version pass, with these very files."""
        return self.objection is None

    @property
    def objection(self) -> str | None:
        """Why it is not approved, in one sentence; None when it is.

        Any client can write a status. The gate writes beside it which files it has tried.
        """
        if self.status != APPROVED:
            return (
                f"Version {self.number} has {STATUS_TAG}={self.status or 'nothing'}, "
                f"not {APPROVED}."
            )
        try:
            expected = self.digests.combined
        except IntegrityFault as fault:
            return str(fault)
        if self.tags.get(TRIED_TAG) != expected:
            return (
                f"Version {self.number} has {STATUS_TAG}={APPROVED}, but the gate did not write "
                f"that: its {TRIED_TAG} is not the digest of these files."
            )
        return None

    @property
    def metrics(self) -> dict[str, float]:
        """The hold-out metrics that were written on the version when it was registered.

        What another client wrote there that is no number, or has no name, is passed over.
        """
        written = {
            key.removeprefix(METRIC_TAG_PREFIX): _number(value)
            for key, value in self.tags.items()
            if key.startswith(METRIC_TAG_PREFIX)
        }
        return {
            name: value
            for name, value in written.items()
            if name.isidentifier() and isfinite(value)
        }


def ensure_model(client: "MlflowClient", settings: Settings) -> None:
    """Make the registered model unless it is there, whoever else is making it."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(
            settings.model_name,
            description="Insurance premiums, in the unit that each version's description names.",
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def aliases(client: "MlflowClient", settings: Settings) -> dict[str, str]:
    """Every alias of the model and the version it stands on; empty when there is no model."""
    model = existing(client.get_registered_model, settings.model_name)
    return {alias: str(version) for alias, version in model.aliases.items()} if model else {}


def incarnation(client: "MlflowClient", settings: Settings) -> str | None:
    """Which model of this name it is: when the registry made it, in ms; None without a model.

    A model that was deleted and made anew, or that is in another registry, counts its versions
    from 1 again, so that name and number do not tell a version.
    """
    model = existing(client.get_registered_model, settings.model_name)
    return _incarnation(model) if model else None


def version_behind(client: "MlflowClient", settings: Settings, alias: str) -> Version:
    """The version that carries `alias`, and its model's incarnation, in two requests.

    Raises NotFound with what to run next.
    """
    model = existing(client.get_registered_model, settings.model_name)
    found = {name: str(number) for name, number in model.aliases.items()} if model else {}
    version = get_version(client, settings, _standing(found, settings, alias))
    return replace(version, incarnation=_incarnation(model))


def aliased_version(client: "MlflowClient", settings: Settings, alias: str) -> str:
    """The number of the version that carries `alias`. Raises NotFound with what to run next."""
    return _standing(aliases(client, settings), settings, alias)


def _incarnation(model: Any) -> str:
    return str(model.creation_timestamp)


def _standing(found: Mapping[str, str], settings: Settings, alias: str) -> str:
    if alias in found:
        return found[alias]
    if alias == settings.production_alias:
        raise NoProductionModel(
            f"No version of {settings.model_name!r} has the alias {alias!r}. "
            "Run `make train register promote` first."
        )
    hint = (
        "Run `make train register` first."
        if alias == settings.challenger_alias
        else "`make status` lists the aliases."
    )
    raise NotFound(f"No version of {settings.model_name!r} has the alias {alias!r}. {hint}")


def get_version(client: "MlflowClient", settings: Settings, number: str) -> Version:
    """One version by its number. Raises NotFound when it is not there (any more)."""
    if not number.isdecimal():
        raise BadInput(f"VERSION={number!r} is not a version number; `make status` lists them.")
    found, digits = None, number.lstrip("0") or "0"
    if len(digits) <= len(str(GREATEST_NUMBER)) and int(digits) <= GREATEST_NUMBER:
        found = existing(client.get_model_version, settings.model_name, number)
    if found is None:
        raise NotFound(
            f"{settings.model_name!r} has no version {one_line(number)}. "
            "`make status` lists the versions."
        )
    return _version(found)


def versions(client: "MlflowClient", settings: Settings) -> list[Version]:
    """All versions, newest first."""
    found = every_page(
        lambda token: client.search_model_versions(
            f"name='{settings.model_name}'", max_results=1000, page_token=token
        )
    )
    return sorted((_version(one) for one in found), key=lambda v: int(v.number), reverse=True)


def version_of_run(client: "MlflowClient", settings: Settings, run_id: str) -> Version | None:
    """The newest version made from a run, or None."""
    found = client.search_model_versions(f"name='{settings.model_name}' and run_id='{run_id}'")
    made = sorted((_version(one) for one in found), key=lambda v: int(v.number))
    return made[-1] if made else None


def create_version(
    client: "MlflowClient",
    settings: Settings,
    *,
    source: str,
    run_id: str,
    description: str,
    tags: Mapping[str, str],
) -> Version:
    """Write a model version, without an alias."""
    ensure_model(client, settings)
    made = client.create_model_version(
        settings.model_name,
        source,
        run_id,
        tags=dict(tags),
        description=description,
        model_id=logged_model_id(source),  # a server that checks permissions insists on it
    )
    return _version(made)


def model_uri(model_id: str) -> str:
    """The URI of a logged model, which a version is made from."""
    return f"models:/{model_id}"


def logged_model_id(source: str) -> str | None:
    """The id in the URI of a logged model; None for the URI of anything else."""
    found = re.fullmatch("models:/(m-[0-9a-f]{32})", source)
    return found[1] if found else None


def _put(client: "MlflowClient", settings: Settings, alias: str, number: str) -> None:
    """Set an alias, once more when somebody else has just made it.

    MLflow looks whether it is there and then inserts it, and its database takes only one of two
    who do that at once.
    """
    from mlflow.exceptions import MlflowException

    try:
        client.set_registered_model_alias(settings.model_name, alias, number)
    except MlflowException as error:
        if "unique" not in str(error).lower():
            raise
        client.set_registered_model_alias(settings.model_name, alias, number)


def set_alias(client: "MlflowClient", settings: Settings, alias: str, number: str) -> None:
    """Move `alias` to a version that exists. Raises NotFound, and puts it back, when it is gone."""
    before = aliases(client, settings).get(alias)
    number = get_version(client, settings, number).number  # without the zeros that a person typed
    with _accepted(f"the alias {alias!r}"):
        _put(client, settings, alias, number)
    try:
        get_version(client, settings, number)
    except NotFound:  # somebody deleted the version in between
        _put_back(client, settings, alias, number, before)
        raise


def delete_alias(client: "MlflowClient", settings: Settings, alias: str) -> None:
    """Take `alias` away. Raises NotFound when no version carries it."""
    aliased_version(client, settings, alias)
    client.delete_registered_model_alias(settings.model_name, alias)


def clear_challenger(client: "MlflowClient", settings: Settings, number: str) -> None:
    """Take the challenger alias off one version, if it stands there."""
    if aliases(client, settings).get(settings.challenger_alias) == number:
        delete_alias(client, settings, settings.challenger_alias)


def set_tag(client: "MlflowClient", settings: Settings, number: str, key: str, value: str) -> None:
    """Write one tag on a version that exists."""
    get_version(client, settings, number)
    with _accepted(f"the tag {key!r}"):
        client.set_model_version_tag(settings.model_name, number, key, value)


def delete_tag(client: "MlflowClient", settings: Settings, number: str, key: str) -> None:
    """Take one tag off a version. Raises NotFound when the version does not have it."""
    if key not in get_version(client, settings, number).tags:
        raise NotFound(f"Version {number} has no tag {key!r}.")
    client.delete_model_version_tag(settings.model_name, number, key)


def tag_by_hand(
    client: "MlflowClient", settings: Settings, number: str, key: str, value: str | None
) -> None:
    """Write a tag that a person typed, or take it away where `value` is None.

    Raises BadInput for one that decisions rest on.
    """
    version = get_version(client, settings, number)
    if is_decision_tag(key):
        raise BadInput(
            f"The tag {key!r} is one that decisions rest on: it is written by the registration "
            f"alone. `make register RUN_ID={version.run_id}` judges it again."
        )
    if value is None:
        delete_tag(client, settings, version.number, key)
    else:
        set_tag(client, settings, version.number, key, value)


@contextmanager
def _accepted(what: str) -> Iterator[None]:
    """Raise BadInput where MLflow's own rules forbid a name or value that a person typed.

    Raises NotFound when somebody has deleted what it was for in the meantime.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise NotFound(
                f"The version that was to get {what} has just been deleted. "
                "`make status` lists the versions."
            ) from error
        if error.error_code != "INVALID_PARAMETER_VALUE":
            raise
        raise BadInput(f"MLflow does not take {what}: {error.message}") from error


def _put_back(
    client: "MlflowClient", settings: Settings, alias: str, number: str, before: str | None
) -> None:
    """Take `alias` off a version that is gone, unless somebody has moved it on already."""
    if aliases(client, settings).get(alias) != number:
        return
    if before is not None and before in {version.number for version in versions(client, settings)}:
        client.set_registered_model_alias(settings.model_name, alias, before)
    else:
        client.delete_registered_model_alias(settings.model_name, alias)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return nan


def _version(entity: Any) -> Version:
    return Version(
        number=str(entity.version),
        run_id=entity.run_id,
        source=entity.source,
        created=datetime.fromtimestamp(entity.creation_timestamp / 1000, UTC),
        description=entity.description or "",
        tags=dict(entity.tags),
    )
