"""Alarms over time become incidents: what opens one, changes it, ends it, and is worth saying.

An alarm is a verdict about one window; an incident is what people hear of. Of a kind and a
schedule there is at most one at a time, however many features move together. Windows that share
quotes share their luck, too, so that only windows apart count together. Everything here is a
decision: nothing is kept, nothing is sent.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import takewhile
from math import sqrt
from statistics import NormalDist
from typing import Literal
from uuid import uuid4

from insurance_predictor.base.settings import IncidentRules
from monitoring.domain.assessment import KINDS, Assessment, Kind, Verdict, Window

Event = Literal["opened", "reopened", "updated", "resolved"]

# A fault of the inputs or of the service is a fact; the others are found by tests that may err.
AT_ONCE: frozenset[Kind] = frozenset({"schema", "service"})
NORMAL = NormalDist()
LEAST = 1e-15  # of a p-value, and of what one is short of 1: nothing is told apart beyond
PUNCTUALITY = 0.9  # of a cooldown; a daily run may be some hours early, and is still the next one


@dataclass(frozen=True, kw_only=True)
class PastAssessment:
    """What an earlier assessment said: the p-value of each verdict, as of drift.bmi."""

    slot: datetime
    start: datetime
    end: datetime
    version: str
    p_values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Incident:
    """Something that goes on, or went on until `resolved`; all times are aware.

    `findings` are the names of the confirmed verdicts, sorted, or the last ones of what is over;
    `version` is the one they were found with, and `schedule` that of the windows. `seen` is when
    one of them was last in alarm, `reopened` when it came back after it had been over. `told`,
    `told_version` and `told_at` are of the last message; an incident that nobody has heard of has
    none. `thread` is Slack's name of the first message.
    """

    model_name: str
    kind: Kind
    version: str
    schedule: str
    opened: datetime
    seen: datetime
    findings: tuple[str, ...]
    reopened: datetime | None = None
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
    instead of the incident's, which is why a resolved one is over; `is_abandoned` marks one that is
    over because nobody looks at windows of its schedule any more.
    """

    incident: Incident
    event: Event | None = None
    before: tuple[str, ...] = ()
    replaced_by: str | None = None
    is_abandoned: bool = False

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
    """What is known before an assessment, of its schedule: earlier ones in any order, incidents.

    `ended` holds the last incident of each kind that is over. `snoozes` says until when nothing is
    said of a kind. `abandoned` are the open incidents of schedules that nobody keeps any more.
    """

    past: Sequence[PastAssessment] = ()
    open: Mapping[Kind, Incident] = field(default_factory=dict)
    ended: Mapping[Kind, Incident] = field(default_factory=dict)
    snoozes: Mapping[Kind, datetime] = field(default_factory=dict)
    abandoned: Sequence[Incident] = ()


@dataclass(frozen=True, kw_only=True)
class IncidentDecision:
    """What an assessment leads to: every incident that it leaves open or ends.

    One that does not count changes and says nothing: it is older than what was judged before, or
    of a stretch of time that somebody chose.
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

    Of assessments with the same slot only the last one counts, so the same window may come twice,
    and the second time there is nothing to say; one that ends earlier than it on the same day is an
    older one. One in the future, which a clock that was wrong has left, has no say.
    """
    past = [one for one in history.past if one.end <= now]
    window = assessment.window
    if not window.schedule or any(one.end > window.end for one in past):
        unchanged = tuple(Change(incident=incident) for incident in history.open.values())
        return IncidentDecision(counts=False, changes=unchanged)
    known = replace(history, past=past)
    changes = [change for kind in KINDS for change in _changes(kind, known, assessment, rules, now)]
    changes += [
        replace(_resolved(one, now, _is_silent(history, one.kind, now)), is_abandoned=True)
        for one in history.abandoned
    ]
    return IncidentDecision(counts=True, changes=tuple(changes))


def is_abandoned(window: Window | None, rules: IncidentRules, now: datetime) -> bool:
    """Whether nobody keeps a schedule any more, so that its incidents cannot end by themselves.

    `window` is the last one that was judged: the next one is missing for a quiet period.
    """
    if window is None:
        return True
    return now - window.end > (window.end - window.start) + _quiet_period(rules)


def confirmed(
    kind: Kind, past: Sequence[PastAssessment], assessment: Assessment, rules: IncidentRules
) -> tuple[str, ...]:
    """The names of the verdicts of `kind` that are in alarm and to be believed, sorted.

    A fault of inputs or service is believed at once. Any other verdict is when its p-value is
    below `rules.evidence` of the limit for an alarm: by itself, or together with those of the last
    windows that share no quote with it or with each other. Those before the last change of version
    do not count.
    """
    alarms = [one for one in assessment.verdicts if one.kind == kind and one.status == "alarm"]
    if kind in AT_ONCE:
        return tuple(sorted(one.name for one in alarms))
    earlier = _earlier(past, assessment)
    return tuple(
        sorted(one.name for one in alarms if _is_evidence(one, earlier, assessment.window, rules))
    )


def combined_p_value(p_values: Sequence[float]) -> float:
    """One p-value of independent ones of the same hypothesis.

    Stouffer et al., The American Soldier, 1949, vol. 1, p. 45: the sum of their normal deviates.
    """
    deviates = [NORMAL.inv_cdf(min(max(one, LEAST), 1 - LEAST)) for one in p_values]
    return NORMAL.cdf(sum(deviates) / sqrt(len(deviates)))


def _changes(
    kind: Kind,
    history: IncidentHistory,
    assessment: Assessment,
    rules: IncidentRules,
    now: datetime,
) -> Iterator[Change]:
    """What becomes of the open incident of `kind`, and perhaps a new one."""
    is_silent = _is_silent(history, kind, now)
    incident = history.open.get(kind)
    findings = confirmed(kind, history.past, assessment, rules)
    if incident is not None and not _is_about(incident, assessment):
        yield _resolved(incident, now, is_silent, replaced_by=assessment.version)
        incident = None
    if incident is None and findings:
        begun = _begun(kind, history, assessment, findings, rules, now)
        yield _still_open(begun, rules, now, is_silent)
    elif incident is not None:
        yield _gone_on(incident, assessment, findings, rules, now, is_silent)


def _gone_on(
    incident: Incident,
    assessment: Assessment,
    findings: tuple[str, ...],
    rules: IncidentRules,
    now: datetime,
    is_silent: bool,
) -> Change:
    """An open incident goes on while a finding of it is in alarm, or nobody can tell.

    One that came back goes on for the quiet period, too, so that it does not come and go.
    """
    statuses = {verdict.name: verdict.status for verdict in assessment.verdicts}
    held = {name for name in incident.findings if statuses.get(name, "quiet") != "quiet"}
    current = tuple(sorted(held.union(findings)))
    if current:
        is_seen = any(statuses.get(name) == "alarm" for name in current)
        seen = now if is_seen else incident.seen
        goes_on = replace(incident, findings=current, version=assessment.version, seen=seen)
        return _still_open(goes_on, rules, now, is_silent)
    if incident.reopened is not None and now - incident.seen < _quiet_period(rules):
        return Change(incident=incident, before=incident.told)
    return _resolved(incident, now, is_silent)


def _begun(
    kind: Kind,
    history: IncidentHistory,
    assessment: Assessment,
    findings: tuple[str, ...],
    rules: IncidentRules,
    now: datetime,
) -> Incident:
    """A new incident, or the last one when that has only just been over."""
    last = history.ended.get(kind)
    if last is not None and last.resolved is not None and _is_about(last, assessment):
        back = replace(last, version=assessment.version, findings=findings, seen=now)
        if now - last.resolved < _quiet_period(rules):
            return replace(back, resolved=None, reopened=now)
    return Incident(
        model_name=assessment.model_name,
        kind=kind,
        version=assessment.version,
        schedule=assessment.window.schedule,
        opened=now,
        seen=now,
        findings=findings,
    )


def _is_about(incident: Incident, assessment: Assessment) -> bool:
    """Whether it can go on: a test's findings are of one version only."""
    return incident.kind in AT_ONCE or incident.version == assessment.version


def _is_silent(history: IncidentHistory, kind: Kind, now: datetime) -> bool:
    return now < history.snoozes.get(kind, now)


def _quiet_period(rules: IncidentRules) -> timedelta:
    return timedelta(hours=rules.quiet_hours)


def _earlier(past: Sequence[PastAssessment], assessment: Assessment) -> list[PastAssessment]:
    """The assessments of the same version before `assessment`, the newest first."""
    before = sorted(
        (one for one in past if one.slot < assessment.window.slot),
        key=lambda one: one.slot,
        reverse=True,
    )
    return list(takewhile(lambda one: one.version == assessment.version, before))


def _is_evidence(
    verdict: Verdict, earlier: Sequence[PastAssessment], window: Window, rules: IncidentRules
) -> bool:
    """Whether it is strong enough, by itself or with the last windows apart from it."""
    if verdict.p_value is None or verdict.limit is None:
        return False
    p_values = [verdict.p_value, *_apart(verdict.name, earlier, window)][: rules.windows]
    limit = verdict.limit * rules.evidence
    return any(combined_p_value(p_values[:count]) < limit for count in range(1, len(p_values) + 1))


def _apart(name: str, earlier: Sequence[PastAssessment], window: Window) -> Iterator[float]:
    """The p-values of the windows before this one that share no quotes, the newest first."""
    begins = window.start
    for one in earlier:
        p_value = one.p_values.get(name)
        if one.end <= begins and p_value is not None:
            begins = one.start
            yield p_value


def _still_open(incident: Incident, rules: IncidentRules, now: datetime, is_silent: bool) -> Change:
    """The open incident, told if there is news and the last message is long enough ago."""
    cooldown = PUNCTUALITY * timedelta(hours=rules.cooldown_hours)
    is_too_soon = incident.told_at is not None and now < incident.told_at + cooldown
    if is_silent or is_too_soon or not incident.has_news:
        return Change(incident=incident, before=incident.told)
    told = replace(incident, told=incident.findings, told_version=incident.version, told_at=now)
    return Change(incident=told, event=_event(incident), before=incident.told)


def _event(incident: Incident) -> Event:
    """What the next message about an open incident is: of its end there is nothing left to tell."""
    if incident.told_at is None:
        return "opened"
    return "updated" if incident.told else "reopened"


def _resolved(
    incident: Incident, now: datetime, is_silent: bool, replaced_by: str | None = None
) -> Change:
    """The end of an incident, told to those who have heard that it goes on."""
    over = replace(incident, resolved=now)
    if is_silent or not incident.told:
        return Change(incident=over, before=incident.told, replaced_by=replaced_by)
    told = replace(over, told=(), told_version=None, told_at=now)
    return Change(incident=told, event="resolved", before=incident.told, replaced_by=replaced_by)
