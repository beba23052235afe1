"""Whether a table fits into memory, asked before it is read: the system would just end us."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.base.memory import available_memory
from insurance_predictor.table.reading.unpacking import is_packed
from insurance_predictor.table.schema import COLUMNS

# Measured on 1,000,000 rows of seven columns: reading and checking took 62 bytes a cell at the
# most, beside the bytes of the file.
BYTES_A_CELL = 70
BYTES_A_ROW = BYTES_A_CELL * len(COLUMNS)
SAMPLE = 2**20  # bytes of a text from which the length of its rows is learned
PARQUET_MARK = b"PAR1"
GIGABYTE = 1e9


class NotEnoughMemory(InvalidTable):
    """A table that would not fit into the memory there is."""


def require_memory_for_files(paths: Sequence[Path], source: str) -> None:
    """Raises NotEnoughMemory when the files, in memory and read, would take more than there is."""
    require_memory(*needed_for_files(paths), source)


def needed_for_files(paths: Sequence[Path]) -> tuple[int, int]:
    """About how many bytes reading them takes, and how many rows they have, told from outside.

    Of a packed file only its own bytes are known, of a pipe nothing.
    """
    files = [path for path in paths if path.is_file()]  # a pipe can be read only once
    rows = sum(_rows(path) for path in files)
    return sum(path.stat().st_size for path in files) + rows * BYTES_A_ROW, rows


def require_memory_for_text(content: bytes, source: str) -> None:
    """The same for a text that is in memory already."""
    rows = content.count(b"\n")
    require_memory(rows * BYTES_A_ROW, rows, source)


def require_memory_for_rows(rows: int, source: str) -> None:
    """The same for rows of Parquet that are in memory already."""
    require_memory(rows * BYTES_A_ROW, rows, source)


def require_memory(needed: int, rows: int, source: str, doing: str = "be read") -> None:
    """Raises NotEnoughMemory unless there are `needed` bytes; `rows` is how many that is for."""
    available = available_memory()
    if sentence := too_large(needed, available, rows, source, doing):
        raise NotEnoughMemory(sentence)


def too_large(
    needed: int, available: int | None, rows: int, source: str, doing: str = "be read"
) -> str:
    """Why a table that needs so many bytes does not fit, empty when it does."""
    if available is None or needed <= available:
        return ""
    many = f" for its about {rows:,} rows" if rows else ""
    fitting = int(rows * available / needed) if rows else 0
    fewer = f" of at most {fitting:,} rows" if fitting else ""
    return (
        f"{source} is too large to {doing} here: it takes about {_amount(needed)} of "
        f"memory{many}, and {_amount(available)} are free. Give a table"
        f"{fewer or ' of fewer rows'}, or more memory (to the container, if this is one)."
    )


def _rows(path: Path) -> int:
    """About how many rows a file has; none where that cannot be told from outside."""
    with path.open("rb") as file:
        beginning = file.read(SAMPLE)
    if beginning.startswith(PARQUET_MARK):
        return _rows_of_parquet(path)
    lines = beginning.count(b"\n")
    if is_packed(beginning) or not lines:
        return 0
    return ceil(path.stat().st_size * lines / (beginning.rfind(b"\n") + 1))


def _rows_of_parquet(path: Path) -> int:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return int(parquet.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError, ValueError):
        return 0  # reading it will say what is wrong with it


def _amount(size: int) -> str:
    if size < GIGABYTE / 10:
        return f"{size / 1e6:,.0f} MB"
    return f"{size / GIGABYTE:,.1f} GB"
