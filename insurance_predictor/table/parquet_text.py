"""A Parquet file or workbook of a stranger as CSV, made by a process of its own with little memory.

What a Parquet file becomes when it is read stands in its pages, which say so themselves and may
lie. So nothing of it is read where others are served: a file that wants more memory than it is
given ends the process that reads it, and nothing else.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from insurance_predictor.table.reading.workbook import write_rows

if TYPE_CHECKING:
    import pyarrow as pa

MEGABYTE = 2**20
ROWS_AT_ONCE = 1_000
BUFFER_BYTES = 2**16
MOST_SECONDS = 120  # of processor time
PARQUET_MARK = b"PAR1"
MOST_WORDS = 60_000  # less than a pipe holds; bytes of what the process may say
ROOT = Path(__file__).parents[2]
# Memory comes from malloc alone, which fails when there is no more of it; Arrow's own pools
# reserve addresses by the gigabyte.
FRUGAL = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"}
FRUGAL |= {"OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Bounds:
    """How large a file and its text may be; `memory` is what its reader may take.

    `sheet` is the one of a workbook that is wanted, the first by default.
    """

    rows: int
    columns: int
    text: int  # bytes
    memory: int  # bytes
    seconds: int = MOST_SECONDS
    sheet: str | None = None


@dataclass(frozen=True)
class Converted:
    """What became of a file: its columns, or the `fault` that it has.

    Faults are "rows", "columns" (`count` of them), "size", "nested" (`columns` are those), "sheet"
    (`sheets` are there, `sheet` is not), "ragged" (in the row `first`) and "damaged" (`detail` in
    the library's words). Nothing is written of a Parquet file that has a name twice. `first` is the
    number that a person sees beside the first row, `typed` are the places of the columns that have
    numbers with decimals and not texts that look like such.
    """

    columns: tuple[str, ...] = ()
    fault: str = ""
    count: int = 0
    detail: str = ""
    first: int = 1
    sheet: str = ""
    sheets: tuple[str, ...] = ()
    typed: tuple[int, ...] = ()


def write_text(
    source: Path, target: Path, bounds: Bounds, alive: Callable[[], object] = lambda: None
) -> Converted:
    """Write the rows of the Parquet file or workbook `source` to `target`: CSV without a header.

    Numbers are written as short as they are exact, a missing value as an empty cell. `alive` is
    called while it lasts; what it raises ends the process.
    """
    command = [sys.executable, "-m", __name__, str(source.resolve()), str(target.resolve())]
    with subprocess.Popen(  # noqa: S603
        [*command, json.dumps(asdict(bounds))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        cwd=ROOT,
    ) as process:
        try:
            while process.poll() is None:
                alive()
                try:
                    process.wait(0.2)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            process.kill()
        said = process.stdout.read(MOST_WORDS) if process.stdout else b""
    return _converted(said)


def _environment() -> Mapping[str, str]:
    """Nothing of ours is for a process that reads what a stranger wrote, such as a password."""
    kept = ("PATH", "LANG", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | FRUGAL


def _converted(said: bytes) -> Converted:
    try:
        told = json.loads(said)
        lists = {name: tuple(told[name]) for name in ("columns", "sheets", "typed")}
        return Converted(**told | lists)
    except (ValueError, TypeError, KeyError):  # it was ended before it could say anything
        return Converted(fault="size")


def main(source: str, target: str, bounds: str) -> None:
    """What the process does: convert, and say as JSON what became of it."""
    from pyarrow import parquet  # noqa: F401 - before the memory is bounded

    limits = Bounds(**json.loads(bounds))
    with Path(source).open("rb") as file:
        is_parquet = file.read(len(PARQUET_MARK)) == PARQUET_MARK
    if not is_parquet:
        import openpyxl  # noqa: F401 - as above
    _bound(limits)
    try:
        convert = _convert if is_parquet else _convert_workbook
        converted = convert(Path(source), Path(target), limits)
    except (MemoryError, ImportError):  # ArrowMemoryError is one too; a library needs room as well
        converted = Converted(fault="size")
    except Exception as error:  # a workbook may be wrong in any way
        words = str(error).partition("\n")[0][:500]
        fault = "size" if "malloc" in words or "memory" in words.lower() else "damaged"
        converted = Converted(fault=fault, detail=words)
    sys.stdout.write(json.dumps(asdict(converted)))
    sys.stdout.flush()
    os._exit(0)  # nothing is left to do, and nothing of the file shall do it


def _bound(limits: Bounds) -> None:
    """Allow the process so much more memory than it has; other systems than Linux bound less."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (limits.seconds, limits.seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    statm = Path("/proc/self/statm")
    if statm.exists():
        most = int(statm.read_text().split()[0]) * resource.getpagesize() + limits.memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _convert(source: Path, target: Path, bounds: Bounds) -> Converted:
    import pyarrow as pa
    from pyarrow import csv, parquet

    pa.set_cpu_count(1)
    file = parquet.ParquetFile(source, buffer_size=BUFFER_BYTES, memory_map=False)
    names = tuple(file.schema_arrow.names)
    columns = max(len(names), file.metadata.num_columns)
    if columns > bounds.columns:
        return Converted(fault="columns", count=columns)
    if file.metadata.num_rows > bounds.rows:
        return Converted(fault="rows")
    nested = [field.name for field in file.schema_arrow if not _is_plain(field.type)]
    if nested:
        return Converted(fault="nested", columns=tuple(name[:100] for name in nested))
    if len(set(names)) < len(names):
        return Converted(names)
    schema = pa.schema([(str(place), pa.string()) for place in range(len(names))])
    rows = 0
    options = csv.WriteOptions(include_header=False, batch_size=ROWS_AT_ONCE)
    with target.open("wb") as sink, csv.CSVWriter(sink, schema, write_options=options) as writer:
        for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, use_threads=False):
            rows += batch.num_rows
            if rows > bounds.rows:
                return Converted(fault="rows")
            batch.validate(full=True)
            writer.write_batch(_as_text(batch, schema))
            if sink.tell() > bounds.text:
                return Converted(fault="size")
    typed = tuple(place for place, one in enumerate(file.schema_arrow) if _has_decimals(one.type))
    return Converted(names, typed=typed)


def _convert_workbook(source: Path, target: Path, bounds: Bounds) -> Converted:
    found = write_rows(source, target, bounds.sheet, bounds.rows, bounds.columns, bounds.text)
    return Converted(**asdict(found))


def _is_plain(kind: Any) -> bool:
    from pyarrow import types

    return not types.is_nested(kind.value_type if types.is_dictionary(kind) else kind)


def _has_decimals(kind: Any) -> bool:
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_floating(kind) or types.is_decimal(kind))


def _as_text(batch: "pa.RecordBatch", schema: "pa.Schema") -> "pa.RecordBatch":
    import pyarrow as pa

    from insurance_predictor.table.reading.arrow_types import as_text

    columns = [as_text(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


if __name__ == "__main__":
    main(*sys.argv[1:])
