"""The app and the monitoring in containers: what of `.env` reaches them, and as whom they come."""

import json
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from tests.integration.stack import READER
from tests.integration.terminal import ANA
from tests.servers import free_port
from tests.stack.clone import Clone, cloned

# What starts a command that `docker compose exec` runs, as the container's own is started.
AS_STARTED = ("python", "-m", "infra.app.start")
MODULE = ("python", "-m", "insurance_predictor")
ROOM = """
from app.upload_folder import new_folder
from insurance_predictor.base.settings import read_settings
with new_folder(read_settings().upload_folder) as folder:
    print(folder)
"""
WHO = """
import os
from mlflow import MlflowClient
try:
    MlflowClient().set_registered_model_alias(os.environ["MODEL_NAME"], "producao", "1")
except Exception as error:
    print(os.environ["MLFLOW_TRACKING_USERNAME"], error)
"""


BUDGET = """
from insurance_predictor.base.settings import read_settings
print(read_settings().monitor.drift_budget)
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A stack with the app, and a version in production."""
    with cloned(tmp_path_factory.mktemp("containers")) as made:
        with_app = {"COMPOSE_PROFILES": "app", "APP_PORT": str(free_port())}
        made = replace(made, variables={**made.variables, **with_app}).with_model("in_containers")
        made.good("up")
        made.good("train", "register", "promote")
        yield made


def in_the_app(clone: Clone, *command: str, stdin: str = "") -> str:
    return clone.compose("exec", "-T", "app", *AS_STARTED, *command, stdin=stdin)


def rows(clone: Clone, database: str) -> int:
    port, password = clone.variables["POSTGRES_PORT"], clone.secret("POSTGRES_PASSWORD")
    uri = f"postgresql://postgres:{password}@127.0.0.1:{port}/{database}"
    with psycopg.connect(uri, connect_timeout=5) as connection:
        if connection.execute("SELECT to_regclass('predictions')").fetchone() == (None,):
            return 0
        [(found,)] = connection.execute("SELECT count(*) FROM predictions").fetchall()
    return int(found)


def test_the_app_quotes_as_a_reader_and_the_stack_s_log_has_it(own: Clone):
    before = rows(own, "predictions")
    quote = json.loads(in_the_app(own, *MODULE, "predict", *ANA, "--json"))
    assert quote["version"] == "1"
    assert rows(own, "predictions") == before + 1
    said = in_the_app(own, "python", "-", stdin=WHO)
    assert said.startswith(READER)
    assert "ermission denied" in said


def test_what_is_uploaded_has_a_place(own: Clone):
    assert in_the_app(own, "python", "-", stdin=ROOM).startswith("/var/lib/app/uploads/")


def test_a_setting_of_the_env_file_is_in_force_in_the_app(own: Clone):
    with own.other_value("MONITOR_DRIFT_BUDGET", "0.01"):
        own.good("up")
        said = in_the_app(own, "python", "-", stdin=BUDGET)
    own.good("up")
    assert (said, in_the_app(own, "python", "-", stdin=BUDGET)) == ("0.01\n", "0.05\n")


def test_a_log_on_another_host_is_the_one_that_is_written_to(own: Clone):
    own.psql("postgres", "CREATE DATABASE team OWNER predictions")
    password = own.secret("PREDICTION_LOG_PASSWORD")
    before = rows(own, "predictions")
    # By a name that is not this machine's.
    team = f"postgresql://predictions:{password}@postgres:5432/team"
    with own.other_value("PREDICTION_LOG_URL", team):
        own.good("up")
        in_the_app(own, *MODULE, "predict", *ANA, "--json")
    own.good("up")
    assert rows(own, "team") == 1
    assert rows(own, "predictions") == before


def test_the_monitoring_looks_back_and_its_link_leads_to_the_published_port(own: Clone):
    monitor = ("run", "--rm", "-T", "monitor")
    looked = json.loads(own.compose(*monitor, "python", "-m", "monitoring", "run", "--json"))
    page = own.compose(*monitor, "cat", looked["report"])
    assert f"{own.uri}/#/experiments/" in page
