"""`score` against pandas, Spark and itself, as whole processes in one run.

`make bench-scale` prints the table and writes bench_scale.json. Memory is what all processes of a
command have together, pages that they share counted once (PSS). SPARK_PYTHON names the Python of an
environment with pyspark, mlflow and scikit-learn; without it that row is left out.
BENCH_MILLIONS=1 makes a tenth of each number of rows, BENCH_REPEATS=n changes the rounds,
BENCH_ONLY=alone,larger,cluster,batch takes some of the table.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import pyarrow as pa
from pyarrow import parquet

from insurance_predictor.base.settings import Settings
from insurance_predictor.release.promotion import promote
from insurance_predictor.release.registration import register
from insurance_predictor.store.tracking import connect
from insurance_predictor.table.read import read_table
from insurance_predictor.table.synthetic import make_table
from insurance_predictor.training.train import TrainingOptions, train
from tests.benchmarks.bench import forget_configuration
from tests.repository import ROOT
from tests.studies.markdown import markdown_table

REPEATS = 3
BLOCK = 1_000_000
BATCH = 480_000  # people on the app's page at once
PAUSE = 0.1  # seconds between two looks at the memory
MEBIBYTE = 1024  # of the kibibytes in which Linux counts
SCORE = (sys.executable, "-m", "insurance_predictor", "score")


@dataclass(frozen=True)
class Cost:
    """Seconds of a command from start to end, and MiB that its processes had at most together."""

    seconds: float
    memory: float


@dataclass(frozen=True)
class Row:
    """A figure and its goal; `at_least` says that the goal is the least and not the most."""

    what: str
    against: str
    value: float
    goal: float
    how: str
    at_least: bool = False
    unit: str = "×"

    @property
    def met(self) -> bool:
        return self.value >= self.goal if self.at_least else self.value <= self.goal


def main() -> None:
    """Print the table and write it as JSON."""
    forget_configuration()
    millions = float(os.environ.get("BENCH_MILLIONS") or 10) / 10
    repeats = int(os.environ.get("BENCH_REPEATS") or REPEATS)
    with TemporaryDirectory() as folder:
        place = Path(folder)
        variables = _production(place)
        few, many, shared = (round(count * millions) for count in (5, 50, 20))
        parts = {
            "alone": lambda: _alone(place, variables, few, repeats),
            "larger": lambda: _larger(place, variables, few, many),
            "cluster": lambda: _cluster(place, variables, shared, repeats),
            "batch": lambda: _batch(place, variables, repeats),
        }
        table = []
        for name in os.environ.get("BENCH_ONLY", ",".join(parts)).split(","):
            for row in parts[name]():
                print(f"measured: {row}", file=sys.stderr, flush=True)
                table.append(row)
    lines = [
        (
            row.what,
            row.against,
            f"{row.value:.2f} {row.unit}",
            f"{'≥' if row.at_least else '≤'} {row.goal:g} {row.unit}",
            "yes" if row.met else "**no**",
            row.how,
        )
        for row in table
    ]
    print(markdown_table(("what", "against", "measured", "goal", "met", "how"), lines))
    written = [asdict(row) | {"met": row.met} for row in table]
    Path("bench_scale.json").write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n")


def cost(command: Sequence[str], variables: Mapping[str, str]) -> Cost:
    """What a command takes; raises CalledProcessError when it fails."""
    begin, most = time.perf_counter(), 0
    with subprocess.Popen(
        command,
        env=os.environ | variables,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        while process.poll() is None:
            most = max(most, together(process.pid))
            time.sleep(PAUSE)
        seconds = time.perf_counter() - begin
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(seconds, most / MEBIBYTE)


def together(session: int) -> int:
    """Kibibytes of all processes of a session, each page shared out among those that have it."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError, ValueError):
            if int((folder / "stat").read_text().rpartition(")")[2].split()[3]) == session:
                words = (folder / "smaps_rollup").read_text().split()
                total += int(words[words.index("Pss:") + 1])
    return total


def _alone(place: Path, variables: Mapping[str, str], millions: int, repeats: int) -> Iterator[Row]:
    source, out, target = _people(place, millions), place / "out", place / "peer.parquet"
    peers = {"pandas": (sys.executable, "-m", "tests.benchmarks.peer_pandas_score", str(source))}
    peers["pandas"] += (str(target), "insurance_predictor", "producao")
    if spark := os.environ.get("SPARK_PYTHON"):
        script = str(ROOT / "tests" / "benchmarks" / "peer_spark.py")
        sample = str(ROOT / "data" / "sample.csv")
        peers["Spark"] = (spark, script, str(source), str(target), sample)
    found: dict[str, list[Cost]] = {}
    for _ in range(repeats):
        found.setdefault("ours", []).append(cost((*SCORE, str(source), str(out)), variables))
        shutil.rmtree(out)
        for name, command in peers.items():
            found.setdefault(name, []).append(cost(command, variables))
            shutil.rmtree(target) if target.is_dir() else target.unlink()
    seconds = {name: median(each.seconds for each in costs) for name, costs in found.items()}
    memory = {name: median(each.memory for each in costs) for name, costs in found.items()}
    what = f"score {millions:,},000,000 rows"
    for name in peers:
        ratio = seconds["ours"] / seconds[name]
        told = f"{seconds['ours']:.1f} s / {seconds[name]:.1f} s"
        yield Row(what, name, ratio, 0.65 if name == "pandas" else 0.15, told)
    ratio = memory["ours"] / memory["pandas"]
    told = f"{memory['ours']:.0f} MiB / {memory['pandas']:.0f} MiB, all processes"
    yield Row(f"{what}, memory", "pandas", ratio, 0.3, told)


def _larger(place: Path, variables: Mapping[str, str], few: int, many: int) -> Iterator[Row]:
    costs = {}
    for millions in (few, many):
        out = place / "out"
        costs[millions] = cost((*SCORE, str(_people(place, millions)), str(out)), variables)
        shutil.rmtree(out)
    memory = costs[many].memory / costs[few].memory
    told = f"{costs[many].memory:.0f} MiB / {costs[few].memory:.0f} MiB"
    what, against = f"score {many:,},000,000 rows", f"{few:,},000,000 rows"
    yield Row(f"{what}, memory", against, memory, 1.1, told)
    rates = {each: 1e6 * each / costs[each].seconds for each in costs}
    told = f"{rates[many]:,.0f} / {rates[few]:,.0f} rows a second"
    yield Row(f"{what}, rate", against, rates[many] / rates[few], 0.9, told, at_least=True)


def _cluster(
    place: Path, variables: Mapping[str, str], millions: int, repeats: int
) -> Iterator[Row]:
    source, out = str(_people(place, millions)), place / "out"
    seconds: dict[str, list[float]] = {}
    parts = {}
    rounds = [("one", 1, False), ("two", 2, False)] * repeats
    for name, workers, killed in (*rounds, ("killed", 2, True)):
        with _workers(place, workers) as (address, pids):
            if killed:
                subprocess.Popen(["sh", "-c", f"sleep 15; kill -9 {pids[0]}"])
            begin = time.perf_counter()  # to look at memory takes time of the same cores
            subprocess.run(
                (*SCORE, source, str(out)),
                env=os.environ | variables | {"SCHEDULER": address},
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                check=True,
            )
            seconds.setdefault(name, []).append(time.perf_counter() - begin)
        parts[name] = json.loads((out / "_manifest.json").read_text())["parts"]
        shutil.rmtree(out)
    what = f"score {millions:,},000,000 rows, 2 Dask workers"
    one, two, killed_one = (median(seconds[name]) for name in ("one", "two", "killed"))
    told = f"{one:.1f} s / {two:.1f} s"
    yield Row(what, "1 worker", one / two, 1.7, told, at_least=True)
    same = [name for name in parts["two"] if parts["killed"].get(name) == parts["two"][name]]
    told = f"{len(same)} of {len(parts['two'])} parts are the same bytes, {killed_one:.1f} s"
    share = len(same) / len(parts["two"])
    yield Row(f"{what}, one killed half-way", "none killed", share, 1.0, told, at_least=True)


def _batch(place: Path, variables: Mapping[str, str], repeats: int) -> Iterator[Row]:
    path = place / "batch.parquet"
    make_table(BATCH, 3).drop(columns="charges").to_parquet(path)
    command = (sys.executable, "-m", "tests.benchmarks.batch", str(path))
    seconds = []
    for number in range(repeats):
        own = {
            "PREDICTION_LOG_URL": f"sqlite:///{place}/log-{number}.db",
            "PREDICTION_SPOOL": str(place / f"spool-{number}"),
        }
        told = subprocess.run(
            command,
            env=os.environ | variables | own,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        seconds.append(float(told.stdout))
    what = f"{BATCH:,} people of a batch, quoted and in the log"
    yield Row(what, "the clock", median(seconds), 15, f"median of {repeats}, SQLite", unit="s")


@contextmanager
def _workers(place: Path, count: int) -> Iterator[tuple[str, list[int]]]:
    """The address of a scheduler, and the ids of its workers, each a process of one thread."""
    known = place / "scheduler.json"
    known.unlink(missing_ok=True)
    base = [sys.executable, "-m"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = [*base, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    worker = [*base, "distributed.cli.dask_worker", "--scheduler-file", str(known)]
    worker += ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
    worker += ["--preload", "insurance_predictor.scoring.workers"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(
            [*scheduler, "--no-dashboard", "--scheduler-file", str(known)],
            env=environment,
            cwd=ROOT,
            **quiet,
        )
    ]
    try:
        while not known.exists():
            time.sleep(0.1)
        for number in range(count):
            own = ["--local-directory", str(place / f"worker-{number}")]
            running.append(subprocess.Popen([*worker, *own], env=environment, cwd=ROOT, **quiet))
        from distributed import Client

        address = json.loads(known.read_text())["address"]
        with Client(address) as client:
            client.wait_for_workers(count)
        yield address, [each.pid for each in running[1:]]
    finally:
        for each in running:
            with suppress(ProcessLookupError):
                each.send_signal(signal.SIGTERM)
            each.wait()


def _people(place: Path, millions: int) -> Path:
    """So many made-up people, the same million over and over, in row groups of a million."""
    path = place / f"{millions}.parquet"
    if not path.exists():
        block = pa.Table.from_pandas(
            make_table(BLOCK, 3).drop(columns="charges"), preserve_index=False
        )
        with parquet.ParquetWriter(path, block.schema) as writer:
            for _ in range(millions):
                writer.write_table(block)
    return path


def _production(place: Path) -> dict[str, str]:
    """A version in production that learned from the table of DATA, in a store of its own."""
    settings = Settings(
        mlflow_tracking_uri=f"sqlite:///{place}/mlflow.db",
        artifact_location=str(place / "artifacts"),
    )
    client = connect(settings)
    run = train(client, settings, read_table(settings), TrainingOptions())
    promote(client, settings, register(client, settings, run.run_id).version.number)
    return {
        "MLFLOW_TRACKING_URI": settings.mlflow_tracking_uri,
        "ARTIFACT_LOCATION": str(settings.artifact_location),
        "PYTHONPATH": str(ROOT),
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


if __name__ == "__main__":
    main()
