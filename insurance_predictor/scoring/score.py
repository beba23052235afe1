"""`score`: one version's premiums for all people in a file, a folder or a pattern of files."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import cpu_count
from time import perf_counter

from insurance_predictor.base.environment import progress
from insurance_predictor.base.errors import BadInput, InvalidTable
from insurance_predictor.base.settings import Settings
from insurance_predictor.cluster import connected
from insurance_predictor.scoring.kit import Kit
from insurance_predictor.scoring.order import Facts, Order
from insurance_predictor.scoring.output import (
    Manifest,
    finished,
    publish,
    read_manifest,
    write_manifest,
)
from insurance_predictor.scoring.portfolio import Portfolio, survey
from insurance_predictor.scoring.workers import Cluster, Processes, ThisProcess, Workers
from insurance_predictor.table.columns import NumberColumn, target_json
from insurance_predictor.table.storage import File, absolute, find_files, require_storage

SMALL = 2**21  # bytes; so much is scored by one process before others have started
SHOWN_FILES = 20


@dataclass(frozen=True)
class ScoreOptions:
    """`version` by its number (default: what is in production); `jobs` processes, -1 for a core
    each."""

    version: str | None = None
    jobs: int = -1


@dataclass(frozen=True)
class ScoreReport:
    """What is there now, in `target`'s unit; `seconds` and `done` are of this run."""

    manifest: Manifest
    target: NumberColumn
    notices: tuple[str, ...]
    seconds: float
    done: int  # rows


def score(
    settings: Settings,
    source: str,
    out: str,
    options: ScoreOptions = ScoreOptions(),
) -> ScoreReport:
    """Write the parts of `out` that are not there yet, and in the end its manifest.

    Raises BadInput for what cannot be used, with nothing lost; the same call goes on where it
    stopped.
    """
    start = perf_counter()
    require_storage(source, "IN")
    require_storage(out, "OUT")
    out = absolute(out)  # whoever writes there may stand elsewhere
    files = find_files(source)
    with _workers(settings, options, files, out) as workers:
        return _report(settings, files, out, workers, start)


@contextmanager
def _workers(
    settings: Settings, options: ScoreOptions, files: tuple[File, ...], out: str
) -> Iterator[Workers]:
    """Those that score, who make themselves ready while the version is fetched."""
    count = cpu_count() or 1 if options.jobs < 0 else options.jobs
    is_small = sum(file.size for file in files) < SMALL
    if settings.scheduler is not None and read_manifest(out) is None:
        with connected(settings.scheduler) as client:
            yield Cluster(client, settings, options.version)
    elif settings.scheduler is not None or is_small or count == 1:
        yield ThisProcess(settings, options.version)
    else:
        with Processes(settings, options.version, count) as processes:
            yield processes


def _report(
    settings: Settings, files: tuple[File, ...], out: str, workers: Workers, start: float
) -> ScoreReport:
    kit = workers.kit()
    columns = kit.columns
    portfolio = survey(files, columns)
    orders = [
        Order(number, piece, portfolio.layouts[piece.url], out, settings.strict, kit.identity)
        for number, piece in enumerate(portfolio.pieces)
    ]
    known = read_manifest(out)
    if known is not None:
        _require_the_same(known, out, kit, portfolio)
        return ScoreReport(known, columns.target, (), perf_counter() - start, 0)
    there = finished(out, orders, kit.version)
    left = [order for order in orders if order.name not in there]
    facts = _scored(workers, left, portfolio.rows)
    every = [*there.values(), *facts]
    parts = publish(out, orders)
    seconds = perf_counter() - start
    manifest = Manifest(
        version=kit.version,
        incarnation=kit.incarnation,
        model=settings.model_name,
        version_sha256=kit.identity,
        input=portfolio.fingerprint,
        rows=sum(each.rows for each in every),
        faulty=sum(each.faulty for each in every),
        outside=sum(each.outside for each in every),
        premium=round(sum(each.premium for each in every), 2),
        seconds=round(seconds, 1),
        parts=parts,
        columns={"target": target_json(columns.target)},
    )
    write_manifest(out, manifest)
    done = sum(each.rows for each in facts)
    return ScoreReport(manifest, columns.target, portfolio.notices, seconds, done)


def _require_the_same(known: Manifest, out: str, kit: Kit, portfolio: Portfolio) -> None:
    """Raise BadInput unless what is whole in `out` is what this call would write."""
    same_input = known.input == portfolio.fingerprint
    if known.version_sha256 != kit.identity or not same_input:
        raise BadInput(
            f"{out} has a portfolio already, scored by version {known.version}"
            f"{'' if same_input else ' from another input'}. Give another OUT; nothing was touched."
        )


def _scored(workers: Workers, orders: list[Order], total: int) -> list[Facts]:
    facts, faults = [], []
    done = total - sum(order.piece.rows for order in orders)
    with progress("scoring", total, unit=" rows", done=done) as advance:
        for order, became in workers.score(orders):
            if isinstance(became, InvalidTable):
                faults.append(str(became))
            else:
                facts.append(became)
                advance(order.piece.rows)
    if faults:
        more = f"\n... and {len(faults) - SHOWN_FILES} more." if faults[SHOWN_FILES:] else ""
        raise InvalidTable("\n".join(sorted(set(faults))[:SHOWN_FILES]) + more)
    return facts
