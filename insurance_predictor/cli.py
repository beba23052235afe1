"""The commands: each reads the settings, makes one call, prints its result and ends with a code."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from insurance_predictor.base.command_line import hand_on, make_app, run, say
from insurance_predictor.table.columns import Declared, NumberColumn
from insurance_predictor.table.schema import CURRENT

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from insurance_predictor.base.settings import Settings

HELP = """Yearly insurance premiums: train, judge, register, promote, roll back, predict.

Exit codes: 0 done, 2 bad input or settings, 3 refused, 4 store unreachable, 1 a bug."""

app = make_app(HELP)
alias_app = typer.Typer(help="Set or delete an alias by hand.", no_args_is_help=True)
app.add_typer(alias_app, name="alias")

Production = Annotated[
    bool, typer.Option("--production", envvar="PRODUCTION", help="use the production experiment")
]
Reason = Annotated[str, typer.Option(envvar="REASON", help="why, for the ledger")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


def main() -> None:
    """Run the command that is asked for."""
    run(app)


@app.command()
def data() -> None:
    """Download the public table to data/insurance.csv and check its sum, if no other is meant."""
    from insurance_predictor.table.choice import choose_table
    from insurance_predictor.table.download import download_table

    settings = _settings()
    choice = choose_table(settings)
    if choice.is_download:
        say(f"{download_table(settings)} is ready.")
    else:
        say(f"Nothing to download: the table is {choice.source}, because {choice.why}.")


@app.command("check-data")
def check_data() -> None:
    """Say whether the table that a training would use can be used, and what is in it."""
    from insurance_predictor.console import table_summary
    from insurance_predictor.table.read import read_table
    from insurance_predictor.table.split import split_table
    from insurance_predictor.training.sufficiency import require_enough

    settings = _settings()
    table = read_table(settings)
    split = split_table(table.frame)
    warnings = require_enough(split, table.source, settings.gate, table.columns)
    say(table_summary(table, split, warnings))


@app.command()
def synthetic(
    output: Annotated[Path, typer.Option(help="the CSV file to write")],
    rows: Annotated[int, typer.Option(min=1)] = 1500,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Write a made-up table of the same schema; the same seed gives the same table."""
    from insurance_predictor.table.synthetic import make_table, write_table

    write_table(make_table(rows, seed), output)
    say(f"{output}: {rows:,} made-up people, seed {seed}.")


@app.command()
def train(
    tune: Annotated[bool, typer.Option("--tune", envvar="TUNE", help="search parameters")] = False,
    trials: Annotated[
        int, typer.Option(envvar="N_TRIALS", min=1, help="sets of parameters for each candidate")
    ] = 10,
    jobs: Annotated[
        int, typer.Option(envvar="N_JOBS", help="processes of the search; -1 for every core")
    ] = -1,
    autolog: Annotated[
        bool, typer.Option("--autolog", envvar="AUTOLOG", help="add MLflow's autologging")
    ] = False,
    production: Production = False,
) -> None:
    """Train on a table, evaluate, and log everything as one MLflow run."""
    _prepare_for_skops()
    from insurance_predictor.console import training_summary
    from insurance_predictor.table.read import read_table

    if jobs == 0:
        raise typer.BadParameter("N_JOBS=0 is no number of processes; give 1 or more, or -1")
    table = read_table(_settings())
    say(f"Training on {table.source}: {len(table.frame):,} people.")
    for notice in table.notices:
        say(f"  {notice}")
    from insurance_predictor.training.train import TrainingOptions, train

    with _store() as (settings, client):
        options = TrainingOptions(tune, trials, jobs, autolog, production, settings.scheduler)
        done = train(client, settings, table, options)
        say(training_summary(settings, done))
    hand_on("run_id", done.run_id)


@app.command()
def register(
    run_id: Annotated[
        str | None, typer.Option(envvar="RUN_ID", help="default: the last finished training")
    ] = None,
    production: Production = False,
) -> None:
    """Let the gate judge a run and write it as a model version."""
    _prepare_for_skops()
    with _store() as (settings, client):
        from insurance_predictor.console import registration_summary
        from insurance_predictor.release.registration import register

        done = register(client, settings, run_id, production)
        say(registration_summary(settings, done))


@app.command()
def promote(
    version: Annotated[
        str | None, typer.Option(envvar="VERSION", help="default: the challenger")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", envvar="FORCE", help="override the gate, never integrity")
    ] = False,
    reason: Reason = "",
) -> None:
    """Move the production alias to an approved version and write a line in the ledger."""
    with _store() as (settings, client):
        from insurance_predictor.console import move_summary
        from insurance_predictor.release.promotion import promote

        move = promote(client, settings, version, force=force, reason=reason)
        say(move_summary(settings, move))


@app.command()
def rollback(reason: Reason = "") -> None:
    """Move the production alias back to the version before, by the ledger."""
    with _store() as (settings, client):
        from insurance_predictor.console import move_summary
        from insurance_predictor.release.promotion import rollback

        say(move_summary(settings, rollback(client, settings, reason)))


@app.command()
def status(as_json: AsJson = False) -> None:
    """Aliases, versions, the ledger, and what is wrong with them."""
    with _store() as (settings, client):
        from insurance_predictor.console import state_json, state_summary
        from insurance_predictor.store.status import read_state

        state = read_state(client, settings)
        say(state_json(state) if as_json else state_summary(settings, state))


@alias_app.command("set")
def alias_set(alias: str, version: str, reason: Reason = "") -> None:
    """Put ALIAS on VERSION; one that serves is checked and recorded like a promotion."""
    with _store() as (settings, client):
        from insurance_predictor.release.promotion import set_alias

        notes = set_alias(client, settings, alias, version, reason)
        say("\n".join([*notes, f"{alias!r} stands on version {version}."]))


@alias_app.command("delete")
def alias_delete(alias: str) -> None:
    """Take ALIAS away from the version that carries it; one that serves is not taken away."""
    with _store() as (settings, client):
        from insurance_predictor.release.promotion import delete_alias

        delete_alias(client, settings, alias)
        say(f"{alias!r} is gone.")


@app.command()
def tag(
    version: str,
    key: str,
    value: Annotated[str | None, typer.Argument()] = None,
    delete: Annotated[bool, typer.Option("--delete", help="take the tag away")] = False,
) -> None:
    """Write the tag KEY=VALUE on VERSION, or take it away; none that decisions rest on."""
    if delete == (value is not None):
        raise typer.BadParameter("give a VALUE, or --delete")
    with _store() as (settings, client):
        from insurance_predictor.store.versions import tag_by_hand

        tag_by_hand(client, settings, version, key, value)
        say(f"Version {version}: {key} is {'gone' if value is None else repr(value)}.")


def _features_as_options(
    command: Callable[..., None],
) -> Callable[..., None]:
    """`command` with an option for each column of the schema before its own.

    The features come in `person`, what is only logged in `carried`.
    """
    logged = [column.name for column in CURRENT.logged]

    def with_options(**given: Any) -> None:
        person = {name: given.pop(name) for name in CURRENT.feature_names}
        carried = {name: given.pop(name) for name in logged}
        command(person=_understood(_said(person)), carried=_said(carried), **given)

    own = signature(command).parameters.values()
    rest = [each for each in own if each.name not in ("person", "carried")]
    features = [_feature_option(column) for column in (*CURRENT.features, *CURRENT.logged)]
    with_options.__doc__, with_options.__name__ = command.__doc__, command.__name__
    parameters = [*features, *rest]
    vars(with_options)["__signature__"] = Signature(parameters)
    with_options.__annotations__ = {each.name: each.annotation for each in parameters}
    return with_options


def _said(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _understood(person: dict[str, str]) -> dict[str, Any]:
    """Numbers and words as people write them, in both languages."""
    from insurance_predictor.base.errors import BadInput
    from insurance_predictor.table.reading.notices import NotUnderstood
    from insurance_predictor.table.reading.understanding import understood_person

    try:
        return understood_person(person, CURRENT.features)
    except NotUnderstood as error:
        raise BadInput(f"This person cannot be quoted: {error}") from error


def _feature_option(column: Declared) -> Parameter:
    kind = "TEXT"
    words = f"{column.label['en']}: {column.rule}"
    if isinstance(column, NumberColumn):
        kind = "NUMBER"
        words += f" ({column.unit['en']})"
    # Which of them a version needs, it says itself.
    return Parameter(
        column.name,
        Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[str | None, typer.Option(help=words, metavar=kind)],
    )


@app.command()
@_features_as_options
def predict(
    *,
    person: dict[str, Any],
    carried: dict[str, str],
    alias: Annotated[str | None, typer.Option(help="default: the production alias")] = None,
    as_json: AsJson = False,
) -> None:
    """One quote: premium, 90 % interval and the version that answers; it is logged as any other."""
    _prepare_for_skops()
    from insurance_predictor.console import quote_json, quote_summary
    from insurance_predictor.log.prediction_log import PredictionLog
    from insurance_predictor.serving.predictor import check_person, load
    from insurance_predictor.serving.quoting import (
        check_carried,
        quote_person,
        recording_failure,
    )

    check_person(person, is_whole=False)  # before anybody waits for a store
    check_carried(carried)
    settings = _settings()
    with PredictionLog(settings) as log:
        # That another alias is not there is no failure of what is in production.
        with nullcontext() if alias else recording_failure(log, "command"):
            predictor = load(settings, alias)
        given = quote_person(predictor, person, log, "command", carried=carried)
        quote = given.quote
        say(
            quote_json(quote, given.entry.id)
            if as_json
            else quote_summary(quote, predictor.columns.target)
        )


@app.command()
def score(
    source: Annotated[
        str, typer.Argument(envvar="IN", help="Parquet or CSV: a file, a folder or a pattern")
    ],
    out: Annotated[str, typer.Argument(envvar="OUT", help="the folder of parts to write")],
    version: Annotated[
        str | None, typer.Option(envvar="VERSION", help="default: the one in production")
    ] = None,
    jobs: Annotated[int, typer.Option(envvar="N_JOBS", help="processes; -1 for every core")] = -1,
) -> None:
    """Premiums for a portfolio of any size, here or on s3://; they are not logged."""
    from insurance_predictor.console import score_summary
    from insurance_predictor.scoring.score import ScoreOptions, score

    if jobs == 0:
        raise typer.BadParameter("N_JOBS=0 is no number of processes; give 1 or more, or -1")
    say(score_summary(score(_settings(), source, out, ScoreOptions(version, jobs)), out))


@app.command()
def outcomes(
    file: Annotated[
        str,
        typer.Argument(
            envvar="FILE", help=f"a table with id, {CURRENT.target.name} and perhaps time"
        ),
    ],
) -> None:
    """Record what people were really charged, by the ids of their quotes."""
    from insurance_predictor.console import outcomes_summary
    from insurance_predictor.log.outcomes import record_outcomes

    settings = _settings()
    say(outcomes_summary(settings, record_outcomes(settings, file)))


@app.command()
def archive(
    older: Annotated[str, typer.Option(envvar="OLDER", help="than 400d, or 60w")] = "400d",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", envvar="DRY_RUN", help="show what would go")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Move old quotes with their outcomes from the log to Parquet at ARCHIVE."""
    from insurance_predictor.console import archive_json, archive_summary
    from insurance_predictor.log.archiving import archive_log

    done = archive_log(_settings(), older, dry_run)
    say(archive_json(done) if as_json else archive_summary(done))


@app.command()
def api() -> None:
    """Answer other programs that ask for quotes, by HTTP; Ctrl-C ends it."""
    from insurance_predictor.api.server import serve

    serve(_settings())


@app.command()
def ui(
    port: Annotated[int, typer.Option(envvar="PORT", min=1, max=65535)] = 5000,
) -> None:
    """Open MLflow's own pages over the configured store; Ctrl-C ends it."""
    import os

    from insurance_predictor.base.masking import without_secrets
    from insurance_predictor.store.tracking import check_reachable

    uri = _settings().mlflow_tracking_uri
    check_reachable(uri)
    if uri.startswith("http"):
        say(f"The server has its own pages: {without_secrets(uri)}")
        return
    _require_free(port)
    say(f"MLflow over {without_secrets(uri)}: http://127.0.0.1:{port}")
    os.environ["MLFLOW_BACKEND_STORE_URI"] = uri  # a command line is for everybody to read
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    os.execv(  # noqa: S606 - the interpreter that runs us
        sys.executable, [*command, "--port", str(port), "--workers", "1"]
    )


def _require_free(port: int) -> None:
    import socket

    from insurance_predictor.base.errors import BadInput

    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise BadInput(f"Port {port} is taken. Stop what uses it, or `make ui PORT=5001`.")


def _prepare_for_skops() -> None:
    """Import what skops looks for before the hundreds of modules that it would look through first.

    On its way in, it asks one module after the other, the oldest first, for each of SciPy's
    functions.
    """
    import scipy.special  # noqa: F401


def _settings() -> "Settings":
    from insurance_predictor.base.settings import read_settings

    return read_settings()


@contextmanager
def _store() -> Iterator[tuple["Settings", "MlflowClient"]]:
    """The settings and the store they name, with its failures put in words."""
    from insurance_predictor.store.tracking import connect, store_errors

    settings = _settings()
    with store_errors(settings):
        yield settings, connect(settings)
