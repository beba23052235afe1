"""Whether the database fits this MLflow, said before MLflow changes it without asking."""

from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import OperationalError


def complaint(uri: str) -> str | None:
    """What is wrong with the schema of the database at `uri`; None for a current or empty one.

    MLflow's own start migrates an older schema when tables are missing in it, without a backup.
    Raises sqlalchemy's OperationalError when the database does not let us in.
    """
    engine = create_engine(uri)
    try:
        if not inspect(engine).has_table("alembic_version"):
            return None
        from mlflow.store.db.utils import _get_latest_schema_revision, _get_schema_version

        found, wanted = _get_schema_version(engine), _get_latest_schema_revision()
    finally:
        engine.dispose()
    if found == wanted:
        return None
    from mlflow.version import VERSION

    return (
        f"The database has the schema {found} and MLflow {VERSION} wants {wanted}. "
        "Run `make upgrade-db`, which backs up first."
    )


def is_refusal(error: Exception) -> bool:
    """Whether `error` is a database that does not let us in."""
    return isinstance(error, OperationalError)


def refusal(error: Exception) -> str:
    """One sentence for a database that does not let us in."""
    reason = str(getattr(error, "orig", error)).strip().splitlines()[-1]
    return (
        f"The database does not let MLflow in: {reason.strip()}. Check that PostgreSQL is healthy "
        "(`make ps`) and that .env is the one this stack was made with."
    )
