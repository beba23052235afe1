"""The commands: each reads the settings, makes one call, prints its result and ends with a code."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from insurance_predictor.base.command_line import make_app, say
from insurance_predictor.base.command_line import run as run_app

if TYPE_CHECKING:
    from insurance_predictor.base.settings import Settings

HELP = """Assesses the predictions that were made, and tells what is worth telling.

Exit codes: 0 quiet, 10 an incident is open, 2 bad input or settings, 4 a store is unreachable or a
channel does not take a message (even while an incident is open), 1 a bug."""

app = make_app(HELP)


def main() -> None:
    """Run the command that is asked for."""
    run_app(app)


@app.command()
def run(
    window: Annotated[
        str | None, typer.Option(envvar="WINDOW", help="7d (the default), 12h, 4w")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", envvar="WINDOW_FROM", help="ISO 8601, UTC unless it says so"),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", envvar="WINDOW_TO", help="default: now")
    ] = None,
    last: Annotated[
        int | None, typer.Option(envvar="LAST", min=1, help="the last n predictions instead")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", envvar="DRY_RUN", help="show what would be said")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", envvar="FULL", help="Evidently's page even without an alarm")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    json_file: Annotated[
        Path | None, typer.Option(envvar="JSON_FILE", help="write the JSON to this file, too")
    ] = None,
    scored: Annotated[
        str | None,
        typer.Option(envvar="SCORED", help="a portfolio that `make score` wrote, instead"),
    ] = None,
) -> None:
    """Compare a window of predictions with the training, record it, and tell what is new."""
    from insurance_predictor.base.errors import InsurancePredictorError
    from monitoring import console

    if scored is not None:
        if window or start or end or last or full:
            raise typer.BadParameter("a scored portfolio (SCORED) is of no window, nor FULL")
        _look_at_scored(scored, dry_run, as_json, json_file)
        return
    from monitoring.run import MonitoringOptions, monitor

    options = MonitoringOptions(window, start, end, last, dry_run, full)
    settings = _settings()
    try:
        done = monitor(settings, options)
    except InsurancePredictorError as error:
        if not dry_run:
            _tell_not_assessed(settings, error)
        raise
    say(console.as_json(done) if as_json else console.text(done))
    if json_file is not None:
        json_file.write_text(console.as_json(done) + "\n", encoding="utf-8")
    _on_page(console.markdown(done))
    sys.exit(done.exit_code)


def _tell_not_assessed(settings: "Settings", error: Exception) -> None:
    """The channels hear it; what did not arrive is said here, and changes no exit code."""
    from monitoring import console
    from monitoring.alerts.unqueued import tell_not_assessed

    try:
        delivery = tell_not_assessed(settings, error)
        if delivery is not None:
            say(console.delivery(delivery), to_stderr=True)
            _on_page("\n".join(console.delivery_markdown(delivery)))
    except OSError as trouble:
        say(f"The page of the run does not have it: {trouble}", to_stderr=True)


def _look_at_scored(out: str, dry_run: bool, as_json: bool, json_file: Path | None) -> None:
    from monitoring import console
    from monitoring.scored import look_at_scored

    done = look_at_scored(_settings(), out, dry_run)
    found = console.scored_json(done)
    say(found if as_json else console.scored_text(done))
    if json_file is not None:
        json_file.write_text(found + "\n", encoding="utf-8")


@app.command()
def snooze(
    kind: Annotated[str, typer.Argument(help="schema, drift, performance, service or all")] = "all",
    hours: Annotated[float, typer.Option(min=0, max=24 * 90, help="0 ends a silence")] = 24.0,
) -> None:
    """Say nothing about incidents of KIND for some hours; they are still watched."""
    from datetime import UTC, datetime, timedelta

    from insurance_predictor.base.errors import BadInput
    from monitoring.domain.assessment import KINDS
    from monitoring.history.incident_store import snooze
    from monitoring.history.tables import opened

    kinds = [one for one in KINDS if kind in (one, "all")]
    if not kinds:
        raise BadInput(f"{kind!r} is no kind of incident. Give {', '.join(KINDS)} or all.")
    settings = _settings()
    until = datetime.now(UTC) + timedelta(hours=hours) if hours else None
    with opened(settings.prediction_log_url) as engine:
        snooze(engine, settings.model_name, kinds, until)
    said = f"is silent until {until:%Y-%m-%d %H:%M} UTC" if until else "is no longer silent"
    say(f"{', '.join(kinds)}: monitoring {said}.")


@app.command("alert-test")
def alert_test() -> None:
    """Send one test message to every channel that is set, or print it when none is."""
    from monitoring import console
    from monitoring.run import alert_test

    message, delivery = alert_test(_settings())
    say(message if delivery is None else console.delivery(delivery))
    if delivery is None:
        say("No channel is set: see SLACK_WEBHOOK_URL in .env.example.")
    elif delivery.is_broken:
        sys.exit(4)


@app.command()
def announce() -> None:
    """Tell every channel which version serves now, and why: the ledger's last line, once."""
    from insurance_predictor.base.errors import InsurancePredictorError
    from monitoring import console
    from monitoring.alerts.production_move import announce

    try:
        message, delivery = announce(_settings())
    except InsurancePredictorError as error:
        _on_page(console.untold_markdown(error))
        raise
    say(message if delivery is None else console.delivery(delivery))
    _on_page("\n".join(console.delivery_markdown(delivery)))
    if delivery is not None and delivery.is_broken:
        sys.exit(4)


@app.command()
def simulate(
    scenario: Annotated[
        str, typer.Option(envvar="SCENARIO", help="`all`, or the name of one")
    ] = "all",
    months: Annotated[int, typer.Option(envvar="MONTHS", min=3, max=36)] = 6,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Play months of production against the version in production, in a log that is thrown away."""
    from monitoring.simulation.simulate import simulate

    for line in simulate(_settings(), scenario, months, seed):
        say(line)


def _on_page(markdown: str) -> None:
    """Add to the page of a workflow's run, where there is one."""
    if markdown and (page := os.environ.get("GITHUB_STEP_SUMMARY")):
        with Path(page).open("a", encoding="utf-8") as file:
            file.write(f"{markdown}\n")


def _settings() -> "Settings":
    from insurance_predictor.base.settings import read_settings

    return read_settings()
