"""A PostgreSQL that falls silent is given up; one that works for long is waited for."""

import time
from collections.abc import Generator, Mapping
from typing import Any

import psycopg
from psycopg.errors import ConnectionTimeout, _WaitTimeout
from sqlalchemy import Engine, event

SILENCE = 8.0  # seconds, after which a second connection asks whether the server still speaks
PATIENCE = 5.0  # seconds that it may take to answer that
POLL = 0.1  # seconds
SILENT = "it fell silent"


class PatientConnection(psycopg.Connection[Any]):
    """Waits for each answer as long as the server speaks to others.

    So a statement may take its time, and a silence, of the server or of what stands between, ends
    with an OperationalError. The limits of TCP see only a network that is gone.
    """

    def wait(self, gen: Any, interval: float = POLL, timeout: float | None = None) -> Any:
        """What `gen` comes to. Raises OperationalError when the server is silent."""
        return super().wait(self._while_spoken_to(gen), interval, timeout)

    def _while_spoken_to(self, answer: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        heard = time.monotonic()
        try:
            wanted = next(answer)
            while True:
                ready = yield wanted
                if ready:
                    heard = time.monotonic()
                elif time.monotonic() - heard > SILENCE:
                    self._ask_elsewhere()
                    heard = time.monotonic()
                wanted = answer.send(ready)
        except StopIteration as end:
            return end.value

    def _ask_elsewhere(self) -> None:
        parameters: dict[str, Any] = self.info.get_parameters()
        if is_silent({**parameters, "password": self.info.password}):
            self.close()
            raise psycopg.OperationalError(SILENT)


def is_silent(parameters: Mapping[str, Any]) -> bool:
    """Whether a second connection to the same server, as libpq calls what it takes, hears nothing.

    A server that lets nobody else in, or is about to end, does speak.
    """
    try:
        with _Question.connect(**parameters) as question:
            question.execute("SELECT 1")
    except (ConnectionTimeout, _WaitTimeout):
        return True
    except psycopg.Error:
        pass
    return False


class _Question(psycopg.Connection[Any]):
    def wait(self, gen: Any, interval: float = POLL, timeout: float | None = None) -> Any:
        return super().wait(gen, interval, PATIENCE)


def be_patient(engine: Engine) -> None:
    """Let `engine`, one of psycopg, connect by PatientConnection."""
    event.listen(engine, "do_connect", _connect)


def _connect(_: Any, __: Any, arguments: Any, options: Any) -> PatientConnection:
    return PatientConnection.connect(*arguments, **options)
