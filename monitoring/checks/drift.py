"""Have the people who are quoted changed, or the premiums? A verdict for each column.

Kolmogorov and Smirnov's test for numbers and Pearson's chi-square for categories, and for whether
an optional value is missing, each at the budget of a run over the number of tests (Bonferroni), so
that the budget is the chance that a window without drift raises any alarm. Effect sizes stand
beside the tests and are never an alarm.

A window that is large beside the sample is believed like a smaller one: see `evidence`.
"""

from math import sqrt
from typing import Literal

import numpy as np

from insurance_predictor.base.arrays import FloatArray, IntArray
from insurance_predictor.base.settings import MonitorThresholds
from insurance_predictor.table.columns import CategoryColumn, Column, Columns
from monitoring.checks.evidence import believed_rows, effective_rows
from monitoring.domain.assessment import Verdict, undecided
from monitoring.window.rank_counts import ks_distance
from monitoring.window.reference import PREMIUM, Reference, number_names
from monitoring.window.statistics import WindowStatistics

LEAST_EXPECTED = 1  # rows in each cell of a chi-square test (Cochran 1954, Biometrics 10:420)
LEAST_SHARE = 1e-4  # of a bin in the PSI, which has no value where a bin is empty


def drift_verdicts(
    reference: Reference, statistics: WindowStatistics, thresholds: MonitorThresholds
) -> tuple[Verdict, ...]:
    """A verdict for each feature and for the premium, and missing.<feature> for optional ones.

    Values that are missing take no part in the verdict on their column. A check with fewer than
    `least_rows` values is `unknown`. Otherwise `value` is the statistic, `limit` the p-value below
    which it is an alarm, and the effects are psi, reference, window and shift: means in the
    column's own unit, or shares of the category that changed most, which `details` names. For
    missing.<feature> they are shares of people without a value.
    """
    columns, given = reference.columns, (reference, statistics, thresholds)
    return (
        *(_of_number(name, *given) for name in reference.number_names),
        *(_of_category(column, *given) for column in columns.categories),
        *(_of_missing(column, *given) for column in _optional(columns)),
    )


def check_names(columns: Columns) -> tuple[str, ...]:
    """The names of all these checks; each is one test."""
    return (
        *number_names(columns),
        *(column.name for column in columns.categories),
        *(f"missing.{column.name}" for column in _optional(columns)),
    )


def limit_of(thresholds: MonitorThresholds, columns: Columns) -> float:
    """The p-value below which one check is in alarm."""
    return thresholds.drift_budget / len(check_names(columns))


def ks_p_value(distance: float, sample_rows: int, window_rows: int) -> float:
    """The chance of a distance as large, from two samples of one population.

    Kolmogorov's limit at the effective number of rows, with the correction of Stephens 1970, JRSS B
    32:115-122, for few of them. Values that are equal make it too large.
    """
    from scipy.special import kolmogorov

    root = sqrt(effective_rows(sample_rows, window_rows))
    return float(kolmogorov((root + 0.12 + 0.11 / root) * distance))


def chi_square(reference: IntArray, window: IntArray | FloatArray) -> tuple[float, float]:
    """Pearson's statistic, without Yates' correction, and p-value of two rows of counts, (k,).

    Categories with less than one expected row on one side count as one, together with the next
    rarest if need be.
    """
    from scipy.special import chdtrc

    table = _without_rare(np.stack([reference, window]).astype(float))
    if table.shape[1] < 2:
        return 0.0, 1.0
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    statistic = float(np.sum((table - expected) ** 2 / expected))
    return statistic, float(chdtrc(table.shape[1] - 1, statistic))


def psi(reference: FloatArray, window: FloatArray) -> float:
    """The population stability index of two rows of shares, (k,); an empty bin counts 0.01 %.

    Siddiqi, Credit Risk Scorecards, 2006, ch. 9: below 0.1 is called small, above 0.25 large.
    """
    before, after = np.maximum(reference, LEAST_SHARE), np.maximum(window, LEAST_SHARE)
    return float(np.sum((after - before) * np.log(after / before)))


def _of_number(
    name: str, reference: Reference, statistics: WindowStatistics, thresholds: MonitorThresholds
) -> Verdict:
    sample, window = reference.rank_counts[name], statistics.numbers[name]
    if window.rows < (least := max(thresholds.least_rows, 1)):
        return undecided("drift", name, window.rows, least - window.rows)
    distance = ks_distance(sample, window)
    believed = believed_rows(sample.rows, window.rows)
    p_value = ks_p_value(distance, sample.rows, believed)
    shift = window.mean - sample.mean
    starts = reference.price_starts[name]
    before, after = sample.shares(starts), window.shares(starts)
    money = float((after - before) @ reference.bin_prices[name])
    limit = limit_of(thresholds, reference.columns)
    return Verdict(
        kind="drift",
        check=name,
        status=_status(p_value, limit),
        rows=window.rows,
        p_value=p_value,
        value=distance,
        limit=limit,
        effects=_effects(sample.mean, window.mean, psi(before, after)),
        money=shift if name == PREMIUM else money,
    )


def _of_category(
    column: CategoryColumn,
    reference: Reference,
    statistics: WindowStatistics,
    thresholds: MonitorThresholds,
) -> Verdict:
    sample, window = reference.category_counts[column.name], statistics.categories(column)
    rows = int(window.sum())
    if rows < (least := max(thresholds.least_rows, 1)):
        return undecided("drift", column.name, rows, least - rows)
    believed = believed_rows(int(sample.sum()), rows)
    statistic, p_value = chi_square(
        sample, np.asarray(window * (believed / rows), dtype=np.float64)
    )
    before, after = sample / sample.sum(), window / rows
    moved = int(np.argmax(np.abs(after - before)))
    limit = limit_of(thresholds, reference.columns)
    return Verdict(
        kind="drift",
        check=column.name,
        status=_status(p_value, limit),
        rows=rows,
        p_value=p_value,
        value=statistic,
        limit=limit,
        effects=_effects(float(before[moved]), float(after[moved]), psi(before, after)),
        money=float((after - before) @ reference.category_prices[column.name]),
        details=(column.values[moved],),
    )


def _of_missing(
    column: Column,
    reference: Reference,
    statistics: WindowStatistics,
    thresholds: MonitorThresholds,
) -> Verdict:
    check = f"missing.{column.name}"
    sample, window = reference.presence[column.name], statistics.presence(column)
    rows = statistics.rows
    if rows < (least := max(thresholds.least_rows, 1)):
        return undecided("drift", check, rows, least - rows)
    believed = believed_rows(int(sample.sum()), rows)
    statistic, p_value = chi_square(
        sample, np.asarray(window * (believed / rows), dtype=np.float64)
    )
    before, after = sample / sample.sum(), window / rows
    limit = limit_of(thresholds, reference.columns)
    return Verdict(
        kind="drift",
        check=check,
        status=_status(p_value, limit),
        rows=rows,
        p_value=p_value,
        value=statistic,
        limit=limit,
        effects=_effects(float(before[1]), float(after[1]), psi(before, after)),
    )


def _optional(columns: Columns) -> tuple[Column, ...]:
    return tuple(column for column in columns.features if column.optional)


def _status(p_value: float, limit: float) -> Literal["quiet", "alarm"]:
    return "alarm" if p_value < limit else "quiet"


def _effects(reference: float, window: float, stability: float) -> dict[str, float]:
    return {
        "psi": stability,
        "shift": window - reference,
        "reference": reference,
        "window": window,
    }


def _without_rare(table: FloatArray) -> FloatArray:
    """The table (2, k) with its rarest columns added up until each is expected often enough."""
    smaller = table.sum(axis=1).min() / table.sum()
    table = table[:, np.argsort(table.sum(axis=0))]
    while table.shape[1] > 1 and table[:, 0].sum() * smaller < LEAST_EXPECTED:
        merged = table[:, :2].sum(axis=1, keepdims=True)
        table = np.concatenate([merged, table[:, 2:]], axis=1)
        table = table[:, np.argsort(table.sum(axis=0), kind="stable")]
    return table
