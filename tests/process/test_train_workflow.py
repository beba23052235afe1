"""train.yml, walked as GitHub walks it: what is pushed is what is trained on."""

import hashlib
import itertools
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from insurance_predictor.base.settings import Settings
from insurance_predictor.store.tracking import connect
from insurance_predictor.table.synthetic import make_table, write_table
from tests.databases import copy_database
from tests.infra import github_server
from tests.infra.workflow_walk import Walk, read_job, write_event
from tests.repository import copy_repository
from tests.servers import host_of

NOWHERE = "http://127.0.0.1:9/insurance.csv"  # a download that fails
USUAL = "s3://people/usual.csv"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
NUMBERS = itertools.count(1)
# How many people are in each table, by which a training tells which one it learned from.
PEOPLE = {"insurance": 210, "march": 220, "sample": 230, "usual": 240, "public": 250}
AUTHOR = ["-c", "user.name=Ana", "-c", "user.email=ana@example.org"]
NO_HOOKS = ["-c", "core.hooksPath=/dev/null"]
# The table is looked at and nothing is trained: enough to know which one it is.
LOOKED_AT = {"make data train": "make data check-data", "make training-summary": "true"}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *AUTHOR, *NO_HOOKS, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"git {' '.join(arguments)}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def write(path: Path) -> None:
    """A table of as many people as its name stands for."""
    write_table(make_table(PEOPLE[path.stem], seed=PEOPLE[path.stem]), path)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as GitHub has it."""
    folder = tmp_path_factory.mktemp("github")
    (folder / "first").mkdir()
    copy_repository(folder / "first")
    (folder / "first" / ".venv").unlink()
    (folder / "first" / "data" / "insurance.csv").unlink(missing_ok=True)
    git(folder / "first", "init", "--quiet", "--initial-branch=main")
    git(folder / "first", "add", "--all")
    git(folder / "first", "commit", "--quiet", "--message", "The project")
    git(folder, "clone", "--quiet", "--bare", "first", "origin.git")
    return folder / "origin.git"


@pytest.fixture(scope="module")
def empty_store(client, store: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables with nothing in them, which a store's first command would make."""
    path: Path = tmp_path_factory.mktemp("store") / "mlflow.db"
    connect(Settings(mlflow_tracking_uri=f"sqlite:///{path}")).search_experiments()
    connect(store)  # where the modules are that this process runs next
    return path


@pytest.fixture(scope="module")
def storage() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@dataclass
class Team:
    """People who push to a repository of their own, and a runner that picks it up."""

    folder: Path
    empty_store: Path
    storage: str
    github: github_server.GitHub
    keys: dict[str, str] = field(default_factory=lambda: dict(KEYS))  # of `training` and `data`
    variables: dict[str, str] = field(default_factory=dict)  # of the repository
    download: str = NOWHERE
    download_sum: str = "0" * 64

    @property
    def clone(self) -> Path:
        return self.folder / "clone"

    def commit(self, *names: str) -> None:
        """Put a table of its own at each of `names` and commit them, as a person would."""
        for name in names:
            if name.endswith(".csv"):
                write(self.clone / name)
            else:
                (self.clone / name).write_text("Changed.\n")
        git(self.clone, "add", *names)
        git(self.clone, "commit", "--quiet", "--message", f"New: {' '.join(names)}")

    def branch(self, name: str) -> None:
        git(self.clone, "checkout", "--quiet", "-b", name)

    def push(self, branch: str, **more: Any) -> Walk:
        """Push what was committed; what `train` makes of it."""
        git(self.clone, "push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{branch}")
        return self.run("push", f"refs/heads/{branch}", {"ref": f"refs/heads/{branch}"}, **more)

    def pull_request(self, branch: str, **more: Any) -> Walk:
        """Propose what was committed to `main`, from a branch of another name than the data's."""
        head = git(self.clone, "rev-parse", "HEAD")
        git(self.clone, "push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{branch}")
        git(self.clone, "checkout", "--quiet", "--detach", "origin/main")
        git(self.clone, "merge", "--quiet", "--no-ff", "--message", "A trial", head)
        git(self.clone, "push", "--quiet", "--force", "origin", "HEAD:refs/pull/12/merge")
        event = {
            "pull_request": {
                "number": 12,
                "head": {"sha": head, "repo": {"full_name": github_server.REPOSITORY}},
            }
        }
        return self.run("pull_request", "refs/pull/12/merge", event, head_ref=branch, **more)

    def run(self, event_name: str, ref: str, event: dict[str, Any], **more: Any) -> Walk:
        """The job of train.yml after an event, in a folder of its own."""
        folder = self.folder / f"runner_{next(NUMBERS)}"
        folder.mkdir()
        commit = git(self.folder / "origin.git", "rev-parse", ref)
        environment = {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": event_name,
            "GITHUB_EVENT_PATH": write_event(self.folder, event),
            "GITHUB_REF": ref,
            "GITHUB_SHA": commit,
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_RUN_ID": "7",
            "GITHUB_REPOSITORY": github_server.REPOSITORY,
            "GITHUB_API_URL": f"http://127.0.0.1:{self.github.port}/api/v3",
            "DATA_URL": self.download,
            "DATA_SHA256": self.download_sum,
            "DOWNLOAD_RETRIES": "0",
            "PYTHONPATH": "",  # the runner's own checkout
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(folder / "none"),
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
        }
        contexts = {
            "github": {
                "event_name": event_name,
                "event": event,
                "repository": github_server.REPOSITORY,
                "ref": ref,
                "token": github_server.TOKEN,
                "head_ref": more.get("head_ref", ""),
                "base_ref": "main" if event_name == "pull_request" else "",
            },
            "inputs": more.get("inputs", {}),
            "vars": {
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ENDPOINT_URL": self.storage,
                **self.variables,
            },
            "environments": {"training": self.keys, "data": self.keys, "pull-request": {}},
        }

        def check_out(where: Path, asked: dict[str, Any]) -> None:
            git(where, "init", "--quiet")
            git(where, "remote", "add", "origin", f"file://{self.folder / 'origin.git'}")
            depth = asked.get("fetch-depth", 1)
            mine = ref.replace("refs/heads/", "refs/remotes/origin/").replace(
                "refs/pull/", "refs/remotes/pull/"
            )
            some = [f"--depth={depth}"] if depth else []
            all_branches = [] if depth else ["+refs/heads/*:refs/remotes/origin/*"]
            git(where, "fetch", "--quiet", *some, "origin", *all_branches, f"+{ref}:{mine}")
            if ref.startswith("refs/heads/"):
                git(where, "checkout", "--quiet", "-B", ref.removeprefix("refs/heads/"), mine)
            else:
                git(where, "checkout", "--quiet", "--detach", mine)
            copy_database(self.empty_store, where / "mlflow.db")

        instead = {} if more.get("trains") else LOOKED_AT
        return Walk(folder, environment, contexts, instead).job(
            read_job("train", "train"), check_out
        )


@pytest.fixture
def team(
    published: Path, storage: str, empty_store: Path, tmp_path: Path, monkeypatch
) -> Iterator[Team]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=storage, region_name="us-east-1")
    client.create_bucket(Bucket="people")
    write(tmp_path / "usual.csv")
    client.upload_file(str(tmp_path / "usual.csv"), "people", "usual.csv")
    for name in KEYS:
        monkeypatch.delenv(name)
    git(tmp_path, "clone", "--quiet", "--bare", str(published), "origin.git")
    git(tmp_path, "clone", "--quiet", "origin.git", "clone")
    with github_server.github() as github:
        yield Team(tmp_path, empty_store, storage, github)


@pytest.fixture
def public(team: Team, tmp_path: Path) -> Iterator[None]:
    """The public table, served from this machine."""
    (tmp_path / "web").mkdir()
    write(tmp_path / "web" / "public.csv")
    with host_of(tmp_path / "web") as uri:
        team.download = f"{uri}/public.csv"
        content = (tmp_path / "web" / "public.csv").read_bytes()
        team.download_sum = hashlib.sha256(content).hexdigest()
        yield


def people(walk: Walk) -> int:
    """How many people are in the one table that was used."""
    found = re.findall(r"^(?:Training on .*|.* can be used): (\d+) people", walk.log, re.MULTILINE)
    assert len(found) == 1, walk.log
    return int(found[0])


def keep_own_table(team: Team) -> None:
    """`main` has a table of the team's own under the name of the public one."""
    write_table(make_table(200, seed=1), team.clone / "data" / "insurance.csv")
    git(team.clone, "add", "data/insurance.csv")
    git(team.clone, "commit", "--quiet", "--message", "Our own table")
    git(team.clone, "push", "--quiet", "origin", "HEAD:refs/heads/main")


@pytest.fixture(params=["", USUAL], ids=["without DATA", "with DATA"])
def usual(request: pytest.FixtureRequest, team: Team) -> str:
    team.variables["DATA"] = request.param
    return request.param


@pytest.mark.parametrize("event", ["push", "pull request"])
@pytest.mark.parametrize("table", ["insurance", "march", "sample"])
def test_what_a_branch_brings_is_what_is_trained_on(team: Team, table: str, event: str, usual: str):
    """The download would fail, and a pull request has no key for the usual table."""
    keep_own_table(team)
    team.branch("new")
    team.commit(f"data/{table}.csv")
    walk = team.push("data/new") if event == "push" else team.pull_request("new")
    assert walk.status == "success", walk.log
    assert people(walk) == PEOPLE[table]
    assert f"## The table: `data/{table}.csv`" in walk.page
    assert "this branch brings it, in commit " in walk.page


def test_a_pushed_table_becomes_a_candidate_with_everything_else_away(team: Team):
    team.branch("data/new")
    team.commit("data/march.csv")
    walk = team.push("data/new", trains=True)
    assert walk.ran == [
        "make training-table", "make data train", "make register", "make training-summary",
    ]  # fmt: skip
    assert walk.status == "success", walk.log
    assert people(walk) == PEOPLE["march"]
    assert {check["name"] for check in team.github.checks} == {"Model"}
    assert "No MLflow server is set here" in walk.page
    assert walk.kept == ["mlflow.db", "mlartifacts"]


def test_a_pull_request_without_a_key_for_its_table_is_neutral(team: Team):
    team.variables["DATA"] = USUAL
    team.branch("words")
    team.commit("data/README.md")
    walk = team.pull_request("words")
    assert walk.status == "success", walk.log
    assert walk.ran == ["make training-table"]
    assert "## Not tried: this pull request has no key for the table" in walk.page
    assert "::notice title=Not tried" in walk.log
    (check,) = team.github.checks
    assert check["conclusion"] == "neutral"
    (comment,) = team.github.on(12)
    assert "people/usual.csv" in comment


def test_a_push_without_a_key_for_its_table_is_red(team: Team):
    team.variables["DATA"] = USUAL
    team.keys = {}
    team.branch("data/words")
    team.commit("data/README.md")
    walk = team.push("data/words")
    assert walk.status == "failure"
    assert f"{USUAL} needs credentials" in walk.log


def test_a_training_of_main_uses_the_usual_table(team: Team, public: None, usual: str):
    """The download only when nothing else is named."""
    walk = team.run("schedule", "refs/heads/main", {})
    assert walk.status == "success", walk.log
    assert people(walk) == PEOPLE["usual" if usual else "public"]
    assert ("is ready." in walk.log) is not bool(usual)


def test_a_training_of_main_uses_the_table_that_a_team_keeps_there(team: Team, public: None):
    keep_own_table(team)
    walk = team.run("schedule", "refs/heads/main", {})
    assert people(walk) == 200
    assert "it is kept as your own" in walk.log


def test_the_input_goes_before_everything(team: Team):
    team.variables["DATA"] = USUAL
    team.branch("data/new")
    team.commit("data/sample.csv")
    team.commit("data/march.csv")
    git(team.clone, "push", "--quiet", "origin", "HEAD")
    inputs = {"data": "data/sample.csv", "tune": False, "reason": ""}
    walk = team.run("workflow_dispatch", "refs/heads/data/new", {}, inputs=inputs)
    assert people(walk) == PEOPLE["sample"]


def test_two_tables_at_once_are_a_question(team: Team):
    team.branch("data/new")
    team.commit("data/march.csv", "data/sample.csv")
    walk = team.push("data/new")
    assert walk.status == "failure"
    assert "changes several tables: data/march.csv, data/sample.csv" in walk.page
    assert walk.ran == ["make training-table"]


def test_a_pull_request_from_a_data_branch_is_left_to_its_push(team: Team):
    team.branch("data/new")
    team.commit("data/march.csv")
    assert team.pull_request("data/new").status == "skipped"
