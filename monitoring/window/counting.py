"""A window as it streams by and is counted: what the log has of it, and what its archive has.

Parts of it may be counted anywhere: what is counted adds up exactly, in any order.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeVar

from insurance_predictor.log.archive import ArchivedFile, require_archive
from monitoring.domain.assessment import Window
from monitoring.window.archived import ArchivedWindow
from monitoring.window.batches import chunk, service_chunk
from monitoring.window.reader import (
    SERVICE,
    ModelLog,
    read_chunks,
    read_outcomes,
    read_service,
    rows_by_version,
)
from monitoring.window.reference import PREMIUM, Reference
from monitoring.window.statistics import ServiceStatistics, WindowStatistics

SIZE = 50_000  # rows that are counted at once
Found = TypeVar("Found")


@dataclass
class Counted:
    """What a window holds: predictions by version, and how many are `left_out` as another model's.

    `statistics` are of the version that is judged, None where none is; `service` is of all others.
    """

    rows: dict[str, int] = field(default_factory=dict)
    left_out: int = 0
    statistics: WindowStatistics | None = None
    service: ServiceStatistics = field(default_factory=ServiceStatistics)

    @property
    def answers(self) -> ServiceStatistics:
        """How quotes were given, by whatever version."""
        return self.service + self.statistics.service if self.statistics else self.service

    def __add__(self, other: "Counted") -> "Counted":
        """Both together."""
        versions = sorted({*self.rows, *other.rows})
        rows = {name: self.rows.get(name, 0) + other.rows.get(name, 0) for name in versions}
        both, more = self.statistics, other.statistics
        if both is not None and more is not None:
            both = both + more
        return Counted(
            rows, self.left_out + other.left_out, both or more, self.service + other.service
        )


def count_window(
    log: ModelLog,
    window: Window,
    version: str | None = None,
    reference: Reference | None = None,
    others: Mapping[str, Reference] = MappingProxyType({}),
    scheduler: str | None = None,
) -> Counted:
    """Everything of the window: of `version` as its `reference` wants it, of others the service.

    `others` are the versions whose outcomes are judged, too. With a `scheduler` the files of the
    archive are counted by the workers of that Dask cluster.
    """
    files = log.archived("predictions", window)
    blank = None if reference is None else WindowStatistics(reference, others)
    counted = _of_log(log, window, version, blank)
    if files:
        counted += _of_archive(log, window, version, blank, files, scheduler)
    if counted.statistics is not None and version is not None and reference is not None:
        _count_outcomes(log, window, version, reference, others, counted.statistics)
    return counted


def _of_log(
    log: ModelLog, window: Window, version: str | None, blank: WindowStatistics | None
) -> Counted:
    rows, left_out = rows_by_version(log, window)
    counted = Counted(rows, left_out, deepcopy(blank))
    if counted.statistics is not None and version is not None:
        for piece in read_chunks(log, window, version, columns=counted.statistics.columns):
            counted.statistics.add(piece)
    for other in rows:
        if counted.statistics is None or other != version:
            for answers in read_service(log, window, other):
                counted.service.add(answers)
    return counted


def _count_outcomes(
    log: ModelLog,
    window: Window,
    version: str,
    reference: Reference,
    others: Mapping[str, Reference],
    statistics: WindowStatistics,
) -> None:
    """Here, and one after the other: they join their groups in turn."""
    judged = {version: (reference, statistics.outcomes)}
    judged |= {name: (others[name], one) for name, one in statistics.other_outcomes.items()}
    for name, (its_own, counted) in judged.items():
        with closing(read_outcomes(log, window, name, columns=its_own.columns)) as pieces:
            for piece in pieces:
                counted.add(piece)


def _of_archive(
    log: ModelLog,
    window: Window,
    version: str | None,
    blank: WindowStatistics | None,
    files: Sequence[ArchivedFile],
    scheduler: str | None,
) -> Counted:
    scope = log.scope(window)
    if scheduler is None:
        return sum((count_file(file, scope, version, blank) for file in files), Counted())
    return sum(_on_cluster(files, scope, version, blank, scheduler), Counted())


def _on_cluster(
    files: Sequence[ArchivedFile],
    scope: ArchivedWindow,
    version: str | None,
    blank: WindowStatistics | None,
    scheduler: str,
) -> Iterator[Counted]:
    from insurance_predictor.table.storage import absolute

    archive = absolute(require_archive(scope.archive, files[0]))
    scope = replace(scope, archive=archive)  # whoever works may stand elsewhere
    given = {"scope": scope, "version": version}
    yield from on_cluster(scheduler, archive, count_file, files, blank, **given)


def on_cluster(
    scheduler: str,
    place: str,
    count: Callable[..., Found],
    parts: Sequence[Any],
    blank: WindowStatistics | None,
    **given: Any,
) -> Iterator[Found]:
    """What `count` says of each part, in any order, as the workers of a Dask cluster find it.

    It is called with the part, `given` and `blank`, which go to each worker once. All of them have
    to see the `place` that the parts are in. Raises BadInput and Unreachable.
    """
    from insurance_predictor.cluster import by_workers, connected, require_file
    from insurance_predictor.table.storage import S3

    with connected(scheduler) as client:
        if not place.startswith(S3):
            require_file(client, place)
        there = client.scatter(blank, broadcast=True, hash=False)
        for _, counted in by_workers(client, count, parts, **given, blank=there):
            yield counted


def count_file(
    file: ArchivedFile,
    scope: ArchivedWindow,
    version: str | None,
    blank: WindowStatistics | None,
) -> Counted:
    """What a file of the archive holds of a window; `blank` are statistics of nothing."""
    is_judged = blank is not None and file.version == version
    names: tuple[str, ...] = SERVICE
    if is_judged and blank is not None:
        names = (*blank.columns.feature_names, PREMIUM, *SERVICE)
    table, left_out = scope.rows(file, names)
    counted = Counted(left_out=left_out)
    if table.num_rows:
        counted.rows[file.version] = table.num_rows
    if is_judged:
        counted.statistics = deepcopy(blank)
    for batch in table.to_batches(SIZE):
        if counted.statistics is not None:
            counted.statistics.add(chunk(batch, counted.statistics.columns))
        else:
            counted.service.add(service_chunk(batch))
    return counted
