"""Assessments to decide about: days of one model, with the verdicts that a test is about."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from insurance_predictor.base.settings import IncidentRules
from monitoring.domain.assessment import Assessment, Kind, Status, Verdict, Window
from monitoring.domain.incidents import (
    Incident,
    IncidentDecision,
    IncidentHistory,
    PastAssessment,
    decide,
)
from monitoring.domain.windows import schedule

MODEL = "insurance_predictor"
FIRST = datetime(2026, 3, 1, tzinfo=UTC)
ALARM: Status = "alarm"
MOST = 100  # assessments that are remembered
LIMIT = 0.005  # of an alarm's p-value


def day(number: float) -> datetime:
    """Midnight, `number` days after the first."""
    return FIRST + timedelta(days=number)


def verdict(name: str, status: Status = ALARM, p_value: float = 0.001) -> Verdict:
    """The verdict called drift.bmi, as its parts; two alarms together are evidence, one is not."""
    kind: Kind
    kind, check = name.split(".", 1)  # type: ignore[assignment]
    known = {ALARM: p_value, "quiet": 0.5}.get(status)
    return Verdict(
        kind=kind,
        check=check,
        status=status,
        rows=400,
        p_value=known,
        limit=LIMIT,
        money=float("nan"),
    )


def assessment(
    number: float, verdicts: Iterable[Verdict] = (), version: str = "1", days: float = 1
) -> Assessment:
    """An assessment of the `days` before day `number`."""
    length = timedelta(days=days)
    return Assessment(
        model_name=MODEL,
        version=version,
        window=Window(day(number) - length, day(number), day(number), schedule(length)),
        rows=400,
        outcomes=0,
        other_versions={},
        average_premium=13000.0,
        verdicts=tuple(verdicts),
        distributions=(),
        power=(),
    )


def alarms(
    number: float, *names: str, version: str = "1", days: float = 1, p_value: float = 0.001
) -> Assessment:
    """An assessment with `names` in alarm, and the other of two features of drift quiet."""
    others = {"drift.bmi", "drift.age"} - set(names)
    verdicts = [verdict(name, ALARM, p_value) for name in names]
    verdicts += [verdict(name, "quiet") for name in others]
    return assessment(number, verdicts, version, days)


class Diary:
    """Remembers the assessments of one schedule and their incidents, as the store does."""

    def __init__(self, rules: IncidentRules) -> None:
        self.rules = rules
        self.past: dict[datetime, PastAssessment] = {}
        self.open: dict[Kind, Incident] = {}
        self.ended: dict[Kind, Incident] = {}
        self.snoozes: dict[Kind, datetime] = {}

    def see(self, seen: Assessment, now: datetime | None = None) -> IncidentDecision:
        """Decide about an assessment, by default at the end of its window, and remember it."""
        history = IncidentHistory(
            past=list(self.past.values())[-MOST:],
            open=self.open,
            ended=self.ended,
            snoozes=self.snoozes,
        )
        decision = decide(history, seen, self.rules, now or seen.window.end)
        if decision.counts:
            window = seen.window
            self.past[window.slot] = PastAssessment(
                slot=window.slot,
                start=window.start,
                end=window.end,
                version=seen.version,
                p_values={
                    one.name: one.p_value for one in seen.verdicts if one.p_value is not None
                },
            )
        self.open = {one.kind: one for one in decision.open}
        for change in decision.changes:
            if change.incident.resolved:
                self.ended[change.incident.kind] = change.incident
        return decision

    def say(self, seen: Assessment, now: datetime | None = None) -> list[tuple]:
        """What is told of an assessment: event, kind, findings."""
        told = self.see(seen, now).told
        return [(one.event, one.incident.kind, one.incident.confirmed) for one in told]
