"""Walks a job of a workflow as a runner of GitHub would: its conditions, variables and shell.

Expressions are those of
https://docs.github.com/actions/reference/workflows-and-actions/expressions, as far as ours go.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.repository import ROOT

PATIENCE = 600  # seconds; no test measures time by it
WORD = re.compile(r"(?P<text>'(?:[^']|'')*')|(?P<sign>&&|\|\||!=|==|!|[(),])|(?P<name>[\w.-]+)|\s+")
SIGNS = {"&&": " and ", "||": " or ", "!": " not "}
FUNCTIONS = {
    "startsWith": lambda text, start: str(text).startswith(start),
    "format": lambda text, *values: text.format(*values),
}


def evaluate(expression: str, contexts: Mapping[str, Any], status: str) -> Any:
    """What stands between ${{ and }}, while the job's status is "success" or "failure"."""
    known: dict[str, Any] = {
        **FUNCTIONS,
        "always": lambda: True,
        "success": lambda: status == "success",
        "failure": lambda: status == "failure",
    }
    parts = []
    for found in WORD.finditer(expression):
        if text := found["text"]:
            parts.append(repr(text[1:-1].replace("''", "'")))
        elif sign := found["sign"]:
            parts.append(SIGNS.get(sign, sign))
        elif name := found["name"]:
            parts.append(name if name in known else repr(_looked_up(name, contexts)))
    return eval("".join(parts), {"__builtins__": {}}, known)


def _looked_up(name: str, contexts: Mapping[str, Any]) -> Any:
    """The value of a.b.c; what is not there is the empty text."""
    if name in ("true", "false"):
        return name == "true"
    value: Any = contexts
    for part in name.split("."):
        value = value.get(part, "") if isinstance(value, Mapping) else ""
    return value


@dataclass
class Walk:
    """A job under way in `folder`, and what became of it."""

    folder: Path
    environment: dict[str, str]  # what the runner itself sets
    contexts: dict[str, Any]
    instead: Mapping[str, str] = field(default_factory=dict)  # of a step's shell, another
    status: str = "success"
    page: str = ""
    log: str = ""
    ran: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)  # files that were uploaded

    def job(self, content: Mapping[str, Any], checkout: Any) -> "Walk":
        """Walk the job's steps; `checkout` brings the repository, as its `with` asks."""
        job = content
        self.contexts["steps"] = {}
        if not self._holds(job.get("if", "")):
            self.status = "skipped"
            return self
        named = self._text(job.get("environment", ""))
        self.contexts["secrets"] = self.contexts["environments"].get(named, {})
        variables = {name: self._text(value) for name, value in job.get("env", {}).items()}
        for step in job["steps"]:
            if self._holds(step.get("if", "")):
                self._step(step, variables, checkout)
        return self

    def _step(self, step: Mapping[str, Any], variables: dict[str, str], checkout: Any) -> None:
        uses = step.get("uses", "").partition("@")[0]
        if uses == "actions/checkout":
            checkout(self.folder, step.get("with", {}))
        elif uses == "./.github/actions/setup":
            set_up(self.folder)
        elif uses == "actions/upload-artifact":
            paths = step["with"]["path"].split()
            self.kept += [path for path in paths if (self.folder / path).exists()]
        else:
            own = {name: self._text(value) for name, value in step.get("env", {}).items()}
            self._run(step, variables | own)

    def _run(self, step: Mapping[str, Any], variables: dict[str, str]) -> None:
        outputs, page = self.folder / ".outputs", self.folder / ".page"
        outputs.write_text("")
        page.write_text("")
        files = {"GITHUB_OUTPUT": str(outputs), "GITHUB_STEP_SUMMARY": str(page)}
        done = subprocess.run(
            [
                "bash",
                "--noprofile",
                "--norc",
                "-e",
                "-c",
                self.instead.get(step["run"], step["run"]),
            ],
            cwd=self.folder,
            env=os.environ | self.environment | files | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        self.ran.append(step["run"])
        self.log += f"$ {step['run']}\n{done.stdout}"
        self.page += page.read_text()
        handed = dict(line.split("=", 1) for line in outputs.read_text().splitlines())
        if done.returncode and not step.get("continue-on-error"):
            self.status = "failure"
        if "id" in step:
            self.contexts["steps"][step["id"]] = {"outputs": handed}

    def _holds(self, condition: str) -> bool:
        """GitHub puts success() before a condition that asks for no status."""
        bare = condition.strip()
        asked = re.search(r"\b(always|failure|success)\(\)", bare)
        is_due = self.status == "success" or asked is not None
        return is_due and bool(not bare or evaluate(bare, self.contexts, self.status))

    def _text(self, value: Any) -> str:
        def filled(found: re.Match[str]) -> str:
            result = evaluate(found[1], self.contexts, self.status)
            return str(result).lower() if isinstance(result, bool) else str(result)

        return re.sub(r"\$\{\{(.*?)\}\}", filled, str(value), flags=re.DOTALL)


def set_up(folder: Path) -> None:
    """The environment is made already: `make` finds it newer than what it is made from."""
    (folder / ".venv").symlink_to(sys.prefix)
    for name in ("requirements.txt", "requirements-dev.txt", "infra/setup.sh"):
        os.utime(folder / name, (0, 0))


def read_job(workflow: str, job: str) -> dict[str, Any]:
    """A job of one of our workflows."""
    path = ROOT / ".github" / "workflows" / f"{workflow}.yml"
    content: dict[str, Any] = yaml.safe_load(path.read_text())["jobs"][job]
    return content


def write_event(folder: Path, event: Mapping[str, Any]) -> str:
    """The file of GITHUB_EVENT_PATH."""
    (folder / "event.json").write_text(json.dumps(event))
    return str(folder / "event.json")
