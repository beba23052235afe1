"""The workflows keep to our rules: thin, pinned, with few rights, and only targets that exist."""

import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest
import yaml

from infra.github.retraining import EVENT_TYPE
from tests.infra.workflow_walk import evaluate
from tests.repository import ROOT

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTION = ROOT / ".github" / "actions" / "setup" / "action.yml"
TARGETS = set(
    re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
)
MAKE = re.compile(r"make( [a-z][a-z0-9-]*)+")
FAIL = "exit 1"  # of the job that sums up the others
OURS = "./.github/actions/setup"
ALLOWED = {"actions/checkout", "actions/setup-python", "actions/upload-artifact", OURS}
# What images.yml needs besides, and no other workflow.
OF_IMAGES = {
    "docker/setup-buildx-action",
    "docker/build-push-action",
    "anchore/scan-action",
    "docker/login-action",
}
PINNED = re.compile(r"uses: (?:\./\S+|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$")
RUN_BY_SCRIPT = re.compile(r"\$\{\{")
# https://docs.github.com/actions/reference/workflows-and-actions/contexts#needs-context
RESULTS = ("success", "failure", "cancelled", "skipped")
CONTAINS = re.compile(r"contains\(needs\.\*\.result, '(\w+)'\)")
FORKS = {"pull_request"}  # events that start the code of anybody


@dataclass(frozen=True)
class Workflow:
    """A workflow or an action: its text, and what it says."""

    name: str
    text: str

    @cached_property
    def content(self) -> dict[Any, Any]:
        return yaml.safe_load(self.text)

    @property
    def events(self) -> dict[str, Any]:
        """What starts it; YAML reads `on` as a truth."""
        return self.content.get(True, {})

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        return self.content.get("jobs", {})

    @property
    def steps(self) -> list[dict[str, Any]]:
        actions = self.content.get("runs", {}).get("steps", [])
        return [*actions, *(step for job in self.jobs.values() for step in job["steps"])]


def targets_exist(flow: Workflow) -> Iterator[str]:
    for step in flow.steps:
        for name in step.get("run", "").split()[1:]:
            if step["run"] != FAIL and name not in TARGETS:
                yield f"`make {name}` is no target"


def nothing_but_make(flow: Workflow) -> Iterator[str]:
    for step in flow.steps:
        if "run" in step and step["run"] != FAIL and not MAKE.fullmatch(step["run"].strip()):
            yield f"{step['run']!r} is not make"
        allowed = ALLOWED | (OF_IMAGES if flow.name == "images" else set())
        if "uses" in step and step["uses"].partition("@")[0] not in allowed:
            yield f"{step['uses']!r} is not checkout, set-up or upload"


def pinned(flow: Workflow) -> Iterator[str]:
    for line in re.findall(r"uses: .*", flow.text):
        if not PINNED.fullmatch(line):
            yield f"{line!r} has no commit with its version beside it"


def few_rights(flow: Workflow) -> Iterator[str]:
    if flow.jobs and flow.content.get("permissions") != {}:
        yield "permissions at the top are not {}"
    for name, job in flow.jobs.items():
        if not isinstance(job.get("permissions"), dict):
            yield f"{name} does not list its permissions"


def ends(flow: Workflow) -> Iterator[str]:
    for name, job in flow.jobs.items():
        if not 0 < job.get("timeout-minutes", 0) <= 60:
            yield f"{name} has no timeout of an hour or less"


def no_text_in_scripts(flow: Workflow) -> Iterator[str]:
    for step in flow.steps:
        if RUN_BY_SCRIPT.search(step.get("run", "")):
            yield f"{step['run']!r} has text of others in it; hand it over by env"


def no_credentials_left(flow: Workflow) -> Iterator[str]:
    for step in flow.steps:
        is_checkout = step.get("uses", "").startswith("actions/checkout@")
        if is_checkout and step.get("with", {}).get("persist-credentials") is not False:
            yield "a checkout leaves the token in .git"


def one_at_a_time(flow: Workflow) -> Iterator[str]:
    if flow.jobs and "concurrency" not in flow.content:
        yield "two runs may get in each other's way"


def safe_events(flow: Workflow) -> Iterator[str]:
    for event in {"pull_request_target", "workflow_run", "issue_comment"} & set(flow.events):
        yield f"{event} runs with secrets what anybody may write"


def secrets_in_an_environment(flow: Workflow) -> Iterator[str]:
    for name, job in flow.jobs.items():
        if "secrets." in yaml.safe_dump(job) and "environment" not in job:
            yield f"{name} takes secrets from outside of an environment"


RULES: tuple[Callable[[Workflow], Iterator[str]], ...] = (
    targets_exist,
    nothing_but_make,
    pinned,
    few_rights,
    ends,
    no_text_in_scripts,
    no_credentials_left,
    one_at_a_time,
    safe_events,
    secrets_in_an_environment,
)
# For each rule: what stands in a workflow, and what a careless hand writes instead.
PLANTED = [
    (targets_exist, "run: make train\n", "run: make trian\n"),
    (nothing_but_make, "run: make train\n", "run: make train && curl example.org\n"),
    (
        nothing_but_make,
        "run: make train\n",
        "run: |\n          pip install x\n          make train\n",
    ),
    (nothing_but_make, "run: make train\n", "run: exit 0\n"),
    (nothing_but_make, "actions/checkout@", "somebody/checkout@"),
    (nothing_but_make, "actions/checkout@", "docker/login-action@"),
    (pinned, f"@{'a' * 40} # v7.0.1", "@v7"),
    (pinned, f"@{'a' * 40} # v7.0.1", f"@{'a' * 40}"),
    (pinned, f"@{'a' * 40} # v7.0.1", f"@{'a' * 7} # v7.0.1"),
    (few_rights, "permissions: {}\n", ""),
    (few_rights, "permissions: {}\n", "permissions: write-all\n"),
    (few_rights, "permissions:\n      contents: read\n", "permissions: write-all\n"),
    (few_rights, "permissions:\n      contents: read\n", "name: train\n"),
    (ends, "timeout-minutes: 20\n", "name: train\n"),
    (ends, "timeout-minutes: 20\n", "timeout-minutes: 600\n"),
    (no_text_in_scripts, "run: make train\n", "run: make train REASON=${{ inputs.reason }}\n"),
    (no_credentials_left, "persist-credentials: false\n", "fetch-depth: 1\n"),
    (no_credentials_left, "persist-credentials: false\n", "persist-credentials: true\n"),
    (one_at_a_time, "concurrency: train\n", ""),
    (safe_events, "pull_request:\n", "pull_request_target:\n"),
    (secrets_in_an_environment, "environment: production\n", "name: train\n"),
]
SOUND = f"""name: train
on:
  pull_request:
permissions: {{}}
concurrency: train
jobs:
  train:
    runs-on: ubuntu-latest
    timeout-minutes: 20
    environment: production
    permissions:
      contents: read
    env:
      PASSWORD: ${{{{ secrets.PASSWORD }}}}
    steps:
      - uses: actions/checkout@{"a" * 40} # v7.0.1
        with:
          persist-credentials: false
      - run: make train
"""


def faults(flow: Workflow) -> dict[str, list[str]]:
    """What each rule finds, without the rules that find nothing."""
    found = {rule.__name__: list(rule(flow)) for rule in RULES}
    return {rule: sentences for rule, sentences in found.items() if sentences}


def workflow(name: str) -> Workflow:
    return Workflow(name, (ROOT / ".github" / "workflows" / f"{name}.yml").read_text())


def test_there_are_five_workflows():
    assert [path.stem for path in FILES] == ["ci", "images", "monitor", "promote", "train"]


@pytest.mark.parametrize("path", [*FILES, ACTION], ids=lambda path: path.stem)
def test_a_workflow_keeps_to_every_rule(path):
    assert faults(Workflow(path.stem, path.read_text())) == {}


def test_a_sound_workflow_is_not_complained_of():
    assert faults(Workflow("sound", SOUND)) == {}


@pytest.mark.parametrize(("rule", "sound", "careless"), PLANTED)
def test_a_planted_fault_is_found(rule, sound, careless):
    assert sound in SOUND
    assert rule.__name__ in faults(Workflow("planted", SOUND.replace(sound, careless)))


def test_every_rule_has_a_planted_fault():
    assert {rule for rule, *_ in PLANTED} == set(RULES)


def test_what_ci_runs_is_what_a_person_is_told_to_run():
    ran = {step["run"] for step in workflow("ci").steps if "run" in step}
    told = (ROOT / "CONTRIBUTING.md").read_text()
    checks = ran - {FAIL}
    assert {name for name in checks if f"`{name}`" not in told} == set()
    assert "make test" in checks


def test_one_status_sums_up_every_job():
    jobs = workflow("ci").jobs
    assert set(jobs["ci"]["needs"]) == set(jobs) - {"ci"}
    assert jobs["ci"]["if"] == "always()"
    (step,) = jobs["ci"]["steps"]
    assert set(step) == {"if", "run"}
    assert step["run"] == FAIL


@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize("other", RESULTS)
def test_that_status_is_red_unless_every_job_has_succeeded(result, other):
    (step,) = workflow("ci").jobs["ci"]["steps"]
    is_red = holds(step["if"], [result, other])
    assert is_red is ({result, other} != {"success"})


def holds(condition: str, results: list[str]) -> bool:
    """`condition` as GitHub evaluates it: `contains` of a list and an element, joined by "or"."""
    parts = [CONTAINS.fullmatch(part) for part in condition.split(" || ")]
    assert all(parts), f"{condition!r} is more than this test can read"
    return any(part[1] in results for part in parts)


def test_ci_knows_no_secret():
    assert "secrets." not in workflow("ci").text


def test_every_supported_python_is_tested():
    supported = re.search(r">=3\.(\d+),<3\.(\d+)", (ROOT / "pyproject.toml").read_text())
    first, end = (int(number) for number in supported.groups())
    matrix = workflow("ci").jobs["test"]["strategy"]["matrix"]["python"]
    assert matrix == [f"3.{minor}" for minor in range(first, end)]


def test_a_training_starts_as_the_issue_of_its_data_asks():
    events = workflow("train").events
    assert events["push"]["branches"] == ["data-update", "data/**"]
    assert events["pull_request"]["paths"] == ["data/**"]
    assert events["repository_dispatch"]["types"] == [EVENT_TYPE]
    assert set(events["workflow_dispatch"]["inputs"]) == {"data", "tune", "reason"}
    assert len(events["schedule"]) == 1


@pytest.mark.parametrize(("name", "job"), [("train", "train"), ("ci", "data")])
def test_what_a_branch_brings_can_be_seen(name, job):
    """A shallow checkout would not tell it from what `main` has."""
    checkout = workflow(name).jobs[job]["steps"][0]
    assert checkout["uses"].startswith("actions/checkout@")
    assert checkout["with"]["fetch-depth"] == 0


def test_the_rule_of_the_table_is_handed_to_the_commands_in_its_order():
    variables = workflow("train").jobs["train"]["env"]
    assert variables["DATA"] == "${{ inputs.data }}"
    assert variables["DATA_DEFAULT"] == "${{ vars.DATA }}"


def test_monitoring_finds_the_training_that_it_asked_for():
    assert "github.event.client_payload.id" in workflow("train").content["run-name"]


def test_the_code_of_a_pull_request_runs_where_no_secret_is():
    flows = [Workflow(path.stem, path.read_text()) for path in FILES]
    from_outside = {flow.name for flow in flows if FORKS & set(flow.events)}
    assert from_outside == {"ci", "train"}
    assert environment_of_train("pull_request", "refs/pull/12/merge") == "pull-request"


@pytest.mark.parametrize("named", ["", "production"])
@pytest.mark.parametrize(
    ("event", "ref"),
    [
        ("push", "refs/heads/data/march"),
        ("push", "refs/heads/data-update"),
        ("workflow_dispatch", "refs/heads/main-2"),
        ("workflow_dispatch", "refs/heads/data/main"),
    ],
)
def test_the_code_of_a_branch_never_runs_with_the_secrets_of_main_or_of_production(
    event, ref, named
):
    assert environment_of_train(event, ref, TRAINING_ENVIRONMENT=named) == "data"


@pytest.mark.parametrize("event", ["schedule", "repository_dispatch", "workflow_dispatch"])
def test_what_main_trains_waits_for_nobody(event):
    assert environment_of_train(event, "refs/heads/main") == "training"


def test_no_training_has_a_secret_that_it_does_not_use():
    text = workflow("train").text
    assert set(re.findall(r"secrets\.(\w+)", text)) == {
        "MLFLOW_TRACKING_URI",
        "MLFLOW_TRACKING_USERNAME",
        "MLFLOW_TRACKING_PASSWORD",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    }


def test_the_document_lets_only_main_into_what_holds_secrets_without_a_reviewer():
    """Of each environment: who reviews, and from which branches."""
    told = (ROOT / "docs" / "deployment.md").read_text()
    rows = dict(re.findall(r"^\| `([\w-]+)` \| [^|]+ \| ([^|]+) \|$", told, re.MULTILINE))
    assert set(rows) >= {"production", "training", "data", "monitoring", "pull-request"}
    for name in ("production", "training", "monitoring"):
        assert "deployment branch `main`" in rows[name]
        assert "data/**" not in rows[name]
    assert "required reviewers" in rows["production"]
    assert "required reviewers" in rows["data"]


def environment_of_train(event: str, ref: str, **variables: str) -> str:
    """The environment in which GitHub runs the job."""
    expression = workflow("train").jobs["train"]["environment"].strip()
    found = re.fullmatch(r"\$\{\{(.*)\}\}", expression, re.DOTALL)
    contexts = {"github": {"event_name": event, "ref": ref}, "vars": variables}
    return evaluate(found[1], contexts, "success")


def test_only_a_person_promotes_and_reviewers_stand_before_it():
    promote = workflow("promote")
    assert set(promote.events) == {"workflow_dispatch"}
    assert promote.jobs["promote"]["environment"] == "production"
    others = [
        step["run"]
        for name in ("ci", "train", "monitor")
        for step in workflow(name).steps
        if "run" in step
    ]
    assert not [run for run in others if re.search("make .*(promote|rollback)", run)]


def steps_that_run(job: dict[str, Any], action: str, failing: str) -> list[str]:
    """The targets that GitHub starts, in order, when `failing` ends badly."""
    is_red, ran = False, []
    for step in job["steps"]:
        target = step.get("run", "").removeprefix("make ")
        asked = re.fullmatch(r"inputs\.action == '(\w+)'", step.get("if", ""))
        is_wanted = step.get("if") == "always()" or (not is_red and "if" not in step)
        if is_wanted or (asked and asked[1] == action and not is_red):
            ran.append(target)
            is_red |= target == failing and not step.get("continue-on-error", False)
    return [target for target in ran if target]


@pytest.mark.parametrize("action", ["promote", "rollback"])
@pytest.mark.parametrize("failing", ["nothing", "announce", "promotion-summary"])
def test_a_move_is_announced_whatever_becomes_of_its_summary(action, failing):
    ran = steps_that_run(workflow("promote").jobs["promote"], action, failing)
    assert set(ran) == {action, "announce", "promotion-summary"}


def test_what_did_not_move_is_not_announced():
    ran = steps_that_run(workflow("promote").jobs["promote"], "promote", "promote")
    assert ran == ["promote", "promotion-summary"]


def group_of(expression: str, known: dict[str, str]) -> str:
    """The group of a run of which that is known: "||" and "&&" of names and equalities."""

    def value(term: str) -> str:
        name, _, wanted = term.strip().partition(" == ")
        found = known.get(name, "")
        return found if not wanted or found == wanted.strip("'") else ""

    def one(term: str) -> str:
        parts = [value(part) for part in term.split("&&")]
        return parts[-1] if all(parts) else ""

    return next(filter(None, map(one, expression.split("||"))))


RETRAIN_ONE = {"github.event_name": "repository_dispatch", "github.event.client_payload.id": "one"}
ON_MAIN = {"github.ref": "refs/heads/main"}


@pytest.mark.parametrize(
    ("waiting", "newer", "is_kept"),
    [
        (RETRAIN_ONE, {"github.event_name": "schedule"}, True),
        (RETRAIN_ONE, {"github.event_name": "push"}, True),
        (RETRAIN_ONE, RETRAIN_ONE | {"github.event.client_payload.id": "two"}, True),
        ({"github.event_name": "workflow_dispatch"}, {"github.event_name": "schedule"}, True),
        (
            {"github.event_name": "workflow_dispatch"},
            {"github.event_name": "workflow_dispatch", "github.run_id": "2"},
            True,
        ),
        (
            {"github.event_name": "push", "github.ref": "refs/heads/data/march"},
            {"github.event_name": "push", "github.ref": "refs/heads/data/april"},
            True,
        ),
        ({"github.event_name": "push"}, {"github.event_name": "push"}, False),
    ],
)
def test_a_training_that_waits_is_cancelled_only_by_one_that_makes_it_needless(
    waiting, newer, is_kept
):
    concurrency = workflow("train").content["concurrency"]
    expression = re.fullmatch(r"train-\$\{\{(.*)\}\}", concurrency["group"].strip(), re.DOTALL)[1]
    usual = {**ON_MAIN, "github.run_id": "1"}
    groups = [group_of(expression, {**usual, **run}) for run in (waiting, newer)]
    assert (groups[0] != groups[1]) is is_kept
    assert concurrency["cancel-in-progress"] is False


def test_monitoring_may_look_for_the_training_that_it_asked_for():
    permissions = workflow("monitor").jobs["monitor"]["permissions"]
    assert permissions == {"actions": "read", "contents": "write", "issues": "write"}


def test_every_secret_is_in_the_table_of_the_document():
    told = (ROOT / "docs" / "deployment.md").read_text()
    named = {
        name for path in FILES for name in re.findall(r"(?:secrets|vars)\.(\w+)", path.read_text())
    }
    assert {name for name in named if f"`{name}`" not in told} == set()


def test_what_somebody_types_reaches_the_command_as_it_is():
    """make expands what stands in a makefile, but nothing that comes in by the environment."""
    reason = "$(shell touch pwned) $HOME `id` \"quoted\" 'too'"
    done = subprocess.run(
        ["make", "--silent", "--eval", "show-reason: ; @printenv REASON", "show-reason"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "REASON": reason},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == f"{reason}\n"
    assert not (ROOT / "pwned").exists()
