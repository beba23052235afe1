"""The bytes of a table and the cells in them: local files and s3:// objects, CSV and Parquet."""

import csv
import io
from collections.abc import Iterable, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.table.s3 import first_line, s3_bytes
from insurance_predictor.table.schema import COLUMN_NAMES, COLUMNS, Column, NumberColumn

SHOWN_FAULTS = 20

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_bytes(location: str) -> bytes:
    """The content of a local path or of an s3:// object.

    Raises InvalidTable when there is none to read, Unreachable when the storage does not answer
    within 20 seconds.
    """
    scheme, separator, _ = location.partition("://")
    if not separator:
        return _local_bytes(Path(location))
    if scheme.lower() == "s3":
        return s3_bytes(location)
    raise InvalidTable(
        f"{scheme}:// tables cannot be read. Give DATA a local CSV or Parquet file or an s3:// "
        "object; `make data` downloads the public table."
    )


def read_cells(content: bytes, source: str) -> tuple[pd.DataFrame, list[str]]:
    """The cells as they are written, and a notice for each oddity that was passed over.

    The columns are those of `schema` in the file's order: text from CSV, typed from Parquet. The
    index is the row number a person sees: in CSV the spreadsheet's (2 is the first below the
    header), in Parquet from 1. Raises InvalidTable, with `source` in the sentence.
    """
    if source.lower().endswith((".parquet", ".pq")) or content.startswith(b"PAR1"):
        return _parquet_cells(content, source), []
    return csv_cells(content, source)


def csv_cells(
    content: bytes,
    source: str,
    expected: Sequence[str] = COLUMN_NAMES,
    optional: Sequence[str] = (),
) -> tuple[pd.DataFrame, list[str]]:
    """Like `read_cells` for CSV, with the `expected` columns and those of `optional` it has."""
    header = _header(_decoded(content, source), source, expected, optional)
    frame = _text_cells(content.removeprefix(BYTE_ORDER_MARK), header, source)
    blank = (frame == "").all(axis=1)
    blank_count = int(blank.sum())
    notices = []
    if content.startswith(BYTE_ORDER_MARK):
        notices.append("a byte-order mark was ignored")
    if blank_count:
        notices.append(f"{blank_count} blank row{'s' * (blank_count > 1)} skipped")
    return frame[~blank], notices


def parquet_table(
    content: bytes,
    source: str,
    expected: Sequence[str] = COLUMN_NAMES,
    optional: Sequence[str] = (),
) -> Any:
    """The whole of a Parquet file as a pyarrow.Table, once its columns are the right ones.

    Those are the `expected` and perhaps `optional` ones. Raises InvalidTable for anything else.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(pa.BufferReader(content))
        require_columns(file.schema_arrow.names, source, expected, optional)
        table = file.read().replace_schema_metadata(None)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InvalidTable(
            f"{source} is not a Parquet file that can be read: {first_line(error)}. Write it "
            "again, or give a CSV file a name that ends in .csv."
        ) from error
    return table


def require_columns(
    names: Sequence[object],
    source: str,
    expected: Sequence[str] = COLUMN_NAMES,
    optional: Sequence[str] = (),
) -> None:
    """Raises InvalidTable unless `names` are the `expected` columns, in any order, once each.

    Those of `optional` may be there too.
    """
    allowed = [*expected, *optional]
    faults: dict[str, list[Any]] = {
        "missing": [name for name in expected if name not in names],
        "not known": [name for name in dict.fromkeys(names) if name not in allowed],
        "there more than once": [name for name in allowed if list(names).count(name) > 1],
    }
    if any(faults.values()):
        told = "; ".join(f"{fault}: {_listed(given)}" for fault, given in faults.items() if given)
        raise InvalidTable(
            f"{source} does not have the right columns: {told}. The header must name "
            f"{','.join(expected)}, in any order, once each and nothing else{_and(optional)}."
        )


def _local_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InvalidTable(
            f"{path} does not exist (looked from {Path.cwd()}). Correct DATA, or run `make data`."
        ) from error
    except IsADirectoryError as error:
        raise InvalidTable(f"{path} is a directory. Give DATA a CSV or Parquet file.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidTable(f"{path} cannot be read: {reason}. Correct DATA.") from error


def _parquet_cells(content: bytes, source: str) -> pd.DataFrame:
    table = parquet_table(content, source)
    wrong = [
        f"{column.name} is {table.schema.field(column.name).type}, it must be {column.rule}"
        for column in COLUMNS
        if not _has_parquet_type(table.schema.field(column.name).type, column)
    ]
    if wrong:
        raise InvalidTable(f"{source} has columns of a wrong type: {'; '.join(wrong)}.")
    frame = table.to_pandas()
    return pd.DataFrame(frame.set_axis(pd.RangeIndex(1, len(frame) + 1)))


def _has_parquet_type(found: Any, column: Column) -> bool:
    from pyarrow import types

    if isinstance(column, NumberColumn):
        # 16 bits do not hold the decimals by which people are told apart.
        coarse = types.is_float16(found) and column.decimals > 0
        return bool((types.is_integer(found) or types.is_floating(found)) and not coarse)
    text = found.value_type if types.is_dictionary(found) else found
    return bool(types.is_string(text) or types.is_large_string(text) or types.is_string_view(text))


def _decoded(content: bytes, source: str) -> str:
    if not content.removeprefix(BYTE_ORDER_MARK).strip():
        raise InvalidTable(f"{source} is empty. Give a table with a header and rows.")
    remedy = "Save it as UTF-8, for example: iconv -f {} -t UTF-8 OLD > NEW."
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InvalidTable(f"{source} is UTF-16 (byte offset 0). {remedy.format('UTF-16')}")
    if b"\0" in content:
        offset = content.index(b"\0")
        raise InvalidTable(
            f"{source} has a NUL byte at byte offset {offset} (line {_line(content, offset)}): it "
            "is UTF-16, damaged or not a text file. Save it again as UTF-8 CSV."
        )
    try:
        return content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InvalidTable(
            f"{source} is not UTF-8: byte 0x{content[error.start]:02x} at byte offset "
            f"{error.start} (line {_line(content, error.start)}). {remedy.format('LATIN1')}"
        ) from error


def _line(content: bytes, offset: int) -> int:
    return len(content[: offset + 1].splitlines())


def _header(text: str, source: str, expected: Sequence[str], optional: Sequence[str]) -> list[str]:
    stream = io.StringIO(text, newline="")
    try:
        header = [name.strip(" \t") for name in next(csv.reader(stream), [])]
    except csv.Error as error:
        raise InvalidTable(f"{source}: line 1 is not a CSV header: {error}.") from error
    _require_commas(header, source, {*expected, *optional})
    require_columns(header, source, expected, optional)
    if not stream.read().strip():
        raise InvalidTable(f"{source} has a header but no rows. Give a table with people in it.")
    return header


def _require_commas(header: list[str], source: str, expected: Set[str]) -> None:
    known = len(expected & set(header))
    for separator, words in SEPARATORS.items():
        names = {name.strip(' "') for name in ",".join(header).split(separator)}
        if len(names & expected) > max(known, 1):
            raise InvalidTable(
                f"{source} separates its columns by {words} ({separator!r}). Save it with commas "
                "between columns and a point before decimals."
            )


def _and(optional: Sequence[str]) -> str:
    return f" (but perhaps {','.join(optional)})" if optional else ""


def _listed(names: Iterable[object]) -> str:
    quoted = [shown(name) for name in names]
    return ", ".join(quoted[:10]) + (f" and {len(quoted) - 10} more" if len(quoted) > 10 else "")


def _text_cells(content: bytes, header: list[str], source: str) -> pd.DataFrame:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    ragged: list[tuple[int, int]] = []

    def note(row: Any) -> str:
        ragged.append((row.number, row.actual_columns))
        return "skip"

    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(content),
            arrow_csv.ReadOptions(use_threads=False, skip_rows=1, column_names=header),
            # Blank lines are kept so that row numbers stay those of a spreadsheet.
            arrow_csv.ParseOptions(
                newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=note
            ),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowException as error:
        raise InvalidTable(f"{source} is not readable CSV: {first_line(error)}.") from error
    if ragged:
        raise InvalidTable(_ragged_sentence(ragged, len(header), source))
    frame = table.to_pandas()
    return frame.set_axis(pd.RangeIndex(2, len(frame) + 2))


def _ragged_sentence(ragged: list[tuple[int, int]], expected: int, source: str) -> str:
    told = "; ".join(f"row {row} has {cells}" for row, cells in ragged[:SHOWN_FAULTS])
    count = f"{len(ragged)} row{'s' * (len(ragged) > 1)}"
    first = f", the first {SHOWN_FAULTS}" if len(ragged) > SHOWN_FAULTS else ""
    return (
        f"{source} has {count} without exactly {expected} cells{first}: {told}. "
        "Look for a missing cell, a comma as decimal mark or an open quotation mark."
    )


def shown(value: Any) -> str:
    """One cell or column name for a sentence: quoted, shortened, or said to be missing."""
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:37] + "...") if value else "an empty cell"
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return "a missing value"
    return repr(value.item() if isinstance(value, np.generic) else value)[:40]
