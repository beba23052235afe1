"""A piece of a file, which one process reads by itself, a batch at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.table.s3 import first_line
from insurance_predictor.table.storage import is_damage, opened, storage_errors

if TYPE_CHECKING:
    from insurance_predictor.table.reading.numerals import Numerals

ROWS_AT_ONCE = 2**16


@dataclass(frozen=True)
class Layout:
    """The columns of a file by its own names, and where the features are among them.

    `separator` is that of CSV, empty for Parquet; `numerals` say how numbers are written in text.
    """

    names: tuple[str, ...]
    known: Mapping[str, int]
    separator: str = ""
    numerals: Mapping[str, "Numerals"] = field(default_factory=dict)


@dataclass(frozen=True)
class Piece:
    """Some rows of a file that has the sha256 `digest`: of Parquet that of its footer.

    `start` and `stop` are rows within Parquet, whose row groups they lie in are `groups`, and bytes
    within CSV. `first` is the number a person sees beside the first of them: in CSV that of the
    spreadsheet, in Parquet from 1.
    """

    url: str
    digest: str
    size: int
    start: int
    stop: int
    first: int
    rows: int
    groups: tuple[int, int] = (0, 0)
    skipped: int = 0  # rows of the first row group that are another piece's

    @property
    def identity(self) -> str:
        """What must be the same for a part that was made of it to be used."""
        name = self.url.rsplit("/", 1)[-1]
        said = {**asdict(self), "url": name}
        return sha256(repr(sorted(said.items())).encode()).hexdigest()


def batches(piece: Piece, layout: Layout) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows of a piece, at most 65,536 at once, each batch with its first row's number.

    Raises InvalidTable for what cannot be read, or is not the file that was looked at.
    """
    with storage_errors(piece.url):
        try:
            with opened(piece.url) as stream:
                read = _csv_batches if layout.separator else _parquet_batches
                number = piece.first
                for batch in read(stream, piece, layout):
                    yield number, batch
                    number += batch.num_rows
        except Exception as error:
            if not is_damage(error):
                raise
            raise InvalidTable(
                f"{piece.url} cannot be read from row {piece.first} on: {first_line(error)[:300]}. "
                "Write it again, then run the same command: it goes on where it stopped."
            ) from error


def _parquet_batches(stream: Any, piece: Piece, layout: Layout) -> Iterator[pa.RecordBatch]:
    if stream.size() != piece.size or footer_digest(stream, piece.size) != piece.digest:
        raise _changed(piece)
    file = parquet.ParquetFile(stream, pre_buffer=False, buffer_size=2**20)
    left, skip = piece.rows, piece.skipped
    for batch in file.iter_batches(
        ROWS_AT_ONCE, row_groups=list(range(*piece.groups)), use_threads=False
    ):
        if skip >= batch.num_rows:
            skip -= batch.num_rows
            continue
        part = batch.slice(skip, left)
        skip, left = 0, left - part.num_rows
        yield part
        if not left:
            return


def _csv_batches(stream: Any, piece: Piece, layout: Layout) -> Iterator[pa.RecordBatch]:
    if stream.size() != piece.size:
        raise _changed(piece)
    stream.seek(piece.start)
    content = stream.read_buffer(piece.stop - piece.start)
    ragged: list[int] = []

    def note(row: Any) -> str:
        ragged.append(row.actual_columns)
        return "error"

    try:
        yield from arrow_csv.open_csv(
            pa.BufferReader(content),
            arrow_csv.ReadOptions(
                use_threads=False, block_size=2**22, column_names=list(layout.names)
            ),
            # Blank lines are kept so that row numbers stay those of a spreadsheet.
            arrow_csv.ParseOptions(
                delimiter=layout.separator,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=note,
            ),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(layout.names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        if str(error).startswith("Empty"):
            return
        if ragged:
            raise ValueError(
                f"a row has {ragged[0]} cells, the header {len(layout.names)}"
            ) from error
        raise


def _changed(piece: Piece) -> InvalidTable:
    return InvalidTable(
        f"{piece.url} has changed since it was looked at. Run the command again when nobody "
        "writes to it."
    )


def footer_digest(stream: Any, size: int) -> str:
    """Of where the rows lie and what their least and greatest values are."""
    stream.seek(max(0, size - 8))
    length = int.from_bytes(stream.read(4), "little")
    stream.seek(max(0, size - 8 - min(length, size)))
    digest = sha256(stream.read()).hexdigest()
    stream.seek(0)
    return digest
