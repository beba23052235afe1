"""Looks to decide about: days of one model, with the verdicts that a test is about."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from monitoring.domain.assessment import Kind, Look, Status, Verdict, Window

MODEL = "insurance_predictor"
FIRST = datetime(2026, 3, 1, tzinfo=UTC)
ALARM: Status = "alarm"


def day(number: int) -> datetime:
    """Midnight, `number` days after the first."""
    return FIRST + timedelta(days=number)


def verdict(name: str, status: Status = ALARM) -> Verdict:
    """The verdict called drift.bmi, as its parts."""
    kind: Kind
    kind, check = name.split(".", 1)  # type: ignore[assignment]
    return Verdict(kind=kind, check=check, status=status, rows=400, money=float("nan"))


def look(number: int, verdicts: Iterable[Verdict] = (), version: str = "1") -> Look:
    """A look at the week before day `number`."""
    return Look(
        model_name=MODEL,
        version=version,
        window=Window(start=day(number - 7), end=day(number), slot=day(number)),
        rows=400,
        outcomes=0,
        other_versions={},
        average_premium=13000.0,
        verdicts=tuple(verdicts),
        distributions=(),
        power=(),
    )


def alarms(number: int, *names: str, version: str = "1") -> Look:
    """A look with `names` in alarm, and the other of two features of drift quiet."""
    others = {"drift.bmi", "drift.age"} - set(names)
    quiet = [verdict(name, "quiet") for name in others]
    return look(number, [*map(verdict, names), *quiet], version)
