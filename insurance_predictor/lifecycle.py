"""A run becomes a candidate, a candidate becomes production, and production goes back one step."""

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from insurance_predictor import registry
from insurance_predictor.bundle import Digests
from insurance_predictor.candidate import Rival, measure, reload
from insurance_predictor.errors import (
    BadInput,
    IntegrityFault,
    NotFound,
    RefusedByGate,
)
from insurance_predictor.evaluation import Evaluation
from insurance_predictor.gate import Decision, Measurements, decide
from insurance_predictor.ledger import (
    Action,
    close_line,
    drop_line,
    open_line,
    previous_version,
    read_lines,
)
from insurance_predictor.predictor import load_version
from insurance_predictor.registry import (
    APPROVED,
    DATASET_TAG,
    METRIC_TAG_PREFIX,
    REFUSED,
    STATUS_TAG,
    Version,
)
from insurance_predictor.run_logging import MODEL_URI_TAG, ROLE, ROLE_TAG, ROWS_TAG
from insurance_predictor.settings import Settings
from insurance_predictor.training import experiment_name

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

VERSION_METRICS = ("rmse", "mae", "r2", "median_absolute_error", "total_bias")
INHERITED_TAGS = (
    DATASET_TAG,
    "git_commit",
    "candidate",
    ROWS_TAG,
    *Digests.__dataclass_fields__,
)


@dataclass(frozen=True)
class Registration:
    """The version that a run became, and what the gate found."""

    version: Version
    decision: Decision
    notices: tuple[str, ...]


@dataclass(frozen=True)
class Move:
    """A move of the production alias; `moved` is False when it already stood there."""

    before: str | None
    after: str
    moved: bool


def register(
    client: "MlflowClient", settings: Settings, run_id: str | None, production: bool = False
) -> Registration:
    """Judge a run (default: the last finished training) and write it as a model version.

    The alias is set last, so nothing half-registered ever carries one. A run that has a version
    already is judged again and keeps its number. Raises RefusedByGate, after the version has been
    written and marked, with every reason.
    """
    run = find_run(client, settings, run_id, production)
    existing = registry.version_of_run(client, settings, run.info.run_id)
    serving = registry.aliases(client, settings).get(settings.production_alias)
    if existing is not None and existing.number == serving:
        raise BadInput(
            f"The run {run.info.run_id} is version {serving}, which already serves as "
            f"{settings.production_alias!r}. Run `make train` for a new candidate."
        )
    rival, notices = _rival(client, settings, serving)
    decision, evaluation = _judge(client, settings, run, rival)
    version = _write(client, settings, run, existing, decision, evaluation)
    if not decision.approved:
        _refuse(client, settings, version)
        raise RefusedByGate(
            f"Version {version.number} (run {run.info.run_id}) is refused by the gate:",
            decision.reasons,
        )
    _approve(client, settings, version)
    return Registration(version, decision, notices)


def find_run(
    client: "MlflowClient", settings: Settings, run_id: str | None, production: bool
) -> "Run":
    """The run to register. Raises NotFound with what to do when there is none."""
    from mlflow.exceptions import MlflowException

    if run_id is None:
        return _last_training(client, experiment_name(settings, production))
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise NotFound(f"There is no run {run_id!r}. `make train` prints the id of its run.") from (
            error
        )
    if run.data.tags.get(ROLE_TAG) != ROLE or run.info.status != "FINISHED":
        raise BadInput(
            f"The run {run_id!r} is not a finished training (status {run.info.status}). "
            "Give the id that `make train` printed."
        )
    return run


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
    version = registry.get_version(client, settings, number)
    forced = version.status != APPROVED
    if forced and not force:
        raise RefusedByGate(
            f"Version {number} has {STATUS_TAG}={version.status or 'nothing'}, not {APPROVED}. "
            'Register a better run, or override with FORCE=1 REASON="...".'
        )
    move = _move(
        client, settings, "promote", version, reason or "approved by the gate", forced=forced
    )
    _clear_challenger(client, settings, number)
    return move


def rollback(client: "MlflowClient", settings: Settings, reason: str = "") -> Move:
    """Move the production alias to the version before, by the ledger.

    Deleting a version takes its alias along; the ledger still knows what served. Raises NotFound
    when it knows no version before.
    """
    lines = read_lines(client, settings)
    served = [line.after for line in lines if line.finished]
    if served and settings.production_alias not in registry.aliases(client, settings):
        serving = served[-1]
    else:
        serving = registry.aliased_version(client, settings, settings.production_alias)
    target = previous_version(lines, serving)
    if target is None:
        raise NotFound(
            f"The ledger knows no version before {serving}. "
            "`make promote VERSION=n` moves to a version you name."
        )
    version = registry.get_version(client, settings, target)
    return _move(client, settings, "rollback", version, reason or "no reason given")


def set_alias(
    client: "MlflowClient", settings: Settings, alias: str, number: str, reason: str = ""
) -> None:
    """Set any alias by hand; for the production alias, like a promotion: checked and recorded."""
    if alias == settings.production_alias:
        promote(client, settings, number, reason=reason or "alias set by hand")
    else:
        registry.set_alias(client, settings, alias, number)


def _last_training(client: "MlflowClient", experiment: str) -> "Run":
    found = client.get_experiment_by_name(experiment)
    runs = found and client.search_runs(
        [found.experiment_id],
        filter_string=f"tags.{ROLE_TAG} = '{ROLE}' and attributes.status = 'FINISHED'",
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    if not runs:
        raise NotFound(f"The experiment {experiment!r} has no finished training: run `make train`.")
    return runs[0]


def _rival(
    client: "MlflowClient", settings: Settings, serving: str | None
) -> tuple[Rival | None, tuple[str, ...]]:
    """The version in production to compare with, or a notice why there is none."""
    if serving is None:
        return None, ("Nothing is in production yet: only the absolute rules were applied.",)
    try:
        version = registry.get_version(client, settings, serving)
        loaded = load_version(client, version)
    except (IntegrityFault, NotFound) as error:
        return None, (f"Production could not be loaded, so it was not compared with: {error}",)
    return Rival(serving, loaded.bundle, int(version.tags[ROWS_TAG])), ()


def _judge(
    client: "MlflowClient", settings: Settings, run: "Run", rival: Rival | None
) -> tuple[Decision, Evaluation | None]:
    source = run.data.tags[MODEL_URI_TAG]
    try:
        candidate = reload(client, run.info.run_id, source, run.data.tags)
    except IntegrityFault as fault:
        return decide(Measurements(integrity=fault.reasons or (str(fault),)), settings.gate), None
    found, evaluation = measure(candidate, rival)
    return decide(found, settings.gate), evaluation


def _write(
    client: "MlflowClient",
    settings: Settings,
    run: "Run",
    existing: Version | None,
    decision: Decision,
    evaluation: Evaluation | None,
) -> Version:
    """The version of `run` with everything written on it except that it is approved."""
    tags = {name: run.data.tags[name] for name in INHERITED_TAGS if name in run.data.tags}
    tags["gate_reasons"] = "; ".join(decision.reasons)[:4000]
    if evaluation is not None:
        tags |= {
            f"{METRIC_TAG_PREFIX}{name}": repr(evaluation.overall[name].value)
            for name in VERSION_METRICS
        }
    if existing is None:
        return registry.create_version(
            client,
            settings,
            source=run.data.tags[MODEL_URI_TAG],
            run_id=run.info.run_id,
            description=_description(run, evaluation),
            tags=tags,
        )
    for key, value in tags.items():
        registry.set_tag(client, settings, existing.number, key, value)
    return registry.get_version(client, settings, existing.number)


def _description(run: "Run", evaluation: Evaluation | None) -> str:
    name = run.data.tags.get("candidate", "A model")
    dataset = run.data.tags.get(DATASET_TAG, "an unknown table")
    if evaluation is None:
        return f"{name}, trained on {dataset}. It could not be evaluated."
    rmse = evaluation.overall["rmse"]
    return (
        f"{name}, trained on {dataset}. Hold-out RMSE US$ {rmse.value:,.0f} "
        f"(95 %: {rmse.low:,.0f} to {rmse.high:,.0f}), {evaluation.rows:,} people."
    )


def _approve(client: "MlflowClient", settings: Settings, version: Version) -> None:
    """Try the registry's copy as everybody will load it, then hand it the challenger alias."""
    try:
        load_version(client, version)
    except IntegrityFault:
        _refuse(client, settings, version)
        raise
    registry.set_tag(client, settings, version.number, STATUS_TAG, APPROVED)
    registry.set_alias(client, settings, settings.challenger_alias, version.number)


def _refuse(client: "MlflowClient", settings: Settings, version: Version) -> None:
    """Mark a version, and take the challenger alias off it if it had been approved before."""
    registry.set_tag(client, settings, version.number, STATUS_TAG, REFUSED)
    _clear_challenger(client, settings, version.number)


def _clear_challenger(client: "MlflowClient", settings: Settings, number: str) -> None:
    if registry.aliases(client, settings).get(settings.challenger_alias) == number:
        registry.delete_alias(client, settings, settings.challenger_alias)


def _challenger(client: "MlflowClient", settings: Settings) -> str:
    """The version that waits for promotion; when none does, say what serves."""
    found = registry.aliases(client, settings)
    if settings.challenger_alias not in found and settings.production_alias in found:
        raise NotFound(
            f"No version waits as {settings.challenger_alias!r}; version "
            f"{found[settings.production_alias]} serves as {settings.production_alias!r}. "
            "Run `make train register` for a new candidate, or name one: `make promote VERSION=n`."
        )
    return registry.aliased_version(client, settings, settings.challenger_alias)


def _move(
    client: "MlflowClient",
    settings: Settings,
    action: Action,
    version: Version,
    why: str,
    forced: bool = False,
) -> Move:
    """Check the version once more, open a ledger line, move the alias, close the line."""
    load_version(client, version)
    before = registry.aliases(client, settings).get(settings.production_alias)
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
        registry.set_alias(client, settings, settings.production_alias, version.number)
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
