"""An uploaded table of people: its cells, and each cell that cannot be used.

A file is somebody else's: it is looked at before anything of its size is built from it.
"""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from app import text
from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.base.words import Text
from insurance_predictor.table.check import broken_cells
from insurance_predictor.table.files import BYTE_ORDER_MARK, SEPARATORS, csv_cells
from insurance_predictor.table.schema import FEATURE_NAMES, FEATURES

if TYPE_CHECKING:
    import pyarrow as pa

MEGABYTE = 2**20
MOST_BYTES = 20 * MEGABYTE
MOST_ROWS = 500_000
MOST_COLUMNS = 100
LONGEST_SHOWN = 100  # characters of a cell or of a column's name
MOST_UNPACKED_BYTES = 200 * MEGABYTE
PARQUET_MARK = b"PAR1"
PACKED_MARKS = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf")
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class UnusableFile(Exception):
    """A file that cannot be read as a table of people: why, in both languages."""

    def __init__(self, reason: Text, detail: str = "", **values: object) -> None:
        super().__init__(reason.en)
        self.reason = reason
        self.detail = detail  # the library's own words, in English
        self.values = values


@dataclass(frozen=True, eq=False)
class Upload:
    """The cells as they are written, indexed by the row number that a person sees.

    `faults` has the columns row, column, value: the cells that break a rule of `schema`, by row.
    """

    name: str
    cells: pd.DataFrame
    faults: pd.DataFrame

    @property
    def faulty_rows(self) -> int:
        return int(self.faults["row"].nunique())

    @property
    def sound(self) -> pd.DataFrame:
        """The rows without a fault, (n, columns of the file)."""
        return self.cells.drop(index=self.faults["row"].unique())


def read_upload(name: str, content: bytes) -> Upload:
    """The table in a CSV or Parquet file. Raises UnusableFile."""
    if len(content) > MOST_BYTES:
        raise UnusableFile(text.FILE_TOO_LARGE, megabytes=MOST_BYTES // MEGABYTE)
    if content.startswith(PARQUET_MARK):
        cells = _parquet_cells(content)
    else:
        cells = _csv_cells(name, content)
    if cells.empty:
        raise UnusableFile(text.EMPTY_FILE)
    return Upload(name, cells, _faults(cells))


def _faults(cells: pd.DataFrame) -> pd.DataFrame:
    rows, places = np.nonzero(broken_cells(cells, FEATURES))
    columns = {name: cells[name].astype(object).to_numpy() for name in FEATURE_NAMES}
    names = [FEATURE_NAMES[place] for place in places]
    return pd.DataFrame(
        {
            "row": cells.index.to_numpy()[rows],
            "column": names,
            "value": [
                _shortened(columns[name][row]) for row, name in zip(rows, names, strict=True)
            ],
        }
    )


def _shortened(value: object) -> str:
    written = value if isinstance(value, str) else str(value)
    return written if len(written) <= LONGEST_SHOWN else written[: LONGEST_SHOWN - 1] + "…"


def _csv_cells(name: str, content: bytes) -> pd.DataFrame:
    header = _header(content)
    _require_rows(max(content.count(b"\n"), content.count(b"\r")))
    _require_columns(header)
    extras = [column for column in header if column not in FEATURE_NAMES]
    try:
        cells, _ = csv_cells(content, name, FEATURE_NAMES, extras)
    except InvalidTable as error:
        is_bare = len(content.strip().splitlines()) < 2
        raise UnusableFile(text.EMPTY_FILE if is_bare else text.DAMAGED, str(error)) from error
    return cells


def _header(content: bytes) -> list[str]:
    """The names in the first line. Raises UnusableFile for what is no text, or not UTF-8."""
    if content.startswith(UTF_16_MARKS):
        raise UnusableFile(text.NOT_UTF8)
    if content.startswith(PACKED_MARKS) or b"\0" in content:
        raise UnusableFile(text.NOT_A_TABLE)
    try:
        written = content.removeprefix(BYTE_ORDER_MARK).decode()
        first = next(csv.reader(io.StringIO(written, newline="")), [])
    except UnicodeDecodeError as error:
        raise UnusableFile(text.NOT_UTF8, str(error.reason)) from error
    except csv.Error as error:
        raise UnusableFile(text.DAMAGED, str(error)) from error
    if not written.strip():
        raise UnusableFile(text.EMPTY_FILE)
    return [name.strip(" \t") for name in first]


def _require_rows(count: int) -> None:
    if count > MOST_ROWS:
        raise UnusableFile(text.TOO_MANY_ROWS, limit=MOST_ROWS)


def _require_columns(names: Sequence[str]) -> None:
    if len(names) > MOST_COLUMNS:
        raise UnusableFile(text.TOO_MANY_COLUMNS, count=len(names), limit=MOST_COLUMNS)
    missing = [name for name in FEATURE_NAMES if name not in names]
    if missing and any(mark in name for name in names for mark in SEPARATORS):
        raise UnusableFile(text.WRONG_SEPARATOR)
    if missing:
        columns, every = ", ".join(missing), ", ".join(FEATURE_NAMES)
        raise UnusableFile(text.MISSING_COLUMNS, columns=columns, all=every)
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise UnusableFile(text.REPEATED_COLUMNS, columns=", ".join(map(_shortened, repeated)))


def _parquet_cells(content: bytes) -> pd.DataFrame:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(pa.BufferReader(content))
        _require_modest(file.metadata)
        names = file.schema_arrow.names
        _require_columns(names)
        _require_plain(file.schema_arrow)
        # Text stays a dictionary, so that one long value in every row is held once.
        words = [name for name in names if _is_text(file.schema_arrow.field(name).type)]
        file = parquet.ParquetFile(pa.BufferReader(content), read_dictionary=words)
        table = file.read().replace_schema_metadata(None)
        table.validate(full=True)
        _require_modest_text(table)
        frame = table.to_pandas()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnusableFile(text.DAMAGED, str(error).partition("\n")[0]) from error
    for name in words:
        frame[name] = frame[name].astype("str")
    return pd.DataFrame(frame.set_axis(pd.RangeIndex(1, len(frame) + 1)))


def _require_modest(metadata: Any) -> None:
    if metadata.num_columns > MOST_COLUMNS:
        raise UnusableFile(text.TOO_MANY_COLUMNS, count=metadata.num_columns, limit=MOST_COLUMNS)
    _require_rows(metadata.num_rows)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    if sum(group.total_byte_size for group in groups) > MOST_UNPACKED_BYTES:
        raise UnusableFile(text.TOO_MUCH_INSIDE)


def _require_plain(schema: "pa.Schema") -> None:
    from pyarrow import types

    nested = [field.name for field in schema if types.is_nested(field.type)]
    if nested:
        raise UnusableFile(text.NESTED_COLUMNS, columns=", ".join(map(_shortened, nested)))


def _require_modest_text(table: "pa.Table") -> None:
    """Raise UnusableFile when the text, written out in every row, would be too large."""
    from pyarrow import compute, types

    total = 0
    for column in table.columns:
        if types.is_dictionary(column.type):
            for chunk in column.chunks:
                lengths = compute.binary_length(chunk.dictionary).take(chunk.indices)
                total += compute.sum(lengths).as_py() or 0
    if total > MOST_UNPACKED_BYTES:
        raise UnusableFile(text.TOO_MUCH_INSIDE)


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind))
