"""Failures, slowness, a backlog and a stale version are each seen, over all versions."""

import numpy as np
import pytest

from monitoring.checks.service import service_verdicts
from monitoring.window.reader import ServiceChunk
from monitoring.window.statistics import WindowStatistics
from tests.monitoring.windows import THRESHOLDS, model, named


def judged(latency=(), stale: int = 0, failures: int = 0, backlog: int = 0):
    statistics = WindowStatistics(model()[1])
    statistics.add_other(ServiceChunk(np.array(latency, dtype=float), stale))
    return named(service_verdicts(statistics, failures, backlog, THRESHOLDS))


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


def test_quotes_that_wait_for_the_database_are_an_alarm_beyond_the_limit():
    assert judged(backlog=1000)["backlog"].status == "quiet"
    assert judged(backlog=1001)["backlog"].status == "alarm"


def test_stale_quotes_are_an_alarm_beyond_a_tenth():
    assert judged([20.0] * 100, stale=10)["stale"].status == "quiet"
    assert judged([20.0] * 100, stale=11)["stale"].status == "alarm"


def test_nothing_at_all_decides_nothing_but_the_backlog():
    verdicts = judged()

    unknown = {check for check, verdict in verdicts.items() if verdict.status == "unknown"}
    assert unknown == {"error_rate", "latency", "stale"}
