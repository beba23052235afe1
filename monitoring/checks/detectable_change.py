"""What a window of this size could have seen, so that silence is not taken for safety.

The least change that its test catches in 80 % of windows, from the usual approximations to the
power of each test; its own tests compare them with simulated windows.
"""

from collections.abc import Callable
from math import sqrt

import numpy as np

from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.base.settings import MonitorThresholds
from insurance_predictor.table.columns import CategoryColumn, NumberColumn
from monitoring.checks import drift, performance
from monitoring.checks.evidence import believed_rows, effective_rows
from monitoring.domain.assessment import Power
from monitoring.window.reference import PREMIUM, Reference

POWER = 0.80
# Deviations that the largest of many distances lies above the one at the place of the largest
# true one: measured on windows of 100 to 4,000 people, and about the same for each.
LARGEST = 0.45
HALVINGS = 40
MOST_CHARGES = 2.0  # three times what they were

Seen = Callable[[float], bool]


def power(
    reference: Reference, rows: int, outcomes: int, thresholds: MonitorThresholds
) -> tuple[Power, ...]:
    """The least shift of what must matter, and the least rise of what people are charged.

    That is of a number's mean in its unit, and of a category's share in percentage points: the last
    one's of two, and whichever one it is of more. Each by its own test alone: `rows` of the window
    for the features, and `outcomes` for the charges, named like the target. Leaves out what such a
    window is too small to judge, or could see at no size.
    """
    columns = reference.columns
    found = []
    if rows >= max(thresholds.least_rows, 1):
        limit = drift.limit_of(thresholds, columns)
        for column in columns.features:
            if not column.must_matter:
                continue
            if isinstance(column, NumberColumn):
                seen = _sees_shift(column, reference.values(column.name), rows, limit)
                least = _least(seen, column.high - column.low)
                found.append((column.name, least, column.unit["en"], 1.0))
            else:
                found.append(
                    (column.name, _least_growth(reference, column, rows, limit), "pp", 100.0)
                )
    if outcomes >= thresholds.least_outcomes:
        seen = _sees_charges(reference, outcomes, performance.limit_of(thresholds))
        found.append((columns.target.name, _least(seen, MOST_CHARGES), "%", 100.0))
    return tuple(
        Power(check, least * scale, unit)
        for check, least, unit, scale in found
        if least is not None
    )


def _least_growth(
    reference: Reference, column: CategoryColumn, rows: int, limit: float
) -> float | None:
    """Of the share of one value: of the last of two, and of more the one that is seen last."""
    counts = reference.category_counts[column.name]
    shares = counts / counts.sum()
    if len(shares) <= 2:
        share = float(shares[-1])
        return _least(_sees_share(share, int(counts.sum()), rows, limit), 1 - share)
    sample, kept = int(counts.sum()), int(np.sum(counts > 0))
    found = [
        _least(_sees_growth(float(share), kept, sample, rows, limit), 1 - float(share))
        for share in shares[counts > 0]
    ]
    known = [least for least in found if least is not None]
    return max(known) if found and len(known) == len(found) else None


def _least(seen: Seen, most: float) -> float | None:
    """The least change up to `most` that is seen, by halving; None when not even that is."""
    if not seen(most):
        return None
    low, high = 0.0, most
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    return high


def _sees_shift(column: NumberColumn, values: FloatArray, rows: int, limit: float) -> Seen:
    """Kolmogorov and Smirnov's test of values that grow by one amount.

    Where the two distribution functions are furthest apart, the empirical distance is near normal
    around the true one. The largest one is somewhat above that, and has to exceed the critical
    distance. Whole numbers grow by a fraction in that a part of them grows by one more.
    """
    from scipy.special import kolmogi, ndtri

    ordered = np.sort(values)
    root = sqrt(effective_rows(len(values), rows))
    believed = effective_rows(len(values), believed_rows(len(values), rows))
    critical = float(kolmogi(limit)) / sqrt(believed)
    margin = (ndtri(POWER) - LARGEST) / root

    def seen(shift: float) -> bool:
        least = np.floor(shift) if column.whole else shift
        parts = [(1 - shift + least, least), (shift - least, least + 1)]
        grid = np.concatenate([ordered, *(ordered + size for _, size in parts)])
        before = np.searchsorted(ordered, grid, "right") / len(values)
        grown = [np.searchsorted(ordered + size, grid, "right") for _, size in parts]
        after = np.average(grown, axis=0, weights=[part for part, _ in parts]) / len(values)
        place = int(np.argmax(before - after))
        middle = (before[place] + after[place]) / 2
        needed = critical + margin * sqrt(middle * (1 - middle))
        return bool(before[place] - after[place] >= needed)

    return seen


def _sees_share(share: float, sample: int, rows: int, limit: float) -> Seen:
    """The chi-square test of two shares (Fleiss, Levin and Paik, Statistical Methods for Rates
    and Proportions, 2003, section 4.2).
    """
    from scipy.special import ndtri

    believed = believed_rows(sample, rows)

    def seen(growth: float) -> bool:
        grown = share + growth
        pooled = (share * sample + grown * believed) / (sample + believed)
        same = sqrt(pooled * (1 - pooled) / effective_rows(sample, believed))
        apart = sqrt(share * (1 - share) / sample + max(grown * (1 - grown), 0.0) / rows)
        return bool(growth >= -ndtri(limit / 2) * same + ndtri(POWER) * apart)

    return seen


def _sees_growth(share: float, values: int, sample: int, rows: int, limit: float) -> Seen:
    """The chi-square test of the shares of some values, of which one grows and the others shrink
    in proportion, by its noncentral distribution (Cohen, Statistical Power Analysis, 1988, ch. 7).
    """
    from scipy.special import chdtri, chndtr

    size = effective_rows(sample, believed_rows(sample, rows))
    critical = float(chdtri(values - 1, limit))

    def seen(growth: float) -> bool:
        pooled = share + growth * rows / (sample + rows)
        if not 0 < pooled < 1:
            return False
        # The others keep their proportions: their part of the sum is that of all of them as one.
        moved = size * growth**2 / (pooled * (1 - pooled))
        return bool(1 - chndtr(critical, values - 1, moved) >= POWER)

    return seen


def _sees_charges(reference: Reference, rows: int, limit: float) -> Seen:
    """Mann and Whitney's test of charges over premium that all grow by one factor.

    Noether 1987, JASA 82:645-647: the statistic keeps nearly the variance it has without change.
    """
    from scipy.special import ndtri

    holdout = reference.holdout
    ratios = np.sort(holdout[reference.columns.target.name] / holdout[PREMIUM])
    count = len(ratios)
    deviation = sqrt(1 / (12 * effective_rows(count, rows)))
    believed = sqrt(1 / (12 * effective_rows(count, believed_rows(count, rows))))
    needed = 0.5 + -ndtri(limit / 2) * believed + ndtri(POWER) * deviation

    def seen(growth: float) -> bool:
        grown = ratios * (1 + growth)
        below = np.searchsorted(ratios, grown, "left") + np.searchsorted(ratios, grown, "right")
        return bool(below.mean() / (2 * count) >= needed)

    return seen
