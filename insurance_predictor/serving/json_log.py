"""Logs as one JSON object a line on stderr: what happened, to which version, how long it took.

What a person typed is never among the fields, and neither is the text of an exception, which may
quote it: an error is told by its class and the places it came through.
"""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from insurance_predictor.serving.served_model import Served

LOGGER = logging.getLogger("insurance_predictor.events")
OWN = "fields"
OURS = ("app", "insurance_predictor")


def set_up(*others: str) -> None:
    """Send events and the logs of app, library and `others` to stderr; a second call adds none."""
    for name in (*OURS, *others):
        logger = logging.getLogger(name)
        if not any(isinstance(handler, _Stderr) for handler in logger.handlers):
            handler = _Stderr()
            handler.setFormatter(_Json())
            logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False


def tell(event: str, **fields: object) -> None:
    """Log `event` with its fields, none of which may be what a person typed."""
    LOGGER.info(event, extra={OWN: fields})


def tell_error(event: str, error: BaseException | None, **fields: object) -> None:
    """Log that something failed: the error's class and where it was raised."""
    steps = traceback.extract_tb(error.__traceback__) if error else []
    where = [f"{Path(step.filename).name}:{step.lineno}" for step in steps]
    told = {"error": type(error).__name__, "where": where[-5:], **fields}
    LOGGER.error(event, extra={OWN: told})


def tell_look(outcome: "Served | Exception", latency_ms: float) -> None:
    """Log how a look at the registry ended, for `ServedModel`."""
    if isinstance(outcome, Exception):
        tell_error("nothing_to_serve", outcome, latency_ms=latency_ms)
        return
    event = "registry_checked"
    if outcome.is_stale:
        event = "registry_unreachable"
    elif outcome.refusal is not None:
        event = "version_refused"
    tell(event, version=outcome.facts.version, latency_ms=latency_ms)


class _Stderr(logging.StreamHandler):  # type: ignore[type-arg]
    """Looks stderr up at every line, so that whoever replaces it gets the lines."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, OWN, {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            told["error"] = record.exc_info[0].__name__
        return json.dumps(told, default=str)
