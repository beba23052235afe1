"""Whether monitoring itself goes on: when it last judged, and when that is too long ago."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Watch:
    """Up to when quotes have been judged, aware; None when none ever were."""

    until: datetime | None
    is_overdue: bool


def watch(until: datetime | None, now: datetime, overdue_hours: float) -> Watch:
    """How monitoring stands now. What was never begun is not overdue."""
    is_overdue = until is not None and now - until > timedelta(hours=overdue_hours)
    return Watch(until, is_overdue)
