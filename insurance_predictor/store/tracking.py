"""The edge to MLflow: connects to whatever store is configured and puts its failures in words."""

import errno
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from insurance_predictor.base.answers import limit_answers
from insurance_predictor.base.environment import export_defaults
from insurance_predictor.base.errors import InsurancePredictorError, InvalidSettings, Unreachable
from insurance_predictor.base.masking import without_secrets
from insurance_predictor.base.settings import DEFAULT_ARTIFACTS, DEFAULT_TRACKING_URI, Settings
from insurance_predictor.store.locations import REMEDY, experiment_location, foreign_place

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from sqlalchemy import Engine

T = TypeVar("T")
CONNECT_TIMEOUT = 5  # seconds
MAJOR = 3  # version of MLflow; servers of 2.x lack what a model is logged by
STORAGE_PATIENCE = 8.0  # seconds for one question, which needs no second try
# A server that does not let us in, and one that the network has lost.
POSTGRESQL_LIMITS = {
    "connect_timeout": str(CONNECT_TIMEOUT),
    "tcp_user_timeout": "10000",  # milliseconds
    "keepalives_idle": "5",
    "keepalives_interval": "5",
    "keepalives_count": "2",
}
TABLES_PATIENCE = 120.0  # seconds; MLflow makes its tables in 2 to 30
TABLES_LOCK = 0x9E1E  # any number, the same for everybody who makes these tables
_MADE: set[str] = set()  # the databases whose tables this process has seen

# MLflow's own defaults retry a dead server for four minutes; whoever wants that sets the variable.
# These give up in less than 20 seconds.
MLFLOW_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "8",
    # A gateway may ask to be left alone for an hour.
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
    # A server on S3 tells its clients to fetch large and small files from the S3 store itself,
    # which they need not reach.
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
}
NO_RIGHT = "Permission denied"  # what MLflow's own users are told who may not do something
REFUSED_CREDENTIALS = {"UNAUTHENTICATED", "PERMISSION_DENIED", "CUSTOMER_UNAUTHORIZED"}
OUTSIDE_LIBRARIES = (
    *("requests.", "urllib3.", "boto3.", "botocore."),
    *("sqlalchemy.", "psycopg", "sqlite3"),
)
DATABASES = ("postgresql", "mysql", "mssql")
STORAGE_ERRNOS = {errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EIO}


class OtherVersion(Unreachable):
    """The server is an MLflow that this program cannot work with."""


def connect(settings: Settings) -> "MlflowClient":
    """A client of the configured store, after a look at whether it is there at all.

    Raises Unreachable within seconds when it is not, and InvalidSettings for a URI that cannot
    be a store.
    """
    export_defaults(MLFLOW_DEFAULTS)
    limit_answers()
    uri = settings.mlflow_tracking_uri
    check_reachable(uri)
    import mlflow

    prepare_storage_clients()
    limited = _with_limits(uri)
    mlflow.set_tracking_uri(limited)
    mlflow.set_registry_uri(limited)
    with _alone(uri):
        return mlflow.MlflowClient()  # makes the tables where there are none


def prepare_storage_clients() -> None:
    """Have MLflow's clients of artifacts give up in time, also where there is no store yet."""
    export_defaults(MLFLOW_DEFAULTS)
    limit_answers()
    _quieten()
    _limit_s3()


def check_reachable(uri: str) -> None:
    """Raise Unreachable unless the server or database behind `uri` answers within seconds."""
    kind = uri.partition(":")[0].partition("+")[0] if ":" in uri else "file"
    if kind == "file":
        raise _unusable(uri, "is a folder, which MLflow no longer writes to")
    if kind in ("http", "https"):
        _check_server(uri)
    elif kind == "sqlite":
        _check_file(uri)
    elif kind in DATABASES:
        _check_database(uri)
    else:
        raise _unusable(uri, "is of a kind that is not supported")


def experiment_id(client: "MlflowClient", name: str, settings: Settings) -> str:
    """The id of the experiment called `name`, made where the settings want its artifacts."""
    found = client.get_experiment_by_name(name)
    if found is None:
        from mlflow.exceptions import MlflowException

        try:
            return str(client.create_experiment(name, artifact_location=_artifacts(settings)))
        except MlflowException as error:  # another process made it in between
            found = client.get_experiment_by_name(name)
            if found is None:
                raise error
    if found.lifecycle_stage != "active":
        raise InvalidSettings(
            f"The experiment {name!r} has been deleted: `mlflow experiments restore -x "
            f"{found.experiment_id}`, or set another name."
        )
    return str(found.experiment_id)


def check_place(client: "MlflowClient", settings: Settings, experiment: str) -> str:
    """Where an experiment, given by its id, keeps its files, which may be read and written there.

    Raises InvalidSettings when that is somebody else's place.
    """
    location = experiment_location(client, experiment)
    if fault := foreign_place(location, settings, location):
        raise InvalidSettings(
            f"The experiment {experiment} has {fault}. {REMEDY} Or set the name of another."
        )
    return location


def ask_storage(client: "MlflowClient", settings: Settings, experiment: str) -> None:
    """One question to the storage of an experiment, before any work is done; any answer will do.

    Raises InvalidSettings for a place that is not ours, Unreachable when no answer comes in time,
    and what its client raises when there is none.
    """
    location = check_place(client, settings, experiment)
    if location.partition(":")[0] not in ("s3", "mlflow-artifacts", "http", "https"):
        return
    answer: Future[None] = Future()
    Thread(target=_ask_storage, args=(location, answer), daemon=True).start()
    try:
        answer.result(STORAGE_PATIENCE)
    except TimeoutError as error:
        if answer.done():
            raise
        raise Unreachable(
            f"The storage of artifacts, {location}, did not answer within {STORAGE_PATIENCE:g} s. "
            "Check that it is running and that this machine reaches it, and for s3:// "
            "MLFLOW_S3_ENDPOINT_URL; `make doctor` looks at it."
        ) from error


def _ask_storage(location: str, answer: "Future[None]") -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    try:
        get_artifact_repository(location).list_artifacts("nothing-is-kept-here")
    except MlflowException as error:
        if _is_out_of_reach(error, error.error_code, _first_line(error)):
            answer.set_exception(error)
            return
    except Exception as error:  # raised again where the answer is awaited
        answer.set_exception(error)
        return
    answer.set_result(None)


def existing(call: Callable[..., T], *arguments: str) -> T | None:
    """What `call` finds; None where MLflow says that there is no such thing."""
    from mlflow.exceptions import MlflowException

    try:
        return call(*arguments)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def every_page(search: Callable[[str | None], Any]) -> Iterator[Any]:
    """All that `search` finds, which takes the token of a page and gives that page."""
    token = None
    while True:
        page = search(token)
        yield from page
        token = page.token
        if not token:
            return


@contextmanager
def store_errors(settings: Settings) -> Iterator[None]:
    """Turn what MLflow, the network and the disk raise into one sentence of ours."""
    try:
        yield
    except InsurancePredictorError:
        raise
    except Exception as error:
        known = _in_words(error, settings)
        if known is None:
            raise
        raise known from error


def _in_words(error: Exception, settings: Settings) -> InsurancePredictorError | None:
    where = without_secrets(settings.mlflow_tracking_uri)
    text = _first_line(error)[:300]
    code = getattr(error, "error_code", None)
    if code == "PERMISSION_DENIED" and NO_RIGHT in text:
        return InvalidSettings(
            f"{where} does not let this user do that. An administrator gives the user of "
            f"MLFLOW_TRACKING_USERNAME the right (docs/deployment.md, Roles), or name one who has "
            f"it. ({text})"
        )
    if code in REFUSED_CREDENTIALS or "failed with error code 401" in text:
        return InvalidSettings(
            f"{where} refused the credentials. Check MLFLOW_TRACKING_USERNAME and "
            f"MLFLOW_TRACKING_PASSWORD. ({text})"
        )
    if _is_out_of_reach(error, code, text):
        return Unreachable(
            f"{where} or its storage did not do its part: {text}. "
            "Check that it is running, that the disk is not full and that this machine reaches it; "
            "`make doctor` looks at each of its parts."
        )
    return None


def _is_out_of_reach(error: Exception, code: str | None, text: str) -> bool:
    if code is not None:
        from_a_server = type(error).__name__ == "RestException" and code == "INTERNAL_ERROR"
        broken_database = type(error.__cause__).__name__ == "DatabaseError"
        words = ("API request to", "out-of-date database schema", "failures occurred while")
        return (
            from_a_server
            or broken_database
            or code == "TEMPORARILY_UNAVAILABLE"
            or any(word in text for word in words)
        )
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    if any(base.__module__.startswith(OUTSIDE_LIBRARIES) for base in type(error).__mro__):
        return True
    return isinstance(error, OSError) and error.errno in STORAGE_ERRNOS


def _check_server(uri: str) -> None:
    """One question, as MLflow's client asks: whether somebody is there, and of which version.

    Who tells its version only to those it lets in, or to nobody, is found out by the next question.
    """
    import requests

    where = without_secrets(uri)
    try:
        answer = requests.get(
            f"{uri.rstrip('/')}/version", timeout=CONNECT_TIMEOUT, **_as_mlflow_asks()
        )
    except (requests.exceptions.InvalidURL, ValueError) as error:
        raise _unusable(uri, "is not a URL") from error
    except requests.RequestException as error:
        raise Unreachable(
            f"No answer from {where} within {CONNECT_TIMEOUT} s. Check that the MLflow server is "
            "running (`curl` its /version) and that MLFLOW_TRACKING_URI is right."
        ) from error
    if answer.status_code in (502, 503, 504):
        raise Unreachable(
            f"{where} answers {answer.status_code}: something is there, the "
            "MLflow server behind it is not. Look at its log."
        )
    if answer.status_code == 200:
        check_version(answer.text, where)


def check_version(said: str, where: str) -> str:
    """The version that a server gives as its own. Raises OtherVersion, or Unreachable for none."""
    version = said.strip()
    if not re.fullmatch(r"\d+\.\d+\.\w+(\.\w+)?", version):
        raise Unreachable(
            f"{where} answers as a website does, not as an MLflow server. Check "
            "MLFLOW_TRACKING_URI, with the path if there is one; a login page in front of it lets "
            "no program in: docs/deployment.md says which logins work."
        )
    if not version.startswith(f"{MAJOR}."):
        raise OtherVersion(
            f"{where} is an MLflow server of version {version}, and this program works with "
            f"{MAJOR}.x. Use a server of version {MAJOR}.x, as `make up` starts, or update that "
            "one."
        )
    return version


def _as_mlflow_asks() -> dict[str, Any]:
    """The login and the certificate that MLflow's own client takes from the environment."""
    known = os.environ.get
    user, password = known("MLFLOW_TRACKING_USERNAME"), known("MLFLOW_TRACKING_PASSWORD")
    token = known("MLFLOW_TRACKING_TOKEN")
    asked: dict[str, Any] = {}
    if user and password:
        asked["auth"] = (user, password)
    elif token:
        asked["headers"] = {"Authorization": f"Bearer {token}"}
    if known("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
        asked["verify"] = False
    elif certificate := known("MLFLOW_TRACKING_SERVER_CERT_PATH"):
        asked["verify"] = certificate
    return asked


def _check_file(uri: str) -> None:
    path = _sqlite_file(uri)
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise _unusable(uri, f"lies below {folder}, which is a file")
    if not os.access(folder, os.W_OK):
        raise Unreachable(f"The folder {folder} of {uri} cannot be written to.")
    if path.is_dir():
        raise _unusable(uri, "names a folder, not a database file")
    if path.exists() and path.stat().st_size:
        with path.open("rb") as file:
            if file.read(15) != b"SQLite format 3":
                raise _unusable(uri, "is not a SQLite database")


def _sqlite_file(uri: str) -> Path:
    return Path(uri.split(":///", 1)[-1].partition("?")[0] or ".")


@contextmanager
def _alone(uri: str) -> Iterator[None]:
    """While the block runs, no other process of ours makes the tables of this database.

    MLflow's own steps collide. Once for each process; one that is killed lets go.
    Raises Unreachable when another process does not finish.
    """
    kind = uri.partition(":")[0].partition("+")[0]
    if uri in _MADE or kind not in ("sqlite", "postgresql"):
        yield
        return
    with _alone_on_sqlite(uri) if kind == "sqlite" else _alone_on_postgresql(uri):
        yield
    _MADE.add(uri)


@contextmanager
def _alone_on_sqlite(uri: str) -> Iterator[None]:
    from filelock import FileLock, Timeout

    path = _sqlite_file(uri)
    path.absolute().parent.mkdir(parents=True, exist_ok=True)
    # Whoever may write to the folder may lock it, whoever was the first to.
    lock = FileLock(f"{path}.lock", timeout=TABLES_PATIENCE, mode=0o666)
    try:
        lock.acquire()
    except Timeout as error:
        raise _never_made(uri) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _alone_on_postgresql(uri: str) -> Iterator[None]:
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    engine = _engine(uri)
    try:
        with engine.connect() as connection:
            connection.execute(text(f"SET lock_timeout = '{TABLES_PATIENCE:g}s'"))
            try:
                connection.execute(text(f"SELECT pg_advisory_lock({TABLES_LOCK})"))
            except DBAPIError as error:
                raise _never_made(uri) from error
            yield
    finally:
        engine.dispose()  # which lets go


def _never_made(uri: str) -> Unreachable:
    return Unreachable(
        f"Another process has been making the tables of {uri} for {TABLES_PATIENCE:g} s. "
        "Let it finish, or end it, then try again."
    )


def _engine(uri: str) -> "Engine":
    from sqlalchemy import create_engine

    timeout = {"connect_timeout": CONNECT_TIMEOUT} if "mssql" not in uri else {}
    return create_engine(uri, connect_args=timeout)


def _check_database(uri: str) -> None:
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    try:
        engine = _engine(uri)
        engine.connect().close()
        engine.dispose()
    except (ArgumentError, ImportError, ValueError) as error:
        raise _unusable(uri, f"cannot be opened ({_first_line(error)})") from error
    except SQLAlchemyError as error:
        raise Unreachable(
            f"{without_secrets(uri)} does not let us in: {_first_line(error)}. Check that the "
            "database is running and that MLFLOW_TRACKING_URI has the right host, user and "
            "password."
        ) from error


def _unusable(uri: str, why: str) -> InvalidSettings:
    return InvalidSettings(
        f"MLFLOW_TRACKING_URI={without_secrets(uri)!r} {why}. "
        f"Use {DEFAULT_TRACKING_URI}, a postgresql:// database or the URL of a server."
    )


def _first_line(error: Exception) -> str:
    return without_secrets(str(error)).strip().split("\n")[0]


def _artifacts(settings: Settings) -> str | None:
    if settings.artifact_location is not None:
        return settings.artifact_location
    if settings.mlflow_tracking_uri == DEFAULT_TRACKING_URI:
        return str(DEFAULT_ARTIFACTS.resolve())
    return None


def _with_limits(uri: str) -> str:
    """The URI for MLflow, which tells a PostgreSQL's driver nothing but what stands there."""
    if not re.match(r"postgresql(\+psycopg2?)?://", uri):
        return uri
    from sqlalchemy import make_url

    url = make_url(uri)
    limits = {name: value for name, value in POSTGRESQL_LIMITS.items() if name not in url.query}
    return url.update_query_dict(limits).render_as_string(hide_password=False)


def _limit_s3() -> None:
    """Who has artifacts on S3 gets a client that gives up in time; nobody else loads one."""
    from mlflow.store.artifact.artifact_repository_registry import _artifact_repository_registry

    def repository(*arguments: Any, **options: Any) -> Any:
        from insurance_predictor.store.s3_artifacts import S3Artifacts

        return S3Artifacts(*arguments, **options)

    _artifact_repository_registry.register("s3", repository)


def _quieten() -> None:
    """MLflow reports migrations and packaging guesses, and a database's failure as a traceback."""
    import logging

    for name in (
        "mlflow.store.db.utils",
        "mlflow.store.model_registry",
        "mlflow.utils.environment",
        "alembic",
    ):
        logging.getLogger(name).setLevel(logging.CRITICAL)
