"""Moments in the life of a command, seen from the server, at which something can be done to it."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from tests.outcome import Outcome
from tests.stack.clone import Clone, complaint
from tests.stack.docker import docker, wait_until

# Lines of the server's access log.
RUN_MADE = r"POST \S*/runs/create"
MODEL_BEGUN = r"POST \S*/logged-models "
MODEL_READ = r"GET \S*/MLmodel"
VERSION_WRITTEN = r"POST \S*/model-versions/(create|set-tag)"


def interrupted(clone: Clone, command: str, moment: str, disturb: Callable[[], object]) -> Outcome:
    """How a command ends when `disturb` is called as soon as the server has logged `moment`."""
    begun = datetime.now(UTC).isoformat()
    with ThreadPoolExecutor(1) as person:
        outcome = person.submit(clone.person, command)
        log = ("logs", "--since", begun, clone.container("mlflow"))
        wait_until(lambda: outcome.done() or re.search(moment, docker(*log)), moment)
        assert not outcome.done(), f"{command} ended before {moment}: {outcome.result()}"
        disturb()
        return outcome.result()


def assert_done_or_explained(outcome: Outcome) -> None:
    """Either it ended well, or with exit 4 and one line."""
    assert outcome.code in (0, 4), outcome
    assert "Traceback" not in outcome.err
    if outcome.code == 4:
        assert "\n" not in complaint(outcome)
