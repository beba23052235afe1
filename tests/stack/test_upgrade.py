"""A database whose schema is not the one of this MLflow: nothing touches it but `upgrade-db`."""

from collections.abc import Iterator

import pytest

from tests.stack.clone import Clone, complaint, restart

# Takes back the newest migration, as if an older MLflow had made the database.
DOWNGRADE = """
import os
from alembic import command
from mlflow.store.db.utils import _get_alembic_config
command.downgrade(_get_alembic_config(os.environ["MLFLOW_BACKEND_STORE_URI"]), "-1")
"""
NOBODYS = "0123456789ab"  # a schema that no MLflow has


@pytest.fixture(scope="module")
def own(stack: Clone) -> Clone:
    """With a model in production."""
    made = stack.with_model("upgrade")
    made.good("train", "register", "promote")
    return made


@pytest.fixture
def newer(own: Clone) -> Iterator[Clone]:
    """The database says that a later MLflow made it, for a while."""
    ours = schema(own)
    own.psql("mlflow", f"UPDATE alembic_version SET version_num = '{NOBODYS}'")
    restart(own, "mlflow")
    yield own
    own.psql("mlflow", f"UPDATE alembic_version SET version_num = '{ours}'")
    own.good("up")


def test_an_older_schema_waits_for_upgrade_db_which_backs_up_first(own: Clone):
    state, quote, ours = own.person.state(), own.person.quote(), schema(own)
    before = archives(own)
    own.compose("stop", "mlflow")
    own.compose("run", "--rm", "--no-deps", "-T", "mlflow", "python", "-", stdin=DOWNGRADE)
    older = schema(own)
    refused = own.infra("up")
    assert older != ours
    assert refused.code == 4
    assert f"The database has the schema {older} and MLflow " in complaint(refused)
    assert "Run `make upgrade-db`, which backs up first" in complaint(refused)
    assert schema(own) == older
    assert "Migrated." in own.good("upgrade-db")
    assert schema(own) == ours
    assert len(archives(own) - before) == 1
    assert (own.person.state(), own.person.quote()) == (state, quote)


def test_a_current_schema_is_left_alone(own: Clone):
    assert "The schema is current." in own.good("upgrade-db")


def test_a_schema_of_a_later_mlflow_is_left_alone(newer: Clone):
    refused = newer.infra("up")
    assert refused.code == 4
    assert f"The database has the schema {NOBODYS} and MLflow " in complaint(refused)
    refused = newer.infra("upgrade-db")
    assert refused.code == 4
    assert "The database was made by a newer MLflow" in complaint(refused)
    assert schema(newer) == NOBODYS


def schema(clone: Clone) -> str:
    return clone.psql("mlflow", "SELECT version_num FROM alembic_version")


def archives(clone: Clone) -> set[str]:
    return {path.name for path in (clone.folder / "backups").glob("*.tar")}
