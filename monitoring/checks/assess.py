"""One assessment: the predictions of a window against what the served version was trained on."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from insurance_predictor.base.settings import MonitorThresholds, Settings
from insurance_predictor.table.schema import CURRENT
from monitoring.checks import data_quality, drift
from monitoring.checks.data_quality import features_with_unseen, quality_verdicts
from monitoring.checks.detectable_change import power
from monitoring.checks.drift import drift_verdicts
from monitoring.checks.histograms import distributions
from monitoring.checks.other_versions import CHECK, TESTS, other_versions_verdict
from monitoring.checks.performance import CHECKS, performance_verdicts
from monitoring.checks.service import service_verdicts
from monitoring.domain.assessment import Assessment, Verdict, Window, undecided
from monitoring.window.reader import (
    ModelLog,
    count_failures,
    late_deliveries,
    outcomes_by_version,
    read_chunks,
    read_outcomes,
    read_service,
    rows_by_version,
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
    other_versions, left_out = rows_by_version(log, window)
    other_versions.pop(version, None)
    other_outcomes = outcomes_by_version(log, window)
    other_outcomes.pop(version, None)
    statistics = read_statistics(log, window, version, reference, tuple(other_versions), others)
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
        left_out=left_out,
        average_premium=premium.mean if premium.rows else None,
        verdicts=(
            *quality_verdicts(reference, statistics, thresholds, unseen),
            *drift_verdicts(reference, statistics, thresholds),
            *performance_verdicts(reference, statistics, thresholds, tests),
            elsewhere,
            *_service(log, window, statistics.service, thresholds),
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
    versions, left_out = rows_by_version(log, window)
    service = ServiceStatistics()
    for one in versions:
        for answers in read_service(log, window, one):
            service.add(answers)
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
        left_out=left_out,
        average_premium=None,
        verdicts=(*_not_judged(), *_service(log, window, service, settings.monitor)),
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


def read_statistics(
    log: ModelLog,
    window: Window,
    version: str,
    reference: Reference,
    also: tuple[str, ...],
    others: Mapping[str, Reference],
) -> WindowStatistics:
    """The window as it streams by: the version's predictions and outcomes, then those of others.

    `also` are the other versions that quoted in it, and `others` those whose outcomes are judged.
    """
    statistics = WindowStatistics(reference, others)
    for chunk in read_chunks(log, window, version, columns=reference.columns):
        statistics.add(chunk)
    for outcomes in read_outcomes(log, window, version, columns=reference.columns):
        statistics.outcomes.add(outcomes)
    for other, counted in statistics.other_outcomes.items():
        columns = others[other].columns
        for outcomes in read_outcomes(log, window, other, columns=columns):
            counted.add(outcomes)
    for other in also:
        for answers in read_service(log, window, other):
            statistics.service.add(answers)
    return statistics
