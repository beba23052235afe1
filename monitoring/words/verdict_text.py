"""A verdict in a person's words: what changed, what it means, what it costs and what to do.

All of it is plain text. Words from the data are in it as they were found, each on one line
and cut: whoever puts it into HTML, Markdown or Slack's mrkdwn escapes it there.
"""

import re
from collections.abc import Callable, Mapping
from typing import TypeGuard

from insurance_predictor.base import formats
from insurance_predictor.base.foreign_text import one_line
from insurance_predictor.base.words import Language
from insurance_predictor.table import schema
from monitoring.domain.assessment import Verdict
from monitoring.words import verdict_words
from monitoring.words.verdict_words import CheckWords

LONGEST = 40  # characters of a word from the data
SHOWN = 3  # words from the data in one sentence
LEAST_SHARE = 0.001  # is written out; what is less is "< 0.1 %"
NOTHING = "–"  # for what was not measured
MOST = 1e15  # what is more comes from a value that cannot be, and would fill the line
COLUMNS = {column.name: column for column in schema.FEATURES}
DIGITS = {"age": 1, "bmi": 1, "children": 2}
GROUPS: Mapping[str, Mapping[str, CheckWords]] = {
    "drift": verdict_words.DRIFT,
    "schema": verdict_words.SCHEMA,
    "performance": verdict_words.PERFORMANCE,
    "service": verdict_words.SERVICE,
}


def title(verdict: Verdict, language: Language) -> str:
    """What happened, in one line: "BMI has shifted: 30.7 → 33.1 kg/m²"."""
    words = _words(verdict.name)
    if verdict.status == "unknown":
        return _undecided(verdict, language)
    if verdict.status == "quiet":
        if words.calm is None or verdict.value is None:
            return verdict_words.AS_EXPECTED(language, name=check_name(verdict, language))
        return words.calm(language, **_values(verdict, language))
    if verdict.kind == "drift":
        return _shift(verdict, language)
    return words.alarm(language, **_values(verdict, language))


def check_name(verdict: Verdict | str, language: Language) -> str:
    """What is judged: "BMI", "Smoker: unknown categories"; also by name: "drift.bmi"."""
    name = _name(verdict)
    check = name.partition(".")[2] or name
    shown = one_line(check, LONGEST)
    return _words(name).name(language, label=_label(check, language), check=shown)


def meaning(verdict: Verdict, language: Language) -> str:
    """What such an alarm says about the world, in one sentence."""
    return _words(verdict.name).meaning(language)


def next_step(verdict: Verdict, language: Language) -> str:
    """What to do first, in one sentence; `code` in backquotes."""
    return _words(verdict.name).next_step(language)


def money(verdict: Verdict, language: Language) -> str:
    """What it costs: "about US$ 412 a year more on the average premium"; empty if nobody knows."""
    if not _is_sayable(verdict.money):
        return ""
    if round(verdict.money) == 0:
        return verdict_words.PREMIUM_SAME(language)
    is_more = verdict.money > 0
    if verdict.kind == "performance":
        words = verdict_words.TOO_LOW if is_more else verdict_words.TOO_HIGH
    else:
        words = verdict_words.PREMIUM_MORE if is_more else verdict_words.PREMIUM_LESS
    return words(language, money=formats.money(abs(verdict.money), language))


def runbook_anchor(verdict: Verdict | str) -> str:
    """The anchor of the verdict's section in docs/runbook.md: "bmi-has-shifted"."""
    return anchor(_words(_name(verdict)).runbook)


def anchor(heading: str) -> str:
    """What GitHub makes of a heading: small letters, no punctuation, dashes for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _is_sayable(value: float | None) -> TypeGuard[float]:
    return value is not None and abs(value) < MOST  # which no NaN is


def _name(verdict: Verdict | str) -> str:
    return verdict if isinstance(verdict, str) else verdict.name


def _words(name: str) -> CheckWords:
    """The words for "schema.null.bmi" are those of "null"."""
    kind, _, check = name.partition(".")
    return GROUPS.get(kind, {}).get(check.partition(".")[0], verdict_words.UNKNOWN)


def _label(check: str, language: Language) -> str:
    """The feature's label in "bmi" or "null.bmi"; the check itself where it names none."""
    feature = check.rpartition(".")[2]
    column = COLUMNS.get(feature)
    return column.label[language] if column else one_line(feature, LONGEST)


def _undecided(verdict: Verdict, language: Language) -> str:
    name = check_name(verdict, language)
    if not verdict.missing:
        return verdict_words.CANNOT_SAY(language, name=name)
    missing = formats.decimal(verdict.missing, language, 0)
    return verdict_words.NOT_ENOUGH(language, name=name, missing=missing)


def _shift(verdict: Verdict, language: Language) -> str:
    """A drift in the feature's own unit: means, or the share of the category that moved most."""
    label = check_name(verdict, language)
    sizes = [verdict.effects.get(side) for side in ("reference", "window")]
    reference, window = (in_unit(verdict.check, size, language) for size in sizes)
    if NOTHING in (reference, window):
        return verdict_words.SHIFTED_SOMEHOW(language, label=label)
    column = COLUMNS.get(verdict.check)
    if isinstance(column, schema.CategoryColumn):
        category = _category(verdict, language)
        return verdict_words.MIX_SHIFTED(
            language, label=label, category=category, reference=reference, window=window
        )
    if reference == window:
        return verdict_words.SAME_MEAN(language, label=label, window=window)
    if column is not None:
        reference = reference.removesuffix(f"{formats.SPACE}{column.unit[language]}")
    return verdict_words.SHIFTED(language, label=label, reference=reference, window=window)


def in_unit(check: str, size: float | None, language: Language) -> str:
    """A mean of the feature, or a share of a category; US dollars for the premium."""
    column = COLUMNS.get(check)
    if not _is_sayable(size):
        return NOTHING
    if column is None:
        return formats.money(size, language)
    if isinstance(column, schema.CategoryColumn):
        return formats.percent(size, language, 1)
    number = formats.decimal(size, language, DIGITS[check])
    return f"{number}{formats.SPACE}{column.unit[language]}"


def _category(verdict: Verdict, language: Language) -> str:
    category = verdict.details[0] if verdict.details else NOTHING
    column = COLUMNS[verdict.check]
    known = column.value_labels.get(category) if isinstance(column, schema.CategoryColumn) else None
    return known[language] if known else one_line(category, LONGEST)


def _values(verdict: Verdict, language: Language) -> dict[str, str]:
    """All that the words for an alarm may name, as the language writes it."""
    check = verdict.check.partition(".")[0]
    return {
        "label": _label(verdict.check, language),
        "check": one_line(verdict.check, LONGEST),
        "value": sized(check, verdict.value, language),
        "limit": sized(check, verdict.limit, language),
        "reference": sized(check, verdict.effects.get("reference"), language),
        "window": sized(check, verdict.effects.get("window"), language),
        "details": _examples(verdict),
    }


def sized(check: str, value: float | None, language: Language) -> str:
    """A value of `check` with its unit; shares unless it is known to be something else."""
    if not _is_sayable(value):
        return NOTHING
    if check in WRITTEN:
        return WRITTEN[check](value, language)
    if 0 < value < LEAST_SHARE:
        return f"<{formats.SPACE}{formats.percent(LEAST_SHARE, language, 1)}"
    return formats.percent(value, language, 1)


def _whole(value: float, language: Language) -> str:
    return formats.decimal(value, language, 0)


def _milliseconds(value: float, language: Language) -> str:
    return f"{_whole(value, language)}{formats.SPACE}ms"


def _hundredths(value: float, language: Language) -> str:
    return formats.decimal(value, language, 2)


def _off_one(value: float, language: Language) -> str:
    return formats.signed_percent(value - 1, language)


WRITTEN: Mapping[str, Callable[[float, Language], str]] = {
    "ratio": _off_one,
    "residuals": _hundredths,
    "other_versions": _hundredths,
    "estimated_error": formats.money,
    "latency": _milliseconds,
    "backlog": _whole,
}


def _examples(verdict: Verdict) -> str:
    """ ": north, south, …" of the words that the data have, nothing without any."""
    if not verdict.details:
        return ""
    shown = ", ".join(one_line(name, LONGEST) for name in verdict.details[:SHOWN])
    return f": {shown}{', …' if len(verdict.details) > SHOWN else ''}"
