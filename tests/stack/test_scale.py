"""Workers in containers find on s3:// what one machine finds, to the last byte and digit."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pandas as pd
import pytest
import requests

from insurance_predictor.table.synthetic import make_table
from tests.servers import free_port
from tests.stack.clone import Clone, cloned, complaint, quotes
from tests.stack.docker import docker, inspect, wait_until

BUCKET = "policies"
ARCHIVE = f"s3://{BUCKET}/log"
FILES = 3
DAYS = ("--from", "2026-01-01", "--to", "2026-03-01")
OLD = "UPDATE predictions SET time = TIMESTAMPTZ '2026-01-03' + (time - date_trunc('day', time))"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A stack with two workers, a version in production, and people on its own s3://."""
    with cloned(tmp_path_factory.mktemp("scale")) as made:
        ports = ("SCHEDULER_PORT", "DASHBOARD_PORT", "API_PORT")
        more = {"COMPOSE_PROFILES": "api,scale", "SCALE": "2"}
        more |= {name: str(free_port()) for name in ports}
        made = replace(made, variables={**made.variables, **more}).with_model("on_workers")
        made.good("up", COMPOSE_PROFILES="", SCALE="")
        write_keys(made)
        made.good("up")
        made.good("train", "register", "promote")
        storage(made).create_bucket(Bucket=BUCKET)
        for number in range(FILES):
            file = made.folder / f"people-{number}.parquet"
            people(400, number).to_parquet(file)
            storage(made).upload_file(str(file), BUCKET, f"people/{file.name}")
        yield made


@pytest.fixture(scope="module")
def archived(own: Clone) -> Clone:
    """The same when its quotes are of an old day, and in an archive on s3://."""
    url = f"http://127.0.0.1:{own.variables['API_PORT']}"
    wait_until(lambda: requests.get(f"{url}/ready", timeout=60).ok, "a version that serves")
    asked = {"people": people(300, 9).to_dict("records")}
    key = {"X-API-Key": own.secret("API_KEYS")}
    assert requests.post(f"{url}/v1/quotes", json=asked, headers=key, timeout=60).ok
    wait_until(lambda: quotes(own) == 300, "a log of all quotes")
    own.psql("predictions", OLD)
    own.good("archive", ARCHIVE=ARCHIVE, OLDER="30d")
    assert quotes(own) == 0
    return own


def test_a_portfolio_comes_to_the_same_bytes(own: Clone):
    place = f"s3://{BUCKET}"
    own.good("score", IN=f"{place}/people", OUT=f"{place}/here")
    own.good("score", IN=f"{place}/people", OUT=f"{place}/there", SCHEDULER=scheduler(own))
    here = parts(own, "here")
    assert len(here) == FILES
    assert parts(own, "there") == here


def test_people_that_workers_do_not_see_are_refused_and_nothing_is_left(own: Clone):
    asked = {"IN": "people-0.parquet", "OUT": "out", "SCHEDULER": scheduler(own)}
    refused = own.person("score", **asked)
    assert refused.code == 2
    assert "does not see" in complaint(refused)
    assert not (own.folder / "out").exists()


def test_a_search_chooses_the_same(own: Clone):
    searched = {"TUNE": "1", "N_TRIALS": "1"}
    here = trained(own, **searched)
    assert trained(own, **searched, SCHEDULER=scheduler(own)) == here


def test_an_archive_is_judged_alike_here_by_workers_and_in_a_container(archived: Clone):
    here = assessed(archived)
    assert here["rows"] == 300
    assert assessed(archived, SCHEDULER=scheduler(archived)) == here
    with archived.other_value("ARCHIVE", ARCHIVE):
        run = ("run", "--rm", "-T", "-e", "DRY_RUN=1", "monitor")
        looked = archived.compose(*run, "python", "-m", "monitoring", "run", *DAYS, "--json")
    assert json.loads(looked)["assessment"] == here


def test_workers_have_no_right_that_they_do_not_need_and_only_this_machine_reaches_them(own: Clone):
    names = [own.container("scheduler"), *workers(own)]
    assert len(names) == 3
    published = {}
    for name in names:
        found = inspect(name)
        assert found["HostConfig"]["ReadonlyRootfs"]
        assert found["HostConfig"]["CapDrop"] == ["ALL"]
        assert found["HostConfig"]["Memory"] > 0
        _, *processes = docker("top", name, "-eo", "uid,pid").splitlines()
        assert {line.split()[0] for line in processes} == {"10001"}
        published |= {k: v for k, v in found["NetworkSettings"]["Ports"].items() if v}
    assert set(published) == {"8786/tcp", "8787/tcp"}
    assert {one["HostIp"] for bound in published.values() for one in bound} == {"127.0.0.1"}
    page = f"http://127.0.0.1:{own.variables['DASHBOARD_PORT']}/status"
    assert requests.get(page, timeout=60).status_code == 200


def people(count: int, seed: int) -> pd.DataFrame:
    return make_table(count, seed).drop(columns="charges")


def write_keys(clone: Clone) -> None:
    """Let `.env` say where tables are: on the stack's MinIO, by an address that all reach."""
    (network,) = inspect(clone.container("minio"))["NetworkSettings"]["Networks"].values()
    written = {
        "AWS_ACCESS_KEY_ID": clone.secret("S3_ACCESS_KEY_ID"),
        "AWS_SECRET_ACCESS_KEY": clone.secret("S3_SECRET_ACCESS_KEY"),
        "AWS_ENDPOINT_URL": f"http://{network['IPAddress']}:9000",
    }
    with (clone.folder / ".env").open("a") as file:
        file.writelines(f"{name}={value}\n" for name, value in written.items())


def storage(clone: Clone) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=clone.secret("AWS_ENDPOINT_URL"),
        aws_access_key_id=clone.secret("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=clone.secret("AWS_SECRET_ACCESS_KEY"),
        region_name="us-east-1",
    )


def parts(clone: Clone, out: str) -> dict[str, str]:
    """The sha256 of each part of a portfolio, by its name."""
    content = storage(clone).get_object(Bucket=BUCKET, Key=f"{out}/_manifest.json")["Body"].read()
    return {name: part["sha256"] for name, part in json.loads(content)["parts"].items()}


def trained(clone: Clone, **variables: str) -> str:
    """What a training says, but for the name of its run."""
    return re.sub(r"Run \w+", "Run", clone.good("train", **variables))


def assessed(clone: Clone, **variables: str) -> Any:
    """What `make monitor` finds on the archived days."""
    file = clone.folder / "monitor.json"
    said = clone.make(
        "monitor",
        **{"WINDOW_FROM": DAYS[1], "WINDOW_TO": DAYS[3], "ARCHIVE": ARCHIVE},
        **{"DRY_RUN": "1", "JSON_FILE": str(file)},
        **variables,
    )
    assert file.exists(), said.err
    found = json.loads(file.read_text())["assessment"]
    file.unlink()
    return found


def scheduler(clone: Clone) -> str:
    return f"tcp://127.0.0.1:{clone.variables['SCHEDULER_PORT']}"


def workers(clone: Clone) -> list[str]:
    return clone.compose("ps", "--format", "{{.Name}}", "worker").split()
