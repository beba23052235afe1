"""Monitoring's speed and memory against Evidently called directly, on the same seven columns.

`make bench-monitor` prints the table and writes bench_monitor.json. Each is a whole process, from
its start to its end, in turn: `monitor --dry-run` on a prediction log in SQLite, and Evidently's
DataDriftPreset on a data frame in Parquet. BENCH_REPEATS=n changes the number of rounds.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import pandas as pd

from insurance_predictor.base.settings import Settings
from insurance_predictor.log.database import PREDICTIONS, open_database
from insurance_predictor.release.promotion import promote
from insurance_predictor.release.registration import register
from insurance_predictor.serving import served_model
from insurance_predictor.serving.served_model import Served
from insurance_predictor.store.tracking import connect
from insurance_predictor.table.read import read_table
from insurance_predictor.table.schema import FEATURE_NAMES
from insurance_predictor.table.synthetic import make_table
from insurance_predictor.training.train import TrainingOptions, train
from monitoring.window.reference import PREMIUM, build
from tests.benchmarks.bench import forget_configuration
from tests.studies.markdown import markdown_table

REPEATS = 3
ROWS = 1_000_000
MANY = 10_000_000
AT_ONCE = 500_000  # rows that are made and written at once
WEEK = timedelta(days=7)
MEBIBYTE = 1024  # of the kibibytes in which Linux counts
OURS = (sys.executable, "-m", "monitoring", "run", "--dry-run")
THEIRS = """
import sys
import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset
window, reference = map(pd.read_parquet, sys.argv[1:])
print(len(Report([DataDriftPreset()]).run(window, reference).json()))
"""
# From a small process of its own: what a parent had in memory counts as its child's.
MEASURE = """
import resource, subprocess, sys, time
begin = time.perf_counter()
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
seconds = time.perf_counter() - begin
print(code, seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@dataclass(frozen=True)
class Row:
    """A figure and its goal, the largest value that is good enough."""

    what: str
    value: float
    goal: float
    how: str

    @property
    def met(self) -> bool:
        return self.value <= self.goal


@dataclass(frozen=True)
class Cost:
    """Seconds of a process from start to end, and MiB that it had in memory at most."""

    seconds: float
    memory: float


def cost(command: Sequence[str], variables: Mapping[str, str]) -> Cost:
    """What a process costs. Exits when it fails."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *command],
        env=os.environ | dict(variables),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    code, seconds, kibibytes = done.stdout.split()
    if code != "0":
        sys.exit(f"error: {command[1:4]} ended with {code}")
    return Cost(float(seconds), int(kibibytes) / MEBIBYTE)


def medians_in_turn(
    commands: Mapping[str, Sequence[str]], variables: Mapping[str, str]
) -> dict[str, Cost]:
    """The median cost of each command, all run once a round."""
    repeats = int(os.environ.get("BENCH_REPEATS") or REPEATS)
    found: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            found[name].append(cost(command, variables))
    return {
        name: Cost(median(one.seconds for one in costs), median(one.memory for one in costs))
        for name, costs in found.items()
    }


def serve(folder: Path) -> tuple[Settings, Served]:
    """A version in production, kept on disk, as after its first quote."""
    settings = Settings(
        mlflow_tracking_uri=f"sqlite:///{folder}/mlflow.db",
        artifact_location=str(folder / "artifacts"),
        model_cache=folder / "model",
        prediction_log_url=f"sqlite:///{folder}/log.db",
        prediction_spool=folder / "spool",
        registry_check_seconds=86_400,
    )
    client = connect(settings)
    run = train(client, settings, read_table(settings), TrainingOptions())
    promote(client, settings, register(client, settings, run.run_id).version.number)
    return settings, served_model.refresh(settings, None)


def log(settings: Settings, served: Served, first: int, last: int) -> pd.DataFrame:
    """Write quotes `first` to `last` of a week's many; returns their seven columns."""
    people = make_table(last - first, seed=first + 1)[list(FEATURE_NAMES)]
    answers = served.predictor.pair.predict(people)
    end = datetime.now(UTC) + timedelta(hours=1)  # the last ones are made while this goes on
    start = end - WEEK
    step = WEEK / MANY
    facts = (served.facts.version, 5.0, "app", 0)
    rows = (
        (f"{number:036}", f"{start + number * step:%Y-%m-%d %H:%M:%S.%f}", *facts, *row)
        for number, row in enumerate(
            people.join(answers).itertuples(index=False, name=None), start=first
        )
    )
    names = ("id", "time", "version", "latency_ms", "source", "stale", *FEATURE_NAMES)
    names = (*names, *answers.columns)
    columns, places = ", ".join(names), ", ".join("?" * len(names))
    engine = open_database(settings.prediction_log_url)
    with engine.begin() as connection:
        cursor = connection.connection.cursor()
        cursor.executemany(f"INSERT INTO {PREDICTIONS.name} ({columns}) VALUES ({places})", rows)
    engine.dispose()
    return people.assign(**{PREMIUM: answers[PREMIUM]})


def measured(folder: Path) -> Iterator[Row]:
    """Every row, as soon as it is known."""
    settings, served = serve(folder)
    names = ("mlflow_tracking_uri", "model_cache", "prediction_log_url", "prediction_spool")
    names = (*names, "registry_check_seconds")
    variables = {name.upper(): str(getattr(settings, name)) for name in names}
    window = log(settings, served, 0, ROWS)
    window.to_parquet(folder / "window.parquet")
    reference = build(served)
    people = reference.people.assign(**{PREMIUM: reference.premium})
    people.to_parquet(folder / "reference.parquet")
    tables = (str(folder / "window.parquet"), str(folder / "reference.parquet"))
    commands = {"ours": OURS, "theirs": (sys.executable, "-c", THEIRS, *tables)}
    costs = medians_in_turn(commands, variables)
    ours, theirs = costs["ours"], costs["theirs"]
    yield Row(
        f"{ROWS:,} predictions, time",
        ours.seconds / theirs.seconds,
        0.3,
        f"{ours.seconds:.1f} s / {theirs.seconds:.1f} s",
    )
    yield Row(
        f"{ROWS:,} predictions, peak memory",
        ours.memory / theirs.memory,
        0.4,
        f"{ours.memory:.0f} MiB / {theirs.memory:.0f} MiB",
    )
    for first in range(ROWS, MANY, AT_ONCE):
        print(f"writing: {first:,} of {MANY:,} predictions", file=sys.stderr, flush=True)
        log(settings, served, first, first + AT_ONCE)
    many = cost(OURS, variables)
    yield Row(
        f"peak memory, {MANY:,} over {ROWS:,}",
        many.memory / ours.memory,
        1.1,
        f"{many.memory:.0f} MiB / {ours.memory:.0f} MiB; {many.seconds:.0f} s",
    )


def main() -> None:
    forget_configuration()
    rows = []
    with TemporaryDirectory() as name:
        for row in measured(Path(name)):
            print(f"measured: {row}", file=sys.stderr, flush=True)
            rows.append(row)
    told = [asdict(row) | {"met": row.met} for row in rows]
    Path("bench_monitor.json").write_text(json.dumps(told, indent=2) + "\n")
    cells = [
        [
            row.what,
            f"{row.value:.2f} ×",
            f"≤ {row.goal:g} ×",
            "yes" if row.met else "**no**",
            row.how,
        ]
        for row in rows
    ]
    print(markdown_table(("what", "measured", "goal", "met", "how"), cells))


if __name__ == "__main__":
    main()
