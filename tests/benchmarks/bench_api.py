"""The API's speed against `mlflow models serve` of the same model, in turn, and its memory.

`make bench-api` prints the table and writes bench_api.json. BENCH_REPEATS=n changes the number of
runs, BENCH_SECONDS=n their length. Each server has one process and, where there are two or more,
one core, the clients another; our server logs every quote, theirs logs nothing.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Barrier

from insurance_predictor.table.download import DATA_FOLDER
from tests.benchmarks.bench import forget_configuration
from tests.benchmarks.bench_app import MEBIBYTE, Row, as_json, p95, rows_table
from tests.predictions import ANA
from tests.repository import ROOT
from tests.servers import Server, free_port, start

REPEATS, SECONDS = 3, 10.0
CLIENTS = 30
ROUNDS = 20  # of quotes at the same instant
MANY, AT_ONCE = 100_000, 100  # quotes for the memory, and people of one request
WARM_UP = 10_000
PATIENCE = 60  # seconds
JSON = {"Content-Type": "application/json"}

Body = Callable[[int], bytes]


@dataclass(frozen=True)
class Place:
    """A running server, where it answers, and the body that asks for somebody of an age."""

    server: Server
    path: str
    body: Body

    def client(self) -> HTTPConnection:
        host, port = self.server.uri.removeprefix("http://").split(":")
        return HTTPConnection(host, int(port), timeout=PATIENCE)

    def ask(self, client: HTTPConnection, body: bytes) -> float:
        """Milliseconds until an answer has been read; it has to be a good one."""
        begin = time.perf_counter()
        client.request("POST", self.path, body, JSON)
        answer = client.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {said!r}")
        return 1000 * (time.perf_counter() - begin)


def ours(age: int, people: int = 1) -> bytes:
    return json.dumps({"people": [ANA | {"age": age}] * people}).encode()


def theirs(age: int) -> bytes:
    person = ANA | {"age": age}
    split = {"columns": list(person), "data": [list(person.values())]}
    return json.dumps({"dataframe_split": split}).encode()


def crowd(place: Place, rounds: Callable[[Callable[[], float]], list[float]]) -> list[float]:
    """Milliseconds of all quotes of CLIENTS, each with a connection of its own."""

    def person(number: int) -> list[float]:
        body = place.body(20 + number)
        with closing(place.client()) as client:
            place.ask(client, body)  # opens the connection
            return rounds(lambda: place.ask(client, body))

    with ThreadPoolExecutor(CLIENTS) as people:
        return [wait for waits in people.map(person, range(CLIENTS)) for wait in waits]


def under_load(place: Place, seconds: float) -> tuple[float, float]:
    """Quotes a second of clients who ask again at once, and the p95 of their milliseconds."""
    ready = Barrier(CLIENTS)
    ends: list[float] = []

    def rounds(ask: Callable[[], float]) -> list[float]:
        ready.wait(PATIENCE)
        ends.append(time.perf_counter() + seconds)
        waits = []
        while time.perf_counter() < ends[0]:
            waits.append(ask())
        return waits

    waits = crowd(place, rounds)
    return len(waits) / seconds, p95(waits)


def at_once(place: Place) -> float:
    """The p95 in milliseconds of quotes that CLIENTS ask for at the same instant."""
    ready = Barrier(CLIENTS)

    def rounds(ask: Callable[[], float]) -> list[float]:
        waits = []
        for _ in range(ROUNDS):
            ready.wait(PATIENCE)
            waits.append(ask())
        return waits

    return p95(crowd(place, rounds))


def growth(place: Place) -> tuple[float, float]:
    """MiB of the server's memory that are in RAM before and after MANY quotes."""

    def quote(count: int) -> float:
        with closing(place.client()) as client:
            for number in range(count // AT_ONCE):
                place.ask(client, ours(18 + number % 47, AT_ONCE))
        return resident(place.server.process.pid)

    return quote(WARM_UP), quote(MANY)


def resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    (kibibytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(kibibytes) / MEBIBYTE


def compared(api: Place, plain: Place, repeats: int, seconds: float) -> Iterator[Row]:
    """Both under load in turn; no run is left out."""
    runs: dict[str, list[tuple[float, float]]] = {"ours": [], "theirs": []}
    for _ in range(repeats):
        runs["ours"].append(under_load(api, seconds))
        runs["theirs"].append(under_load(plain, seconds))
    (rate, wait), (their_rate, their_wait) = (
        (median(rate for rate, _ in them), median(wait for _, wait in them))
        for them in runs.values()
    )
    how = f"{rate:.0f} against {their_rate:.0f} quotes a second, medians of {repeats}"
    yield Row(f"time per quote, {CLIENTS} clients", their_rate / rate, 0.1, "×", how)
    how = f"{wait:.0f} ms against {their_wait:.0f} ms"
    yield Row(f"p95, {CLIENTS} clients", wait / their_wait, 0.1, "×", how)


def measured(api: Place, plain: Place, repeats: int, seconds: float) -> Iterator[Row]:
    """Every row, as soon as it is known."""
    for place in (api, plain):
        under_load(place, 1.0)  # so that nobody's first quotes are measured
    yield from compared(api, plain, repeats, seconds)
    burst = median(at_once(api) for _ in range(repeats))
    how = f"{ROUNDS} rounds, median of {repeats}"
    yield Row(f"{CLIENTS} people at the same instant, p95", burst, 100, "ms", how)
    before, after = growth(api)
    how = f"{before:.0f} MiB before, {after:.0f} MiB after, {AT_ONCE} people a request"
    yield Row(f"memory growth over {MANY:,} quotes", after - before, 20, "MiB", how)


def on_a_core(command: list[str]) -> list[str]:
    """`command` on the first core, where this process can keep to another."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2 or not (taskset := shutil.which("taskset")):
        return command
    return [taskset, "--cpu-list", str(cores[0]), *command]


def leave_the_core() -> None:
    """Have the clients on the other cores."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, cores[1:])


@contextmanager
def serving(folder: Path) -> Iterator[tuple[Place, Place]]:
    """Our API and MLflow's server, of the version in production in `folder`."""
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = {"PYTHONPATH": str(ROOT), "PATH": programs}  # MLflow's looks for uvicorn there
    port, their_port = free_port(), free_port()
    api = [sys.executable, "-m", "insurance_predictor", "api"]
    peer = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(folder / "plain")]
    peer += ["--env-manager", "local", "--port", str(their_port), "--workers", "1"]
    (folder / "peer").mkdir()
    running = [start(on_a_core(api), port, folder, API_PORT=str(port), **variables)]
    try:
        running.append(start(on_a_core(peer), their_port, folder / "peer", **variables))
        running[0].wait_until_healthy("/ready")
        running[1].wait_until_healthy("/ping")
        yield Place(running[0], "/v1/quotes", ours), Place(running[1], "/invocations", theirs)
    finally:
        for server in running:
            server.stop()


def fill(folder: Path) -> None:
    """A version in production in `folder`, and its model with its preprocessor in one piece."""
    variables = os.environ | {"PYTHONPATH": str(ROOT), "DATA": str(DATA_FOLDER / "sample.csv")}
    for arguments in (
        *(["-m", "insurance_predictor", command] for command in ("train", "register", "promote")),
        ["-m", "tests.benchmarks.peer_pipeline", "plain"],
    ):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"error: {' '.join(arguments)}: {done.stdout}{done.stderr}")


def number(variables: Mapping[str, str], name: str, default: float) -> float:
    return float(variables.get(name) or default)


def main() -> None:
    forget_configuration()
    repeats = int(number(os.environ, "BENCH_REPEATS", REPEATS))
    rows = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder)
        with serving(folder) as (api, plain):
            leave_the_core()
            for row in measured(api, plain, repeats, number(os.environ, "BENCH_SECONDS", SECONDS)):
                print(f"measured: {row}", file=sys.stderr, flush=True)
                rows.append(row)
    Path("bench_api.json").write_text(as_json(rows))
    print(rows_table(rows))


if __name__ == "__main__":
    main()
