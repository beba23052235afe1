"""Failures, slowness, a backlog and a stale version are each seen, over all versions."""

import numpy as np
import pytest
from scipy.stats import binom

from monitoring.checks import service as checks
from monitoring.checks.service import service_verdicts
from monitoring.window.batches import ServiceChunk
from monitoring.window.reader import LateQuotes
from monitoring.window.statistics import ServiceStatistics
from tests.monitoring.windows import THRESHOLDS, named

NONE_LATE = LateQuotes()


def judged(latency=(), stale: int = 0, failures: int = 0, late: LateQuotes = NONE_LATE):
    service = ServiceStatistics()
    service.add(ServiceChunk(np.array(latency, dtype=float), stale))
    return named(service_verdicts(service, failures, late, THRESHOLDS))


def test_a_service_that_does_its_part_is_quiet():
    verdicts = judged([20.0] * 95 + [400.0] * 5)

    assert {verdict.status for verdict in verdicts.values()} == {"quiet"}
    assert verdicts["latency"].value == pytest.approx(20, rel=0.01)
    assert verdicts["latency"].effects["p50"] == pytest.approx(20, rel=0.01)


def test_failures_are_a_share_of_all_that_was_asked_for():
    verdict = judged([20.0] * 95, failures=5)["error_rate"]

    assert (verdict.status, verdict.value, verdict.rows) == ("alarm", 0.05, 100)


def test_an_outage_without_a_single_quote_is_an_alarm():
    verdicts = judged(failures=3)

    assert verdicts["error_rate"].status == "alarm"
    assert verdicts["latency"].status == verdicts["stale"].status == "unknown"


def test_one_quote_in_ten_that_is_slow_is_an_alarm():
    verdict = judged([20.0] * 90 + [800.0] * 10)["latency"]

    assert verdict.status == "alarm"
    assert verdict.value == pytest.approx(800, rel=0.01)


def test_the_slowest_of_a_few_is_not_their_95_percent_quantile():
    verdict = judged([800.0] * 19)["latency"]

    assert (verdict.status, verdict.missing) == ("unknown", 1)


def test_of_a_batch_nobody_waits_for_one():
    verdict = judged([float("nan")] * 50)["latency"]

    assert (verdict.status, verdict.rows) == ("unknown", 0)


@pytest.mark.parametrize(("stale", "rows"), [(1, 6), (2, 6), (1, 1), (5, 20), (15, 99)])
def test_few_stale_quotes_are_no_share_unless_chance_cannot_be_it(stale, rows):
    verdict = judged([20.0] * rows, stale=stale)["stale"]
    assert (verdict.status, verdict.missing) == ("unknown", 100 - rows)
    assert judged([20.0] * rows, stale=rows)["stale"].status == ("alarm" if rows > 1 else "unknown")


@pytest.mark.parametrize(("failures", "rows"), [(1, 1), (1, 6), (1, 60), (2, 30)])
def test_a_failure_or_two_of_a_few_quotes_are_no_rate(failures, rows):
    verdict = judged([20.0] * (rows - failures), failures=failures)["error_rate"]
    assert (verdict.status, verdict.missing) == ("unknown", 100 - rows)


@pytest.mark.parametrize(("failures", "rows"), [(2, 2), (3, 30), (15, 30), (2, 100)])
def test_failures_that_chance_cannot_explain_are_an_alarm_however_few_are_asked_for(failures, rows):
    assert judged([20.0] * (rows - failures), failures=failures)["error_rate"].status == "alarm"


def test_a_few_quotes_without_a_fault_end_an_incident():
    verdicts = judged([20.0] * 5)
    assert verdicts["error_rate"].status == verdicts["stale"].status == "quiet"


def test_quotes_that_came_late_are_an_alarm_beyond_the_limit():
    assert judged(late=LateQuotes(100, 3600.0))["backlog"].status == "quiet"
    verdict = judged(late=LateQuotes(101, 3600.0))["backlog"]
    assert (verdict.status, verdict.effects["longest_minutes"]) == ("alarm", 60.0)


def test_stale_quotes_are_an_alarm_beyond_a_tenth():
    assert judged([20.0] * 100, stale=10)["stale"].status == "quiet"
    assert judged([20.0] * 100, stale=11)["stale"].status == "alarm"


def test_nothing_at_all_decides_nothing_but_the_backlog():
    verdicts = judged()

    unknown = {check for check, verdict in verdicts.items() if verdict.status == "unknown"}
    assert unknown == {"error_rate", "latency", "stale"}


@pytest.mark.parametrize(("count", "rows", "limit"), [(0, 5, 0.1), (1, 1, 0.01), (7, 300, 0.02)])
def test_what_chance_explains_is_the_binomial_tail(count, rows, limit):
    expected = binom.sf(count - 1, rows, limit)
    assert checks._chance(count, rows, limit) == pytest.approx(expected, rel=1e-12)
