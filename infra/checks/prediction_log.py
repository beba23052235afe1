"""The prediction log: whether its database lets us make a table, and what waits for it."""

import os
from pathlib import Path
from uuid import uuid4

from infra.checks.finding import Finding, check, right, told, wrong
from insurance_predictor.base.settings import Settings
from insurance_predictor.log.spool import Spool, told_elsewhere

TIMEOUT = 5  # seconds, to connect and to wait for a lock
REMEDY = "Check PREDICTION_LOG_URL: host, user, password, and that the database is running."


@check("prediction log")
def prediction_log(settings: Settings) -> Finding:
    """Whether a table can be made there; nothing stays, not even the file of a new SQLite log."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        url = make_url(settings.prediction_log_url)
        path = Path(url.database or "")
        if url.get_backend_name() == "sqlite" and not path.exists() and not url.query:
            return _room_for(path, settings)
        _make_and_drop_a_table(settings.prediction_log_url)
    except (SQLAlchemyError, ImportError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        return wrong(f"{settings.prediction_log_url}: {reason}", REMEDY)
    return right(f"{settings.prediction_log_url} can be written{_waiting(settings)}")


def _room_for(path: Path, settings: Settings) -> Finding:
    folder = path.absolute().parent
    if not folder.is_dir():
        return told(f"{folder} is no folder, so {path} cannot be made in it. Make it.")
    if not os.access(folder, os.W_OK):
        return told(f"{folder} cannot be written to. Change PREDICTION_LOG_URL, or its owner.")
    return right(f"{path} will be made by the first prediction{_waiting(settings)}")


def _waiting(settings: Settings) -> str:
    spool = Spool(settings.prediction_spool, settings.prediction_log_url)
    rows, elsewhere = spool.waiting(), spool.waiting_elsewhere()
    spool.close()
    told = f"; {rows:,} predictions wait in {settings.prediction_spool}" if rows else ""
    told += f"; in the spool {told_elsewhere(elsewhere)}" if elsewhere else ""
    is_file = settings.prediction_log_url.startswith("sqlite")
    if is_file and settings.mlflow_tracking_uri.startswith(("http://", "https://")):
        told += "; it is a file of this machine, and the registry a server: a team sets "
        told += "PREDICTION_LOG_URL to one database, where the app runs and where monitoring does"
    return told


def _make_and_drop_a_table(url: str) -> None:
    """An ordinary table: a temporary one would lie outside SQLite's file and PostgreSQL's schema.

    Raises sqlalchemy's errors, and InvalidSettings for tables of a newer program. The
    transaction is rolled back whatever happens.
    """
    from sqlalchemy import NullPool, create_engine, make_url, text

    from insurance_predictor.log.database import known_revision

    sqlite = make_url(url).get_backend_name() == "sqlite"
    timeout = {"timeout": TIMEOUT} if sqlite else {"connect_timeout": TIMEOUT}
    name = f"doctor_{uuid4().hex}"
    engine = create_engine(url, connect_args=timeout, poolclass=NullPool)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # pysqlite alone would make the table outside any transaction.
        connection.execute(text("BEGIN IMMEDIATE" if sqlite else "BEGIN"))
        try:
            known_revision(connection, url)
            connection.execute(text(f"CREATE TABLE {name} (number INTEGER)"))
            connection.execute(text(f"INSERT INTO {name} VALUES (1)"))  # noqa: S608 - our own name
            connection.execute(text(f"DROP TABLE {name}"))
        finally:
            connection.execute(text("ROLLBACK"))
