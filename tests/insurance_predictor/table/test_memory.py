"""A table that does not fit is refused before memory runs out, with what it takes and what fits."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from insurance_predictor.table.reading.memory import (
    BYTES_A_ROW,
    needed_for_files,
    require_memory_for_text,
    too_large,
)
from insurance_predictor.table.synthetic import make_table, write_table
from tests.repository import ROOT

# The command begins with all it needs to read a table, and may take `left` bytes more than that.
WITH_LIMIT = """
import resource, sys
import pyarrow.csv, pyarrow.parquet
from pathlib import Path
from insurance_predictor import cli, console
from insurance_predictor.log import outcomes
from insurance_predictor.table import read, split
from insurance_predictor.training import sufficiency
left = int(sys.argv.pop(1))
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + left, used + left))
cli.main()
"""
READ = """
from resource import RUSAGE_SELF, getrusage
import pyarrow.csv, pyarrow.parquet
from insurance_predictor.base.settings import Settings
from insurance_predictor.table.read import read_table
print(getrusage(RUSAGE_SELF).ru_maxrss)
read_table(Settings())
print(getrusage(RUSAGE_SELF).ru_maxrss)
"""
MEGABYTE = 10**6
ROWS = 400_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same people as text, packed, as Parquet and as a folder of part files."""
    place = tmp_path_factory.mktemp("tables")
    some = make_table(40_000, seed=1)
    people = pd.concat([some] * (ROWS // len(some)), ignore_index=True)
    write_table(people, place / "people.csv")
    (place / "people.csv.gz").write_bytes(gzip.compress((place / "people.csv").read_bytes(), 1))
    people.to_parquet(place / "people.parquet")
    (place / "parts").mkdir()
    for part in (1, 2):
        people.head(ROWS // 2).to_parquet(place / "parts" / f"{part}.parquet")
    return place


def limited(folder: Path, left: int, *arguments: str, **variables: str):
    return subprocess.run(
        [sys.executable, "-c", WITH_LIMIT, str(left), *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["people.csv", "people.csv.gz", "people.parquet", "parts"])
def test_a_command_says_what_is_missing_before_it_runs_out(folder: Path, name: str):
    ended = limited(folder, 150 * MEGABYTE, "check-data", DATA=name)
    assert ended.returncode == 2, ended.stderr
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"error: {name} is too large to be read here: it takes about ")
    assert "Traceback" not in ended.stderr
    assert " are free. Give a table of at most " in ended.stderr


def test_outcomes_are_asked_for_as_well(folder: Path):
    ended = limited(folder, 150 * MEGABYTE, "outcomes", "people.csv")
    assert ended.returncode == 2
    assert "people.csv is too large to be read here: it takes about " in ended.stderr
    assert not (folder / "prediction_log.db").exists()


def test_the_same_command_reads_what_fits(folder: Path):
    write_table(make_table(2_000, seed=2), folder / "few.csv")
    ended = limited(folder, 600 * MEGABYTE, "check-data", DATA="few.csv")
    assert ended.returncode == 0, ended.stderr
    assert "can be used: 2,000 people" in ended.stdout


@pytest.mark.parametrize("name", ["people.csv", "people.parquet"])
def test_what_is_told_from_outside_is_near_what_is_there(folder: Path, name: str):
    needed, rows = needed_for_files([folder / name])
    assert rows == pytest.approx(ROWS, rel=0.02)
    assert needed == (folder / name).stat().st_size + rows * BYTES_A_ROW


def test_reading_takes_no_more_than_is_said(folder: Path):
    """Of a table of ten columns more, too, that nobody knows."""
    wide = pd.read_csv(folder / "people.csv").assign(**{f"note_{n}": "abc" for n in range(10)})
    wide.to_csv(folder / "wide.csv", index=False)
    for name in ("people.csv", "people.parquet", "wide.csv"):
        before, peak = (int(line) for line in taken(folder, name).splitlines())
        needed, _ = needed_for_files([folder / name])
        assert (peak - before) * 1024 < needed


def taken(folder: Path, name: str) -> str:
    """The most memory of a process before and after it has read a table, in kB."""
    return subprocess.run(
        [sys.executable, "-c", READ],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "DATA": name},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_sentence_says_how_many_rows_fit():
    assert too_large(40 * 10**9, 10 * 10**9, 80_000_000, "people.csv") == (
        "people.csv is too large to be read here: it takes about 40.0 GB of memory for its about "
        "80,000,000 rows, and 10.0 GB are free. Give a table of at most 20,000,000 rows, or more "
        "memory (to the container, if this is one)."
    )


def test_of_a_file_whose_rows_are_not_known_it_says_what_it_takes():
    assert too_large(4 * 10**9, 50 * MEGABYTE, 0, "s3://people/table.csv") == (
        "s3://people/table.csv is too large to be read here: it takes about 4.0 GB of memory, and "
        "50 MB are free. Give a table of fewer rows, or more memory (to the container, if this is "
        "one)."
    )


def test_nothing_is_refused_where_nobody_knows_how_much_there_is():
    assert too_large(2**60, None, 10, "people.csv") == ""
    require_memory_for_text(b"age\n1\n", "people.csv")


def test_a_pipe_is_not_read_to_be_measured(tmp_path: Path):
    pipe = tmp_path / "people"
    os.mkfifo(pipe)
    assert needed_for_files([pipe]) == (0, 0)
