"""The app and the monitoring in containers: what of `.env` reaches them, and as whom they come."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests

from tests.integration.stack import MONITOR, READER
from tests.integration.terminal import ANA
from tests.servers import free_port
from tests.stack.clone import Clone, cloned, quotes
from tests.stack.docker import docker, inspect, wait_until

# What starts a command that `docker compose exec` runs, as the container's own is started.
AS_STARTED = ("python", "-m", "infra.app.start")
MODULE = ("python", "-m", "insurance_predictor")
PERSON = {"age": 40, "sex": "female", "bmi": 27.5, "children": 2}  # ANA, as JSON has her
PERSON |= {"smoker": "no", "region": "southeast"}
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
    """A stack with the app and the API, and a version in production."""
    with cloned(tmp_path_factory.mktemp("containers")) as made:
        more = {"COMPOSE_PROFILES": "app,api", "API_WORKERS": "2"}
        more |= {name: str(free_port()) for name in ("APP_PORT", "API_PORT")}
        made = replace(made, variables={**made.variables, **more}).with_model("in_containers")
        made.good("up")
        made.good("train", "register", "promote")
        yield made


def ask(clone: Clone, method: str, path: str, **content: Any) -> requests.Response:
    url = f"http://127.0.0.1:{clone.variables['API_PORT']}{path}"
    return requests.request(method, url, timeout=60, **content)


def in_the_app(clone: Clone, *command: str, stdin: str = "") -> str:
    return clone.compose("exec", "-T", "app", *AS_STARTED, *command, stdin=stdin)


def test_the_app_quotes_as_a_reader_and_the_stack_s_log_has_it(own: Clone):
    before = quotes(own)
    quote = json.loads(in_the_app(own, *MODULE, "predict", *ANA, "--json"))
    assert quote["version"] == "1"
    assert quotes(own) == before + 1
    said = in_the_app(own, "python", "-", stdin=WHO)
    assert said.startswith(READER)
    assert "ermission denied" in said


def test_the_api_quotes_from_outside_by_its_key_and_the_stack_s_log_has_it(own: Clone):
    # It was started before there was a version.
    wait_until(lambda: ask(own, "GET", "/ready").status_code == 200, "a version that serves")
    asked = {"people": [PERSON, PERSON]}
    assert ask(own, "POST", "/v1/quotes", json=asked).status_code == 401
    key = {"X-API-Key": own.secret("API_KEYS")}
    answer = ask(own, "POST", "/v1/quotes", json=asked, headers=key)
    assert answer.status_code == 200
    ids = [one["id"] for one in answer.json()["quotes"]]
    assert len(ids) == 2
    logged = f"SELECT count(*) FROM predictions WHERE source = 'api' AND id IN {(*ids,)}"
    wait_until(lambda: own.psql("predictions", logged) == "2", "a log of both quotes")
    counts = ask(own, "GET", "/metrics", headers=key).text
    assert 'insurance_predictor_people_total{outcome="quoted"} 2' in counts


@pytest.mark.parametrize("service", ["app", "api"])
def test_what_visitors_reach_has_no_right_that_it_does_not_need(own: Clone, service: str):
    found = inspect(own.container(service))["HostConfig"]
    assert found["ReadonlyRootfs"]
    assert found["CapDrop"] == ["ALL"]
    assert found["Memory"] > 0
    _, *processes = docker("top", own.container(service), "-eo", "uid,pid").splitlines()
    assert {line.split()[0] for line in processes} == {"10001"}


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
    before = quotes(own)
    # By a name that is not this machine's.
    team = f"postgresql://predictions:{password}@postgres:5432/team"
    with own.other_value("PREDICTION_LOG_URL", team):
        own.good("up")
        in_the_app(own, *MODULE, "predict", *ANA, "--json")
    own.good("up")
    assert quotes(own, "team") == 1
    assert quotes(own) == before


def test_the_monitoring_looks_back_and_its_link_leads_to_the_published_port(own: Clone):
    monitor = ("run", "--rm", "-T", "monitor")
    looked = json.loads(own.compose(*monitor, "python", "-m", "monitoring", "run", "--json"))
    page = own.compose(*monitor, "cat", looked["report"])
    assert f"{own.uri}/#/experiments/" in page


def test_the_monitoring_records_as_a_user_who_moves_no_alias(own: Clone):
    own.good("monitor")  # the administrator records there, too
    monitor = ("run", "--rm", "-T", "monitor")
    looked = json.loads(own.compose(*monitor, "python", "-m", "monitoring", "run", "--json"))
    run = own.ask("GET", "mlflow/runs/get", params={"run_id": looked["run_id"]}).json()["run"]
    assert run["info"]["status"] == "FINISHED"
    said = own.compose(*monitor, "python", "-", stdin=WHO)
    assert said.startswith(MONITOR)
    assert "ermission denied" in said
