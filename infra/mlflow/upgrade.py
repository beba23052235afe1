"""Migrates MLflow's database to the schema of this MLflow."""

import os
import sys

from infra.mlflow import schema


def main() -> None:
    """Migrate when there is something to migrate; end with one line when it cannot be done."""
    uri = os.environ["MLFLOW_BACKEND_STORE_URI"]
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


def _upgrade(uri: str) -> None:
    from alembic.util import CommandError
    from mlflow.store.db.utils import _upgrade_db, create_sqlalchemy_engine_with_retry
    from sqlalchemy.exc import SQLAlchemyError

    engine = create_sqlalchemy_engine_with_retry(uri)
    try:
        _upgrade_db(engine)
    except CommandError as error:
        sys.exit(
            f"error: {str(error).rstrip('.')}. The database was made by a newer MLflow: "
            "use that version's image (MLFLOW_IMAGE), or restore a backup."
        )
    except SQLAlchemyError as error:
        sys.exit(
            f"error: The migration failed: {str(error).splitlines()[0]}. The backup that was just "
            "written holds the state before it: `make destroy`, `make restore FILE=...`."
        )


if __name__ == "__main__":
    main()
