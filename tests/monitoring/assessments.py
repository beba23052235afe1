"""Assessments to decide about: days of one model, with the verdicts that a test is about."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from monitoring.domain.assessment import Assessment, Kind, Status, Verdict, Window

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


def assessment(number: int, verdicts: Iterable[Verdict] = (), version: str = "1") -> Assessment:
    """An assessment of the week before day `number`."""
    return Assessment(
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


def alarms(number: int, *names: str, version: str = "1") -> Assessment:
    """An assessment with `names` in alarm, and the other of two features of drift quiet."""
    others = {"drift.bmi", "drift.age"} - set(names)
    quiet = [verdict(name, "quiet") for name in others]
    return assessment(number, [*map(verdict, names), *quiet], version)
