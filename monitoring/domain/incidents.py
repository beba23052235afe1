"""Alarms over time become incidents: what opens one, changes it, ends it, and is worth saying.

An alarm is a verdict about one window; an incident is what people hear of. There is at most one
of a kind at a time, however many features move together. Everything here is a decision: nothing
is kept, nothing is sent.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Literal
from uuid import uuid4

from insurance_predictor.base.settings import IncidentRules
from monitoring.domain.assessment import KINDS, Assessment, Kind, Status

Event = Literal["opened", "updated", "resolved"]

# A fault of the inputs or of the service is a fact; the others are found by tests that may err.
AT_ONCE: frozenset[Kind] = frozenset({"schema", "service"})


@dataclass(frozen=True, kw_only=True)
class PastAssessment:
    """What an earlier assessment said: a vote for each verdict's name, as in drift.bmi."""

    slot: datetime
    version: str
    statuses: Mapping[str, Status]


@dataclass(frozen=True, kw_only=True)
class Incident:
    """Something that goes on, or went on until `resolved`; all times are aware.

    `findings` are the names of the confirmed verdicts, sorted, or the last ones of what is over;
    `version` is the one they were found with. `told`, `told_version` and
    `told_at` are of the last message; an incident that nobody has heard of has none.
    `thread` is Slack's name of the first message.
    """

    model_name: str
    kind: Kind
    version: str
    opened: datetime
    findings: tuple[str, ...]
    resolved: datetime | None = None
    told: tuple[str, ...] = ()
    told_version: str | None = None
    told_at: datetime | None = None
    thread: str | None = None
    id: str = field(default_factory=lambda: str(uuid4()))

    @property
    def confirmed(self) -> tuple[str, ...]:
        """The findings that still hold: none once it is over."""
        return () if self.resolved else self.findings

    @property
    def has_news(self) -> bool:
        """Whether it is not, or no longer, what was last said of it."""
        return (self.findings, self.version) != (self.told, self.told_version)


@dataclass(frozen=True, kw_only=True)
class Change:
    """An incident as it is now, and what is to be said of it; `event` is None for nothing.

    `before` are the findings that people last heard of. `replaced_by` is the version that serves
    instead of the incident's, which is why a resolved one is over.
    """

    incident: Incident
    event: Event | None = None
    before: tuple[str, ...] = ()
    replaced_by: str | None = None

    @property
    def appeared(self) -> tuple[str, ...]:
        """The findings that are new to those who heard of the incident."""
        return tuple(name for name in self.incident.confirmed if name not in self.before)

    @property
    def disappeared(self) -> tuple[str, ...]:
        """The findings that people heard of and that are over."""
        return tuple(name for name in self.before if name not in self.incident.confirmed)


@dataclass(frozen=True, kw_only=True)
class IncidentHistory:
    """What is known before an assessment: earlier ones in any order, what is open, what is silent.

    `snoozes` says until when nothing is said of a kind.
    """

    past: Sequence[PastAssessment] = ()
    open: Mapping[Kind, Incident] = field(default_factory=dict)
    snoozes: Mapping[Kind, datetime] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class IncidentDecision:
    """What an assessment leads to: every incident that it leaves open or ends.

    One that does not count is older than what was judged before; it changes and says nothing.
    """

    counts: bool
    changes: tuple[Change, ...]

    @property
    def open(self) -> tuple[Incident, ...]:
        """The incidents that go on."""
        return tuple(change.incident for change in self.changes if not change.incident.resolved)

    @property
    def told(self) -> tuple[Change, ...]:
        """The changes that are worth a message now."""
        return tuple(change for change in self.changes if change.event is not None)


def decide(
    history: IncidentHistory, assessment: Assessment, rules: IncidentRules, now: datetime
) -> IncidentDecision:
    """What `assessment` changes, by `rules`; `now` is aware, and is when it is said.

    Of assessments with the same slot only the last one votes, so the same window may come twice,
    and the second time there is nothing to say.
    """
    if any(past.slot > assessment.window.slot for past in history.past):
        unchanged = tuple(Change(incident=incident) for incident in history.open.values())
        return IncidentDecision(counts=False, changes=unchanged)
    changes = [
        change for kind in KINDS for change in _changes(kind, history, assessment, rules, now)
    ]
    return IncidentDecision(counts=True, changes=tuple(changes))


def _changes(
    kind: Kind,
    history: IncidentHistory,
    assessment: Assessment,
    rules: IncidentRules,
    now: datetime,
) -> Iterator[Change]:
    """What becomes of the open incident of `kind`, and perhaps a new one."""
    is_silent = now < history.snoozes.get(kind, now)
    incident = history.open.get(kind)
    findings = confirmed(kind, history.past, assessment, rules)
    if incident is not None and kind not in AT_ONCE and incident.version != assessment.version:
        yield _resolved(incident, now, is_silent, replaced_by=assessment.version)
        incident = None
    if incident is None and findings:
        opened = _opened(kind, assessment, findings, now)
        yield _still_open(opened, rules, now, is_silent)
    elif incident is not None and findings:
        current = replace(incident, findings=findings, version=assessment.version)
        yield _still_open(current, rules, now, is_silent)
    elif incident is not None:
        yield _resolved(incident, now, is_silent)


def confirmed(
    kind: Kind, past: Sequence[PastAssessment], assessment: Assessment, rules: IncidentRules
) -> tuple[str, ...]:
    """The names of the verdicts of `kind` that enough of the last assessments agree on, sorted.

    An assessment that could not decide a verdict has no vote on it, and neither have those before
    the last change of version, except on what does not depend on the version.
    """
    votes, windows = (1, 1) if kind in AT_ONCE else (rules.votes, rules.windows)
    assessments = [_vote(assessment), *_earlier(kind, past, assessment)]
    names = {name for one in assessments for name in one.statuses if name.startswith(f"{kind}.")}
    return tuple(sorted(name for name in names if _alarms(name, assessments, windows) >= votes))


def _vote(assessment: Assessment) -> PastAssessment:
    statuses = {verdict.name: verdict.status for verdict in assessment.verdicts}
    return PastAssessment(
        slot=assessment.window.slot, version=assessment.version, statuses=statuses
    )


def _earlier(
    kind: Kind, past: Sequence[PastAssessment], assessment: Assessment
) -> list[PastAssessment]:
    """The assessments before `assessment` whose votes count for `kind`, the newest first."""
    before = sorted(
        (one for one in past if one.slot < assessment.window.slot),
        key=lambda one: one.slot,
        reverse=True,
    )
    if kind in AT_ONCE:
        return before
    return list(takewhile(lambda one: one.version == assessment.version, before))


def _alarms(name: str, assessments: Sequence[PastAssessment], windows: int) -> int:
    """How many of the last `windows` assessments that decided about `name` were in alarm."""
    statuses = (one.statuses.get(name, "unknown") for one in assessments)
    decided = (status for status in statuses if status != "unknown")
    return sum(status == "alarm" for status in islice(decided, windows))


def _opened(
    kind: Kind, assessment: Assessment, findings: tuple[str, ...], now: datetime
) -> Incident:
    return Incident(
        model_name=assessment.model_name,
        kind=kind,
        version=assessment.version,
        opened=now,
        findings=findings,
    )


def _still_open(incident: Incident, rules: IncidentRules, now: datetime, is_silent: bool) -> Change:
    """The open incident, told if there is news and the last message is long enough ago."""
    cooldown = timedelta(hours=rules.cooldown_hours)
    is_too_soon = incident.told_at is not None and now < incident.told_at + cooldown
    if is_silent or is_too_soon or not incident.has_news:
        return Change(incident=incident, before=incident.told)
    told = replace(incident, told=incident.findings, told_version=incident.version, told_at=now)
    event: Event = "opened" if incident.told_at is None else "updated"
    return Change(incident=told, event=event, before=incident.told)


def _resolved(
    incident: Incident, now: datetime, is_silent: bool, replaced_by: str | None = None
) -> Change:
    """The end of an incident, told to those who have heard of it."""
    is_told = incident.told_at is not None and not is_silent
    over = replace(incident, resolved=now)
    event: Event | None = "resolved" if is_told else None
    return Change(incident=over, event=event, before=incident.told, replaced_by=replaced_by)
