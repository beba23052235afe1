"""Migrates MLflow's database to the schema of this MLflow.

`python -m infra.mlflow.upgrade [DATABASE]`: another one than MLFLOW_BACKEND_STORE_URI names, on
the same server.
"""

import os
import sys

from infra.mlflow import schema


def main() -> None:
    """Migrate when there is something to migrate; end with one line when it cannot be done."""
    uri = _uri(os.environ["MLFLOW_BACKEND_STORE_URI"], *sys.argv[1:])
    try:
        if schema.complaint(uri) is None:
            print("The schema is current.")
            return
        _upgrade(uri)
    except Exception as error:
        if not schema.is_refusal(error):
            raise
        sys.exit(f"error: {schema.refusal(error)}")
    print("Migrated.")


def _uri(configured: str, database: str | None = None) -> str:
    from sqlalchemy import make_url

    url = make_url(configured)
    return url.set(database=database or url.database).render_as_string(hide_password=False)


def _upgrade(uri: str) -> None:
    from alembic.util import CommandError
    from mlflow.store.db.utils import _upgrade_db, create_sqlalchemy_engine_with_retry
    from sqlalchemy.exc import SQLAlchemyError

    engine = create_sqlalchemy_engine_with_retry(uri)
    try:
        _upgrade_db(engine)
    except CommandError as error:
        sys.exit(
            f"error: {str(error).rstrip('.')}. The database was made by a newer MLflow: use its "
            "requirements.txt, or its image as MLFLOW_IMAGE. Nothing was changed."
        )
    except SQLAlchemyError as error:
        # PostgreSQL takes back all the steps of a migration that fails.
        sys.exit(
            f"error: The migration failed: {str(error).splitlines()[0]}. Nothing was changed: keep "
            "to the MLflow of before, by its requirements.txt or its image as MLFLOW_IMAGE."
        )


if __name__ == "__main__":
    main()
