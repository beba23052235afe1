"""The bytes of a table and the cells in them: files here and on s3://, whatever their kind."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.table.parquet_text import (
    PARQUET_MARK,
    Bounds,
    Converted,
    write_text,
)
from insurance_predictor.table.reading import notices as reading_notices
from insurance_predictor.table.reading.encodings import BYTE_ORDER_MARK, NAMES, UTF_8, find_encoding
from insurance_predictor.table.reading.header import (
    DECIMAL_COMMA,
    Header,
    Known,
    find_separator,
    first_row,
    left_out,
    read_header,
)
from insurance_predictor.table.reading.memory import (
    require_memory_for_files,
    require_memory_for_rows,
    require_memory_for_text,
)
from insurance_predictor.table.reading.notices import Notice, NotUnderstood, quoted
from insurance_predictor.table.reading.understanding import understood
from insurance_predictor.table.reading.unpacking import (
    ZIP_MARK,
    is_packed,
    is_workbook,
    require_readable,
    unpack,
)
from insurance_predictor.table.s3 import (
    PARQUET_ENDINGS,
    NoObject,
    first_line,
    part_names,
    s3_bytes,
    s3_parts,
)
from insurance_predictor.table.schema import (
    COLUMN_NAMES,
    COLUMNS,
    CURRENT,
)

SHOWN_FAULTS = 20

MOST_COLUMNS = 1_000
BEGINNING = 2**20  # characters in which the header must be
MOST_UNPACKED = 2**30  # bytes of what a packed file holds, and how many times as large it may be
MOST_RATIO = 100
SMALL = 2**26  # bytes; so much may be in any packed file
WORKBOOK_BOUNDS = Bounds(
    rows=2**20, columns=MOST_COLUMNS, text=MOST_UNPACKED, memory=2**31, seconds=900
)


Parts = Sequence[tuple[str, bytes]]  # the name and content of each file of a table


def read_parts(location: str, variable: str = "DATA") -> Parts:
    """The files of a table: one, or the part files of a folder, here or on s3://.

    `variable` is what names the place. Raises InvalidTable when there is none to read, Unreachable
    when the storage does not answer within 20 seconds.
    """
    scheme, separator, _ = location.partition("://")
    if not separator:
        return _local_parts(Path(location), variable)
    if scheme.lower() != "s3":
        raise InvalidTable(
            f"{scheme}:// tables cannot be read. Give {variable} a local CSV, Excel or Parquet "
            "file or an s3:// object; `make data` downloads the public table."
        )
    try:
        return [(location, s3_bytes(location))]
    except NoObject:
        if parts := s3_parts(location, variable):
            return parts
        raise


def _local_parts(path: Path, variable: str) -> Parts:
    try:
        if not path.is_dir():
            require_memory_for_files([path], str(path))
            return [(path.name, path.read_bytes())]
        below = (found.relative_to(path).as_posix() for found in path.rglob("*"))
        parts = part_names(below, str(path), variable)
        require_memory_for_files([path / name for name in parts], str(path))
        return [(name, (path / name).read_bytes()) for name in parts]
    except FileNotFoundError as error:
        remedy = ", or run `make data`" if variable == "DATA" else ""
        raise InvalidTable(
            f"{path} does not exist (looked from {Path.cwd()}). Correct {variable}{remedy}."
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidTable(f"{path} cannot be read: {reason}. Correct {variable}.") from error


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


@dataclass(frozen=True)
class Wanted:
    """What is looked for in a file: `columns`, those of `optional` that are there, a `sheet`.

    Those `carried` may be there and are not read. Others are left out, or refused when `strict`.
    """

    columns: Sequence[Known] = COLUMNS
    optional: Sequence[Known] = ()
    strict: bool = False
    sheet: str | None = None
    carried: Sequence[Known] = CURRENT.carried

    @property
    def every(self) -> tuple[Known, ...]:
        return (*self.columns, *self.optional)


def read_cells(parts: Parts, source: str, wanted: Wanted = Wanted()) -> Cells:
    """The cells of what is `wanted`, of one file or of several below each other.

    Raises InvalidTable, with `source` in the sentence, for what cannot be read, or not without
    guessing.
    """
    raw = [_raw(name, content, _within(source, name, parts), wanted) for name, content in parts]
    written = _together(raw, parts, source)
    commas = frozenset.intersection(*(part.commas for part in raw))
    with _in_words(source):
        cells, done = understood(written, wanted.every, commas)
    told = (notice("en") for notice in (*_notices(raw, parts), *done))
    return Cells(written, cells, tuple(told))


@contextmanager
def _in_words(source: str) -> Iterator[None]:
    """Raise InvalidTable for what cannot be read without guessing."""
    try:
        yield
    except NotUnderstood as error:
        raise InvalidTable(f"{source} cannot be used as it is: {error}") from error


@dataclass(frozen=True, eq=False)
class _Raw:
    """The cells of one file as they are written there, in columns by the schema's names.

    In those of `commas` a comma may be the decimal mark. `separator` is what stands between the
    columns of a text; `blank` rows were skipped.
    """

    frame: pd.DataFrame
    notices: tuple[Notice, ...]
    commas: frozenset[str]
    separator: str = ""
    blank: int = 0


def _within(source: str, name: str, parts: Parts) -> str:
    """What a file is called in a sentence: as its table, unless it is a part of it."""
    return source if len(parts) == 1 else f"{source.rstrip('/')}/{name}"


def _together(raw: Sequence[_Raw], parts: Parts, source: str) -> pd.DataFrame:
    """The rows of all parts, which must be alike. Raises InvalidTable."""
    first = raw[0]
    for part, (name, _) in zip(raw, parts, strict=True):
        fault = ""
        if set(part.frame.columns) != set(first.frame.columns):
            fault = "does not have the columns of"
        elif part.separator != first.separator:
            fault = "separates its columns otherwise than"
        if fault:
            raise InvalidTable(
                f"{source}: {name} {fault} {parts[0][0]}. Write the parts again, all alike."
            )
    if all(part.frame.empty for part in raw):
        raise InvalidTable(f"{source} has a header but no rows. Give a table with people in it.")
    if len(raw) == 1:
        return first.frame
    # A part without rows says nothing of the types.
    frame = pd.concat([part.frame for part in raw if len(part.frame)], ignore_index=True)
    return frame.set_axis(pd.RangeIndex(1, len(frame) + 1))


def _notices(raw: Sequence[_Raw], parts: Parts) -> Iterator[Notice]:
    """What was done to each of the parts, said once of all that are alike."""
    if len(parts) > 1:
        names = quoted(name for name, _ in parts)
        yield Notice(reading_notices.PARTS, {"count": len(parts), "names": names})
    told: list[Notice] = []
    for notice in (notice for part in raw for notice in part.notices):
        if notice not in told:
            told.append(notice)
            yield notice
    if count := sum(part.blank for part in raw):
        words = reading_notices.BLANK_ROW if count == 1 else reading_notices.BLANK_ROWS
        yield Notice(words, {"count": count})


def _raw(name: str, content: bytes, source: str, wanted: Wanted) -> _Raw:
    with _in_words(source):
        content, notices = _unpacked(content)
        if name.lower().endswith(PARQUET_ENDINGS) or content.startswith(PARQUET_MARK):
            raw = _parquet_cells(content, source, wanted)
        elif content.startswith(ZIP_MARK):
            raw = _workbook_cells(content, source, wanted)
        else:
            raw = _csv_cells(content, source, wanted)
    return replace(raw, notices=(*notices, *raw.notices))


def _unpacked(content: bytes) -> tuple[bytes, tuple[Notice, ...]]:
    """What is in a packed file; a workbook stays one. Raises NotUnderstood."""
    require_readable(content)
    if not is_packed(content) or is_workbook(io.BytesIO(content)):
        return content, ()
    sink = io.BytesIO()
    unpack(io.BytesIO(content), sink, min(MOST_UNPACKED, max(SMALL, MOST_RATIO * len(content))))
    return sink.getvalue(), (Notice(reading_notices.UNPACKED),)


def _csv_cells(content: bytes, source: str, wanted: Wanted) -> _Raw:
    if not content.removeprefix(BYTE_ORDER_MARK).strip():
        raise InvalidTable(f"{source} is empty. Give a table with a header and rows.")
    encoding = find_encoding([content])
    text = content.decode(encoding).removeprefix("\ufeff")
    beginning = text[:BEGINNING]
    is_marked = content.startswith(BYTE_ORDER_MARK)
    content = content.removeprefix(BYTE_ORDER_MARK) if encoding == UTF_8 else text.encode()
    del text
    separator = find_separator(beginning, wanted.every)
    try:
        written, lines = first_row(beginning, separator)
    except csv.Error as error:
        raise InvalidTable(f"{source}: line 1 is not a CSV header: {error}.") from error
    told = [Notice(reading_notices.BYTE_ORDER_MARK)] if is_marked else []
    if encoding in NAMES:
        told.append(Notice(reading_notices.ENCODED, {"encoding": NAMES[encoding]}))
    if separator in reading_notices.SEPARATORS:
        words = reading_notices.SEPARATORS[separator]
        told.append(Notice(reading_notices.SEPARATED, {"separator": words}))
    layout = _Layout(written, separator, lines, 2)
    return _text_table(content, layout, source, wanted, told)


def _workbook_cells(content: bytes, source: str, wanted: Wanted) -> _Raw:
    """The cells of a sheet, read by a process of its own: what is in a workbook may be hostile."""
    with TemporaryDirectory() as folder:
        place, target = Path(folder) / "workbook", Path(folder) / "rows.csv"
        place.write_bytes(content)
        found = write_text(place, target, replace(WORKBOOK_BOUNDS, sheet=wanted.sheet))
        rows = target.read_bytes() if target.exists() else b""
    if found.fault == "sheet":
        sheets = quoted(found.sheets)
        raise NotUnderstood(reading_notices.NO_SHEET, sheet=quoted([found.sheet]), sheets=sheets)
    if found.fault:
        raise InvalidTable(f"{source} {_workbook_fault(found)}")
    if not found.columns:
        raise InvalidTable(f"{source} is empty. Give a table with a header and rows.")
    told = []
    if len(found.sheets) > 1 and wanted.sheet is None:
        values = {"sheet": quoted([found.sheet]), "count": len(found.sheets)}
        told = [Notice(reading_notices.ONE_SHEET, values)]
    layout = _Layout([name.strip() for name in found.columns], ",", 0, found.first, found.typed)
    return replace(_text_table(rows, layout, source, wanted, told), separator="")


def _workbook_fault(found: Converted) -> str:
    if found.fault == "ragged":
        return f"has cells beside the columns of its header in row {found.first}. Clear them."
    if found.fault == "columns":
        return f"has more than {MOST_COLUMNS:,} columns. Leave out those that are no features."
    if found.fault in ("rows", "size"):
        return "is too large to be read as a workbook. Save the sheet as CSV."
    return f"is not a workbook that can be read: {found.detail}. Save it again as .xlsx."


@dataclass(frozen=True)
class _Layout:
    """The columns of a CSV text, what separates them, and where and which the first row is.

    In a text that was made of numbers, `typed` are the places of the columns that have such.
    """

    written: Sequence[str]
    separator: str
    header_lines: int
    first: int
    typed: Sequence[int] | None = None

    def commas(self, known: Mapping[str, int]) -> frozenset[str]:
        """In which of the `known` columns, by their places, a comma may be the decimal mark."""
        if self.typed is not None:
            return frozenset(name for name, place in known.items() if place not in self.typed)
        return frozenset(known if self.separator in DECIMAL_COMMA else ())


def _text_table(
    content: bytes, layout: _Layout, source: str, wanted: Wanted, told: Sequence[Notice]
) -> _Raw:
    header = _header(layout.written, source, wanted)
    require_memory_for_text(content, source)
    frame = _text_cells(content, layout, tuple(header.known.values()), source)
    blank = (frame == "").all(axis=1)
    # A row that has something else is a row.
    if len(header.known) < len(layout.written) and blank.any():
        blank = (_text_cells(content, layout, None, source) == "").all(axis=1)
    frame = frame[~blank].set_axis(list(header.known), axis=1)
    notices = (*told, *header.notices, *left_out(header))
    commas = layout.commas(header.known)
    return _Raw(frame, notices, commas, layout.separator, int(blank.sum()))


def _header(written: Sequence[str], source: str, wanted: Wanted) -> Header:
    """What the columns of a file mean. Raises InvalidTable unless all that are needed are there."""
    if len(written) > MOST_COLUMNS:
        raise InvalidTable(
            f"{source} has {len(written):,} columns or more; {MOST_COLUMNS:,} are the most. Leave "
            "out those that are no features."
        )
    header = read_header(written, (*wanted.every, *wanted.carried))
    read = {column.name for column in wanted.every}
    known = {name: place for name, place in header.known.items() if name in read}
    header = replace(header, known=known)
    missing = [column.name for column in wanted.columns if column.name not in header.known]
    if missing or (wanted.strict and header.unknown):
        faults = {"missing": missing, "not known": list(dict.fromkeys(header.unknown))}
        told = "; ".join(f"{fault}: {_listed(names)}" for fault, names in faults.items() if names)
        names = ",".join(column.name for column in wanted.columns)
        others = ",".join(column.name for column in wanted.optional)
        perhaps = f" (but perhaps {others})" if others else ""
        alone = f" and nothing else{perhaps}, as STRICT=1 asks" if wanted.strict else perhaps
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


def _parquet_cells(content: bytes, source: str, wanted: Wanted) -> _Raw:
    """The cells of a Parquet file, numbers as they are typed and whatever is a word as text."""
    import pyarrow as pa
    from pyarrow import parquet

    from insurance_predictor.table.reading.arrow_types import arrow_cells, is_text, require_types

    try:
        file = parquet.ParquetFile(pa.BufferReader(content))
        names = file.schema_arrow.names
        header = _header(names, source, wanted)
        require_types(file.schema_arrow, header, wanted.every, source)
        require_memory_for_rows(file.metadata.num_rows, source)
        table = file.read(columns=[names[place] for place in header.known.values()])
        table = table.replace_schema_metadata(None)
        table.validate(full=True)
        by_name = {
            column.name: arrow_cells(table.column(names[place]), column)
            for column in wanted.every
            if (place := header.known.get(column.name)) is not None
        }
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InvalidTable(
            f"{source} is not a Parquet file that can be read: {first_line(error)}. Write it "
            "again, or give a CSV file a name that ends in .csv."
        ) from error
    frame = pa.table({name: by_name[name] for name in header.known}).to_pandas()
    rows = pd.RangeIndex(1, len(frame) + 1)
    told = (*header.notices, *left_out(header))
    commas = frozenset(
        name for name, place in header.known.items() if is_text(file.schema_arrow.field(place).type)
    )
    return _Raw(frame.set_axis(rows), told, commas)


def _and(optional: Sequence[str]) -> str:
    return f" (but perhaps {','.join(optional)})" if optional else ""


def _listed(names: Iterable[object]) -> str:
    quoted = [shown(name) for name in names]
    return ", ".join(quoted[:10]) + (f" and {len(quoted) - 10} more" if len(quoted) > 10 else "")


def _text_cells(
    content: bytes, layout: _Layout, places: Sequence[int] | None, source: str
) -> pd.DataFrame:
    """Text in all columns below the header, or in those at `places`."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    ragged: list[tuple[int, int]] = []

    def note(row: Any) -> str:
        ragged.append((row.number, row.actual_columns))
        return "skip"

    count = len(layout.written)
    names = [str(place) for place in range(count)]
    options = arrow_csv.ReadOptions(
        use_threads=False, skip_rows=layout.header_lines, column_names=names
    )
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(content),
            options,
            # Blank lines are kept so that row numbers stay those of a spreadsheet.
            arrow_csv.ParseOptions(
                delimiter=layout.separator,
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
    return frame.set_axis(pd.RangeIndex(layout.first, layout.first + len(frame)))


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
