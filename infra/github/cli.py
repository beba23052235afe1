"""What a workflow runs after a target that a person types too: it tells GitHub what came of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from insurance_predictor.base.command_line import say
from insurance_predictor.base.errors import Unreachable

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from infra.github.incidents import Result
    from insurance_predictor.base.settings import Settings

BROKEN = "Alerts do not arrive"
PARTLY = "Not all that was to be told arrived"
INCOMPLETE = "Monitoring could not reach all that it needs"
NOTE = "About monitoring itself"
NO_TOKEN = "Without GITHUB_TOKEN no issue is opened, changed or closed."  # noqa: S105 - a sentence

app = typer.Typer(help="Tell GitHub how a workflow's run ended.", no_args_is_help=True)


@app.command("training-table")
def training_table() -> None:
    """Which table a training uses, and why; a pull request without a key for it is not tried."""
    from infra.github.training_table import announce_table
    from infra.github.workflow import read_run

    announce_table(_settings(), read_run())


@app.command("training-summary")
def training_summary(
    run_id: Annotated[str, typer.Option(envvar="RUN_ID", help="the MLflow run")] = "",
    reason: Annotated[str, typer.Option(envvar="REASON", help="what it was started for")] = "",
) -> None:
    """Metrics, the gate's reasons and the difference from production; fails if training did."""
    from infra.github.training import report
    from infra.github.workflow import read_run

    settings = _settings()
    with _store(settings) as client:
        say(report(client, settings, read_run(), run_id, reason).title + ".")


@app.command()
def incidents(
    file: Annotated[
        Path, typer.Argument(envvar="FILE", help="what `make monitor` wrote to JSON_FILE")
    ] = Path("monitor.json"),
    retrain: Annotated[
        bool, typer.Option("--retrain", envvar="RETRAIN", help="let an incident start a training")
    ] = False,
) -> None:
    """One issue for each incident: opened, updated and closed with it; and perhaps a training.

    Ends with 4 when the alerts of that run did not arrive, or a store was away for it: GitHub tells
    who watches its workflows.
    """
    from infra.github.incidents import read_result
    from infra.github.workflow import annotate

    settings = _settings()
    if not file.exists():
        _explain_silence(settings)
        return
    result = read_result(file)
    for incident in result.incidents:
        if incident.is_open:
            annotate("warning", f"Open incident of {incident.kind}", ", ".join(incident.findings))
    for trouble in result.troubles:
        annotate("warning", BROKEN if result.is_broken else PARTLY, trouble)
    for problem in result.problems:
        annotate("warning", INCOMPLETE, problem)
    for one in result.notes:
        annotate("warning", NOTE, one)
    if settings.github_token is None and not retrain:
        say(NO_TOKEN)
    else:
        _act_on(settings, result, retrain)
    if result.is_broken:
        raise Unreachable(f"{BROKEN}: {' '.join(result.troubles)}")
    if result.problems:
        raise Unreachable(f"{INCOMPLETE}: {' '.join(result.problems)}")


def _act_on(settings: "Settings", result: "Result", retrain: bool) -> None:
    from infra.github.api import open_repository
    from infra.github.incidents import keep_issues
    from infra.github.retraining import ask_for_trainings
    from infra.github.workflow import read_run

    repository = open_repository(settings)
    for done in keep_issues(repository, result, read_run().url):
        say(done)
    if retrain:
        for done in ask_for_trainings(repository, result):
            say(done)


@app.command("promotion-summary")
def promotion_summary() -> None:
    """The version in production and the end of the ledger, for the page of the run."""
    from infra.github.promotion import as_markdown
    from infra.github.workflow import show
    from insurance_predictor.store.status import read_state

    settings = _settings()
    with _store(settings) as client:
        show(as_markdown(settings, read_state(client, settings)))


@app.command("image")
def image(
    service: Annotated[str, typer.Argument(envvar="SERVICE", help="whose image")],
    digest: Annotated[str, typer.Option(envvar="DIGEST", help="the registry's, once pushed")] = "",
) -> None:
    """What the image of these sources is called in the registry; pushed, its digest is shown."""
    from infra.github.images import name_image, show_image

    _settings()  # IMAGE_REGISTRY may stand in .env
    if digest:
        show_image(service, digest)
    else:
        say(name_image(service))


def _explain_silence(settings: "Settings") -> None:
    """Monitoring left no result: fine where nothing is in production, and else its own failure."""
    from infra.github.workflow import annotate, show
    from insurance_predictor.base.errors import BadInput, NoProductionModel
    from insurance_predictor.store.versions import aliased_version

    try:
        with _store(settings) as client:
            version = aliased_version(client, settings, settings.production_alias)
    except NoProductionModel as nothing:
        annotate("notice", "Nothing in production", str(nothing))
        show(f"## Monitoring: nothing in production\n\n{nothing}\n")
        return
    raise BadInput(f"`make monitor` said nothing of version {version}. Its own step says why.")


def _settings() -> "Settings":
    from insurance_predictor.base.settings import read_settings

    return read_settings()


@contextmanager
def _store(settings: "Settings") -> Iterator["MlflowClient"]:
    """The configured store, with its failures put in words."""
    from insurance_predictor.store.tracking import connect, store_errors

    with store_errors(settings):
        yield connect(settings)
