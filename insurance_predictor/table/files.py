"""The bytes of a table and the cells in them: local files and s3:// objects, CSV and Parquet."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.table.reading import notices as reading_notices
from insurance_predictor.table.reading.header import (
    DECIMAL_COMMA,
    Header,
    Known,
    TextColumn,
    find_separator,
    first_row,
    left_out,
    read_header,
)
from insurance_predictor.table.reading.notices import Notice, NotUnderstood
from insurance_predictor.table.reading.understanding import understood
from insurance_predictor.table.s3 import first_line, s3_bytes
from insurance_predictor.table.schema import COLUMN_NAMES, COLUMNS, Column, NumberColumn

SHOWN_FAULTS = 20

MOST_COLUMNS = 1_000
BEGINNING = 2**20  # characters in which the header must be
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_bytes(location: str, variable: str = "DATA") -> bytes:
    """The content of a local path or of an s3:// object; `variable` is what names it.

    Raises InvalidTable when there is none to read, Unreachable when the storage does not answer
    within 20 seconds.
    """
    scheme, separator, _ = location.partition("://")
    if not separator:
        return _local_bytes(Path(location), variable)
    if scheme.lower() == "s3":
        return s3_bytes(location)
    raise InvalidTable(
        f"{scheme}:// tables cannot be read. Give {variable} a local CSV or Parquet file or an "
        "s3:// object; `make data` downloads the public table."
    )


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of a file, in columns by the schema's names and in the file's order.

    `written` has them as they stand in the file, `understood` as the schema writes them; what is
    not understood is the same in both. The index is the row number a person sees: in CSV the
    spreadsheet's (2 is the first below the header), in Parquet from 1. `notices` tell what was
    done, a sentence each.
    """

    written: pd.DataFrame
    understood: pd.DataFrame
    notices: tuple[str, ...]


def read_cells(
    content: bytes,
    source: str,
    columns: Sequence[Known] = COLUMNS,
    optional: Sequence[Known] = (),
    strict: bool = False,
) -> Cells:
    """The cells of `columns`, and of those of `optional` that are there.

    Other columns are left out, or refused when `strict`. Raises InvalidTable, with `source` in the
    sentence, for what cannot be read, or not without guessing.
    """
    wanted = (*columns, *optional)
    try:
        if source.lower().endswith((".parquet", ".pq")) or content.startswith(b"PAR1"):
            written, notices = _parquet_cells(content, source, columns, optional, strict)
            separator = ""
        else:
            written, separator, notices = _csv_cells(content, source, columns, optional, strict)
        cells, done = understood(written, wanted, separator in DECIMAL_COMMA)
    except NotUnderstood as error:
        raise InvalidTable(f"{source} cannot be read without guessing: {error}") from error
    told = (notice("en") for notice in (*notices, *done))
    return Cells(written, cells, tuple(told))


def _csv_cells(
    content: bytes, source: str, columns: Sequence[Known], optional: Sequence[Known], strict: bool
) -> tuple[pd.DataFrame, str, tuple[Notice, ...]]:
    """The cells of a text, what separates them, and what was done."""
    text = _decoded(content, source)
    beginning = text[:BEGINNING]
    separator = find_separator(beginning, (*columns, *optional))
    try:
        written, lines = first_row(beginning, separator)
    except csv.Error as error:
        raise InvalidTable(f"{source}: line 1 is not a CSV header: {error}.") from error
    header = _header(written, source, columns, optional, strict)
    is_marked = content.startswith(BYTE_ORDER_MARK)
    content = content.removeprefix(BYTE_ORDER_MARK)
    places = tuple(header.known.values())
    frame = _text_cells(content, separator, lines, len(written), places, source)
    blank = (frame == "").all(axis=1)
    if header.unknown and blank.any():  # a row that has something else is a row
        everything = _text_cells(content, separator, lines, len(written), None, source)
        blank = (everything == "").all(axis=1)
    frame = frame[~blank].set_axis(list(header.known), axis=1)
    if frame.empty:
        raise InvalidTable(f"{source} has a header but no rows. Give a table with people in it.")
    told = []
    if is_marked:
        told.append(Notice(reading_notices.BYTE_ORDER_MARK))
    if separator in reading_notices.SEPARATORS:
        words = reading_notices.SEPARATORS[separator]
        told.append(Notice(reading_notices.SEPARATED, {"separator": words}))
    if count := int(blank.sum()):
        words = reading_notices.BLANK_ROW if count == 1 else reading_notices.BLANK_ROWS
        told.append(Notice(words, {"count": count}))
    return frame, separator, (*told, *header.notices, *left_out(header))


def _header(
    written: Sequence[str],
    source: str,
    columns: Sequence[Known],
    optional: Sequence[Known],
    strict: bool,
) -> Header:
    """What the columns of a file mean. Raises InvalidTable unless all of `columns` are there."""
    if len(written) > MOST_COLUMNS:
        raise InvalidTable(
            f"{source} has {len(written):,} columns or more; {MOST_COLUMNS:,} are the most. Leave "
            "out those that are no features."
        )
    header = read_header(written, (*columns, *optional))
    missing = [column.name for column in columns if column.name not in header.known]
    if missing or (strict and header.unknown):
        faults = {"missing": missing, "not known": list(dict.fromkeys(header.unknown))}
        told = "; ".join(f"{fault}: {_listed(names)}" for fault, names in faults.items() if names)
        names = ",".join(column.name for column in columns)
        others = ",".join(column.name for column in optional)
        perhaps = f" (but perhaps {others})" if others else ""
        alone = f" and nothing else{perhaps}, as STRICT=1 asks" if strict else perhaps
        raise InvalidTable(
            f"{source} does not have the right columns: {told}. The header must name "
            f"{names}, in any order, once each{alone}."
        )
    return header


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


def _local_bytes(path: Path, variable: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        remedy = ", or run `make data`" if variable == "DATA" else ""
        raise InvalidTable(
            f"{path} does not exist (looked from {Path.cwd()}). Correct {variable}{remedy}."
        ) from error
    except IsADirectoryError as error:
        raise InvalidTable(f"{path} is a directory. Give {variable} a table.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidTable(f"{path} cannot be read: {reason}. Correct {variable}.") from error


def _parquet_cells(
    content: bytes, source: str, columns: Sequence[Known], optional: Sequence[Known], strict: bool
) -> tuple[pd.DataFrame, tuple[Notice, ...]]:
    """The cells of a Parquet file, numbers as they are typed and whatever is a word as text."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(pa.BufferReader(content))
        names = file.schema_arrow.names
        header = _header(names, source, columns, optional, strict)
        _require_types(file.schema_arrow, header, (*columns, *optional), source)
        table = file.read(columns=[names[place] for place in header.known.values()])
        table = table.replace_schema_metadata(None)
        table.validate(full=True)
        by_name = {
            column.name: _arrow_cells(table.column(names[place]), column)
            for column in (*columns, *optional)
            if (place := header.known.get(column.name)) is not None
        }
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InvalidTable(
            f"{source} is not a Parquet file that can be read: {first_line(error)}. Write it "
            "again, or give a CSV file a name that ends in .csv."
        ) from error
    frame = pa.table({name: by_name[name] for name in header.known}).to_pandas()
    rows = pd.RangeIndex(1, len(frame) + 1)
    return frame.set_axis(rows), (*header.notices, *left_out(header))


def _require_types(schema: Any, header: Header, columns: Sequence[Known], source: str) -> None:
    wrong = [
        f"{column.name} is {kind}, it must be {column.rule}"
        for column in columns
        if not isinstance(column, TextColumn) and column.name in header.known
        if not _has_parquet_type(kind := schema.field(header.known[column.name]).type, column)
    ]
    if wrong:
        raise InvalidTable(f"{source} has columns of a wrong type: {'; '.join(wrong)}.")


def _has_parquet_type(found: Any, column: Column) -> bool:
    from pyarrow import types

    if types.is_dictionary(found):
        found = found.value_type
    if _is_text(found) or types.is_null(found) or types.is_integer(found):
        return True
    if isinstance(column, NumberColumn):
        # 16 bits do not hold the decimals by which people are told apart.
        coarse = types.is_float16(found) and column.decimals > 0
        return bool((types.is_floating(found) or types.is_decimal(found)) and not coarse)
    return bool(types.is_boolean(found) or types.is_floating(found))


def _arrow_cells(cells: Any, column: Known) -> Any:
    """An Arrow column as pandas shall have it. Decimals go by their text to the nearest float."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    if isinstance(column, TextColumn):
        return cells
    is_number = isinstance(column, NumberColumn) and not types.is_decimal(cells.type)
    return cells if is_number and not _is_text(cells.type) else cells.cast(pa.string())


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
    )


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


def _and(optional: Sequence[str]) -> str:
    return f" (but perhaps {','.join(optional)})" if optional else ""


def _listed(names: Iterable[object]) -> str:
    quoted = [shown(name) for name in names]
    return ", ".join(quoted[:10]) + (f" and {len(quoted) - 10} more" if len(quoted) > 10 else "")


def _text_cells(
    content: bytes,
    separator: str,
    header_lines: int,
    count: int,
    places: Sequence[int] | None,
    source: str,
) -> pd.DataFrame:
    """Text in the `count` columns below the header, or in those at `places`."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    ragged: list[tuple[int, int]] = []

    def note(row: Any) -> str:
        ragged.append((row.number, row.actual_columns))
        return "skip"

    names = [str(place) for place in range(count)]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(content),
            arrow_csv.ReadOptions(use_threads=False, skip_rows=header_lines, column_names=names),
            # Blank lines are kept so that row numbers stay those of a spreadsheet.
            arrow_csv.ParseOptions(
                delimiter=separator,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=note,
            ),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=False,
                include_columns=names if places is None else [names[place] for place in places],
            ),
        )
    except pa.ArrowException as error:
        if str(error).startswith(("Empty", "Could not skip")):  # there is nothing but a header
            table = pa.table({name: pa.array([], pa.string()) for name in names})
        else:
            raise InvalidTable(f"{source} is not readable CSV: {first_line(error)}.") from error
    if ragged:
        raise InvalidTable(_ragged_sentence(ragged, count, source))
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
