"""What is known of one version besides its files: where it comes from, how good it is, its past."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from insurance_predictor.base.settings import Settings
from insurance_predictor.model.manifest import Digests
from insurance_predictor.model.run_layout import DATASET_TAG, HOLDOUT_METRICS, ROWS_TAG, TARGET_TAG
from insurance_predictor.store.ledger import Line, production_lines, way_back
from insurance_predictor.store.tracking import existing
from insurance_predictor.store.versions import Version
from insurance_predictor.table.columns import NumberColumn, target_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

LEDGER_LINES = 20
HOLDOUT_PREFIX = f"{HOLDOUT_METRICS}."


@dataclass(frozen=True)
class Previous:
    """The version that a rollback would return to, with metrics named as in VersionFacts."""

    version: str
    metrics: Mapping[str, float]
    target_tag: str | None = None  # None in facts that were kept before it was asked for

    @property
    def target(self) -> NumberColumn:
        """What its amounts are in."""
        return target_of(self.target_tag)


@dataclass(frozen=True)
class VersionFacts:
    """One version, its run and the ledger as they were when the registry was asked.

    `metrics` are those of the hold-out as `evaluation.flat_metrics` names them: holdout.rmse,
    holdout.rmse_low, holdout.smoker_yes.rmse, ... `dataset` is the start of the table's
    fingerprint. `ledger` holds the last 20 lines about
    `alias` of the model as it is, oldest first.
    """

    version: str
    run_id: str
    model_name: str
    alias: str
    created: datetime
    trained_at: datetime | None  # None, as without parameters, when the run is gone for good
    dataset: str | None
    rows_train: int | None
    description: str
    metrics: Mapping[str, float]
    parameters: Mapping[str, str]
    ledger: tuple[Line, ...]
    previous: Previous | None
    digests: Digests
    incarnation: str | None = None  # of the model; None in facts that were kept before it was asked
    target_tag: str | None = None  # the same

    @property
    def target(self) -> NumberColumn:
        """What its amounts are in."""
        return target_of(self.target_tag)

    @property
    def identity(self) -> tuple[str, str, Digests]:
        """One version with its very files.

        Numbers alone do not tell: a registered model that was deleted and made anew counts from 1.
        """
        return self.version, self.run_id, self.digests

    def is_of(self, version: Version) -> bool:
        """Whether `version` is this one. Raises IntegrityFault where it carries no digests."""
        return self.identity == (version.number, version.run_id, version.digests)

    def is_current(self, version: Version) -> bool:
        """Whether nothing else about `version` is likely to have changed since.

        The alias moves before its ledger line is closed, so an open last line asks to look again.
        """
        settled = not self.ledger or self.ledger[-1].finished
        unchanged = (self.description, self.incarnation) == (
            version.description,
            version.incarnation,
        )
        return settled and unchanged


def read_facts(client: "MlflowClient", settings: Settings, version: Version) -> VersionFacts:
    """Ask the registry for everything it knows of the version in production."""
    run = existing(client.get_run, version.run_id)
    lines = production_lines(client, settings)
    rows = version.tags.get(ROWS_TAG, "")
    return VersionFacts(
        version=version.number,
        run_id=version.run_id,
        model_name=settings.model_name,
        alias=settings.production_alias,
        created=version.created,
        trained_at=datetime.fromtimestamp(run.info.start_time / 1000, UTC) if run else None,
        dataset=version.tags.get(DATASET_TAG),
        rows_train=int(rows) if rows.isdecimal() and len(rows) < 19 else None,
        description=version.description,
        metrics=_metrics(run, version),
        parameters=dict(run.data.params) if run else {},
        ledger=tuple(lines[-LEDGER_LINES:]),
        previous=_previous(client, settings, lines, version.number),
        digests=version.digests,
        incarnation=version.incarnation,
        target_tag=version.tags.get(TARGET_TAG),
    )


def _previous(
    client: "MlflowClient", settings: Settings, lines: Sequence[Line], current: str
) -> Previous | None:
    version, _ = way_back(client, settings, lines, current)
    if version is None:
        return None
    metrics = _metrics(existing(client.get_run, version.run_id), version)
    return Previous(version.number, metrics, version.tags.get(TARGET_TAG))


def _metrics(run: "Run | None", version: Version) -> dict[str, float]:
    """The run's metrics of the hold-out; the few on the version when the run is gone."""
    if run is None:
        return {HOLDOUT_PREFIX + name: value for name, value in version.metrics.items()}
    return {
        name: value for name, value in run.data.metrics.items() if name.startswith(HOLDOUT_PREFIX)
    }
