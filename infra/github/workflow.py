"""The run of a workflow that we are part of: what started it, and where it shows what we say.

https://docs.github.com/actions/reference/workflows-and-actions/variables and .../workflow-commands
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from insurance_predictor.base.command_line import say
from insurance_predictor.base.errors import BadInput
from insurance_predictor.base.foreign_text import GAP, printable


@dataclass(frozen=True)
class Run:
    """A run of a workflow; outside of GitHub everything is empty.

    `pull_request` is the number of the one that started it, or None. `commit` is the one that a
    check belongs to: of a pull request its last, not the merge that was tried.
    """

    commit: str = ""
    url: str = ""
    pull_request: int | None = None


def read_run() -> Run:
    """The run that the environment tells of. Raises BadInput when its event cannot be read."""
    event = _event()
    pull_request = event.get("pull_request") or {}
    where = [os.environ.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")]
    server, repository, run_id = where
    return Run(
        commit=pull_request.get("head", {}).get("sha") or os.environ.get("GITHUB_SHA", ""),
        url=f"{server}/{repository}/actions/runs/{run_id}" if all(where) else "",
        pull_request=pull_request.get("number"),
    )


def show(markdown: str) -> None:
    """Put `markdown` on the page of the run, or print it where there is none."""
    page = os.environ.get("GITHUB_STEP_SUMMARY")
    if not page:
        say(markdown.replace(GAP, ""))
        return
    with Path(page).open("a", encoding="utf-8") as file:
        file.write(f"{markdown}\n")


def annotate(level: Literal["notice", "warning"], title: str, message: str) -> None:
    """Say `message` where the run and its job are listed; elsewhere only print it."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        command = f"::{level} title={_property(title)}::{_data(message)}"
        print(command)  # noqa: T201 - `say` would take its meaning away
    else:
        say(f"{title}: {message}")


def _event() -> Mapping[str, Any]:
    path = os.environ.get("GITHUB_EVENT_PATH")
    if not path:
        return {}
    try:
        event: Mapping[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"The event of GITHUB_EVENT_PATH={path!r} cannot be read: {error}") from (
            error
        )
    return event


def _data(text: str) -> str:
    """`text` as a workflow command takes it, on one line."""
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
