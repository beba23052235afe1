"""One assessment: the predictions of a window against what the served version was trained on."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from insurance_predictor.base.settings import MonitorThresholds, Settings
from insurance_predictor.table.schema import CURRENT
from monitoring.checks import data_quality, drift, service
from monitoring.checks.data_quality import features_with_unseen, quality_verdicts
from monitoring.checks.detectable_change import power
from monitoring.checks.drift import drift_verdicts
from monitoring.checks.histograms import distributions
from monitoring.checks.other_versions import CHECK, TESTS, other_versions_verdict
from monitoring.checks.performance import CHECKS, performance_verdicts
from monitoring.checks.service import service_verdicts
from monitoring.domain.assessment import Assessment, Verdict, Window, undecided
from monitoring.window.counting import count_window
from monitoring.window.reader import (
    ModelLog,
    count_failures,
    late_deliveries,
    outcomes_by_version,
    unseen_values,
)
from monitoring.window.reference import PREMIUM, Reference
from monitoring.window.statistics import ServiceStatistics, WindowStatistics


def assess(
    settings: Settings,
    version: str,
    reference: Reference,
    window: Window,
    log: ModelLog,
    others: Mapping[str, Reference] = MappingProxyType({}),
    registry_problem: str | None = None,
) -> Assessment:
    """Everything that is judged of the predictions that `version` made in the window.

    `reference` is the version's own, and `others` has the hold-outs of versions whose charges came
    to be known meanwhile. `registry_problem` says why nobody could ask whether `version` still
    serves. An engine of `database.reading` lets others write meanwhile.
    """
    thresholds = settings.monitor
    other_outcomes = outcomes_by_version(log, window)
    other_outcomes.pop(version, None)
    counted = count_window(log, window, version, reference, others, settings.scheduler)
    statistics = counted.statistics or WindowStatistics(reference, others)
    other_versions = {name: rows for name, rows in counted.rows.items() if name != version}
    elsewhere = other_versions_verdict(
        others, statistics.other_outcomes, sum(other_outcomes.values()), thresholds
    )
    tests = len(CHECKS) if elsewhere.status == "unknown" else TESTS
    unseen = {
        column.name: unseen_values(log, window, version, column)
        for column in features_with_unseen(statistics)
    }
    premium = statistics.numbers[PREMIUM]
    return Assessment(
        model_name=settings.model_name,
        version=version,
        window=window,
        rows=statistics.rows,
        outcomes=statistics.outcomes.rows,
        other_versions=other_versions,
        other_outcomes=other_outcomes,
        left_out=counted.left_out,
        average_premium=premium.mean if premium.rows else None,
        verdicts=(
            *quality_verdicts(reference, statistics, thresholds, unseen),
            *drift_verdicts(reference, statistics, thresholds),
            *performance_verdicts(reference, statistics, thresholds, tests),
            elsewhere,
            *_service(log, window, counted.answers, thresholds),
        ),
        distributions=distributions(reference, statistics),
        power=power(reference, statistics.rows, statistics.outcomes.rows, thresholds),
        registry_problem=registry_problem,
        columns=reference.columns,
    )


def assess_service(
    settings: Settings, version: str, window: Window, log: ModelLog, registry_problem: str
) -> Assessment:
    """What the log alone can say, while the registry is away and no version is kept here.

    `version` is the one that was judged last. Everything that needs its reference is undecided,
    and its columns, which nobody can ask for, are taken to be those of the schema.
    """
    counted = count_window(log, window, scheduler=settings.scheduler)
    versions = dict(counted.rows)
    rows = versions.pop(version, 0)
    outcomes = outcomes_by_version(log, window)
    return Assessment(
        model_name=settings.model_name,
        version=version,
        window=window,
        rows=rows,
        outcomes=outcomes.pop(version, 0),
        other_versions=versions,
        other_outcomes=outcomes,
        left_out=counted.left_out,
        average_premium=None,
        verdicts=(*_not_judged(), *_service(log, window, counted.answers, settings.monitor)),
        distributions=(),
        power=(),
        registry_problem=registry_problem,
        columns=CURRENT,
    )


def _not_judged() -> Iterator[Verdict]:
    """Every verdict that a reference is needed for."""
    for check in data_quality.check_names(CURRENT):
        yield undecided("schema", check, rows=0, missing=0)
    for check in drift.check_names(CURRENT):
        yield undecided("drift", check, rows=0, missing=0)
    for check in (*CHECKS, CHECK, "estimated_error"):
        yield undecided("performance", check, rows=0, missing=0)


def _service(
    log: ModelLog, window: Window, service: ServiceStatistics, thresholds: MonitorThresholds
) -> tuple[Verdict, ...]:
    failures, late = count_failures(log, window), late_deliveries(log, window)
    return service_verdicts(service, failures, late, thresholds)


def assess_scored(
    settings: Settings,
    version: str,
    reference: Reference,
    counted: WindowStatistics,
    every: WindowStatistics,
    now: datetime,
) -> Assessment:
    """What can be said of people whom `version` has quoted and who are in no log.

    `counted` are those with a premium, and `every` has the others, too. Nobody was charged yet, and
    nobody waited: all that is judged by that is undecided.
    """
    thresholds = settings.monitor
    unseen = {column.name: every.unseen(column).examples for column in features_with_unseen(every)}
    quality = quality_verdicts(reference, every, thresholds, unseen)
    premium = counted.numbers[PREMIUM]
    return Assessment(
        model_name=settings.model_name,
        version=version,
        window=Window(now, now, now),
        rows=counted.rows,
        outcomes=0,
        other_versions={},
        average_premium=premium.mean if premium.rows else None,
        verdicts=(
            # Whoever could not be quoted has no premium.
            *(replace(one, money=None) if one.value else one for one in quality),
            *drift_verdicts(reference, counted, thresholds),
            *performance_verdicts(reference, counted, thresholds),
            undecided("performance", CHECK, rows=0, missing=0),
            *(undecided("service", check, rows=0, missing=0) for check in service.CHECKS),
        ),
        distributions=distributions(reference, counted),
        power=power(reference, counted.rows, 0, thresholds),
        columns=reference.columns,
    )
