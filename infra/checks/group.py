"""Checks that follow from each other, done beside the other groups and given up in time."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Thread

from infra.checks.finding import Finding, failed, not_looked_at
from insurance_predictor.base.errors import Unreachable


class Group(Thread):
    """A thread that collects the findings of `look`, which is to have one for each of `names`.

    It is a daemon: a check that hangs is left behind and does not keep the process alive.
    """

    def __init__(self, names: Sequence[str], look: Callable[[], Iterable[Finding]]) -> None:
        super().__init__(daemon=True)
        self._names = names
        self._look = look
        self._findings: list[Finding] = []
        self._failure: Exception | None = None

    def run(self) -> None:
        """Collect until `look` ends or fails."""
        try:
            for finding in self._look():
                self._findings.append(finding)
        except Exception as error:  # told by `findings`
            self._failure = error

    def findings(self, until: float) -> Iterator[Finding]:
        """One finding for each name, at the latest at `until` on the monotonic clock."""
        self.join(max(0.0, until - time.monotonic()))
        found = list(self._findings)
        yield from found
        missing = [name for name in self._names if name not in {one.name for one in found}]
        if missing:
            late = Unreachable("no answer within the time of this examination. Try again.")
            yield failed(missing[0], self._failure or late)
            yield from not_looked_at(missing[1:], f"it comes after {missing[0]!r}")
