"""Do quotes come, quickly, from the version that ought to serve? A verdict for each."""

from insurance_predictor.base.settings import MonitorThresholds
from monitoring.domain.assessment import Verdict, undecided
from monitoring.window.statistics import WindowStatistics

LEAST_FOR_P95 = 20  # the 95 % quantile of fewer is their largest


def service_verdicts(
    statistics: WindowStatistics, failures: int, backlog: int, thresholds: MonitorThresholds
) -> tuple[Verdict, ...]:
    """error_rate, latency, backlog and stale, each an alarm when `value` exceeds `limit`.

    `failures` are quotes that failed in the window and `backlog` those that wait for the database
    now. The latency is the 95 % quantile of quotes that somebody waited for, in milliseconds and
    to 1 %; of a batch nobody waits for one. The others are shares of the window's quotes, of all
    versions.
    """
    rows = statistics.rows + statistics.other_rows
    return (
        _share("error_rate", failures, failures + rows, thresholds.error_rate),
        _latency(statistics, thresholds.latency_p95_ms),
        _backlog(backlog, thresholds.spool_backlog),
        _share("stale", statistics.stale, rows, thresholds.stale_share),
    )


def _share(check: str, count: int, rows: int, limit: float) -> Verdict:
    if not rows:
        return undecided("service", check, rows=0, missing=1)
    return Verdict(
        kind="service",
        check=check,
        status="alarm" if count / rows > limit else "quiet",
        rows=rows,
        value=count / rows,
        limit=limit,
        effects={"rows": float(count)},
    )


def _latency(statistics: WindowStatistics, limit: float) -> Verdict:
    rows = statistics.latencies.rows
    if rows < LEAST_FOR_P95:
        return undecided("service", "latency", rows, LEAST_FOR_P95 - rows)
    value = statistics.latencies.quantile(0.95)
    return Verdict(
        kind="service",
        check="latency",
        status="alarm" if value > limit else "quiet",
        rows=rows,
        value=value,
        limit=limit,
        effects={"p50": statistics.latencies.quantile(0.50)},
    )


def _backlog(backlog: int, limit: int) -> Verdict:
    return Verdict(
        kind="service",
        check="backlog",
        status="alarm" if backlog > limit else "quiet",
        rows=backlog,
        value=float(backlog),
        limit=float(limit),
    )
