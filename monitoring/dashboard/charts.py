"""The dashboard's charts as Vega-Lite specifications, drawn by the browser."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from insurance_predictor.base.words import Language
from monitoring.domain.incidents import Incident
from monitoring.history.mlflow_runs import MonitoringRun
from monitoring.report.svg import Series
from monitoring.words import dashboard_words, report_words, verdict_text

Spec = dict[str, Any]

# Okabe and Ito's palette, which people who see few colours can tell apart too.
BLUE, VERMILION, PURPLE, GREY, DARK = "#0072B2", "#D55E00", "#8250A8", "#8F9AA5", "#1F2328"
PALE, FAINT = "#B7DDC6", "#DDE2E7"
STYLES = {"reference": GREY, "window": BLUE, "estimate": PURPLE}
HEIGHT, ROW = 240, 24  # pixels of a chart, and of one row of a chart of rows
AROUND = 130  # pixels of a chart of rows for its legend and its axis
NUMBER_WORDS = {
    "pt": {"decimal": ",", "thousands": "."},
    "en": {"decimal": ".", "thousands": ","},
}
HOUR = "utcyearmonthdatehours"  # windows end at whole hours of UTC
DAY = {"pt": "%d/%m/%y", "en": "%m/%d/%y"}
ALARM, TESTED = ".alarm", ".p_value"


@dataclass(frozen=True)
class Chart:
    """Rows and how to draw them."""

    data: pd.DataFrame
    spec: Spec


def lines(series: Sequence[Series], title: str, language: Language) -> Chart:
    """Values over time with their bands; a point in alarm is orange."""
    rows = [
        {
            "time": point.time,
            "value": point.value,
            "low": point.low,
            "high": point.high,
            "name": one.name,
            "alarm": point.is_alarm,
        }
        for one in series
        for point in one.points
    ]
    shown = [one for one in series if one.points]
    color = _color("name", {one.name: STYLES[one.style] for one in shown})
    if len(shown) < 2:
        color["legend"] = None
    time, value = _time("time", language), _number("value")
    band = {
        "mark": {"type": "rule", "strokeWidth": 5, "opacity": 0.25},
        "transform": [{"filter": "isValid(datum.low) && isValid(datum.high)"}],
        "encoding": {
            "x": time,
            "y": _number("low"),
            "y2": {"field": "high"},
            "color": color,
        },
    }
    line = {"mark": {"type": "line"}, "encoding": {"x": time, "y": value, "color": color}}
    points = {
        "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
        "encoding": {
            "x": time,
            "y": value,
            "color": {**color, "condition": {"test": "datum.alarm", "value": VERMILION}},
            "tooltip": [
                _told_time(language),
                {"field": "value", "type": "quantitative", "title": title, "format": ",.4~r"},
            ],
        },
    }
    heading = {"text": title, "anchor": "start", "fontSize": 14, "color": DARK}
    spec = {"title": heading, "layer": [band, line, points], **_common(language, HEIGHT)}
    return Chart(pd.DataFrame(rows), spec)


def alarms(assessments: Iterable[MonitoringRun], language: Language) -> Chart:
    """Check by window, coloured by how it was judged."""
    assessments = tuple(assessments)
    names = shown_checks(assessments)
    words = {name: report_words.STATUSES[name](language) for name in ("quiet", "alarm", "unknown")}
    rows = [
        {
            "time": assessment.end,
            "check": verdict_text.check_name(name, language),
            "status": words[_status(assessment, name)],
        }
        for assessment in assessments
        for name in names
    ]
    labels = [verdict_text.check_name(name, language) for name in names]
    y: Spec = {"field": "check", "type": "nominal", "title": None, "sort": labels}
    y |= {"axis": {"labelLimit": 190, "labelOverlap": False}}
    x: Spec = {"field": "time", "type": "ordinal", "timeUnit": HOUR, "title": None}
    x |= {"axis": {"format": DAY[language], "labelOverlap": True, "labelAngle": 0}}
    encoding = {
        "x": x,
        "y": y,
        "color": _color("status", dict(zip(words.values(), (PALE, VERMILION, FAINT), strict=True))),
        "tooltip": [
            {"field": "check", "type": "nominal", "title": report_words.CHECK(language)},
            {"field": "status", "type": "nominal", "title": report_words.VERDICT(language)},
            _told_time(language),
        ],
    }
    mark = {"type": "rect", "stroke": "#FFFFFF", "strokeWidth": 2}
    height = ROW * len(names) + AROUND
    return Chart(
        pd.DataFrame(rows), {"mark": mark, "encoding": encoding, **_common(language, height)}
    )


def incidents(found: Iterable[Incident], now: datetime, language: Language) -> Chart:
    """A bar from the opening to the end of each, or to now while it goes on."""
    rows = [
        {
            "kind": report_words.KINDS[incident.kind](language),
            "opened": incident.opened,
            "until": incident.resolved or now,
            "state": (
                dashboard_words.RESOLVED(language)
                if incident.resolved
                else dashboard_words.GOES_ON(language)
            ),
        }
        for incident in found
    ]
    states = [words(language) for words in (dashboard_words.RESOLVED, dashboard_words.GOES_ON)]
    encoding = {
        "x": _time("opened", language),
        "x2": {"field": "until"},
        "y": {
            "field": "kind",
            "type": "nominal",
            "title": None,
            "sort": [words(language) for words in report_words.KINDS.values()],
            "axis": {"labelOverlap": False},
        },
        "color": _color("state", dict(zip(states, (GREY, VERMILION), strict=True))),
    }
    height = ROW * len({row["kind"] for row in rows}) + AROUND
    mark = {"type": "bar", "cornerRadius": 3, "height": 14, "minBandSize": 3}
    return Chart(
        pd.DataFrame(rows), {"mark": mark, "encoding": encoding, **_common(language, height)}
    )


def shown_checks(assessments: Iterable[MonitoringRun]) -> tuple[str, ...]:
    """Names of the checks with a row: those judged by tests, and whatever else was in alarm."""
    names: dict[str, None] = {}
    for assessment in assessments:
        for metric, value in sorted(assessment.metrics.items()):
            if metric.endswith(TESTED) or (metric.endswith(ALARM) and value):
                names[metric.removesuffix(TESTED).removesuffix(ALARM)] = None
    return tuple(names)


def _status(assessment: MonitoringRun, name: str) -> str:
    alarm = assessment.metrics.get(name + ALARM)
    if alarm is None:
        return "unknown"
    return "alarm" if alarm else "quiet"


def _color(field: str, colors: Mapping[str, str]) -> Spec:
    return {
        "field": field,
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(colors), "range": list(colors.values())},
        "legend": {"orient": "top"},
    }


def _time(field: str, language: Language) -> Spec:
    return {
        "field": field,
        "type": "temporal",
        "title": None,
        "scale": {"type": "utc"},
        "axis": {"format": DAY[language], "labelOverlap": True, "grid": False, "tickCount": 6},
    }


def _told_time(language: Language) -> Spec:
    return {
        "field": "time",
        "type": "temporal",
        "timeUnit": HOUR,
        "title": dashboard_words.WINDOW_END(language),
        "format": f"{DAY[language]} %H:%M",
    }


def _number(field: str) -> Spec:
    return {
        "field": field,
        "type": "quantitative",
        "title": None,
        "scale": {"zero": False},
        "axis": {"format": ",.4~r", "tickCount": 5},
    }


def _common(language: Language, height: int) -> Spec:
    number = {**NUMBER_WORDS[language], "grouping": [3], "currency": ["", ""]}
    return {
        "height": height,
        "config": {
            "locale": {"number": number},
            "axis": {"labelColor": DARK, "titleColor": DARK},
            "legend": {"labelColor": DARK},
        },
    }
