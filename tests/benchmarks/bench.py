"""The speed table: our commands against what a user would write instead, measured in turn.

`make bench DATA=...` prints the table and writes bench.json. BENCH_REPEATS=n changes the number of
rounds; BENCH_SETUP=0 leaves out the last row, which builds two environments in each round;
BENCH_ROWS=100000 says how many rows the large tables have, and BENCH_ROWS=0 leaves them out;
BENCH_ONLY=train,registry measures only the rows named: train, large, registry (register, promote,
status), quote and setup.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import pandas as pd

from insurance_predictor.base.settings import Settings, read_settings
from insurance_predictor.table.choice import choose_table
from insurance_predictor.table.read import read_table
from insurance_predictor.table.schema import FEATURE_NAMES
from insurance_predictor.table.synthetic import make_table, write_table
from tests.repository import ROOT
from tests.studies.markdown import markdown_table

SAMPLE = ROOT / "data" / "sample.csv"
REPEATS = 5
QUOTES = 1_000
SETUP_REPEATS = 3
LARGE_ROWS = "100000,1000000"
LARGE_REPEATS = 1
OURS, THEIRS = "ours", "theirs"
PEER, MOVES = "peer", "peer_moves"  # the peers' registered model, and the experiment of its moves
# What costs the peers a look at the network that our commands do not take either.
AS_OURS = {"MLFLOW_DISABLE_TELEMETRY": "true"}
# The benchmark has stores of its own: the configured one, perhaps a team's server, stays out of it.
CONFIGURED = ("MLFLOW_", "GATE_", "MODEL_NAME", "PRODUCTION", "CHALLENGER", "ARTIFACT_LOCATION")
OPTIONS = ("TUNE", "AUTOLOG", "RUN_ID", "VERSION", "FORCE", "REASON")
# A small process between ours and the one that is measured: at its start a process counts what the
# one before it has in memory as its own.
WEIGH = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.exit(done.returncode)
"""
PERSON = dict(zip(FEATURE_NAMES, (40, "female", 28.5, 2, "no", "southeast"), strict=True))


@dataclass(frozen=True)
class Row:
    """A pair and its medians in `unit`; the goal is the largest ratio ours / theirs."""

    what: str
    against: str
    ours: float
    theirs: float
    goal: float
    repeats: int
    unit: str = "s"

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs

    @property
    def met(self) -> bool:
        return self.ratio <= self.goal


def in_turn(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each call, all called once a round; no round is left out."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = perf_counter()
            call()
            seconds[name].append(perf_counter() - start)
    return {name: median(values) for name, values in seconds.items()}


def run(command: list[str], folder: Path, **variables: str) -> str:
    """What a whole process prints on stdout; anything but exit code 0 ends the benchmark."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"error: {' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def taken(command: list[str], folder: Path, **variables: str) -> tuple[float, float]:
    """Processor seconds and the most memory in MiB of a process; it must end with exit code 0."""
    told = run(python("-c", WEIGH, *command), folder, **variables).splitlines()[-1]
    seconds, kilobytes = map(float, told.split())
    return seconds, kilobytes / 1024


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def command(*arguments: str) -> list[str]:
    return python("-m", "insurance_predictor", *arguments)


def train_rows(data: Path, folder: Path, repeats: int) -> list[Row]:
    """`train` against logging the same with MLflow and against plain scikit-learn, databases warm.

    All of them compute with one thread, as `train` does by itself: on busy cores several would wait
    for each other, and the peers would take many times as long.
    """
    ours, logged = _made(folder / OURS), _made(folder / THEIRS)

    def peer(name: str, *options: str) -> Callable[[], object]:
        call = python("-m", f"tests.benchmarks.{name}", str(data), *options)
        return lambda: run(call, logged, OMP_NUM_THREADS="1", **AS_OURS)

    calls = {
        "train": lambda: run(command("train"), ours, DATA=str(data), OMP_NUM_THREADS="1"),
        "logged": peer("peer_train"),
        "careful": peer("peer_train", "careful"),
        "plain": peer("peer_plain"),
    }
    in_turn(calls, 1)
    seconds = in_turn(calls, repeats)
    peers = (
        ("logged", "autolog, the rest by hand, peer_train.py", 0.5),
        ("careful", "the same, by a careful user", 0.5),
        ("plain", "plain scikit-learn", 2.5),
    )
    return [
        Row("train", against, seconds["train"], seconds[peer], goal, repeats)
        for peer, against, goal in peers
    ]


def large_rows(rows: int, folder: Path, repeats: int) -> list[Row]:
    """`train` on a made-up table of so many rows against plain scikit-learn: time and memory.

    Databases are warm: a training on few rows comes first. Both compute with one thread, as `train`
    does by itself, and their time is the processor's, so that minutes of it can be compared on a
    machine that has other work.
    """
    here = _made(folder / f"large_{rows}")
    data, few = here / "people.csv", here / "few.csv"
    write_table(make_table(rows, seed=3), data)
    write_table(make_table(300, seed=3), few)
    run(command("train"), here, DATA=str(few))
    measured: dict[str, list[tuple[float, float]]] = {OURS: [], THEIRS: []}
    calls = {OURS: command("train"), THEIRS: python("-m", "tests.benchmarks.peer_plain", str(data))}
    for _ in range(repeats):
        for name, call in calls.items():
            measured[name].append(taken(call, here, DATA=str(data), OMP_NUM_THREADS="1"))
    (ours, our_memory), (theirs, their_memory) = (
        tuple(map(median, zip(*each, strict=True))) for each in measured.values()
    )
    what, against = f"train, {rows:,} rows", "plain scikit-learn"
    return [
        Row(f"{what}, processor", against, ours, theirs, 1.5, repeats),
        Row(f"{what}, memory", against, our_memory, their_memory, 1.5, repeats, "MiB"),
    ]


def registry_rows(data: Path, folder: Path, repeats: int) -> list[Row]:
    """`register`, `promote` and `status` against plain MLflow scripts, and `import mlflow`.

    Whole processes on one store, where the peers have a registered model of their own. Two runs, of
    all people and of 95 % of them, take turns: a version of the one that does not serve is made
    anew, compared with the one that does, and promoted.
    """
    from mlflow import MlflowClient

    here = folder / "registry"
    runs = _two_versions(data, here)
    client = MlflowClient(f"sqlite:///{here}/mlflow.db")
    client.create_registered_model(PEER)

    def peer(name: str, *arguments: str) -> Callable[[], object]:
        call = python("-m", f"tests.benchmarks.peer_{name}", PEER, *arguments)
        return lambda: run(call, here, MLFLOW_TRACKING_URI="sqlite:///mlflow.db", **AS_OURS)

    for each in runs:
        peer("register", each)()
        peer("promote", MOVES)()

    def anew() -> None:
        runs.append(runs.pop(0))
        for version in client.search_model_versions(f"run_id = '{runs[-1]}'"):
            client.delete_model_version(version.name, version.version)

    calls = {
        "anew": anew,
        "import": lambda: run(python("-c", "import mlflow"), here, **AS_OURS),
        "register": lambda: run(command("register", "--run-id", runs[-1]), here),
        "their register": lambda: peer("register", runs[-1])(),
        "promote": lambda: run(command("promote"), here),
        "their promote": peer("promote", MOVES),
        "status": lambda: run(command("status"), here),
        "their status": peer("status", MOVES),
    }
    in_turn(calls, 1)
    seconds = in_turn(calls, repeats)
    goals = {"register": 1.3, "promote": 1.15, "status": 1.15}
    return [
        Row(name, against, seconds[name], seconds[theirs], goal, repeats)
        for name, honest in goals.items()
        for against, theirs, goal in (
            (f"a plain MLflow script, peer_{name}.py", f"their {name}", honest),
            ("import mlflow", "import", 2.0),
        )
    ]


def _two_versions(data: Path, here: Path) -> list[str]:
    """The ids of two runs whose versions have been registered and promoted, the later one last."""
    _made(here)
    people = pd.read_csv(data)
    most = here / "most.csv"
    people.iloc[: round(0.95 * len(people))].to_csv(most, index=False)
    runs = [_trained_run(here, path) for path in (most, data)]
    for each in runs:
        run(command("register", "--run-id", each), here)
        run(command("promote"), here)
    return runs


def quote_row(data: Path, folder: Path, quotes: int) -> Row:
    """One quote, from a person to a checked answer, against transform and predict on a frame."""
    from insurance_predictor.serving.predictor import load

    here = folder / "registry"
    if not here.exists():
        _two_versions(data, here)
    settings = Settings(mlflow_tracking_uri=f"sqlite:///{here}/mlflow.db")
    predictor = load(settings)
    model, preprocessor = predictor.pair.model, predictor.pair.preprocessor
    frame = pd.DataFrame([PERSON])
    calls = {
        OURS: lambda: predictor.quote(PERSON),
        THEIRS: lambda: model.predict(preprocessor.transform(frame)),
    }
    in_turn(calls, 20)
    seconds = in_turn(calls, quotes)
    against = "model.predict(preprocessor.transform(frame))"
    return Row("one quote", against, seconds[OURS], seconds[THEIRS], 1.3, quotes)


def setup_row(repeats: int) -> Row:
    """A fresh environment, caches warm, against venv and pip with the same lock files."""
    # Beside the clone's own environment, so that installers may link files as they would there.
    with TemporaryDirectory(dir=ROOT, prefix=".venv-bench-") as name:
        folder = Path(name)
        venvs = iter(folder / str(number) for number in range(2 * repeats + 2))

        def ours() -> None:
            run(["infra/setup.sh", sys.executable, str(next(venvs))], ROOT)

        def theirs() -> None:
            venv = next(venvs)
            locks = ["-r", "requirements.txt", "-r", "requirements-dev.txt"]
            run(python("-m", "venv", str(venv)), ROOT)
            run([str(venv / "bin" / "pip"), "install", "--quiet", *locks], ROOT)

        calls = {OURS: ours, THEIRS: theirs}
        in_turn(calls, 1)
        seconds = in_turn(calls, repeats)
    against = "python -m venv and pip install -r"
    return Row("setup, warm cache", against, seconds[OURS], seconds[THEIRS], 0.3, repeats)


def rows_table(rows: list[Row]) -> str:
    header = ("what", "against", "ours", "theirs", "ratio", "goal", "met", "rounds")
    cells = [
        [
            row.what,
            row.against,
            f"{row.ours:.4g} {row.unit}",
            f"{row.theirs:.4g} {row.unit}",
            f"{row.ratio:.2f}×",
            f"≤ {row.goal:g}×",
            "yes" if row.met else "**no**",
            f"{row.repeats:,}",
        ]
        for row in rows
    ]
    return markdown_table(header, cells)


def as_json(rows: list[Row], source: str) -> str:
    facts = [asdict(row) | {"ratio": row.ratio, "met": row.met} for row in rows]
    return json.dumps({"data": source, "rows": facts}, indent=2) + "\n"


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _trained_run(folder: Path, data: Path) -> str:
    from mlflow import MlflowClient

    run(command("train"), folder, DATA=str(data))
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name(Settings().mlflow_experiment_name)
    newest = client.search_runs(
        [experiment.experiment_id], order_by=["attributes.start_time DESC"], max_results=1
    )
    return newest[0].info.run_id


def main() -> None:
    settings = read_settings()
    data = Path(choose_table(settings).location).resolve()
    repeats = int(os.environ.get("BENCH_REPEATS") or REPEATS)
    large = [int(many) for many in os.environ.get("BENCH_ROWS", LARGE_ROWS).split(",") if int(many)]
    people = len(read_table(settings).frame)
    forget_configuration()
    measures: dict[str, Callable[[Path], list[Row]]] = {
        "train": lambda folder: train_rows(data, folder, repeats),
        "large": lambda folder: [
            row for many in large for row in large_rows(many, folder, LARGE_REPEATS)
        ],
        "registry": lambda folder: registry_rows(data, folder, repeats),
        "quote": lambda folder: [quote_row(data, folder, QUOTES)],
        "setup": lambda folder: [setup_row(min(repeats, SETUP_REPEATS))],
    }
    rows: list[Row] = []
    with TemporaryDirectory() as name:
        for what in chosen(measures):
            rows += measures[what](Path(name))
            print(f"measured: {what}", file=sys.stderr, flush=True)
    Path("bench.json").write_text(as_json(rows, data.name))
    print(f"{data.name}: {people:,} people\n\n{rows_table(rows)}")


def chosen(names: Iterable[str]) -> list[str]:
    """Those of `names` that BENCH_ONLY names, in their order; without it all that are wanted."""
    only = os.environ.get("BENCH_ONLY")
    if not only:
        return [name for name in names if name != "setup" or os.environ.get("BENCH_SETUP") != "0"]
    wanted, known = only.split(","), list(names)
    if unknown := set(wanted) - set(known):
        sys.exit(
            f"error: BENCH_ONLY={only} names {', '.join(sorted(unknown))}; there are "
            f"{', '.join(known)}."
        )
    return [name for name in known if name in wanted]


def forget_configuration() -> None:
    """Take the settings of other stores, and the options of commands, out of the environment."""
    for name in list(os.environ):
        if name.startswith(CONFIGURED) or name in OPTIONS:
            del os.environ[name]


if __name__ == "__main__":
    main()
