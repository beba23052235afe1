"""Who scores: this process, others of this machine, or a Dask cluster; all by the same code."""

import os
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from insurance_predictor.base.errors import BadInput, InvalidTable
from insurance_predictor.scoring.part import Facts, Kit, Order, predictor_of, score_piece

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

    from distributed import Client

# What every process needs: loaded once, by the one that the others are copies of.
LOADED = (
    "pandas",
    "pyarrow.csv",
    "skops.io",
    "sklearn.pipeline",
    "insurance_predictor.model.estimators",
    "insurance_predictor.model.preprocessing",
    "insurance_predictor.scoring.part",
)
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # processes are what there are many of

Scored = tuple[Order, Facts | InvalidTable]


class Workers(Protocol):
    """Scores pieces in any order; a piece that cannot be read does not stop the others."""

    def score(self, orders: Sequence[Order]) -> Iterator[Scored]:
        """Each order with what became of it. Raises what stops all of them."""


class ThisProcess:
    """One piece after the other."""

    def __init__(self, kit: Kit, trusted: frozenset[str]) -> None:
        self._kit, self._trusted = kit, trusted

    def score(self, orders: Sequence[Order]) -> Iterator[Scored]:
        for order in orders:
            yield order, _attempted(self._kit, self._trusted, order)


class Processes:
    """`count` processes of this machine, which end with the one that began them."""

    def __init__(self, count: int) -> None:
        """Starts to load what they need; no process works yet."""
        import multiprocessing
        from multiprocessing import forkserver

        for name in ONE_THREAD:
            os.environ.setdefault(name, "1")
        self.count = count
        self._context: BaseContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(LOADED))
        forkserver.ensure_running()

    def with_kit(self, kit: Kit, trusted: frozenset[str]) -> "ProcessPool":
        return ProcessPool(self.count, self._context, kit, trusted)


class ProcessPool:
    """Processes that have a version."""

    def __init__(
        self, count: int, context: "BaseContext", kit: Kit, trusted: frozenset[str]
    ) -> None:
        self._count, self._context, self._kit, self._trusted = count, context, kit, trusted

    def score(self, orders: Sequence[Order]) -> Iterator[Scored]:
        from concurrent.futures import ProcessPoolExecutor, as_completed
        from concurrent.futures.process import BrokenProcessPool

        pool = ProcessPoolExecutor(self._count, self._context, _begin, (self._kit, self._trusted))
        try:
            futures = {pool.submit(_score_here, order): order for order in orders}
            for future in as_completed(futures):
                yield futures.pop(future), future.result()
        except BrokenProcessPool as error:
            raise BadInput(
                "A process that scores was ended from outside, perhaps for want of memory. Run "
                "the same command again, perhaps with fewer of them (N_JOBS=1): it goes on where "
                "it stopped."
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


class Cluster:
    """The workers of a Dask cluster; what one was doing that is lost, another one does again."""

    def __init__(self, client: "Client", kit: Kit, trusted: frozenset[str]) -> None:
        self._client, self._kit, self._trusted = client, kit, trusted

    def score(self, orders: Sequence[Order]) -> Iterator[Scored]:
        from distributed import KilledWorker, as_completed

        kit = self._client.scatter(self._kit, broadcast=True, hash=False)
        asked = self._client.map(
            _attempted_there, orders, kit=kit, trusted=self._trusted, pure=False
        )
        mine = {future.key: order for future, order in zip(asked, orders, strict=True)}
        try:
            for future, became in as_completed(asked, with_results=True):
                yield mine[future.key], became
        except KilledWorker as error:
            raise BadInput(
                "A piece was lost with each worker that took it, perhaps for want of memory. Give "
                "the workers more, and run the same command again: it goes on where it stopped."
            ) from error


def _attempted_there(order: Order, kit: Kit, trusted: frozenset[str]) -> Facts | InvalidTable:
    return _attempted(kit, trusted, order)


_HERE: list[tuple[Kit, frozenset[str]]] = []  # of a process that scores


def _begin(kit: Kit, trusted: frozenset[str]) -> None:
    import multiprocessing

    _HERE[:] = [(kit, trusted)]
    if (parent := multiprocessing.parent_process()) is not None:
        # Whoever asked is gone: nobody would ever end this one.
        def watch() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()


def _score_here(order: Order) -> Facts | InvalidTable:
    return _attempted(*_HERE[0], order)


def _attempted(kit: Kit, trusted: frozenset[str], order: Order) -> Facts | InvalidTable:
    try:
        return score_piece(order, predictor_of(kit, trusted))
    except InvalidTable as error:
        return InvalidTable(str(error))
