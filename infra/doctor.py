"""Says in one screen what is right, what is wrong, and how to put it right."""

import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from infra.checks.alerts import alerts
from infra.checks.env_file import env_file, env_names
from infra.checks.finding import Finding, Verdict, failed, not_looked_at
from infra.checks.group import Group
from infra.checks.machine import disk_space, packages, python
from infra.checks.monitoring import monitoring
from infra.checks.prediction_log import prediction_log
from infra.checks.stack import NAMES as STACK
from infra.checks.stack import stack
from infra.checks.store import NAMES as STORE
from infra.checks.store import store
from insurance_predictor.base.command_line import say
from insurance_predictor.base.errors import InvalidSettings, Unreachable
from insurance_predictor.base.settings import Settings, read_settings

DEADLINE = 18  # seconds for whatever may hang
# A doctor wants to know now; it does not try again as a training should.
IMPATIENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
MARKS = {Verdict.RIGHT: "✓", Verdict.WRONG: "✗", Verdict.NOTE: "–"}
OTHERS = ("prediction log", "monitoring", "alerts")


def doctor(as_json: bool = False) -> int:
    """Print what is found; the value is the exit code: 0, or 4 when something is wrong.

    Ends the process by itself when a check hangs: Python would wait for the threads that MLflow
    and boto3 have started for it.
    """
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)  # the findings say it
    findings = examine()
    shown = as_lines_of_json(findings) if as_json else screen(findings)
    say(shown)
    if any(isinstance(thread, Group) for thread in threading.enumerate()):
        os._exit(exit_code(findings))
    return exit_code(findings)


def examine(env: Path = Path(".env")) -> list[Finding]:
    """Look at everything, with the settings of the environment and the file `env`."""
    findings = [python(), packages(), disk_space(), env_file(env), env_names(env)]
    try:
        settings = read_settings(env)
    except Exception as error:
        return [*findings, *_without_settings(error)]
    return [*findings, *_with_settings(settings)]


def screen(findings: Sequence[Finding]) -> str:
    """A line for each finding, and under a wrong one its remedy."""
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{MARKS[finding.verdict]} {finding.name:<{width}}  {finding.found}")
        if finding.remedy:
            lines.append(f"  {'':<{width}}  → {finding.remedy}")
    bad = sum(finding.verdict is Verdict.WRONG for finding in findings)
    return "\n".join([*lines, "", f"{bad} wrong." if bad else "Nothing is wrong."])


def as_lines_of_json(findings: Sequence[Finding]) -> str:
    """One JSON object a line, for programs."""
    return "\n".join(json.dumps(asdict(finding)) for finding in findings)


def exit_code(findings: Sequence[Finding]) -> int:
    """0, or 4 when one is wrong."""
    wrong = any(finding.verdict is Verdict.WRONG for finding in findings)
    return Unreachable.exit_code if wrong else 0


def _with_settings(settings: Settings) -> Iterator[Finding]:
    for name, value in IMPATIENT.items():
        os.environ.setdefault(name, value)
    groups = [
        Group(STACK, partial(stack, settings)),
        Group(STORE, partial(store, settings)),
        Group(OTHERS, lambda: (check(settings) for check in (prediction_log, monitoring, alerts))),
    ]
    until = time.monotonic() + DEADLINE
    for group in groups:
        group.start()
    for group in groups:
        yield from group.findings(until)


def _without_settings(error: Exception) -> Iterator[Finding]:
    if isinstance(error, InvalidSettings):
        for line in str(error).splitlines():
            yield failed("settings", InvalidSettings(line))
    else:
        yield failed("settings", error)
    yield from not_looked_at((*STACK, *STORE, *OTHERS), "the settings cannot be read")
