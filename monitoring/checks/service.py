"""Do quotes come, quickly, from the version that ought to serve? A verdict for each."""

from insurance_predictor.base.settings import MonitorThresholds
from monitoring.domain.assessment import Verdict, undecided
from monitoring.window.reader import LateQuotes
from monitoring.window.statistics import ServiceStatistics

CHECKS = ("error_rate", "latency", "backlog", "stale")
LEAST_FOR_P95 = 20  # the 95 % quantile of fewer is their largest
CHANCE = 0.01  # a share that is less likely than that, at its limit, needs no more quotes
MINUTE = 60.0  # seconds


def service_verdicts(
    service: ServiceStatistics, failures: int, late: LateQuotes, thresholds: MonitorThresholds
) -> tuple[Verdict, ...]:
    """error_rate, latency, backlog and stale, each an alarm when `value` exceeds `limit`.

    `failures` are quotes that failed in the window, and `late` those that reached the log long
    after they were given, as their writers report. The latency is the 95 % quantile of quotes that
    somebody waited for, in milliseconds and to 1 %; of a batch nobody waits for one. The others are
    shares of the window's quotes, of all versions.
    """
    return (
        _share("error_rate", failures, failures + service.rows, thresholds.error_rate, thresholds),
        _latency(service, thresholds.latency_p95_ms),
        _backlog(late, thresholds.spool_backlog),
        _share("stale", service.stale, service.rows, thresholds.stale_share, thresholds),
    )


def _share(
    check: str, count: int, rows: int, limit: float, thresholds: MonitorThresholds
) -> Verdict:
    """Beyond the limit in fewer than `least_quotes` it has to be more than chance explains.

    One of six is no rate; three of three that were asked for in vain are an outage.
    """
    missing = thresholds.least_quotes - rows
    is_beyond = count > limit * rows
    if not rows or (is_beyond and missing > 0 and _chance(count, rows, limit) >= CHANCE):
        return undecided("service", check, rows, max(missing, 1))
    return Verdict(
        kind="service",
        check=check,
        status="alarm" if is_beyond else "quiet",
        rows=rows,
        value=count / rows,
        limit=limit,
        effects={"rows": float(count)},
    )


def _chance(count: int, rows: int, limit: float) -> float:
    """That so many or more of `rows` are, when each is with the chance `limit`."""
    from scipy.special import betainc

    return float(betainc(count, rows - count + 1, limit)) if count else 1.0


def _latency(service: ServiceStatistics, limit: float) -> Verdict:
    rows = service.latencies.rows
    if rows < LEAST_FOR_P95:
        return undecided("service", "latency", rows, LEAST_FOR_P95 - rows)
    value = service.latencies.quantile(0.95)
    return Verdict(
        kind="service",
        check="latency",
        status="alarm" if value > limit else "quiet",
        rows=rows,
        value=value,
        limit=limit,
        effects={"p50": service.latencies.quantile(0.50)},
    )


def _backlog(late: LateQuotes, limit: int) -> Verdict:
    return Verdict(
        kind="service",
        check="backlog",
        status="alarm" if late.quotes > limit else "quiet",
        rows=late.quotes,
        value=float(late.quotes),
        limit=float(limit),
        effects={"longest_minutes": late.longest_seconds / MINUTE},
    )
