"""A verdict in a person's words: what changed, what it means, what it costs and what to do.

All of it is plain text. Words from the data are in it as they were found, each on one line
and cut: whoever puts it into HTML, Markdown or Slack's mrkdwn escapes it there.

`columns` are those of the version that was judged, or the schema's where nobody can say which;
a check of a column that is not among them is called by the column's name.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import floor, log10
from typing import TypeGuard

from insurance_predictor.base import formats
from insurance_predictor.base.foreign_text import one_line
from insurance_predictor.base.words import Language
from insurance_predictor.table.columns import CategoryColumn, Column, Columns, NumberColumn
from insurance_predictor.table.schema import CURRENT
from monitoring.domain.assessment import Verdict
from monitoring.words import verdict_words
from monitoring.words.verdict_words import CheckWords

LONGEST = 40  # characters of a word from the data
SHOWN = 3  # words from the data in one sentence
LEAST_SHARE = 0.001  # is written out; what is less is "< 0.1 %"
NOTHING = "–"  # for what was not measured
MOST = 1e15  # what is more comes from a value that cannot be, and would fill the line
MISSING = "missing"  # of an optional feature
ESTIMATED_ERROR = "estimated_error"  # an amount, of the target's unit
GROUPS: Mapping[str, Mapping[str, CheckWords]] = {
    "drift": verdict_words.DRIFT,
    "schema": verdict_words.SCHEMA,
    "performance": verdict_words.PERFORMANCE,
    "service": verdict_words.SERVICE,
}


def title(verdict: Verdict, language: Language, columns: Columns = CURRENT) -> str:
    """What happened, in one line: "BMI has shifted: 30.7 → 33.1 kg/m²"."""
    words = _words(verdict.name, columns)
    if verdict.status == "unknown":
        return _undecided(verdict, language, columns)
    if verdict.status == "quiet":
        if words.calm is None or verdict.value is None:
            return verdict_words.AS_EXPECTED(language, name=check_name(verdict, language, columns))
        return words.calm(language, **_values(verdict, language, columns))
    if verdict.kind == "drift" and not _is_missing(verdict.check):
        return _shift(verdict, language, columns)
    return words.alarm(language, **_values(verdict, language, columns))


def check_name(verdict: Verdict | str, language: Language, columns: Columns = CURRENT) -> str:
    """What is judged: "BMI", "Smoker: unknown categories"; also by name: "drift.bmi"."""
    name = _name(verdict)
    check = name.partition(".")[2] or name
    shown = one_line(check, LONGEST)
    label = _label(check, language, columns)
    return _words(name, columns).name(language, label=label, check=shown)


def meaning(verdict: Verdict, language: Language, columns: Columns = CURRENT) -> str:
    """What such an alarm says about the world, in one sentence."""
    return _words(verdict.name, columns).meaning(language)


def next_step(verdict: Verdict, language: Language, columns: Columns = CURRENT) -> str:
    """What to do first, in one sentence; `code` in backquotes."""
    return _words(verdict.name, columns).next_step(language)


def money(verdict: Verdict, language: Language, columns: Columns = CURRENT) -> str:
    """What it costs: "about US$ 412 a year more on the average premium"; empty if nobody knows."""
    if not _is_sayable(verdict.money):
        return ""
    if round(verdict.money, columns.target.digits or 0) == 0:
        return verdict_words.PREMIUM_SAME(language)
    is_more = verdict.money > 0
    if verdict.kind == "performance":
        words = verdict_words.TOO_LOW if is_more else verdict_words.TOO_HIGH
    else:
        words = verdict_words.PREMIUM_MORE if is_more else verdict_words.PREMIUM_LESS
    said = formats.amount_with_unit(abs(verdict.money), columns.target, language)
    return words(language, money=said)


def runbook_anchor(verdict: Verdict | str, columns: Columns = CURRENT) -> str:
    """The anchor of the verdict's section in docs/runbook.md: "bmi-has-shifted"."""
    return anchor(_words(_name(verdict), columns).runbook)


def anchor(heading: str) -> str:
    """What GitHub makes of a heading: small letters, no punctuation, dashes for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _is_sayable(value: float | None) -> TypeGuard[float]:
    return value is not None and abs(value) < MOST  # which no NaN is


def _name(verdict: Verdict | str) -> str:
    return verdict if isinstance(verdict, str) else verdict.name


def _words(name: str, columns: Columns) -> CheckWords:
    """The words for "schema.null.bmi" are those of "null", for "drift.bmi" those of a number."""
    kind, _, check = name.partition(".")
    feature = _feature(check, columns)
    if kind == "drift" and feature is not None:
        usual = verdict_words.NUMBER if isinstance(feature, NumberColumn) else verdict_words.MIX
        return replace(
            usual,
            next_step=verdict_words.STEPS.get(check, usual.next_step),
            runbook=verdict_words.SECTIONS.get(check, usual.runbook),
        )
    return GROUPS.get(kind, {}).get(check.partition(".")[0], verdict_words.UNKNOWN)


def _feature(name: str, columns: Columns) -> Column | None:
    return columns.by_name.get(name) if name in columns.feature_names else None


def _is_missing(check: str) -> bool:
    return check.startswith(f"{MISSING}.")


def is_share(check: str, columns: Columns) -> bool:
    """Whether drift of `check` is one of a share: of a category, or of values that are missing."""
    return _is_missing(check) or isinstance(_feature(check, columns), CategoryColumn)


def mean_digits(column: NumberColumn) -> int:
    """Decimals of a mean: a hundredth of what people usually span, or finer."""
    low, high = column.ends
    return max(0, 2 - floor(log10(high - low))) if high > low else column.decimals


def _label(check: str, language: Language, columns: Columns) -> str:
    """The feature's label in "bmi" or "null.bmi"; the check itself where it names none."""
    feature = check.rpartition(".")[2]
    column = _feature(feature, columns)
    return column.label[language] if column else one_line(feature, LONGEST)


def _undecided(verdict: Verdict, language: Language, columns: Columns) -> str:
    name = check_name(verdict, language, columns)
    if not verdict.missing:
        return verdict_words.CANNOT_SAY(language, name=name)
    missing = formats.decimal(verdict.missing, language, 0)
    return verdict_words.NOT_ENOUGH(language, name=name, missing=missing)


def _shift(verdict: Verdict, language: Language, columns: Columns) -> str:
    """A drift in the feature's own unit: means, or the share of the category that moved most."""
    label = check_name(verdict, language, columns)
    sizes = [verdict.effects.get(side) for side in ("reference", "window")]
    reference, window = (in_unit(verdict.check, size, language, columns) for size in sizes)
    if NOTHING in (reference, window):
        return verdict_words.SHIFTED_SOMEHOW(language, label=label)
    column = _feature(verdict.check, columns)
    if isinstance(column, CategoryColumn):
        category = _category(verdict, column, language)
        return verdict_words.MIX_SHIFTED(
            language, label=label, category=category, reference=reference, window=window
        )
    if reference == window:
        return verdict_words.SAME_MEAN(language, label=label, window=window)
    if isinstance(column, NumberColumn):
        reference = reference.removesuffix(f"{formats.SPACE}{column.unit[language]}")
    return verdict_words.SHIFTED(language, label=label, reference=reference, window=window)


def in_unit(check: str, size: float | None, language: Language, columns: Columns = CURRENT) -> str:
    """A mean of the feature, or a share; an amount for the premium."""
    column = _feature(check, columns)
    if not _is_sayable(size):
        return NOTHING
    if is_share(check, columns):
        return formats.percent(size, language, 1)
    if not isinstance(column, NumberColumn):
        return formats.amount(size, columns.target, language)
    number = formats.decimal(size, language, mean_digits(column))
    return f"{number}{formats.SPACE}{column.unit[language]}"


def _category(verdict: Verdict, column: CategoryColumn, language: Language) -> str:
    category = verdict.details[0] if verdict.details else NOTHING
    known = column.value_labels.get(category)
    return known[language] if known else one_line(category, LONGEST)


def _values(verdict: Verdict, language: Language, columns: Columns) -> dict[str, str]:
    """All that the words for an alarm may name, as the language writes it."""
    check = verdict.check.partition(".")[0]
    return {
        "label": _label(verdict.check, language, columns),
        "check": one_line(verdict.check, LONGEST),
        "value": sized(check, verdict.value, language, columns),
        "limit": sized(check, verdict.limit, language, columns),
        "reference": sized(check, verdict.effects.get("reference"), language, columns),
        "window": sized(check, verdict.effects.get("window"), language, columns),
        "details": _examples(verdict),
    }


def sized(check: str, value: float | None, language: Language, columns: Columns) -> str:
    """A value of `check` with its unit; shares unless it is known to be something else."""
    if not _is_sayable(value):
        return NOTHING
    if check == ESTIMATED_ERROR:
        return formats.amount(value, columns.target, language)
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
    "latency": _milliseconds,
    "backlog": _whole,
}


def _examples(verdict: Verdict) -> str:
    """ ": north, south, …" of the words that the data have, nothing without any."""
    if not verdict.details:
        return ""
    shown = ", ".join(one_line(name, LONGEST) for name in verdict.details[:SHOWN])
    return f": {shown}{', …' if len(verdict.details) > SHOWN else ''}"
