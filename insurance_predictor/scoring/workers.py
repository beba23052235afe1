"""Who scores: this process, others of this machine, or a Dask cluster; all by the same code."""

import gc
import os
import pickle
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from multiprocessing import active_children, parent_process
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol, Self

from insurance_predictor.base.errors import BadInput, InvalidTable
from insurance_predictor.base.memory import keep_freed_memory
from insurance_predictor.base.settings import Settings
from insurance_predictor.cluster import begin_everywhere, by_workers, require_file
from insurance_predictor.scoring.kit import Kit, fetch_kit
from insurance_predictor.table.storage import S3, make_folder

if TYPE_CHECKING:
    from concurrent.futures import Future

    from distributed import Client

    from insurance_predictor.scoring.order import Facts, Order

    Became = Facts | InvalidTable
    Scored = tuple[Order, Became]

# What every process needs that scores, in this order.
LOADED = (
    "scipy.special",  # before skops, which would look through every module for it
    "insurance_predictor.model.estimators",  # which keeps skops from loading Dask
    "skops.io",
    "pyarrow.csv",
    "insurance_predictor.model.preprocessing",
    "insurance_predictor.scoring.part",
)
PRELOADED = "insurance_predictor.scoring.loaded"
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # processes are what there are many of


class Workers(Protocol):
    """Scores pieces in any order; a piece that cannot be read does not stop the others."""

    def kit(self) -> Kit:
        """The version that they score by, fetched once. Raises what `fetch_kit` raises."""

    def score(self, orders: Sequence["Order"]) -> Iterator["Scored"]:
        """Each order with what became of it. Raises what stops all of them."""


class ThisProcess:
    """One piece after the other."""

    def __init__(self, settings: Settings, number: str | None) -> None:
        """As `fetch_kit` of that version."""
        load()
        self._kit = fetch_kit(settings, number)
        self._trusted = settings.trusted_digests

    def kit(self) -> Kit:
        return self._kit

    def score(self, orders: Sequence["Order"]) -> Iterator["Scored"]:
        for order in orders:
            yield order, _attempted(self._kit, self._trusted, order)


class Processes:
    """`count` processes of this machine, which end with the one that began them.

    They are copies of one that has loaded what scores, so that nothing of it is loaded or in memory
    twice. Meanwhile another one fetches the version: what that takes goes with it, and is in no
    memory when they score.
    """

    def __init__(self, settings: Settings, number: str | None, count: int) -> None:
        """As `fetch_kit` of that version, which `kit` waits for."""
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import forkserver, get_context

        for name in ONE_THREAD:
            os.environ.setdefault(name, "1")
        self._trusted = settings.trusted_digests
        self._folder = TemporaryDirectory()
        self._file = Path(self._folder.name, "kit")
        copied = get_context("forkserver")
        copied.set_forkserver_preload([PRELOADED])
        self._fetcher = ProcessPoolExecutor(1, get_context("spawn"), end_with_parent)
        # What is copied has the variables of when it was started, which others may have been.
        given = (str(self._file), dict(os.environ))
        self._pool = ProcessPoolExecutor(count, copied, _begin, given)
        # Ctrl-C is for this process alone, from the first moment of the others on.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._fetched = self._fetcher.submit(fetch_kit, settings, number)
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:  # a part is whole or not there, so nobody has to wait for one
            for process in active_children():
                process.terminate()
        self._fetcher.shutdown(cancel_futures=True)
        self._pool.shutdown(cancel_futures=True)
        self._folder.cleanup()

    def kit(self) -> Kit:
        """The version, which the processes have from now on."""
        with _lost("A process that fetched the version"):
            kit = self._fetched.result()
        self._fetcher.shutdown()
        self._file.write_bytes(pickle.dumps((kit, self._trusted)))
        return kit

    def score(self, orders: Sequence["Order"]) -> Iterator["Scored"]:
        from concurrent.futures import as_completed

        with _lost("A process that scores"):
            futures = {self._submit(order): order for order in orders}
            for future in as_completed(futures):
                yield futures.pop(future), future.result()

    def _submit(self, order: "Order") -> "Future[Became]":
        from concurrent.futures.process import BrokenProcessPool

        try:
            return self._pool.submit(_score_here, order)
        except (EOFError, ConnectionError) as error:  # what is copied is gone
            raise BrokenProcessPool from error


@contextmanager
def _lost(who: str) -> Iterator[None]:
    from concurrent.futures.process import BrokenProcessPool

    try:
        yield
    except BrokenProcessPool as error:
        raise BadInput(
            f"{who} was ended from outside, perhaps for want of memory. Run the same command "
            "again, perhaps with fewer of them (N_JOBS=1): it goes on where it stopped."
        ) from error


class Cluster:
    """The workers of a Dask cluster."""

    def __init__(self, client: "Client", settings: Settings, number: str | None) -> None:
        """As `fetch_kit` of that version, while the workers load what they score with."""
        self._client = client
        self._loading = begin_everywhere(client, load)  # forgotten would be cancelled
        self._kit = fetch_kit(settings, number)
        self._trusted = settings.trusted_digests

    def kit(self) -> Kit:
        return self._kit

    def score(self, orders: Sequence["Order"]) -> Iterator["Scored"]:
        if not orders:
            return
        source, out = orders[0].piece.url, orders[0].out
        if not source.startswith(S3):
            require_file(self._client, source)
        make_folder(out)
        if not out.startswith(S3):
            require_file(self._client, out)
        kit = self._client.scatter(self._kit, broadcast=True, hash=False)
        given = {"kit": kit, "trusted": self._trusted}
        yield from by_workers(self._client, _attempted_there, orders, **given)


def _attempted_there(order: "Order", kit: Kit, trusted: frozenset[str]) -> "Became":
    return _attempted(kit, trusted, order)


def load() -> None:
    """Import what scores by a version, best before MLflow, which skops would look through.

    Nothing of it is looked through for garbage again, and freed memory is kept for the next batch.
    """
    import pyarrow as pa

    for name in LOADED:
        import_module(name)
    gc.freeze()
    pa.set_memory_pool(pa.system_memory_pool())
    keep_freed_memory()


def dask_setup(_: object) -> None:
    """What a Dask worker does at its start, before anybody asks, with `--preload` of this module.

    The name is Dask's.
    """
    load()


def end_with_parent() -> None:
    """Let this process end when the one that began it does.

    It looks for no garbage while it loads: what it imports are a million objects that stay.
    """
    gc.disable()
    if (parent := parent_process()) is not None:
        # Whoever asked is gone: nobody would ever end this one.
        def watch() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()


def _begin(file: str, variables: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)
    end_with_parent()
    _FILE.append(file)
    gc.enable()


_FILE: list[str] = []  # with the version, of a process that scores


@cache
def _own_kit() -> tuple[Kit, frozenset[str]]:
    content = Path(_FILE[0]).read_bytes()
    found: tuple[Kit, frozenset[str]] = pickle.loads(content)  # noqa: S301 - of our parent
    return found


def _score_here(order: "Order") -> "Became":
    return _attempted(*_own_kit(), order)


def _attempted(kit: Kit, trusted: frozenset[str], order: "Order") -> "Became":
    from insurance_predictor.scoring.part import predictor_of, score_piece

    try:
        return score_piece(order, predictor_of(kit, trusted))
    except InvalidTable as error:
        return InvalidTable(str(error))
