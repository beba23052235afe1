"""The store of runs and versions, a server's or a database's, and what hangs on it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from infra.checks.artifacts import artifacts
from infra.checks.finding import (
    Finding,
    Verdict,
    check,
    failed,
    not_looked_at,
    not_used_here,
    note,
    right,
    told,
    wrong,
)
from infra.checks.server import OF_THE_STACK, access, clock, greet, server_version
from infra.checks.stack import is_local_stack
from insurance_predictor.base.errors import InsurancePredictorError
from insurance_predictor.base.masking import without_secrets
from insurance_predictor.base.settings import Settings
from insurance_predictor.store.tracking import (
    OtherVersion,
    check_reachable,
    connect,
    prepare_storage_clients,
    store_errors,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

OF_A_SERVER = ("clock", "host header", "credentials")
INSIDE = ("aliases", "artifacts")
NAMES = ("MLflow", *OF_A_SERVER, "schema", *INSIDE)


def store(settings: Settings) -> Iterator[Finding]:
    """Everything about the store, as far as it can be reached, without changing anything in it."""
    if settings.mlflow_tracking_uri.startswith(("http://", "https://")):
        yield from _server(settings)
    else:
        yield from _database(settings)


def _server(settings: Settings) -> Iterator[Finding]:
    try:
        client = connect(settings)
        greeting = greet(settings)
    except InsurancePredictorError as error:
        yield _out_of_reach(settings, error)
        yield from not_looked_at(NAMES[1:], "the store is out of reach")
        return
    yield server_version(settings, greeting)
    yield clock(greeting)
    doors = list(access(settings))
    yield from doors
    yield from not_used_here(["schema"], "the server keeps it, and starts on no other")
    if all(door.verdict is Verdict.RIGHT for door in doors):
        yield from _inside(client, settings)
    else:
        yield from not_looked_at(INSIDE, "the server does not let us in")


def _database(settings: Settings) -> Iterator[Finding]:
    reached = database(settings)
    yield reached
    yield from not_used_here(OF_A_SERVER, "there is no server")
    if reached.verdict is not Verdict.RIGHT:
        why = "nothing yet" if reached.verdict is Verdict.NOTE else "the store is out of reach"
        if settings.artifact_location is None:
            yield from not_looked_at(("schema", *INSIDE), why)
        else:  # which does not hang on what the database says
            yield from not_looked_at(("schema", "aliases"), why)
            prepare_storage_clients()
            yield artifacts(None, settings)
        return
    current = schema(settings)
    yield current
    if current.verdict is Verdict.RIGHT:
        yield from _inside(connect(settings), settings)
    else:
        yield from not_looked_at(INSIDE, "the schema is another")


def _inside(client: "MlflowClient", settings: Settings) -> Iterator[Finding]:
    yield aliases(client, settings)
    yield artifacts(client, settings)


@check("MLflow")
def database(settings: Settings) -> Finding:
    """Whether the database answers; a note when the first command has yet to make its tables."""
    from sqlalchemy import create_engine, inspect, make_url

    uri = settings.mlflow_tracking_uri
    check_reachable(uri)
    url = make_url(uri)
    path = Path(url.database or "")
    if url.get_backend_name() == "sqlite" and not (path.is_file() and path.stat().st_size):
        return note(f"nothing yet: the first command makes {path}")
    engine = create_engine(uri)
    try:
        with store_errors(settings):
            if inspect(engine).has_table("alembic_version"):
                return right(f"the database {without_secrets(uri)}")
    finally:
        engine.dispose()
    return note(f"nothing yet: the first command makes the tables of {uri}")


@check("schema")
def schema(settings: Settings) -> Finding:
    """Whether a database that has tables has those of this MLflow."""
    from infra.mlflow.schema import complaint

    uri = settings.mlflow_tracking_uri
    found = complaint(uri)
    if found is None:
        return right("is the one of this MLflow")
    return wrong(
        found.partition(". ")[0],
        f"Back it up, then `.venv/bin/mlflow db upgrade {uri}`; if a newer MLflow made it, "
        "update this clone and `make setup`.",
    )


@check("aliases")
def aliases(client: "MlflowClient", settings: Settings) -> Finding:
    """Whether the version that serves is there, and the ledger agrees."""
    from insurance_predictor.store.status import read_state

    with store_errors(settings):
        state = read_state(client, settings)
    if state.problems:
        more = len(state.problems) - 1
        also = f" ({more} more: `make status`)" if more else ""
        found = told(state.problems[0], "Look at `make status`, then `make promote VERSION=n`.")
        return wrong(found.found + also, found.remedy)
    serving = state.aliases.get(settings.production_alias)
    if serving is None:
        return note("nothing is in production yet: `make train register promote`")
    return right(f"{settings.production_alias!r} stands on version {serving}")


def _out_of_reach(settings: Settings, error: InsurancePredictorError) -> Finding:
    found = failed(NAMES[0], error)
    if isinstance(error, OtherVersion):
        remedy = OF_THE_STACK if is_local_stack(settings) else found.remedy
        return replace(found, remedy=remedy)
    if is_local_stack(settings):
        return replace(found, remedy="`make up` starts it, `make logs` says what it is doing.")
    return found
