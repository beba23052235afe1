"""What Prometheus reads: quotes, failures, how long requests took, what serves, what waits."""

from collections.abc import Iterable
from dataclasses import dataclass
from os import environ

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # where the workers of one server share their counts
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
PREFIX = "insurance_predictor"


@dataclass(frozen=True)
class Now:
    """What holds at this moment: the version that serves (None: none can), and what waits."""

    version: str | None
    is_stale: bool
    backlog: int

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """What a registry of prometheus-client asks for."""
        about = "1 for the version that serves"
        serves = GaugeMetricFamily(f"{PREFIX}_served_version", about, labels=["version"])
        if self.version is not None:
            serves.add_metric([self.version], 1)
        yield serves
        stale = "1 while the registry cannot be asked, or nothing serves"
        yield GaugeMetricFamily(f"{PREFIX}_stale", stale, float(self.is_stale))
        waiting = "Quotes that wait for the database"
        yield GaugeMetricFamily(f"{PREFIX}_spool_backlog", waiting, self.backlog)


class Metrics:
    """The counts of one process; those of the other workers are added when they are read."""

    def __init__(self) -> None:
        self._own = CollectorRegistry()
        people = "People asked about, by what came of it: quoted, refused or failed"
        self._people = Counter(f"{PREFIX}_people", people, ["outcome"], registry=self._own)
        seconds = "Seconds from a whole request for quotes to its answer"
        self._seconds = Histogram(
            f"{PREFIX}_request_seconds", seconds, buckets=SECONDS, registry=self._own
        )
        for outcome in ("quoted", "refused", "failed"):
            self._people.labels(outcome)  # so that each is there from the beginning, as 0

    def count(self, outcome: str, people: int) -> None:
        self._people.labels(outcome).inc(people)

    def took(self, seconds: float) -> None:
        self._seconds.observe(seconds)

    def exposition(self, now: Now) -> bytes:
        """The text that Prometheus reads, of all workers."""
        counts = self._own
        if environ.get(FOLDER):
            counts = CollectorRegistry()
            multiprocess.MultiProcessCollector(counts)  # type: ignore[no-untyped-call]
        gauges = CollectorRegistry()
        gauges.register(now)
        return generate_latest(counts) + generate_latest(gauges)
