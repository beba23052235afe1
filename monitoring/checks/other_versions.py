"""What people were charged whom another version had quoted: has the world changed?

After a promotion nearly all outcomes are of quotes that an earlier version gave. They say nothing
about the version that serves, and as much about the world as any.
"""

from collections.abc import Mapping
from math import sqrt

from insurance_predictor.base.settings import MonitorThresholds
from monitoring.checks.evidence import believed_rows
from monitoring.checks.performance import CHECKS, limit_of, mann_whitney_variance
from monitoring.domain.assessment import Verdict, undecided
from monitoring.window.rank_counts import superiority
from monitoring.window.reference import Reference
from monitoring.window.statistics import OutcomeStatistics

CHECK = "other_versions"
TESTS = len(CHECKS) + 1  # that share the budget of performance when this one is among them


def other_versions_verdict(
    references: Mapping[str, Reference],
    outcomes: Mapping[str, OutcomeStatistics],
    known: int,
    thresholds: MonitorThresholds,
) -> Verdict:
    """As `residuals`, each version's outcomes against its own hold-out, all in one test.

    `outcomes` are those of each version that `references` has, and `known` counts those of
    versions whose hold-out cannot be had, too. Ranks are compared within a version and added up
    over versions (van Elteren 1960), so that a version that was usually too cheap hides nothing.
    """
    rows = sum(counted.rows for counted in outcomes.values())
    if rows < thresholds.least_outcomes:
        return undecided("performance", CHECK, rows, max(0, thresholds.least_outcomes - known))
    judged = {version: counted for version, counted in outcomes.items() if counted.rows}
    excess = variance = chance = before = after = premium = 0.0
    for version, counted in judged.items():
        sample, share = references[version].ratios, counted.rows / rows
        exceeds = superiority(sample, counted.ratios)
        weight = sample.rows * counted.rows / (sample.rows + counted.rows + 1)
        excess += weight * (exceeds - 0.5)
        believed = believed_rows(sample.rows, counted.rows)
        variance += weight**2 * mann_whitney_variance(sample, counted.ratios, believed)
        chance += share * exceeds
        before += share * sample.quantile(0.5)
        after += share * counted.ratios.quantile(0.5)
        premium += float(counted.sums[:, 1].sum()) / rows
    p_value = _two_sided(excess, variance)
    limit = limit_of(thresholds, TESTS)
    return Verdict(
        kind="performance",
        check=CHECK,
        status="alarm" if p_value < limit else "quiet",
        rows=rows,
        p_value=p_value,
        value=chance,
        limit=limit,
        effects={"reference": before, "window": after, "shift": after - before},
        money=(after / before - 1) * premium,
        details=tuple(sorted(judged)),
    )


def _two_sided(excess: float, variance: float) -> float:
    from scipy.special import ndtr

    return float(2 * ndtr(-abs(excess) / sqrt(variance))) if variance > 0 else 1.0
