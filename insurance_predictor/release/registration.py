"""A run becomes a model version; one that the gate approves waits as the challenger."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from insurance_predictor.base.errors import BadInput, IntegrityFault, NotFound, RefusedByGate
from insurance_predictor.base.settings import Settings
from insurance_predictor.model.evaluation import Evaluation
from insurance_predictor.model.manifest import TAGS as DIGEST_TAGS
from insurance_predictor.model.run_layout import (
    AGAINST_TAG,
    APPROVED,
    CANDIDATE_TAG,
    COMMIT_TAG,
    DATASET_TAG,
    METRIC_TAG_PREFIX,
    MODEL_URI_TAG,
    REASONS_TAG,
    REFUSED,
    ROLE,
    ROLE_TAG,
    ROWS_TAG,
    STATUS_TAG,
    TARGET_TAG,
    TRIED_TAG,
)
from insurance_predictor.release.candidate import (
    Champion,
    incomparable,
    measure_candidate,
    reload,
    rows_learned,
)
from insurance_predictor.release.gate import AgainstProduction, GateDecision, Measurements, decide
from insurance_predictor.release.promotion import begin
from insurance_predictor.serving.documents import read_documents
from insurance_predictor.serving.predictor import fetch_version, load_version
from insurance_predictor.store import versions
from insurance_predictor.store.artifacts import own_places
from insurance_predictor.store.versions import Version

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

CLOCKS_DIFFER_BY = 3600  # seconds, at most, between machines that train and register
VERSION_METRICS = ("rmse", "mae", "r2", "median_absolute_error", "total_bias")
INHERITED_TAGS = (
    DATASET_TAG,
    COMMIT_TAG,
    CANDIDATE_TAG,
    ROWS_TAG,
    TARGET_TAG,
    *DIGEST_TAGS,
)


_REMEDY = (
    ". Run `make rollback`, or restore what is missing, and then `make register RUN_ID={run}` "
    'again; or take it without the comparison: `make promote VERSION={version} FORCE=1 REASON="..."'
    "`, which is recorded"
)


@dataclass(frozen=True)
class Registration:
    """The version that a run became, and what the gate found."""

    version: Version
    decision: GateDecision
    notices: tuple[str, ...]


@dataclass(frozen=True)
class _Production:
    """What is in production, or why it cannot be compared with; neither before the first move."""

    champion: Champion | None = None
    fault: str | None = None


@dataclass(frozen=True)
class _Judged:
    """A decision and what it rests on, as far as that could be measured."""

    decision: GateDecision
    evaluation: Evaluation | None = None
    against: AgainstProduction | None = None
    incomparable: str | None = None  # why not with production, where the columns have changed
    sign: str = ""  # of the currency that the candidate predicts

    @property
    def remark(self) -> str:
        """What is kept of a version that was not compared; empty for others."""
        if self.incomparable is None:
            return ""
        return (
            f"Not compared with production: {self.incomparable}. "
            "Only the absolute rules were applied."
        )


def register(
    client: "MlflowClient", settings: Settings, run_id: str | None, production: bool = False
) -> Registration:
    """Judge a run (default: the last finished training) and write it as a model version.

    The alias is set last, so nothing half-registered ever carries one. A run that has a version
    already is judged again and keeps its number. Raises RefusedByGate, after the version has been
    written and marked, with every reason.
    """
    settled = begin(client, settings)
    run = find_run(client, settings, run_id, production)
    existing = versions.version_of_run(client, settings, run.info.run_id)
    if existing is None:
        _check_places(client, settings, run)
    serving = versions.aliases(client, settings).get(settings.production_alias)
    if existing is not None and existing.number == serving:
        raise BadInput(
            f"The run {run.info.run_id} is version {serving}, which already serves as "
            f"{settings.production_alias!r}. Run `make train` for a new candidate."
        )
    served = settled.last.after if settled.last else None
    standing = _production(client, settings, serving, served)
    judged = _judge(client, settings, run, existing, standing)
    version = _write(client, settings, run, existing, judged)
    if not judged.decision.approved:
        _refuse(client, settings, version)
        remedy = _REMEDY.format(run=run.info.run_id, version=version.number)
        raise RefusedByGate(
            f"Version {version.number} (run {run.info.run_id}) is refused by the gate"
            f"{remedy if standing.fault else ''}:",
            judged.decision.reasons,
        )
    _approve(client, settings, version)
    nothing = "Nothing is in production yet: only the absolute rules were applied."
    said = (judged.remark,) if judged.remark else ()
    notices = settled.notes + (said if standing.champion else (nothing,))
    return Registration(version, judged.decision, notices)


def _check_places(client: "MlflowClient", settings: Settings, run: "Run") -> None:
    """Raise RefusedByGate, and let no version be made, where a run's files are not the operator's.

    MLflow itself would ask for them as soon as it writes the version.
    """
    run_id = run.info.run_id
    try:
        own_places(client, settings, run, run.data.tags[MODEL_URI_TAG], f"The run {run_id}")
    except IntegrityFault as fault:
        raise RefusedByGate(
            f"The run {run_id} is refused by the gate, and no version is made of it. To register "
            "another, name it: `make register RUN_ID=...`.",
            (str(fault),),
        ) from fault


def against_production(version: Version) -> AgainstProduction | None:
    """How a version compared with the one that served when it was registered.

    None without one, and where another client wrote what is no comparison.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(AgainstProduction).validate_json(version.tags.get(AGAINST_TAG, ""))
    except ValidationError:
        return None


def find_run(
    client: "MlflowClient", settings: Settings, run_id: str | None, production: bool
) -> "Run":
    """The run to register. Raises NotFound with what to do when there is none."""
    from mlflow.exceptions import MlflowException

    if run_id is None:
        return _last_training(client, settings.experiment(production))
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise NotFound(f"There is no run {run_id!r}. `make train` prints the id of its run.") from (
            error
        )
    is_training = run.data.tags.get(ROLE_TAG) == ROLE and MODEL_URI_TAG in run.data.tags
    if not is_training or run.info.status != "FINISHED":
        raise BadInput(
            f"The run {run_id!r} is not a finished training (status {run.info.status}). "
            "Give the id that `make train` printed."
        )
    return run


def _last_training(client: "MlflowClient", experiment: str) -> "Run":
    found = client.get_experiment_by_name(experiment)
    # A run says itself when it began: one that begins next year would be the newest until then.
    latest = round(1000 * (time.time() + CLOCKS_DIFFER_BY))
    runs = found and client.search_runs(
        [found.experiment_id],
        filter_string=f"tags.{ROLE_TAG} = '{ROLE}' and attributes.status = 'FINISHED' "
        f"and attributes.start_time <= {latest}",
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    if not runs:
        raise NotFound(f"The experiment {experiment!r} has no finished training: run `make train`.")
    return runs[0]


def _production(
    client: "MlflowClient", settings: Settings, serving: str | None, served: str | None
) -> _Production:
    """What to compare with; `served` is what the ledger says, for an alias may be gone."""
    if serving is None:
        if served is None:
            return _Production()
        alias = settings.production_alias
        return _Production(
            fault=f"{alias!r} stands on nothing, but version {served} served by the ledger"
        )
    try:
        version = versions.get_version(client, settings, serving)
        rows = rows_learned(version.tags, f"Version {serving}")
        with TemporaryDirectory() as folder:
            pair = fetch_version(client, settings, version, Path(folder)).pair
            learned = read_documents(Path(folder)).reference
    except (IntegrityFault, NotFound) as error:
        return _Production(fault=str(error))
    return _Production(Champion(serving, pair, rows, learned))


def _judge(
    client: "MlflowClient",
    settings: Settings,
    run: "Run",
    existing: Version | None,
    production: _Production,
) -> _Judged:
    source, tags = run.data.tags[MODEL_URI_TAG], run.data.tags
    if existing is not None:  # the files are those it was made of, whatever the run says since
        source, tags = existing.source, {**_without_digests(tags), **existing.tags}
    try:
        candidate = reload(client, settings, run.info.run_id, source, tags)
    except IntegrityFault as fault:
        found = Measurements(integrity=fault.reasons or (str(fault),))
        return _Judged(decide(found, settings.gate))
    found, evaluation = measure_candidate(candidate, production.champion)
    why_not = None
    if production.champion is not None and not found.integrity:
        why_not = incomparable(candidate, production.champion)
    found = replace(found, production_fault=production.fault, incomparable=why_not)
    sign = candidate.columns.target.sign
    return _Judged(decide(found, settings.gate), evaluation, found.production, why_not, sign)


def _write(
    client: "MlflowClient",
    settings: Settings,
    run: "Run",
    existing: Version | None,
    judged: _Judged,
) -> Version:
    """The version of `run` with everything written on it except that it is approved."""
    tags = {name: run.data.tags[name] for name in INHERITED_TAGS if name in run.data.tags}
    tags[REASONS_TAG] = "; ".join(judged.decision.reasons)[:4000]
    tags[AGAINST_TAG] = json.dumps(asdict(judged.against)) if judged.against else ""
    if judged.evaluation is not None:
        tags |= {
            f"{METRIC_TAG_PREFIX}{name}": repr(measured)
            for name in VERSION_METRICS
            if isfinite(measured := judged.evaluation.overall[name].value)
        }
    if existing is None:
        return versions.create_version(
            client,
            settings,
            source=run.data.tags[MODEL_URI_TAG],
            run_id=run.info.run_id,
            description=_description(run, judged),
            tags=tags,
        )
    for key, value in _without_digests(tags).items():
        versions.set_tag(client, settings, existing.number, key, value)
    return versions.get_version(client, settings, existing.number)


def _without_digests(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if key not in DIGEST_TAGS}


def _description(run: "Run", judged: _Judged) -> str:
    evaluation = judged.evaluation
    name = run.data.tags.get(CANDIDATE_TAG, "A model")
    dataset = run.data.tags.get(DATASET_TAG, "an unknown table")
    if evaluation is None:
        return f"{name}, trained on {dataset}. It could not be evaluated."
    rmse = evaluation.overall["rmse"]
    return (
        f"{name}, trained on {dataset}. Hold-out RMSE {judged.sign} {rmse.value:,.0f} "
        f"(95 %: {rmse.low:,.0f} to {rmse.high:,.0f}), {evaluation.rows:,} people. {judged.remark}"
    ).rstrip()


def _approve(client: "MlflowClient", settings: Settings, version: Version) -> None:
    """Try the registry's copy as everybody will load it, then hand it the challenger alias."""
    try:
        load_version(client, settings, version)
    except IntegrityFault:
        _refuse(client, settings, version)
        raise
    # First, and the status rests on it: a status alone is not the gate's word.
    versions.set_tag(client, settings, version.number, TRIED_TAG, version.digests.combined)
    versions.set_tag(client, settings, version.number, STATUS_TAG, APPROVED)
    versions.set_alias(client, settings, settings.challenger_alias, version.number)


def _refuse(client: "MlflowClient", settings: Settings, version: Version) -> None:
    """Mark a version, and take the challenger alias off it if it had been approved before."""
    versions.set_tag(client, settings, version.number, STATUS_TAG, REFUSED)
    if TRIED_TAG in version.tags:  # a forced promotion has to try the files anew
        versions.delete_tag(client, settings, version.number, TRIED_TAG)
    versions.clear_challenger(client, settings, version.number)
