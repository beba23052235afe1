"""The report's charts over time, from what `history` has read."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Protocol

from babel.dates import format_date
from babel.numbers import format_compact_decimal
from markupsafe import Markup

from insurance_predictor.base import formats
from insurance_predictor.base.words import Language
from monitoring.history.mlflow_runs import MonitoringRun, Trend
from monitoring.report import svg
from monitoring.report.svg import Point, Series
from monitoring.words import report_words

RATIO, ESTIMATE = "performance.ratio", "performance.estimated_error"
LEAST_ASSESSMENTS = 2  # one point is no trend


class Measured(Protocol):
    """A training or an assessment."""

    @property
    def metrics(self) -> Mapping[str, float]: ...


def charts(trend: Trend, language: Language) -> list[dict[str, object]]:
    """Each chart's title, its series' names with their styles, and its picture.

    None before the second assessment.
    """
    if len(trend.assessments) < LEAST_ASSESSMENTS:
        return []
    compact, plain = partial(_compact, language), partial(_plain, language)
    unit = trend.target.unit[language]
    found = (
        (report_words.TREND_ERROR(language, unit=unit), errors(trend, language), compact),
        (report_words.TREND_RATIO(language), (ratios(trend, language),), plain),
        (report_words.TREND_PREMIUM(language, unit=unit), (premiums(trend, language),), compact),
        (report_words.TREND_ALARMS(language), (alarms(trend, language),), plain),
    )
    return [
        _chart(title, shown, number, language)
        for title, every, number in found
        if (shown := [one for one in every if one.points])
    ]


def errors(trend: Trend, language: Language) -> tuple[Series, ...]:
    """RMSE in the unit of now: of each training's hold-out, and of production."""
    trend = trend.in_one_unit()
    training = tuple(
        Point(one.time, one.metrics["holdout.rmse"], *_band(one, "holdout.rmse", "_"))
        for one in trend.trainings
        if "holdout.rmse" in one.metrics
    )
    return (
        Series(report_words.IN_TRAINING(language), "reference", training),
        replace(
            series(
                trend.assessments, f"{ESTIMATE}.value", ESTIMATE, report_words.ESTIMATED(language)
            ),
            style="estimate",
        ),
        series(trend.assessments, f"{ESTIMATE}.actual", ESTIMATE, report_words.ACTUAL(language)),
    )


def ratios(trend: Trend, language: Language) -> Series:
    """What was charged over what was predicted."""
    return series(trend.assessments, f"{RATIO}.value", RATIO, report_words.TREND_RATIO(language))


def premiums(trend: Trend, language: Language) -> Series:
    """The average premium of each window, in the unit of now."""
    title = report_words.TREND_PREMIUM(language, unit=trend.target.unit[language])
    return series(trend.in_one_unit().assessments, "average_premium", "drift.premium", title)


def alarms(trend: Trend, language: Language) -> Series:
    """How many verdicts were in alarm."""
    return series(trend.assessments, "alarms", "", report_words.TREND_ALARMS(language))


def series(
    assessments: Iterable[MonitoringRun], metric: str, judged: str, name: str, scale: float = 1.0
) -> Series:
    """The metric of production over time times `scale`, with band and alarm of `judged`.

    The band is only that of the verdict's own value: an effect has none.
    """
    has_band = metric == f"{judged}.value"
    points = []
    for assessment in assessments:
        if metric in assessment.metrics:
            low, high = _band(assessment, judged, ".") if has_band else (None, None)
            is_alarm = assessment.metrics.get(f"{judged}.alarm") == 1.0
            points.append(
                Point(assessment.end, scale * assessment.metrics[metric], low, high, is_alarm)
            )
    return Series(name, "window", tuple(points))


def _band(one: Measured, name: str, joint: str) -> tuple[float | None, float | None]:
    return one.metrics.get(f"{name}{joint}low"), one.metrics.get(f"{name}{joint}high")


def _chart(
    title: str, every: list[Series], number: Callable[[float], str], language: Language
) -> dict[str, object]:
    picture: Markup = svg.lines(every, number, partial(_day, language))
    return {
        "title": title,
        "legend": [(one.style, one.name) for one in every] if len(every) > 1 else [],
        "picture": picture,
    }


def _compact(language: Language, value: float) -> str:
    """4.5K or 4,5 mil: what fits beside a chart."""
    return str(format_compact_decimal(value, fraction_digits=1, locale=formats.LOCALES[language]))


def _plain(language: Language, value: float) -> str:
    return formats.number(value, language)


def _day(language: Language, when: datetime) -> str:
    return str(format_date(when, "short", locale=formats.LOCALES[language]))
