"""Machines beyond this one: a Dask cluster, checked before anything is asked of it."""

import asyncio
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from insurance_predictor.base.environment import library_versions
from insurance_predictor.base.errors import BadInput, Unreachable
from insurance_predictor.base.foreign_text import one_line

if TYPE_CHECKING:
    from distributed import Client, Future

LOCAL = "local"
CONNECT_SECONDS = 10
Part = TypeVar("Part")
Found = TypeVar("Found")
SHOWN_WORKERS = 5
SPEAKING = ("dask", "distributed", "cloudpickle")


@contextmanager
def connected(scheduler: str) -> Iterator["Client"]:
    """A client of the scheduler at an address as tcp://host:8786; "local" makes one here.

    Raises Unreachable when it does not answer, and BadInput when there is no worker, or one with
    other libraries than ours.
    """
    from distributed import Client, LocalCluster
    from distributed.versions import VersionMismatchWarning

    if scheduler == LOCAL:
        with (
            LocalCluster(threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    # Which versions may differ is decided below.
    warnings.simplefilter("ignore", VersionMismatchWarning)
    with _reached(scheduler):
        # Client would wait for ever where somebody listens who never says a word.
        asyncio.run(asyncio.wait_for(_greet(scheduler), CONNECT_SECONDS))
        client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=True)
    with client:
        _require_our_libraries(client, scheduler)
        yield client


def require_file(client: "Client", path: str) -> None:
    """Raise BadInput unless every worker sees what is at `path` of this machine."""
    there = client.run(_exists, path)
    blind = sorted(worker for worker, sees in there.items() if not sees)
    if blind:
        raise BadInput(
            f"The worker {blind[0]} does not see {path}. Put it on s3://, or in a folder that all "
            "workers share under the same name."
        )


def begin_everywhere(client: "Client", call: Callable[[], None]) -> list["Future[None]"]:
    """Have every worker make the call before what it is asked next; nobody waits for it."""
    return [client.submit(call, workers=[worker], pure=False) for worker in client.nthreads()]


def by_workers(
    client: "Client", call: Callable[..., Found], parts: Sequence[Part], **given: Any
) -> Iterator[tuple[Part, Found]]:
    """Each part with what `call` makes of it and of `given`, in the order in which they are done.

    What a worker was doing that is lost, another one does again. Raises BadInput for a part that
    takes every worker with it, and what `call` raises.
    """
    from distributed import KilledWorker, as_completed

    asked = client.map(call, parts, **given, pure=False)
    mine = {future.key: part for future, part in zip(asked, parts, strict=True)}
    try:
        for future, found in as_completed(asked, with_results=True):
            yield mine[future.key], found
    except KilledWorker as error:
        raise BadInput(
            "A piece was lost with each worker that took it, perhaps for want of memory. Give the "
            "workers more, and run the same command again."
        ) from error


@contextmanager
def _reached(scheduler: str) -> Iterator[None]:
    from distributed.comm.addressing import get_address_host_port

    try:
        get_address_host_port(scheduler)
    except ValueError as error:
        raise BadInput(
            f"SCHEDULER={scheduler} is no address: {one_line(str(error))}. Write it as "
            "tcp://host:8786, or SCHEDULER=local."
        ) from error
    try:
        yield
    except OSError as error:
        raise Unreachable(
            f"The scheduler at {scheduler} does not answer. Check SCHEDULER, and that `make up "
            "SCALE=2` or your cluster is running; SCHEDULER=local needs none."
        ) from error
    except Exception as error:  # whatever Dask makes of another program's bytes
        raise BadInput(
            f"What answers at {scheduler} is no Dask scheduler ({type(error).__name__}). Check "
            "the port of SCHEDULER: that of the scheduler's pages is another."
        ) from error


async def _greet(scheduler: str) -> None:
    from distributed.comm.core import connect
    from distributed.security import Security

    secured = Security().get_connection_args("client")
    greeted = await connect(scheduler, timeout=CONNECT_SECONDS, **secured)
    await greeted.close()


def _exists(path: str) -> bool:
    return Path(path).exists()


def _require_our_libraries(client: "Client", scheduler: str) -> None:
    ours = _deciding()
    try:
        theirs = client.run(_deciding)
    except ModuleNotFoundError as error:
        raise BadInput(
            f"The workers of {scheduler} cannot import {error.name}. Give them the image and the "
            "code of this command."
        ) from error
    if not theirs:
        raise BadInput(
            f"The scheduler at {scheduler} has no worker. Start some, as `make up SCALE=2` does."
        )
    other = [
        f"{worker}: {', '.join(_differences(ours, found))}"
        for worker, found in sorted(theirs.items())
        if found != ours
    ]
    if other:
        told = "; ".join(other[:SHOWN_WORKERS])
        raise BadInput(
            f"Workers of {scheduler} have other libraries, whose numbers may differ: {told}. Give "
            "them the image of this command."
        )


def _differences(ours: dict[str, str], theirs: dict[str, str]) -> list[str]:
    return [
        f"{name} {theirs.get(name, 'missing')} instead of {our}"
        for name, our in ours.items()
        if theirs.get(name) != our
    ]


def _deciding() -> dict[str, str]:
    """What decides a number, or has to read what the other one writes, by version."""
    found = library_versions() | {name: version(name) for name in SPEAKING}
    return found | {"python": found["python"].rpartition(".")[0]}
