"""A Parquet file of a stranger is read where it can harm nothing but its own reading."""

import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from insurance_predictor.table.parquet_text import MEGABYTE, Bounds, _environment, write_text
from insurance_predictor.table.schema import FEATURE_NAMES

BOUNDS = Bounds(rows=1_000, columns=10, text=MEGABYTE, memory=64 * MEGABYTE)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return written(tmp_path, rows=100)


def written(folder: Path, rows: int, **extras: pa.Array) -> Path:
    columns = {name: pa.array(["1"] * rows) for name in FEATURE_NAMES} | extras
    stream = io.BytesIO()
    parquet.write_table(pa.table(columns), stream, compression="zstd")
    path = folder / "people.parquet"
    path.write_bytes(stream.getvalue())
    return path


def test_rows_become_lines(source: Path, tmp_path: Path):
    found = write_text(source, tmp_path / "rows.csv", BOUNDS)
    assert (found.columns, found.fault) == (FEATURE_NAMES, "")
    assert (tmp_path / "rows.csv").read_text() == '"1","1","1","1","1","1"\n' * 100


@pytest.mark.parametrize(
    ("bounds", "fault"),
    [
        (replace(BOUNDS, rows=99), "rows"),
        (replace(BOUNDS, columns=5), "columns"),
        (replace(BOUNDS, text=1_000), "size"),
        (replace(BOUNDS, memory=1), "size"),
    ],
)
def test_a_bound_that_is_passed_is_named(source: Path, tmp_path: Path, bounds: Bounds, fault: str):
    assert write_text(source, tmp_path / "rows.csv", bounds).fault == fault


def test_a_file_that_wants_more_memory_ends_its_own_process(tmp_path: Path):
    note = pa.array(["x" * 500_000_000])
    source = written(tmp_path, rows=1, note=note)
    assert source.stat().st_size < 100_000
    assert write_text(source, tmp_path / "rows.csv", BOUNDS).fault == "size"


def test_who_leaves_ends_the_process(source: Path, tmp_path: Path):
    class Left(BaseException):
        """The visitor is gone."""

    def leave() -> None:
        raise Left

    with pytest.raises(Left):
        write_text(source, tmp_path / "rows.csv", BOUNDS, leave)
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    if children.exists():
        commands = [Path(f"/proc/{child}/cmdline") for child in children.read_text().split()]
        assert not [one for one in commands if one.exists() and b"parquet_text" in one.read_bytes()]


def test_the_process_knows_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hush")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    assert "hush" not in json.dumps(dict(_environment()))
