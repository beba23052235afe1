"""Outcomes of several earlier versions are one test, each version against its own hold-out."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu

from monitoring.checks.other_versions import other_versions_verdict
from monitoring.checks.performance import CHECKS, limit_of, performance_verdicts
from monitoring.window.batches import OutcomeChunk
from monitoring.window.reference import Reference
from monitoring.window.statistics import OutcomeStatistics, WindowStatistics
from tests.monitoring.windows import THRESHOLDS, model

PREMIUM = 10_000.0


def usual(rows: int, seed: int, level: float = 1.0) -> np.ndarray:
    """Charges over premium of a version that is off by `level`."""
    return level * np.random.default_rng(seed).lognormal(0, 0.4, rows)


def measured(ratios: np.ndarray) -> Reference:
    """A version whose hold-out was charged so."""
    holdout = pd.DataFrame({"charges": ratios * PREMIUM, "premium": PREMIUM})
    return Reference(holdout[[]], holdout["premium"].to_numpy(), holdout)


def outcomes(reference: Reference, ratios: np.ndarray) -> OutcomeStatistics:
    counted = OutcomeStatistics(reference)
    column, place = np.full(len(ratios), PREMIUM), np.zeros(len(ratios), dtype=np.int64)
    counted.add(
        OutcomeChunk(column, 0 * column, 2 * column, ratios * PREMIUM, 0 * column + 40, place)
    )
    return counted


def judged(*versions: tuple[np.ndarray, np.ndarray], known: int | None = None):
    """Of each version what its hold-out, and what the people it quoted were charged."""
    names = [str(number) for number in range(1, len(versions) + 1)]
    references = {name: measured(before) for name, (before, _) in zip(names, versions, strict=True)}
    counted = {
        name: outcomes(references[name], after)
        for name, (_, after) in zip(names, versions, strict=True)
    }
    rows = sum(one.rows for one in counted.values())
    return other_versions_verdict(references, counted, known or rows, THRESHOLDS)


def test_of_one_version_it_is_mann_and_whitneys_test():
    before, after = usual(260, 1), usual(130, 2)
    verdict = judged((before, after))
    expected = mannwhitneyu(
        after, before, alternative="two-sided", method="asymptotic", use_continuity=False
    )
    assert verdict.p_value == pytest.approx(expected.pvalue, rel=1e-2)
    assert verdict.value == pytest.approx(expected.statistic / (130 * 260))
    assert (verdict.status, verdict.rows, verdict.details) == ("quiet", 130, ("1",))


def test_few_outcomes_of_each_of_many_versions_are_enough_together():
    versions = [(usual(260, seed), usual(20, 100 + seed, 1.25)) for seed in range(8)]
    verdict = judged(*versions)
    assert (verdict.status, verdict.rows) == ("alarm", 160)
    assert verdict.effects["shift"] == pytest.approx(0.25, abs=0.12)
    assert verdict.money == pytest.approx(0.25 * PREMIUM, rel=0.5)


def test_versions_that_were_off_in_opposite_directions_hide_nothing_and_fake_nothing():
    quiet = [(usual(260, 1, 0.7), usual(60, 2, 0.7)), (usual(260, 3, 1.4), usual(200, 4, 1.4))]
    assert judged(*quiet).status == "quiet"
    dearer = [(usual(260, 1, 0.7), usual(100, 2, 0.9)), (usual(260, 3, 1.4), usual(100, 4, 1.8))]
    assert judged(*dearer).status == "alarm"


def test_too_few_are_undecided_and_say_how_many_are_missing():
    verdict = judged((usual(260, 1), usual(30, 2)))
    assert (verdict.status, verdict.rows, verdict.missing) == ("unknown", 30, 70)


def test_outcomes_of_versions_that_cannot_be_judged_are_not_missing():
    verdict = judged((usual(260, 1), usual(30, 2)), known=500)
    assert (verdict.status, verdict.rows, verdict.missing) == ("unknown", 30, 0)


def test_false_alarms_stay_within_the_share_of_the_budget():
    """Chance of 400 looks at 0.25 %: more than five alarms are one chance in two hundred."""
    alarms = 0
    for seed in range(400):
        versions = [(usual(260, 3 * seed + n), usual(60, 9_000 + 3 * seed + n)) for n in range(3)]
        alarms += judged(*versions).status == "alarm"
    assert alarms <= 5


def test_all_four_tests_share_one_budget():
    assert judged((usual(260, 1), usual(130, 2))).limit == THRESHOLDS.performance_budget / 4
    assert limit_of(THRESHOLDS, 4) == THRESHOLDS.performance_budget / 4
    reference = model()[1]
    statistics = WindowStatistics(reference)
    statistics.outcomes = outcomes(reference, usual(250, 5))
    verdicts = performance_verdicts(reference, statistics, THRESHOLDS, tests=4)
    limits = {verdict.limit for verdict in verdicts if verdict.check in CHECKS}
    assert limits == {THRESHOLDS.performance_budget / 4}
