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
    Raises BadInput for what cannot be read, a window that is empty or ends in the future, or both a
    length and a start.
    """
    if window is not None and start is not None:
        raise BadInput(f"WINDOW={window} and a start are both given. Give one of them.")
    now = now.astimezone(UTC)
    last = now if end is None else _moment(end)
    if last > now:
        raise BadInput(
            f"The window ends at {last:%F %T} UTC, and now it is {now:%F %T}. "
            "Give an end that is over, or none, which is now."
        )
    length = _length(window or DEFAULT) if start is None else None
    first = _before(last, length) if length is not None else _moment(start or "")
    if first >= last:
        raise BadInput(f"The window from {first:%F %T} to {last:%F %T} UTC is empty.")
    return Window(first, last, slot(first, last), schedule(length) if length else "")


def schedule(length: timedelta) -> str:
    """What windows of one length have in common: 7d for a week however it is said, 12h."""
    hours = length // UNITS["h"]
    return f"{hours // 24}d" if hours % 24 == 0 else f"{hours}h"


def slot(start: datetime, end: datetime) -> datetime:
    """The day that a window of a day or more ends in, the hour that a shorter one ends in."""
    hour = end.replace(minute=0, second=0, microsecond=0)
    return hour.replace(hour=0) if end - start >= UNITS["d"] else hour


def _length(text: str) -> timedelta:
    found = re.fullmatch(r"([1-9][0-9]{0,9})([hdw])", text.strip())
    if found is None:
        raise BadInput(f"WINDOW={text!r} is no length of time. Give one like 7d, 12h or 4w.")
    try:
        return int(found[1]) * UNITS[found[2]]
    except OverflowError as error:
        raise BadInput(f"WINDOW={text} begins before the calendar does. Give less.") from error


def _before(end: datetime, length: timedelta) -> datetime:
    try:
        return end - length
    except OverflowError as error:
        days = f"{length.days:,} days"
        raise BadInput(f"A window of {days} begins before the calendar does. Give less.") from error


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadInput(f"{text!r} is no time like 2026-01-31 or 2026-01-31T12:00:00Z.") from error
