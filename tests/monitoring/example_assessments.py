"""Assessments to report and to record: in alarm, quiet, with too little, with nothing at all."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from insurance_predictor.table.schema import FEATURES, CategoryColumn
from monitoring.domain.assessment import Assessment, Distribution, Power, Verdict, Window
from monitoring.domain.incidents import Incident
from monitoring.history.mlflow_runs import MonitoringRun, TrainingRun, Trend

MODEL = "insurance_predictor"
END = datetime(2026, 3, 15, tzinfo=UTC)
WEEK = timedelta(days=7)
SCRIPT = "<script>document.title='broken'</script>"
LIMIT = 0.05 / 7
NUMBERS = {  # reference, window, PSI, p-value, money
    "age": (39.2, 39.6, 0.02, 0.41, 31.0),
    "bmi": (30.7, 33.1, 0.31, 0.00002, 412.0),
    "children": (1.09, 1.12, 0.01, 0.77, 12.0),
    "premium": (13270.0, 13911.0, 0.05, 0.0004, 641.0),
}
CATEGORIES = {  # the category that moved most, then as above
    "sex": ("male", 0.505, 0.49, 0.001, 0.6, -3.0),
    "smoker": ("yes", 0.2, 0.21, 0.001, 0.52, 150.0),
    "region": ("southeast", 0.27, 0.29, 0.004, 0.33, 8.0),
}


def week(weeks_ago: int = 0) -> Window:
    end = END - weeks_ago * WEEK
    return Window(end - WEEK, end, end, "7d")


def alarming(**changes: Any) -> Assessment:
    """A week in which BMI and premium have shifted, with outcomes and a category nobody knows."""
    facts: dict[str, Any] = {
        "model_name": MODEL,
        "version": "3",
        "window": week(),
        "rows": 1234,
        "outcomes": 410,
        "other_versions": {"2": 17},
        "average_premium": 13911.0,
        "verdicts": (*drift(), *schema(), *performance(), *service()),
        "distributions": distributions(),
        "power": (
            Power("bmi", 0.8, "kg/m²"),
            Power("age", 1.9, "years"),
            Power("smoker", 4.1, "pp"),
            Power("charges", 6.2, "%"),
        ),
    }
    return Assessment(**facts | changes)


def typical() -> Assessment:
    """The same week without the category nobody knows."""
    found = alarming()
    verdicts = (verdict for verdict in found.verdicts if verdict.check != "unseen.region")
    pictures = (one for one in found.distributions if one.feature != "region")
    return replace(found, verdicts=tuple(verdicts), distributions=tuple(pictures))


def quiet() -> Assessment:
    """The same week as if nothing had happened."""
    found = alarming()
    return replace(
        found, verdicts=tuple(replace(verdict, status="quiet") for verdict in found.verdicts)
    )


def one_row() -> Assessment:
    """A single quote, of a region nobody knows: too little for whatever needs a test."""
    undecided = tuple(_undecided(verdict.check, rows=1) for verdict in drift())
    return alarming(rows=1, outcomes=0, verdicts=(*undecided, *schema()), power=())


def empty() -> Assessment:
    """A window without a quote."""
    return alarming(
        rows=0,
        outcomes=0,
        other_versions={},
        average_premium=None,
        verdicts=tuple(_undecided(verdict.check, rows=0) for verdict in drift()),
        distributions=(),
        power=(),
    )


def _undecided(check: str, rows: int) -> Verdict:
    return Verdict(kind="drift", check=check, status="unknown", rows=rows, missing=100 - rows)


def drift() -> tuple[Verdict, ...]:
    numbers = [_drift(name, facts) for name, facts in NUMBERS.items()]
    categories = [
        replace(_drift(name, facts), details=(category,))
        for name, (category, *facts) in CATEGORIES.items()
    ]
    return (*numbers, *categories)


def _drift(check: str, facts: Any) -> Verdict:
    before, after, psi, p_value, money = facts
    return Verdict(
        kind="drift",
        check=check,
        status="alarm" if p_value < LIMIT else "quiet",
        rows=1234,
        p_value=p_value,
        value=0.07,
        limit=LIMIT,
        effects={"psi": psi, "reference": before, "window": after, "shift": after - before},
        money=money,
    )


def schema() -> tuple[Verdict, ...]:
    facts: dict[str, Any] = {"kind": "schema", "rows": 1234, "limit": 0.0}
    unseen = (SCRIPT, "north")
    return (
        Verdict(check="null.bmi", status="quiet", value=0.0, **facts),
        Verdict(check="unseen.region", status="alarm", value=0.011, details=unseen, **facts),
    )


def performance() -> tuple[Verdict, ...]:
    facts: dict[str, Any] = {"kind": "performance", "status": "quiet"}
    test: dict[str, Any] = {"rows": 410, "limit": 0.0033, **facts}
    return (
        Verdict(
            check="ratio",
            p_value=0.2,
            value=1.03,
            effects={"low": 0.97, "high": 1.09},
            money=398.0,
            **test,
        ),
        Verdict(
            check="residuals",
            p_value=0.1,
            value=0.52,
            effects={"reference": 0.98, "window": 1.01, "shift": 0.03},
            money=390.0,
            **test,
        ),
        Verdict(check="coverage", p_value=0.7, value=0.9, effects={"reference": 0.91}, **test),
        Verdict(
            check="estimated_error",
            rows=1234,
            value=4612.0,
            effects={"low": 4100.0, "high": 5105.0, "actual": 5302.0},
            **facts,
        ),
    )


def service() -> tuple[Verdict, ...]:
    facts: dict[str, Any] = {"kind": "service", "status": "quiet", "rows": 1251}
    return (
        Verdict(check="error_rate", value=0.001, limit=0.01, **facts),
        Verdict(check="latency", value=48.2, limit=500.0, effects={"p50": 11.5}, **facts),
    )


def distributions() -> tuple[Distribution, ...]:
    """One for each of some features; the region has a category that is a script."""
    bins = (0.05, 0.15, 0.3, 0.3, 0.15, 0.05)
    moved = (0.02, 0.1, 0.22, 0.34, 0.22, 0.1)
    shown = [
        Distribution("bmi", ("15", "20.5", "25", "30", "35", "40"), bins, moved),
        Distribution("age", ("18", "28", "38", "48", "58", "68"), bins, bins),
        Distribution("premium", ("0", "10000", "20000", "30000", "40000", "50000"), bins, moved),
    ]
    for column in FEATURES:
        if isinstance(column, CategoryColumn):
            shares = (1 / len(column.values),) * len(column.values)
            shown.append(Distribution(column.name, column.values, shares, shares))
    region = shown.pop()
    labels = (*region.labels, SCRIPT)
    return (*shown, Distribution("region", labels, (*region.reference, 0.0), (0.2,) * 5))


def incident(**changes: Any) -> Incident:
    """Drift of BMI and premium, open since last week."""
    facts: dict[str, Any] = {
        "model_name": MODEL,
        "kind": "drift",
        "version": "3",
        "schedule": "7d",
        "opened": END - WEEK,
        "seen": END,
        "findings": ("drift.bmi", "drift.premium"),
    }
    return Incident(**facts | changes)


def trend(weeks: int = 6) -> Trend:
    """A training and the assessments of `weeks` weeks after it, in alarm in the last two."""
    training = TrainingRun(
        run_id="training",
        time=END - (weeks + 1) * WEEK,
        metrics={"holdout.rmse": 4507.0, "holdout.rmse_low": 4002.0, "holdout.rmse_high": 4998.0},
    )
    return Trend((training,), tuple(recorded(number) for number in reversed(range(weeks))))


def recorded(weeks_ago: int) -> MonitoringRun:
    window, is_late = week(weeks_ago), weeks_ago < 2
    ratio = 1.06 - 0.01 * weeks_ago
    metrics = {
        "rows": 1200.0 + weeks_ago,
        "average_premium": 13900.0 - 110 * weeks_ago,
        "alarms": 2.0 * is_late,
        "drift.bmi.alarm": float(is_late),
        "drift.bmi.shift": 2.4 if is_late else 0.2,
        "drift.bmi.psi": 0.31 if is_late else 0.02,
        "drift.bmi.p_value": 0.00002 if is_late else 0.4,
        "drift.premium.alarm": float(weeks_ago == 0),
        "drift.smoker.missing": 12.0,
        "performance.ratio.value": ratio,
        "performance.ratio.low": ratio - 0.06,
        "performance.ratio.high": ratio + 0.06,
        "performance.ratio.alarm": 0.0,
        "performance.ratio.p_value": 0.2,
        "performance.estimated_error.value": 4600.0,
        "performance.estimated_error.low": 4100.0,
        "performance.estimated_error.high": 5100.0,
        "performance.estimated_error.actual": 5300.0 - 100 * weeks_ago,
        "service.latency.value": 48.0,
        "service.latency.alarm": 0.0,
        "service.error_rate.value": 0.001,
        "service.error_rate.alarm": 0.0,
    }
    return MonitoringRun(
        run_id=f"run{weeks_ago}",
        experiment_id="1",
        version="3",
        start=window.start,
        end=window.end,
        slot=window.slot,
        schedule=window.schedule,
        status="alarm" if is_late else "quiet",
        rows=1200 + weeks_ago,
        metrics=metrics,
    )
