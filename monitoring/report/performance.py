"""The report's part about performance: what outcomes show, and what was estimated before them."""

from functools import partial
from typing import Any

from insurance_predictor.base import formats
from insurance_predictor.base.words import Language, Text
from insurance_predictor.table.columns import Columns, NumberColumn
from monitoring.domain.assessment import Assessment, Verdict
from monitoring.report import svg
from monitoring.words import report_words, verdict_text

ESTIMATE = "estimated_error"
DRAWN = ("ratio", "coverage")  # what has a value to compare with what was expected
EXPECTED_RATIO = 1.0


def shown(assessment: Assessment, language: Language) -> dict[str, Any]:
    """Pictures of what outcomes have shown, and sentences about the estimate."""
    verdicts = {v.check: v for v in assessment.verdicts if v.kind == "performance"}
    drawn = [verdicts[check] for check in DRAWN if check in verdicts]
    columns = assessment.columns
    return {
        "measured": [
            _measured(v, v.value, language, columns) for v in drawn if v.value is not None
        ],
        "estimate": _estimate(verdicts.get(ESTIMATE), columns.target, language),
    }


def _measured(
    verdict: Verdict, value: float, language: Language, columns: Columns
) -> dict[str, Any]:
    number = partial(verdict_text.sized, verdict.check, language=language, columns=columns)
    band = _band(verdict)
    expected = verdict.effects.get("reference", EXPECTED_RATIO)
    note = report_words.EXPECTED(language, reference=number(expected))
    if band is not None:
        low, high = map(number, band)
        note = f"{report_words.BAND(language, low=low, high=high)}; {note}"
    return {
        "name": verdict_text.check_name(verdict, language, columns),
        "status": verdict.status,
        "value": number(value),
        "note": note,
        "picture": svg.interval(value, band, expected, number),
    }


def _estimate(verdict: Verdict | None, target: NumberColumn, language: Language) -> list[str]:
    """The estimated error, then what it was in truth once that is known, a sentence each."""
    if verdict is None or verdict.value is None or (band := _band(verdict)) is None:
        return []
    value, low, high = (formats.amount(one, target, language) for one in (verdict.value, *band))
    said = [report_words.ESTIMATE(language, value=value, low=low, high=high)]
    actual = verdict.effects.get("actual")
    if actual is not None:
        expected = (
            verdict.effects.get("actual_low", band[0]),
            verdict.effects.get("actual_high", band[1]),
        )
        shown, where = formats.amount(actual, target, language), _where(actual, expected)(language)
        said.append(report_words.RECONCILED(language, actual=shown, where=where))
    return said


def _where(actual: float, band: tuple[float, float]) -> Text:
    if actual > band[1]:
        return report_words.ABOVE
    return report_words.BELOW if actual < band[0] else report_words.INSIDE


def _band(verdict: Verdict) -> tuple[float, float] | None:
    low, high = verdict.effects.get("low"), verdict.effects.get("high")
    return None if low is None or high is None else (low, high)
