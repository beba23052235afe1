"""The report's picture of each feature and its tables of verdicts."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from insurance_predictor.base import formats
from insurance_predictor.base.words import Language, Text
from insurance_predictor.table.columns import CategoryColumn, Columns, NumberColumn
from monitoring.domain.assessment import Assessment, Distribution, Kind, Verdict
from monitoring.report import svg
from monitoring.words import report_words, verdict_text

LEAST_P = 0.0001  # smaller ones are said to be smaller than this


def features(assessment: Assessment, language: Language) -> list[dict[str, Any]]:
    """A picture of each feature and the premium: the reference beside the window."""
    verdicts = {verdict.name: verdict for verdict in assessment.verdicts}
    return [
        _feature(
            distribution,
            verdicts.get(f"drift.{distribution.feature}"),
            language,
            assessment.columns,
        )
        for distribution in assessment.distributions
    ]


def table(assessment: Assessment, kind: Kind, language: Language) -> dict[str, Any]:
    """All verdicts of `kind`, without the columns where none has anything.

    The schema's are many and mostly quiet: closed then.
    """
    verdicts = [verdict for verdict in assessment.verdicts if verdict.kind == kind]
    rows = [_cells(verdict, language, assessment.columns) for verdict in verdicts]
    heads = [head for head in (rows[0] if rows else {}) if any(row[head] for row in rows)]
    return {
        "kind": report_words.KINDS[kind](language),
        "is_open": kind != "schema" or any(v.status != "quiet" for v in verdicts),
        "heads": [head(language) for head in heads],
        "rows": [
            {"status": verdict.status, "cells": [row[head] for head in heads]}
            for verdict, row in zip(verdicts, rows, strict=True)
        ],
    }


def _feature(
    distribution: Distribution, verdict: Verdict | None, language: Language, columns: Columns
) -> dict[str, Any]:
    name = distribution.feature
    labels = [_label(name, label, language, columns) for label in distribution.labels]
    names = (report_words.REFERENCE(language), report_words.WINDOW(language))
    percent = partial(_percent, language)
    return {
        "name": verdict_text.check_name(f"drift.{name}", language, columns),
        "status": verdict.status if verdict else "unknown",
        "title": verdict_text.title(verdict, language, columns) if verdict else "",
        "picture": svg.bars(labels, distribution.reference, distribution.window, names, percent),
    }


def _label(feature: str, label: str, language: Language, columns: Columns) -> str:
    """A category's name, or the lower end of a bin, as the language writes it."""
    column = columns.by_name.get(feature)
    if not isinstance(column, CategoryColumn):
        return formats.number(float(label), language)
    known = column.value_labels.get(label)
    return known[language] if known else label


def _percent(language: Language, share: float) -> str:
    return formats.percent(share, language, 1)


def _cells(verdict: Verdict, language: Language, columns: Columns) -> Mapping[Text, str]:
    """A verdict's row by column, in the order shown; an empty text where there is nothing."""
    psi, money = verdict.effects.get("psi"), verdict.money
    return {
        report_words.CHECK: verdict_text.check_name(verdict, language, columns),
        report_words.VERDICT: _result(verdict, language),
        report_words.VALUE: _value(verdict, language, columns),
        report_words.P_VALUE: _p_value(verdict.p_value, language),
        report_words.LIMIT: _limit(verdict, language, columns),
        report_words.PSI: "" if psi is None else formats.decimal(psi, language, 2),
        report_words.CHANGE: _shift(verdict, language, columns),
        report_words.MONEY: ""
        if money is None
        else formats.signed_amount(money, columns.target, language),
    }


def _amount(money: float | None, language: Language, columns: Columns) -> str:
    return "" if money is None else formats.signed_amount(money, columns.target, language)


def _result(verdict: Verdict, language: Language) -> str:
    result = report_words.STATUSES[verdict.status](language)
    if not verdict.missing:
        return result
    missing = formats.decimal(verdict.missing, language, 0)
    return f"{result} ({report_words.MISSING(language, missing=missing)})"


def _value(verdict: Verdict, language: Language, columns: Columns) -> str:
    """The window's mean or share for drift, else the value in its unit."""
    if verdict.kind == "drift":
        window = verdict.effects.get("window")
        if window is None:
            return ""
        return verdict_text.in_unit(verdict.check, window, language, columns)
    return _sized(verdict, verdict.value, language, columns)


def _limit(verdict: Verdict, language: Language, columns: Columns) -> str:
    """A p-value where a test judges, else a value."""
    if verdict.p_value is not None:
        return _p_value(verdict.limit, language)
    return _sized(verdict, verdict.limit, language, columns)


def _sized(verdict: Verdict, value: float | None, language: Language, columns: Columns) -> str:
    check = verdict.check.partition(".")[0]
    return "" if value is None else verdict_text.sized(check, value, language, columns)


def _p_value(p_value: float | None, language: Language) -> str:
    if p_value is None:
        return ""
    if p_value < LEAST_P:
        return f"< {formats.decimal(LEAST_P, language, 4)}"
    return formats.decimal(p_value, language, 4)


def _shift(verdict: Verdict, language: Language, columns: Columns) -> str:
    """By how much drift moved the mean or the category's share, in the feature's own unit."""
    shift = verdict.effects.get("shift")
    if shift is None or verdict.kind != "drift":
        return ""
    column = columns.by_name.get(verdict.check)
    if verdict_text.is_share(verdict.check, columns):
        points = formats.signed_decimal(100 * shift, language, 1)
        return f"{points}{formats.SPACE}{report_words.POINTS(language)}"
    if isinstance(column, NumberColumn):
        shifted = formats.signed_decimal(shift, language, verdict_text.mean_digits(column))
        return f"{shifted}{formats.SPACE}{column.unit[language]}"
    return formats.signed_amount(shift, columns.target, language)
