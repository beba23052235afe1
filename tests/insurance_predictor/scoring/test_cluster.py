"""A Dask cluster gives what one process gives, also when a worker is killed on the way."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pandas as pd
import pytest
import yaml
from distributed import Client, LocalCluster
from distributed.versions import VersionMismatchWarning
from pandas.testing import assert_frame_equal

from insurance_predictor.base.errors import BadInput, Unreachable
from insurance_predictor.base.settings import Settings
from insurance_predictor.cluster import begin_everywhere, connected, require_file
from insurance_predictor.scoring import portfolio
from insurance_predictor.scoring.score import ScoreOptions, score
from insurance_predictor.scoring.workers import load
from tests.insurance_predictor.scoring.conftest import Score, whole
from tests.repository import ROOT

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as running:
        yield running


def test_the_same_premiums_as_in_one_process(
    run: Score,
    settings: Settings,
    people: pd.DataFrame,
    tmp_path: Path,
    cluster,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(portfolio, "ROWS_OF_A_PIECE", 50)
    people.to_parquet(tmp_path / "in.parquet")
    run(tmp_path / "in.parquet", tmp_path / "alone")
    there = settings.model_copy(update={"scheduler": cluster.scheduler_address})
    done = score(there, str(tmp_path / "in.parquet"), str(tmp_path / "out"), ScoreOptions())
    assert done.manifest.rows == 300
    assert_frame_equal(whole(tmp_path / "out"), whole(tmp_path / "alone"))
    names = [sorted(path.name for path in (tmp_path / out).iterdir()) for out in ("out", "alone")]
    assert names[0] == names[1]


def test_what_is_whole_needs_no_scheduler(
    run: Score, settings: Settings, people: pd.DataFrame, tmp_path: Path
):
    people.to_parquet(tmp_path / "in.parquet")
    run(tmp_path / "in.parquet", tmp_path / "out")
    away = settings.model_copy(update={"scheduler": "tcp://127.0.0.1:9"})
    done = score(away, str(tmp_path / "in.parquet"), str(tmp_path / "out"), ScoreOptions())
    assert (done.manifest.rows, done.done) == (300, 0)


def test_a_worker_that_is_killed_costs_no_row(
    run: Score,
    settings: Settings,
    people: pd.DataFrame,
    tmp_path: Path,
    cluster,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(portfolio, "ROWS_OF_A_PIECE", 1_000)
    pd.concat([people] * 200).to_parquet(tmp_path / "in.parquet")
    run(tmp_path / "in.parquet", tmp_path / "alone")
    killed: list[int] = []

    def kill_one_that_has_begun() -> None:
        waiting = tmp_path / "out" / "_unfinished"
        while not (waiting.is_dir() and any(waiting.glob("part-*"))):
            time.sleep(0.01)
        with connected(cluster.scheduler_address) as client:
            pid = next(iter(client.run(os.getpid).values()))
        os.kill(pid, signal.SIGKILL)
        killed.append(pid)

    killer = threading.Thread(target=kill_one_that_has_begun)
    killer.start()
    there = settings.model_copy(update={"scheduler": cluster.scheduler_address})
    done = score(there, str(tmp_path / "in.parquet"), str(tmp_path / "out"), ScoreOptions())
    killer.join()
    assert killed
    assert done.manifest.rows == 60_000
    assert_frame_equal(whole(tmp_path / "out"), whole(tmp_path / "alone"))


def _connect(scheduler: str) -> None:
    with connected(scheduler):
        pass


def test_a_scheduler_that_is_not_there(settings: Settings, people: pd.DataFrame, tmp_path: Path):
    with pytest.raises(Unreachable, match=r"scheduler at tcp://127\.0\.0\.1:9 does not answer"):
        _connect("tcp://127.0.0.1:9")
    with pytest.raises(BadInput, match="is no address"):
        _connect("carrier-pigeon://8786")


@pytest.mark.parametrize(
    "said", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.0 400 Bad request\r\n\r\n", bytes(64)]
)
def test_another_program_at_the_port_of_a_scheduler_is_told_from_one(said: bytes):
    class Other(StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(said)
            self.rfile.read(1)

    with ThreadingTCPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with pytest.raises(BadInput, match="is no Dask scheduler"):
                _connect(f"tcp://127.0.0.1:{server.server_address[1]}")
        finally:
            server.shutdown()


def test_a_scheduler_that_hangs_does_not_answer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("insurance_predictor.cluster.CONNECT_SECONDS", 1)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(Unreachable, match="does not answer"),
    ):
        _connect(f"tcp://127.0.0.1:{silent.getsockname()[1]}")


def test_a_scheduler_without_workers():
    with (
        LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=None) as empty,
        pytest.raises(BadInput, match="has no worker"),
    ):
        _connect(empty.scheduler_address)


def test_every_worker_sees_a_local_input(cluster, tmp_path: Path):
    with connected(cluster.scheduler_address) as client:
        require_file(client, str(tmp_path))
        with pytest.raises(BadInput, match="does not see /nowhere/at-all"):
            require_file(client, "/nowhere/at-all")


@pytest.mark.parametrize("library", ["skops", "cloudpickle"])
def test_a_worker_with_another_library_is_refused(library: str, tmp_path: Path):
    with (
        worker_with(library, tmp_path) as address,
        pytest.raises(BadInput, match=rf"{library} 0\.0\.1 instead of"),
    ):
        _connect(address)


def test_a_library_that_decides_no_number_may_be_another_without_a_word(tmp_path: Path):
    # As the last figure of Python's version, of which Dask alone would print a table.
    with worker_with("lz4", tmp_path) as address, warnings.catch_warnings():
        warnings.simplefilter("error", VersionMismatchWarning)
        _connect(address)


def test_a_worker_of_the_stack_has_loaded_what_scores_before_it_is_asked(tmp_path: Path):
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["worker"]
    typed = service["command"]
    place = typed.index("--preload")
    with (
        worker(tmp_path, *typed[place : place + 2]) as address,
        Client(address) as client,
    ):
        asked = "'skops.io' in __import__('sys').modules"
        assert set(client.run(eval, asked).values()) == {True}


def test_others_load_it_while_the_version_is_fetched(tmp_path: Path):
    with worker(tmp_path) as address, Client(address) as client:
        asked = "'skops.io' in __import__('sys').modules"
        assert set(client.run(eval, asked).values()) == {False}
        (loading,) = begin_everywhere(client, load)
        loading.result()
        assert set(client.run(eval, asked).values()) == {True}


@contextmanager
def worker_with(library: str, folder: Path) -> Iterator[str]:
    """The scheduler of a worker that has a `library` of version 0.0.1."""
    facts = folder / f"{library}-0.0.1.dist-info" / "METADATA"
    facts.parent.mkdir()
    facts.write_text(f"Metadata-Version: 2.1\nName: {library}\nVersion: 0.0.1\n")
    path = os.pathsep.join([str(folder), os.environ["PYTHONPATH"]])
    with worker(folder, path=path) as address:
        yield address


@contextmanager
def worker(folder: Path, *options: str, path: str | None = None) -> Iterator[str]:
    """The scheduler of a worker that is a process of its own, perhaps with another PYTHONPATH."""
    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=None) as empty:
        address = empty.scheduler_address
        command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-nanny"]
        command += ["--nthreads", "1", *options]
        with subprocess.Popen(
            [*command, "--no-dashboard", "--local-directory", str(folder)],
            env=os.environ | ({} if path is None else {"PYTHONPATH": path}),
        ) as worker:
            try:
                with Client(address) as client:
                    client.wait_for_workers(1)
                yield address
            finally:
                worker.terminate()
