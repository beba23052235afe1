"""What is said of an incident: Slack's blocks, and the same as plain text for everybody else.

A message is a dictionary that can be kept as JSON: `text` and `blocks` as Slack takes them, and
`plain`, whose first line is the title.
"""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from babel.dates import format_timedelta

from insurance_predictor.base import formats
from insurance_predictor.base.foreign_text import one_line
from insurance_predictor.base.words import Language
from insurance_predictor.store.ledger import Line
from insurance_predictor.table.columns import Columns
from monitoring.domain.assessment import Assessment, Verdict
from monitoring.domain.incidents import Change
from monitoring.words import message_words as words
from monitoring.words import report_words, verdict_text

# https://docs.slack.dev/reference/block-kit/blocks
LONGEST_SECTION = 3000
LONGEST_HEADER = 150
LONGEST_TEXT = 500  # of a notification; Slack would take 40,000
LONGEST_TITLE = 1000
LONGEST_URL = 1000
SHOWN = 10  # findings, each in a section; a message holds 50 blocks
SHOWN_LOST = 3
LONGEST_NAME = 60  # characters of a model's or a version's name
LONGEST_LOST = 120  # characters of the title of what did not arrive

# Signs that format in Slack, and what looks like them and does not; "_" does it around words.
NEUTRAL = str.maketrans({"*": "∗", "~": "∼", "`": "ˋ"})
OUTER_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
URL_SIGNS = ":/?#[]@!$&'()+,;=%-._~"
EMOJI = re.compile(r":(?=[\w+'-]+:)")

Message = dict[str, Any]


@dataclass(frozen=True)
class MessageLinks:
    """Where a message leads: to the report, if it is anywhere, and to the runbook's page.

    Either may also be a path, which is shown and not linked.
    """

    report: str | None
    runbook: str


@dataclass(frozen=True)
class Lost:
    """What was given up: the message of that title, queued at `time`, or only its report."""

    title: str
    time: datetime
    is_report: bool


@dataclass(frozen=True)
class _Finding:
    """One finding in three lines: what, how much and what to do; `anchor` is in the runbook."""

    title: str
    effect: str
    step: str
    anchor: str


def incident_message(
    change: Change, assessment: Assessment, links: MessageLinks, language: Language
) -> Message:
    """What there is to say of `change`, found by `assessment`. Its event must not be None."""
    if change.event is None:
        raise ValueError("an incident without an event has no message")
    kind = report_words.KINDS[change.incident.kind](language)
    header = words.HEADERS[change.event](language, kind=kind)
    findings = _findings(change, assessment, language)
    endings = _endings(change, language, assessment.columns)
    facts = _facts(change, assessment, language)
    first = [finding.title for finding in findings] or endings or [""]
    return _message(
        _summary(header, first, language), header, facts, findings, endings, links, language
    )


def test_message(model_name: str, links: MessageLinks, language: Language) -> Message:
    """The one message of `alert-test`."""
    said = words.TEST(language, model=one_line(model_name, LONGEST_NAME))
    return _note(words.TEST_HEADER(language), said, links, language)


def move_message(line: Line, model_name: str, links: MessageLinks, language: Language) -> Message:
    """Another version serves: the line that the ledger has of it."""
    header = words.BACK_HEADER if line.action == "rollback" else words.MOVE_HEADER
    said = words.MOVE if line.before else words.FIRST_MOVE
    sentence = said(
        language,
        model=one_line(model_name, LONGEST_NAME),
        after=one_line(line.after, LONGEST_NAME),
        before=one_line(line.before or "", LONGEST_NAME),
        who=one_line(line.who, LONGEST_NAME),
        why=one_line(line.why, LONGEST_TITLE),
    )
    return _note(header(language), sentence, links, language)


def no_registry_message(
    assessment: Assessment, links: MessageLinks, language: Language
) -> Message | None:
    """That the registry could not be asked, and why; None where it was."""
    if assessment.registry_problem is None:
        return None
    header = words.NO_REGISTRY_HEADER(language)
    model = one_line(assessment.model_name, LONGEST_NAME)
    said = f"{model}: {_no_registry(assessment.registry_problem, language)}"
    return _note(header, said, links, language)


def not_assessed_message(
    model_name: str, why: str, links: MessageLinks, language: Language
) -> Message:
    """Nothing could be assessed, and why."""
    model, reason = one_line(model_name, LONGEST_NAME), one_line(why, LONGEST_TITLE)
    said = words.NOT_ASSESSED(language, model=model, why=reason)
    return _note(words.NOT_ASSESSED_HEADER(language), said, links, language)


def with_losses(
    message: Mapping[str, Any], lost: Sequence[Lost], is_thread_gone: bool, language: Language
) -> Message:
    """`message` that also tells what was given up before it, and that its thread is gone."""
    notes = [words.THREAD_GONE(language)] if is_thread_gone else []
    notes += [_lost(one, language) for one in lost[:SHOWN_LOST]]
    if len(lost) > SHOWN_LOST:
        notes.append(words.MORE_LOST(language, more=len(lost) - SHOWN_LOST))
    notes += [words.WHY_LOST(language)] if lost else []
    return {
        "text": message["text"],
        "blocks": [
            *message["blocks"],
            *(_context(_fitting(_neutral(note), LONGEST_SECTION)) for note in notes),
        ],
        "plain": "\n".join([message["plain"], *([""] if notes else []), *notes]),
    }


def plain_text(message: Mapping[str, Any]) -> str:
    """The message for a terminal, its first line the title."""
    return str(message["plain"])


def title(message: Mapping[str, Any], event: str) -> str:
    """The first line of a message; an earlier release queued some that had none, but an event."""
    return one_line(str(message.get("plain", event)).partition("\n")[0], LONGEST_LOST)


def _lost(lost: Lost, language: Language) -> str:
    text = words.NO_REPORT if lost.is_report else words.NOT_ARRIVED
    return text(language, title=lost.title, time=formats.moment(lost.time, language, None))


def _note(header: str, said: str, links: MessageLinks, language: Language) -> Message:
    return _message(_summary(header, [said], language), header, [], [], [said], links, language)


def _message(
    summary: str,
    header: str,
    facts: Sequence[str],
    findings: Sequence[_Finding],
    endings: Sequence[str],
    links: MessageLinks,
    language: Language,
) -> Message:
    shown = findings[:SHOWN]
    more = [words.MORE(language, more=len(findings) - SHOWN)] if len(findings) > SHOWN else []
    closing = [*more, *endings]
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": header[:LONGEST_HEADER]}},
        *(_context(_fitting(_neutral(fact), LONGEST_SECTION)) for fact in facts),
        *(_section(_slack_finding(finding, links, language)) for finding in shown),
        *(_section(_fitting(_neutral(line), LONGEST_SECTION)) for line in closing),
        _context(_slack_links(links, language)),
    ]
    lines = [summary if findings else header, *facts]
    for finding in shown:
        lines += ["", *_plain_finding(finding, links, language)]
    lines += ["", *closing, *_plain_links(links, language)]
    return {
        "text": _fitting(_neutral(summary), LONGEST_TEXT),
        "blocks": blocks,
        "plain": "\n".join(lines),
    }


def _summary(header: str, said: Sequence[str], language: Language) -> str:
    text = words.SUMMARY if len(said) == 1 else words.SUMMARY_MORE
    return text(language, header=header, first=said[0], more=len(said) - 1)


def _findings(change: Change, assessment: Assessment, language: Language) -> list[_Finding]:
    """The confirmed findings, the most expensive first."""
    verdicts = {verdict.name: verdict for verdict in assessment.verdicts}

    def price(name: str) -> float:
        return abs(verdicts[name].money or 0.0) if name in verdicts else 0.0

    names = sorted(change.incident.confirmed, key=price, reverse=True)
    is_update = change.event == "updated"
    return [
        _finding(
            name,
            verdicts.get(name),
            is_update and name in change.appeared,
            language,
            assessment.columns,
        )
        for name in names
    ]


def _finding(
    name: str, verdict: Verdict | None, is_new: bool, language: Language, columns: Columns
) -> _Finding:
    anchor = verdict_text.runbook_anchor(name, columns)
    if verdict is None or verdict.status != "alarm":
        title = words.EARLIER(language, name=verdict_text.check_name(name, language, columns))
        return _Finding(title, "", "", anchor)
    title = verdict_text.title(verdict, language, columns)
    if is_new:
        title = words.NEW(language, title=title)
    cost = verdict_text.money(verdict, language, columns)
    effect = words.MONEY(language, money=cost) if cost else ""
    step = words.NEXT(language, step=verdict_text.next_step(verdict, language, columns))
    return _Finding(title, effect, step, anchor)


def _facts(change: Change, assessment: Assessment, language: Language) -> list[str]:
    """Of whom, since when, and seen in what."""
    incident, problem = change.incident, assessment.registry_problem
    return [
        words.FACTS(
            language,
            model=one_line(incident.model_name, LONGEST_NAME),
            version=one_line(incident.version, LONGEST_NAME),
            since=formats.moment(incident.opened, language, None),
        ),
        words.WINDOW(
            language,
            start=formats.moment(assessment.window.start, language, None),
            end=formats.moment(assessment.window.end, language, None),
            rows=formats.decimal(assessment.rows, language, 0),
            outcomes=formats.decimal(assessment.outcomes, language, 0),
        ),
        *([_no_registry(problem, language)] if problem else []),
    ]


def _no_registry(problem: str, language: Language) -> str:
    return words.NO_REGISTRY(language, why=one_line(problem, LONGEST_TITLE))


def _endings(change: Change, language: Language, columns: Columns) -> list[str]:
    """What is over."""
    incident = change.incident
    if change.replaced_by is not None:
        return [
            words.REPLACED(
                language,
                version=one_line(change.replaced_by, LONGEST_NAME),
                old=one_line(incident.version, LONGEST_NAME),
                names=_names(change.before, language, columns),
            )
        ]
    if change.is_abandoned:
        names = _names(change.before, language, columns)
        return [words.ABANDONED(language, schedule=incident.schedule, names=names)]
    if incident.resolved is not None:
        lasted = incident.resolved - incident.opened
        time = format_timedelta(lasted, locale=formats.LOCALES[language])
        return [words.ALL_OVER(language, names=_names(change.before, language, columns), time=time)]
    if change.disappeared:
        return [words.OVER(language, names=_names(change.disappeared, language, columns))]
    return []


def _names(names: Sequence[str], language: Language, columns: Columns) -> str:
    """The names of checks, and how many more there are."""
    shown = [verdict_text.check_name(name, language, columns) for name in names[:SHOWN]]
    if len(names) > SHOWN:
        shown.append(f"+{len(names) - SHOWN}")
    return ", ".join(shown)


def _slack_finding(finding: _Finding, links: MessageLinks, language: Language) -> str:
    how = _link(_at(links.runbook, finding.anchor), words.HOW(language))
    title = _fitting(_neutral(finding.title), LONGEST_TITLE)
    lines = [f"*{title}*", _escaped(finding.effect), _escaped(finding.step), how]
    return "\n".join(line for line in lines if line)


def _plain_finding(finding: _Finding, links: MessageLinks, language: Language) -> Iterable[str]:
    how = f"{words.HOW(language)}: {_at(links.runbook, finding.anchor)}"
    return (line for line in (f"- {finding.title}", finding.effect, finding.step, how) if line)


def _slack_links(links: MessageLinks, language: Language) -> str:
    runbook = _link(links.runbook, report_words.RUNBOOK(language))
    if links.report is None:
        return runbook
    return f"{_link(links.report, words.REPORT(language))} · {runbook}"


def _plain_links(links: MessageLinks, language: Language) -> list[str]:
    report = [f"{words.REPORT(language)}: {links.report}"] if links.report else []
    return [*report, f"{report_words.RUNBOOK(language)}: {links.runbook}"]


def _link(address: str, label: str) -> str:
    """A link in Slack's own markup; a path is only shown, an address that is too long is not."""
    is_path = not re.match(r"https?://", address)
    shown = _escaped(address.replace("`", "") if is_path else quote(address, safe=URL_SIGNS))
    if len(shown) > LONGEST_URL:
        return label
    return f"{label}: `{shown}`" if is_path else f"<{shown}|{label}>"


def _at(page: str, anchor: str) -> str:
    return f"{page}#{anchor}"


def _section(markup: str) -> Message:
    return {"type": "section", "text": _mrkdwn(markup)}


def _context(markup: str) -> Message:
    return {"type": "context", "elements": [_mrkdwn(markup)]}


def _mrkdwn(markup: str) -> Message:
    """`verbatim`: what looks like a link or a channel in words of the data becomes none."""
    return {"type": "mrkdwn", "text": markup, "verbatim": True}


def _neutral(text: str) -> str:
    """`text` without the signs that Slack formats by."""
    return EMOJI.sub("∶", OUTER_UNDERSCORE.sub("ˍ", text.translate(NEUTRAL)))


def _escaped(text: str) -> str:
    """The three signs that Slack asks to escape."""
    return html.escape(text, quote=False)


def _fitting(text: str, longest: int) -> str:
    """`text` escaped, cut so that no escape is cut in two."""
    if len(_escaped(text)) <= longest:
        return _escaped(text)
    cut = text
    while len(_escaped(cut)) >= longest:
        cut = cut[: -max(1, (len(_escaped(cut)) - longest) // 5)]
    return f"{_escaped(cut)}…"
