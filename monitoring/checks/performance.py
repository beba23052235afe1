"""Are the premiums right? Judged by outcomes where they have arrived, and estimated before.

Three tests share an error budget of their own (Bonferroni), each against the hold-out: the people
whom the version had not seen when its quality was measured.
"""

from collections.abc import Callable
from math import ceil, sqrt

import numpy as np
import pandas as pd

from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.base.settings import MonitorThresholds
from monitoring.checks.evidence import believed_rows, effective_rows
from monitoring.domain.assessment import Status, Verdict, undecided
from monitoring.window.rank_counts import RankCounts, superiority
from monitoring.window.reference import PREMIUM, Reference
from monitoring.window.slices import slices_of
from monitoring.window.statistics import OutcomeStatistics, WindowStatistics

CHECKS = ("ratio", "residuals", "coverage")
# Few people hold most of the money (nine in a hundred are charged far above their pattern), so the
# bootstrap of fewer outcomes is too sure of their sums: docs/monitoring.md, "Calibration".
LEAST_SUMMED = 200
RESAMPLES = 5000
AT_ONCE = 50  # resamples, which then stay in the processor's cache
ESTIMATES = 1000  # resamples of the estimated error
BAND = (0.025, 0.975)
LEAST_IN_SLICE = 5  # people of the hold-out; fewer say too little of their slice


def performance_verdicts(
    reference: Reference,
    statistics: WindowStatistics,
    thresholds: MonitorThresholds,
    tests: int = len(CHECKS),
) -> tuple[Verdict, ...]:
    """ratio, residuals and coverage, `unknown` below `least_outcomes`, and estimated_error.

    The ratio is so below LEAST_SUMMED, too.

    They are among so many `tests` that share the budget of performance.

    - ratio: charges over premiums, over the same of the hold-out. The effects low and high are
      its bootstrap band at 1 - `limit`; it is an alarm when 1 lies outside.
    - residuals: the chance that somebody's charges over premium exceed those of somebody in the
      hold-out, 0.5 when nothing has changed (Mann and Whitney 1947).
    - coverage: the share of charges inside their intervals; an alarm when it is lower.
    - estimated_error: RMSE in the target's unit, never an alarm; see `estimated_error`.
    """
    outcomes = statistics.outcomes
    limit = limit_of(thresholds, tests)
    tried: dict[str, Callable[[], Verdict]] = {
        "ratio": lambda: ratio(reference, outcomes, limit),
        "residuals": lambda: residuals(reference.ratios, outcomes, limit),
        "coverage": lambda: coverage(reference, outcomes, limit),
    }
    missing = {check: least_outcomes(check, thresholds) - outcomes.rows for check in CHECKS}
    judged = [
        undecided("performance", check, outcomes.rows, missing[check])
        if missing[check] > 0
        else tried[check]()
        for check in CHECKS
    ]
    return (*judged, estimated_error(reference, statistics, thresholds))


def least_outcomes(check: str, thresholds: MonitorThresholds) -> int:
    """With fewer outcomes than these one of CHECKS is not judged."""
    return max(thresholds.least_outcomes, LEAST_SUMMED if check == "ratio" else 0)


def limit_of(thresholds: MonitorThresholds, tests: int = len(CHECKS)) -> float:
    """The p-value below which one of `tests` is in alarm."""
    return thresholds.performance_budget / tests


def mann_whitney_p_value(
    chance: float, sample: RankCounts, window: RankCounts, believed: int | None = None
) -> float:
    """Two-sided, from the normal approximation to U; see `mann_whitney_variance`."""
    from scipy.special import ndtr

    variance = mann_whitney_variance(sample, window, believed)
    if variance <= 0:
        return 1.0
    return float(2 * ndtr(-abs(chance - 0.5) / sqrt(variance)))


def mann_whitney_variance(
    sample: RankCounts, window: RankCounts, believed: int | None = None
) -> float:
    """Of the chance that U is, corrected for ties; 0 where all values are the same.

    That of `believed` rows of the window, of all of them unless it is given.

    Lehmann, Nonparametrics, 1975, sections 1.3 and 1.4. Ties among values of the window that the
    sample has not are not known here and would make it a little smaller.
    """
    rows = sample.rows + window.rows
    tied = (sample.up_to - sample.below + window.up_to - window.below).astype(float)
    correction = np.sum(tied**3 - tied) / (rows * (rows - 1))
    variance = float((rows + 1 - correction) / (12 * sample.rows * window.rows))
    if believed is None:
        return variance
    return (
        variance * effective_rows(sample.rows, window.rows) / effective_rows(sample.rows, believed)
    )


def estimated_error(
    reference: Reference, statistics: WindowStatistics, thresholds: MonitorThresholds
) -> Verdict:
    """The RMSE to expect, in the target's unit, before anybody knows the charges.

    The hold-out's mean squared error in each of the version's slices, weighted by the window's mix.
    The effects low and high are its 95 % band: for the RMSE that the window will show, from
    resampling the hold-out within slices and the luck of so many rows. `actual` is the RMSE that
    the outcomes show once there are `least_outcomes`; actual_low and actual_high are the band
    that was to be expected of the people they are about.
    """
    rows = int(statistics.slices.sum())
    if not rows:
        return undecided("performance", "estimated_error", 0, 1)
    outcomes = statistics.outcomes
    weights = statistics.slices / rows
    squared = _squared_errors(reference)
    value = sqrt(float(weights @ [errors.mean() for errors in squared]))
    low, high = _error_band(squared, weights, rows)
    effects = {"low": low, "high": high}
    known = int(outcomes.slices.sum())
    if known >= thresholds.least_outcomes:
        effects["actual"] = sqrt(float(outcomes.sums[:, 2].sum()) / outcomes.rows)
        band = _error_band(squared, outcomes.slices / known, known)
        effects |= dict(zip(("actual_low", "actual_high"), band, strict=True))
    return Verdict(
        kind="performance",
        check="estimated_error",
        status="quiet",
        rows=rows,
        value=value,
        effects=effects,
    )


def ratio(reference: Reference, outcomes: OutcomeStatistics, limit: float) -> Verdict:
    """Charges over premiums, against the hold-out's; `limit` is of its p-value."""
    generator = np.random.default_rng(0)
    sums = outcomes.sums[:, :2]
    target = reference.columns.target.name
    usual = reference.holdout[[target, PREMIUM]].to_numpy(dtype=float)
    expected = float(usual[:, 0].sum() / usual[:, 1].sum())
    charged, quoted = sums.sum(axis=0).tolist()
    value = charged / quoted / expected
    believed = believed_rows(len(usual), outcomes.rows) / outcomes.rows
    drawn = _resampled_ratios(sums, generator, believed) / _resampled_ratios(usual, generator)
    low, high = np.quantile(drawn, (limit / 2, 1 - limit / 2)).tolist()
    beyond = min(float(np.mean(drawn <= 1)), float(np.mean(drawn >= 1)))
    return Verdict(
        kind="performance",
        check="ratio",
        status="quiet" if low <= 1 <= high else "alarm",
        rows=outcomes.rows,
        p_value=min(1.0, max(2 * beyond, 1 / RESAMPLES)),
        value=value,
        limit=limit,
        effects={"low": low, "high": high},
        money=(charged - expected * quoted) / outcomes.rows,
    )


def residuals(sample: RankCounts, outcomes: OutcomeStatistics, limit: float) -> Verdict:
    """Each person's charges over premium, against those of the hold-out, by their ranks."""
    chance = superiority(sample, outcomes.ratios)
    believed = believed_rows(sample.rows, outcomes.rows)
    p_value = mann_whitney_p_value(chance, sample, outcomes.ratios, believed)
    before, after = sample.quantile(0.5), outcomes.ratios.quantile(0.5)
    return Verdict(
        kind="performance",
        check="residuals",
        status=_status(p_value, limit),
        rows=outcomes.rows,
        p_value=p_value,
        value=chance,
        limit=limit,
        effects={"reference": before, "window": after, "shift": after - before},
        money=(after / before - 1) * float(outcomes.sums[:, 1].sum()) / outcomes.rows,
    )


def coverage(reference: Reference, outcomes: OutcomeStatistics, limit: float) -> Verdict:
    """Fisher's exact test of the window's share against the hold-out's, which is a sample, too."""
    from scipy.stats import hypergeom  # half a second, which a window without outcomes does not pay

    holdout, target = reference.holdout, reference.columns.target.name
    believed = believed_rows(len(holdout), outcomes.rows)
    seen = ceil(outcomes.covered * believed / outcomes.rows)
    inside = int(holdout[target].between(holdout["low"], holdout["high"]).sum())
    p_value = float(hypergeom.cdf(seen, len(holdout) + believed, inside + seen, believed))
    return Verdict(
        kind="performance",
        check="coverage",
        status=_status(p_value, limit),
        rows=outcomes.rows,
        p_value=p_value,
        value=outcomes.covered / outcomes.rows,
        limit=limit,
        effects={"reference": inside / len(holdout)},
    )


def _resampled_ratios(
    sums: FloatArray, generator: np.random.Generator, believed: float = 1.0
) -> FloatArray:
    """The ratio of the two columns of `sums` (n, 2) in each resample of a share of its rows."""
    count = len(sums)
    size = max(round(believed * count), 1)
    charges, premium = np.ascontiguousarray(sums.T)
    ratios = []
    for _ in range(0, RESAMPLES, AT_ONCE):
        drawn = generator.integers(count, size=(AT_ONCE, size))
        ratios.append(charges[drawn].sum(axis=1) / premium[drawn].sum(axis=1))
    return np.concatenate(ratios)


def _squared_errors(reference: Reference) -> list[FloatArray]:
    """The hold-out's squared errors in each slice; in one with too few, its group's, or all."""
    holdout, slices = reference.holdout, slices_of(reference.columns)
    errors = holdout[reference.columns.target.name] - holdout[PREMIUM]
    squared = np.square(errors).to_numpy(dtype=float)
    place = np.zeros(len(holdout), dtype=np.int64)
    if slices.group:
        place = pd.Index(slices.group.values).get_indexer(holdout[slices.group.name])
    banded = holdout[slices.banded.name if slices.banded else PREMIUM].to_numpy(dtype=float)
    found = slices.of(place, banded)
    chosen = []
    for number in range(slices.count):
        of_group = squared[place == number // slices.bands]
        options = (squared[found == number], of_group, squared)
        chosen.append(next((o for o in options if len(o) >= LEAST_IN_SLICE), squared))
    return chosen


def _error_band(squared: list[FloatArray], weights: FloatArray, rows: int) -> tuple[float, float]:
    generator = np.random.default_rng(0)
    drawn = np.zeros(ESTIMATES)
    variance = np.zeros(ESTIMATES)
    for weight, errors in zip(weights, squared, strict=True):
        resampled = errors[generator.integers(len(errors), size=(ESTIMATES, len(errors)))]
        drawn += weight * resampled.mean(axis=1)
        variance += weight * resampled.var(axis=1)
    drawn += generator.standard_normal(ESTIMATES) * np.sqrt(variance / rows)
    low, high = np.sqrt(np.maximum(np.quantile(drawn, BAND), 0.0))
    return float(low), float(high)


def _status(p_value: float, limit: float) -> Status:
    return "alarm" if p_value < limit else "quiet"
