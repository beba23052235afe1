"""Which predictions are assessed: those of the last days, or of a stretch of time."""

import re
from datetime import UTC, datetime, timedelta

from insurance_predictor.base.errors import BadInput
from monitoring.domain.assessment import Window

UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
DEFAULT = "7d"


def parse_window(window: str | None, start: str | None, end: str | None, now: datetime) -> Window:
    """The window from `start` to `end`, or of length `window` (7d, 12h, 4w) up to `end`.

    `start` and `end` are ISO 8601, in UTC unless they say otherwise; without an end it is `now`.
    Raises BadInput for what cannot be read, a window that is empty, or both a length and a start.
    """
    if window is not None and start is not None:
        raise BadInput(f"WINDOW={window} and a start are both given. Give one of them.")
    last = now.astimezone(UTC) if end is None else _moment(end)
    first = _before(last, window or DEFAULT) if start is None else _moment(start)
    if first >= last:
        raise BadInput(f"The window from {first:%F %T} to {last:%F %T} UTC is empty.")
    return Window(first, last, slot(first, last))


def slot(start: datetime, end: datetime) -> datetime:
    """The day that a window of a day or more ends in, the hour that a shorter one ends in."""
    hour = end.replace(minute=0, second=0, microsecond=0)
    return hour.replace(hour=0) if end - start >= UNITS["d"] else hour


def _before(end: datetime, length: str) -> datetime:
    found = re.fullmatch(r"([1-9][0-9]*)([hdw])", length.strip())
    if found is None:
        raise BadInput(f"WINDOW={length!r} is no length of time. Give one like 7d, 12h or 4w.")
    try:
        return end - int(found[1]) * UNITS[found[2]]
    except OverflowError as error:
        raise BadInput(f"WINDOW={length} begins before the calendar does. Give less.") from error


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadInput(f"{text!r} is no time like 2026-01-31 or 2026-01-31T12:00:00Z.") from error
