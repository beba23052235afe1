"""An uploaded table of people: its rows on disk, and each cell that cannot be used.

A file is somebody else's: it is looked at in pieces, and nothing of its size is ever in memory.
"""

import codecs
import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app import text
from app.upload_folder import PARQUET_TEXT, UNPACKED, UTF_8_TEXT
from insurance_predictor.base.settings import BatchLimits
from insurance_predictor.base.words import Text
from insurance_predictor.table.check import broken_cells
from insurance_predictor.table.columns import Column, Declared
from insurance_predictor.table.parquet_text import MEGABYTE, PARQUET_MARK, Bounds, write_text
from insurance_predictor.table.reading import notices as reading_notices
from insurance_predictor.table.reading.encodings import BYTE_ORDER_MARK, NAMES, find_encoding
from insurance_predictor.table.reading.header import (
    DECIMAL_COMMA,
    SEPARATORS,
    find_separator,
    first_row,
    read_header,
)
from insurance_predictor.table.reading.notices import Notice, NotUnderstood, quoted
from insurance_predictor.table.reading.understanding import Decision, Understanding
from insurance_predictor.table.reading.unpacking import (
    is_packed,
    is_workbook,
    require_readable,
    unpack,
)
from insurance_predictor.table.schema import CURRENT, FEATURES

MOST_COLUMNS = 100
KEPT_FAULTS = 10_000
LONGEST_NAME = 250  # characters of a column's name
LONGEST_TEXT = 32_767  # characters of a cell, the most that a spreadsheet holds
LONGEST_SHOWN = 100  # characters of a cell or of a column's name
# Of a file, looked at together; a row is shorter, so that each block has the end of one.
BLOCK_BYTES = MEGABYTE
ROWS_AT_ONCE = 5_000
SHOWN_RAGGED = 20
UNPACKED_SHARE = 5  # how many times as large as a file its text may be
MARK_BYTES = 16  # by which the kind of a file is known


class UnusableFile(Exception):
    """A file that cannot be read as a table of people: why, in both languages."""

    def __init__(self, reason: Text, detail: str = "", **values: object) -> None:
        super().__init__(reason.en)
        self.reason = reason
        self.detail = detail  # the library's own words, in English
        self.values = values


@dataclass(frozen=True)
class Rows:
    """A CSV file on disk: its columns, how many lines are above its rows, and their numbers.

    The features have their names, others their own. `first` is the number that a person
    sees beside the first row; `notices` tell what was done so that the columns could be read.
    `features` are what was asked for; in those of `commas` a comma may be the decimal mark.
    """

    path: Path
    columns: tuple[str, ...]
    header_lines: int
    first: int
    separator: str = ","
    notices: tuple[Notice, ...] = ()
    features: tuple[Column, ...] = FEATURES
    commas: frozenset[str] = frozenset()

    def pieces(self) -> Iterator[pd.DataFrame]:
        """At most 5,000 rows at once, as text, without blank ones; indexed by their numbers.

        A feature that the file does not have is there, empty. Raises UnusableFile for a row that
        does not have as many cells as there are columns.
        """
        import pyarrow as pa

        ragged: list[str] = []
        number = self.first
        absent = {one.name: "" for one in self.features if one.name not in self.columns}
        try:
            for batch in self._batches(ragged):
                if ragged:
                    break
                for start in range(0, batch.num_rows, ROWS_AT_ONCE):
                    piece = batch.slice(start, ROWS_AT_ONCE).to_pandas()
                    piece.index = pd.RangeIndex(number, number + len(piece))
                    number += len(piece)
                    yield piece[~(piece == "").all(axis=1)].assign(**absent)
        except pa.ArrowException as error:
            if str(error).startswith("Empty"):
                return
            raise UnusableFile(text.DAMAGED, str(error).partition("\n")[0][:500]) from error
        if ragged:
            told = "; ".join(ragged[:SHOWN_RAGGED])
            raise UnusableFile(text.DAMAGED, f"Not {len(self.columns)} cells: {told}")

    def _batches(self, ragged: list[str]) -> Any:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        def note(row: Any) -> str:
            if len(ragged) < SHOWN_RAGGED:
                ragged.append(f"row {row.number} has {row.actual_columns}")
            return "skip"

        return arrow_csv.open_csv(
            self.path,
            arrow_csv.ReadOptions(
                use_threads=False,
                block_size=BLOCK_BYTES,
                skip_rows=self.header_lines,
                column_names=list(self.columns),
            ),
            # Blank lines are kept so that row numbers stay those of a spreadsheet.
            arrow_csv.ParseOptions(
                delimiter=self.separator,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=note,
            ),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(self.columns, pa.string()), strings_can_be_null=False
            ),
        )


@dataclass(frozen=True, eq=False)
class Upload:
    """The rows of a file and how many of them can be used.

    `decision` says how the features are to be read, `notices` what was done so that they could be.
    `faults` has the columns row, column, value: the first cells that break the rule of their
    column, by row, as they are written; `faulty_cells` and `faulty_rows` count them all.
    """

    name: str
    rows: Rows
    decision: Decision
    count: int
    faults: pd.DataFrame
    faulty_cells: int
    faulty_rows: int

    @property
    def notices(self) -> tuple[Notice, ...]:
        return (*self.rows.notices, *self.decision.notices)

    def sound_pieces(self) -> Iterator[pd.DataFrame]:
        """The rows without a fault, some at a time, their features as they are declared."""
        for piece in self.rows.pieces():
            understood = self.decision.applied(piece)
            broken = broken_cells(understood, _checked(self.rows))
            yield understood[~broken.any(axis=1)]


@dataclass
class _Check:
    """What is known of the rows so far, of whose `columns` each cell is looked at."""

    columns: Sequence[Declared]
    count: int = 0
    cells: int = 0
    rows: int = 0
    kept: list[pd.DataFrame] = field(default_factory=list)
    kept_count: int = 0

    def add(self, piece: pd.DataFrame, understood: pd.DataFrame) -> None:
        broken = broken_cells(understood, self.columns)
        self.count += len(piece)
        self.cells += int(broken.sum())
        self.rows += int(broken.any(axis=1).sum())
        if self.kept_count < KEPT_FAULTS:
            found = _faults(piece, broken, self.columns).head(KEPT_FAULTS - self.kept_count)
            self.kept.append(found)
            self.kept_count += len(found)


def read_upload(
    name: str,
    source: Path,
    limits: BatchLimits,
    progress: Callable[[int], object] = lambda rows: None,
    features: tuple[Column, ...] = FEATURES,
) -> Upload:
    """The table in a CSV or Parquet file on disk, beside which there is room for another.

    It has to have `features`; other columns are kept as they are. `progress` hears how many rows
    were read, and what it raises goes on. Raises UnusableFile.
    """
    if source.stat().st_size > limits.megabytes * MEGABYTE:
        raise UnusableFile(text.FILE_TOO_LARGE, megabytes=limits.megabytes)
    try:
        rows = _rows(source, limits, features, lambda: progress(0))
        decision = _decision(rows, progress)
    except NotUnderstood as error:
        raise UnusableFile(error.reason, "", **error.values) from error
    check = _Check(_checked(rows))
    for piece in rows.pieces():
        if not piece.empty:
            _require_short_cells(piece, {column.name for column in features})
            check.add(piece, decision.applied(piece))
        if check.count > limits.rows:
            raise UnusableFile(text.TOO_MANY_ROWS, limit=limits.rows)
        progress(check.count)
    if check.count == 0:
        raise UnusableFile(text.EMPTY_FILE)
    if rows.path != source:
        source.unlink()
    faults = pd.concat(check.kept, ignore_index=True)
    return Upload(name, rows, decision, check.count, faults, check.cells, check.rows)


def is_small_text(source: Path, most: int) -> bool:
    """Whether a file has `most` bytes and is not larger than it looks."""
    with source.open("rb") as file:
        beginning = file.read(MARK_BYTES)
    is_text = not beginning.startswith(PARQUET_MARK) and not is_packed(beginning)
    return is_text and source.stat().st_size <= most


def _decision(rows: Rows, progress: Callable[[int], object]) -> Decision:
    """How the features are to be read, which all the rows together say. Raises NotUnderstood."""
    understanding = Understanding(rows.features, rows.commas)
    for piece in rows.pieces():
        progress(0)
        understanding.look(piece)
    return understanding.decided()


def _require_short_cells(piece: pd.DataFrame, features: set[str]) -> None:
    """Raise UnusableFile for a cell of more than 32,767 characters beside the features."""
    others = [name for name in piece.columns if name not in features]
    long = [shortened(name) for name in others if piece[name].str.len().max() > LONGEST_TEXT]
    if long:
        raise UnusableFile(text.LONG_CELLS, columns=", ".join(long), limit=LONGEST_TEXT)


def _checked(rows: Rows) -> Sequence[Declared]:
    """The columns whose cells have rules: the features, and what the log keeps beside a quote."""
    return (*rows.features, *(column for column in CURRENT.logged if column.name in rows.columns))


def _faults(
    piece: pd.DataFrame, broken: NDArray[np.bool_], checked: Sequence[Declared]
) -> pd.DataFrame:
    names = [column.name for column in checked]
    rows = np.flatnonzero(broken.any(axis=1))[:KEPT_FAULTS]
    places, columns = np.nonzero(broken[rows])
    found = rows[places]
    cells = piece[names].astype(object).to_numpy()
    return pd.DataFrame(
        {
            "row": piece.index.to_numpy()[found],
            "column": [names[column] for column in columns],
            "value": [shortened(str(cell)) for cell in cells[found, columns]],
        }
    )


def shortened(written: str) -> str:
    """What is shown of a cell or of a column's name, and held while somebody looks at it."""
    return written if len(written) <= LONGEST_SHOWN else written[: LONGEST_SHOWN - 1] + "…"


def _rows(
    source: Path,
    limits: BatchLimits,
    features: tuple[Column, ...],
    alive: Callable[[], object],
) -> Rows:
    """The rows of a file of any kind. Raises NotUnderstood and UnusableFile."""
    most = UNPACKED_SHARE * limits.megabytes * MEGABYTE
    notices: tuple[Notice, ...] = ()
    with source.open("rb") as file:
        beginning = file.read(MARK_BYTES)
        require_readable(beginning)
        is_typed = beginning.startswith(PARQUET_MARK)
        if is_packed(beginning):
            is_typed = is_workbook(file)
            if not is_typed:
                source = source.with_name(UNPACKED)
                with source.open("wb") as sink:
                    unpack(file, sink, most)
                notices = (Notice(reading_notices.UNPACKED),)
    if notices:
        with source.open("rb") as file:
            is_typed = file.read(MARK_BYTES).startswith(PARQUET_MARK)
    rows = (
        _typed_rows(source, limits, features, alive)
        if is_typed
        else _text_rows(source, limits, features, most)
    )
    return replace(rows, notices=(*notices, *rows.notices))


def _text_rows(source: Path, limits: BatchLimits, features: tuple[Column, ...], most: int) -> Rows:
    encoding = find_encoding(_blocks(source))
    notices: tuple[Notice, ...] = ()
    if encoding in NAMES:
        _as_utf_8(source, source.with_name(UTF_8_TEXT), encoding, most)
        source = source.with_name(UTF_8_TEXT)
        notices = (Notice(reading_notices.ENCODED, {"encoding": NAMES[encoding]}),)
    rows = _csv_rows(source, limits, features)
    return replace(rows, notices=(*notices, *rows.notices))


def _blocks(source: Path) -> Iterator[bytes]:
    with source.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block


def _as_utf_8(source: Path, target: Path, encoding: str, most: int) -> None:
    decoder = codecs.getincrementaldecoder(encoding)()
    with target.open("wb") as file:
        for block in _blocks(source):
            file.write(decoder.decode(block).encode())
            if file.tell() > most:
                raise UnusableFile(text.TOO_MUCH_INSIDE)


def _csv_rows(source: Path, limits: BatchLimits, features: tuple[Column, ...]) -> Rows:
    _require_lines(source, limits)
    with source.open("rb") as file:
        beginning = file.read(BLOCK_BYTES).removeprefix(BYTE_ORDER_MARK).decode(errors="replace")
    separator = find_separator(beginning, features)
    try:
        written, lines = first_row(beginning, separator)
    except csv.Error as error:
        raise UnusableFile(text.DAMAGED, str(error)) from error
    names, notices = _columns(written, features)
    if separator in reading_notices.SEPARATORS:
        words = reading_notices.SEPARATORS[separator]
        notices = (Notice(reading_notices.SEPARATED, {"separator": words}), *notices)
    with source.open("rb") as file:
        if file.read(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK:
            notices = (Notice(reading_notices.BYTE_ORDER_MARK), *notices)
    commas = frozenset(names if separator in DECIMAL_COMMA else ())
    return Rows(source, names, lines, 2, separator, notices, features, commas)


def _require_lines(source: Path, limits: BatchLimits) -> None:
    """Raises UnusableFile for a text without anything, or with too many columns or lines."""
    newlines, returns, is_blank = 0, 0, True
    header_bytes, separators, is_header = 0, dict.fromkeys(SEPARATORS, 0), True
    for number, block in enumerate(_blocks(source)):
        written = block if number else block.removeprefix(BYTE_ORDER_MARK)
        is_blank = is_blank and not written.strip()
        newlines, returns = newlines + block.count(b"\n"), returns + block.count(b"\r")
        if is_header:
            line = block.splitlines()[0]
            header_bytes += len(line)
            separators = {one: n + line.count(one.encode()) for one, n in separators.items()}
            is_header = newlines + returns == 0
    if is_blank:
        raise UnusableFile(text.EMPTY_FILE)
    if header_bytes >= BLOCK_BYTES and (most := max(separators.values())) >= MOST_COLUMNS:
        raise UnusableFile(text.TOO_MANY_COLUMNS, count=most + 1, limit=MOST_COLUMNS)
    if header_bytes >= BLOCK_BYTES:
        raise UnusableFile(text.DAMAGED)
    if max(newlines, returns) > limits.rows + 1:
        raise UnusableFile(text.TOO_MANY_ROWS, limit=limits.rows)


def _columns(
    written: Sequence[str], features: tuple[Column, ...]
) -> tuple[tuple[str, ...], tuple[Notice, ...]]:
    """What the columns of a file are called here, with notices. Raises NotUnderstood.

    Raises UnusableFile unless every feature is there that must be, and no column is a burden.
    """
    if len(written) > MOST_COLUMNS:
        raise UnusableFile(text.TOO_MANY_COLUMNS, count=len(written), limit=MOST_COLUMNS)
    header = read_header(written, (*features, *CURRENT.carried))
    names = header.names
    wanted = [column.name for column in features]
    absent = [column for column in features if column.name not in header.known]
    missing = [column.name for column in absent if not column.optional]
    if missing:
        columns, every = ", ".join(missing), ", ".join(wanted)
        raise UnusableFile(text.MISSING_COLUMNS, columns=columns, all=every)
    long = [shortened(name) for name in names if len(name) > LONGEST_NAME]
    if long:
        raise UnusableFile(text.LONG_NAMES, columns=", ".join(long), limit=LONGEST_NAME)
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise UnusableFile(text.REPEATED_COLUMNS, columns=", ".join(map(shortened, repeated)))
    if absent:
        columns = ", ".join(column.name for column in absent)
        return names, (*header.notices, Notice(reading_notices.NOT_THERE, {"columns": columns}))
    return names, header.notices


def _typed_rows(
    source: Path,
    limits: BatchLimits,
    features: tuple[Column, ...],
    alive: Callable[[], object],
) -> Rows:
    bounds = Bounds(
        rows=limits.rows,
        columns=MOST_COLUMNS,
        text=UNPACKED_SHARE * limits.megabytes * MEGABYTE,
        memory=limits.memory_megabytes * MEGABYTE,
    )
    target = source.with_name(PARQUET_TEXT)
    found = write_text(source, target, bounds, alive)
    if found.fault == "nested":
        raise UnusableFile(text.NESTED_COLUMNS, columns=", ".join(map(shortened, found.columns)))
    if found.fault == "columns":
        raise UnusableFile(text.TOO_MANY_COLUMNS, count=found.count, limit=MOST_COLUMNS)
    if found.fault == "rows":
        raise UnusableFile(text.TOO_MANY_ROWS, limit=limits.rows)
    if found.fault == "size":
        raise UnusableFile(text.TOO_MUCH_INSIDE)
    if found.fault == "ragged":
        raise UnusableFile(text.DAMAGED, f"row {found.first}")
    if found.fault:
        raise UnusableFile(text.DAMAGED, found.detail)
    if not found.columns:
        raise UnusableFile(text.EMPTY_FILE)
    names, notices = _columns([name.strip() for name in found.columns], features)
    if len(found.sheets) > 1:
        values = {"sheet": quoted([found.sheet]), "count": len(found.sheets)}
        notices = (Notice(reading_notices.ONE_SHEET, values), *notices)
    commas = frozenset(name for place, name in enumerate(names) if place not in found.typed)
    return Rows(target, names, 0, found.first, ",", notices, features, commas)
