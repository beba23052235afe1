"""What is to be scored: files, looked at and cut into pieces before any of them is scored."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import chain, pairwise

import pyarrow as pa
from pyarrow import parquet, types

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.scoring.pieces import ROWS_AT_ONCE, Layout, Piece, batches, footer_digest
from insurance_predictor.table.columns import Columns, NumberColumn
from insurance_predictor.table.reading.arrow_types import is_text, require_types
from insurance_predictor.table.reading.encodings import BYTE_ORDER_MARK
from insurance_predictor.table.reading.header import (
    DECIMAL_COMMA,
    Header,
    find_separator,
    first_row,
    read_header,
)
from insurance_predictor.table.reading.notices import NotUnderstood
from insurance_predictor.table.s3 import first_line
from insurance_predictor.table.storage import File, is_damage, opened, storage_errors

ADDED = ("premium", "low", "high", "version", "outside_range")
ROWS_OF_A_PIECE = 2**19
BYTES_OF_A_PIECE = 2**24  # of CSV; a row is shorter
MOST_HEADER = 2**20  # bytes in which the header must be
SHOWN_FILES = 20


@dataclass(frozen=True)
class Portfolio:
    """All pieces in order, how each file is laid out, and what was done to read them."""

    pieces: tuple[Piece, ...]
    layouts: Mapping[str, Layout]
    notices: tuple[str, ...]

    @property
    def rows(self) -> int:
        return sum(piece.rows for piece in self.pieces)

    @property
    def fingerprint(self) -> str:
        """sha256 over the files' names, sizes and digests, by their order."""
        named = {
            piece.url: (piece.url.rsplit("/", 1)[-1], piece.size, piece.digest)
            for piece in self.pieces
        }
        return sha256(repr(list(named.values())).encode()).hexdigest()


def survey(files: Sequence[File], columns: Columns, added: tuple[str, ...] = ()) -> Portfolio:
    """Look at the header and the size of every file, before any of them is scored.

    Files that have been scored have the `added` columns behind their own. Raises InvalidTable with
    every file that cannot be used.
    """
    pieces: list[Piece] = []
    layouts: dict[str, Layout] = {}
    notices: dict[str, None] = {}
    faults: list[str] = []
    for file in files:
        try:
            with storage_errors(file.url):
                layout, header, found = _look(file, columns, added)
        except InvalidTable as error:
            faults.append(str(error))
            continue
        pieces += found
        layouts[file.url] = layout
        notices |= dict.fromkeys(notice("en") for notice in header.notices)
    _require_alike(layouts, faults)
    if faults:
        more = f"\n... and {len(faults) - SHOWN_FILES} more files." if faults[SHOWN_FILES:] else ""
        raise InvalidTable("\n".join(faults[:SHOWN_FILES]) + more)
    if not sum(piece.rows for piece in pieces):
        raise InvalidTable(f"{files[0].url} has no rows. Give IN people to quote.")
    layouts = _numerals_learned(pieces, layouts, columns)
    return Portfolio(tuple(pieces), layouts, tuple(notices))


def _look(
    file: File, columns: Columns, added: tuple[str, ...]
) -> tuple[Layout, Header, list[Piece]]:
    if file.is_parquet:
        return _look_at_parquet(file, columns, added)
    return _look_at_csv(file, columns)


def _require_alike(layouts: Mapping[str, Layout], faults: list[str]) -> None:
    """All parts of what is written have the same columns."""
    for url, layout in layouts.items():
        first, expected = next(iter(layouts.items()))
        if set(layout.names) != set(expected.names):
            faults.append(f"{url} does not have the columns of {first}. Score them one by one.")


def _header(names: Sequence[str], url: str, columns: Columns) -> Header:
    try:
        header = read_header(names, columns.features)
    except NotUnderstood as error:
        raise InvalidTable(f"{url} cannot be used as it is: {error}") from error
    needed = [column.name for column in columns.features if not column.optional]
    if missing := [name for name in needed if name not in header.known]:
        raise InvalidTable(
            f"{url} does not have the right columns: missing: {', '.join(missing)}. The header "
            f"must name {','.join(needed)}, in any order, once each."
        )
    if taken := [name for name in names if name in ADDED]:
        raise InvalidTable(
            f"{url} has columns of the names that are added: {', '.join(taken)}. Rename or leave "
            "out those."
        )
    if repeated := sorted({name for name in names if list(names).count(name) > 1}):
        raise InvalidTable(f"{url} has columns of the same name: {', '.join(repeated)}.")
    return header


def _look_at_parquet(
    file: File, columns: Columns, added: tuple[str, ...]
) -> tuple[Layout, Header, list[Piece]]:
    try:
        with opened(file.url) as stream:
            digest = footer_digest(stream, file.size)
            footer = parquet.ParquetFile(stream)
            metadata, schema = footer.metadata, footer.schema_arrow
            groups = [
                metadata.row_group(place).num_rows for place in range(metadata.num_row_groups)
            ]
    except Exception as error:
        if not is_damage(error):
            raise
        raise InvalidTable(
            f"{file.url} is not a Parquet file that can be read: {first_line(error)}. Write it "
            "again, or take it away."
        ) from error
    own = len(schema.names) - len(added)
    if tuple(schema.names[own:]) != added:
        raise InvalidTable(f"{file.url} is no part of a scored portfolio.")
    header = _header(schema.names[:own], file.url, columns)
    require_types(schema, header, columns.features, file.url)
    layout = Layout(tuple(schema.names), header.known)
    return layout, header, list(_cut(file, digest, groups))


def _cut(file: File, digest: str, groups: Sequence[int]) -> Iterator[Piece]:
    """Pieces of nearly the same size, each within the row groups that it begins and ends in."""
    total = sum(groups)
    count = max(1, -(-total // ROWS_OF_A_PIECE))
    ends = [total * place // count for place in range(count + 1)]
    for start, stop in pairwise(ends):
        if start == stop:
            continue
        first, before = _group_of(start, groups)
        last, _ = _group_of(stop - 1, groups)
        yield Piece(
            url=file.url,
            digest=digest,
            size=file.size,
            start=start,
            stop=stop,
            first=start + 1,
            rows=stop - start,
            groups=(first, last + 1),
            skipped=start - before,
        )


def _group_of(row: int, groups: Sequence[int]) -> tuple[int, int]:
    before = 0
    for place, rows in enumerate(groups):
        if row < before + rows:
            return place, before
        before += rows
    raise IndexError(row)


def _look_at_csv(file: File, columns: Columns) -> tuple[Layout, Header, list[Piece]]:
    digest, pieces = sha256(), []
    with opened(file.url) as stream:
        beginning = bytes(stream.read(MOST_HEADER))
        text = _decoded(beginning, file.url)
        separator = find_separator(text, columns.features)
        try:
            names, lines = first_row(text, separator)
        except csv.Error as error:
            raise InvalidTable(f"{file.url}: line 1 is not a CSV header: {error}.") from error
        header = _header(names, file.url, columns)
        start = _after(beginning, lines)
        stream.seek(0)
        digest.update(stream.read(start))
        first, rest = 2, b""
        while read := bytes(stream.read(BYTES_OF_A_PIECE)):
            digest.update(read)
            block = rest + read
            end = _last_line_end(block)
            if not end and len(block) > 2 * BYTES_OF_A_PIECE:
                raise _endless(file.url, first)
            if end:
                rows = _rows_in(block[:end])
                pieces.append((start, start + end, first, rows))
                start, first = start + end, first + rows
            rest = block[end:]
        if rest.strip():
            if rest.count(b'"') % 2:
                raise _endless(file.url, first)
            pieces.append((start, start + len(rest), first, _rows_in(rest) + 1))
    known = digest.hexdigest()
    layout = Layout(tuple(names), header.known, separator)
    found = [Piece(file.url, known, file.size, *each) for each in pieces]
    return layout, header, found


def _endless(url: str, row: int) -> InvalidTable:
    return InvalidTable(
        f"{url} has a row without an end after row {row}. Look for a quotation mark that is open."
    )


def _decoded(beginning: bytes, url: str) -> str:
    try:
        cut = beginning[: beginning.rfind(b"\n") + 1] or beginning
        return cut.removeprefix(BYTE_ORDER_MARK).decode()
    except UnicodeDecodeError as error:
        raise InvalidTable(
            f"{url} is not plain CSV in UTF-8. Unpack it, or save it as CSV in UTF-8 or as Parquet."
        ) from error


def _after(beginning: bytes, lines: int) -> int:
    """Where the rows begin, below so many lines of a header."""
    end = 0
    for _ in range(lines):
        end = beginning.find(b"\n", end) + 1 or len(beginning)
    return end


def _last_line_end(block: bytes) -> int:
    """Behind the last newline that is not within quotation marks; 0 where there is none."""
    end = block.rfind(b"\n")
    while end >= 0 and block.count(b'"', 0, end) % 2:
        end = block.rfind(b"\n", 0, block.rfind(b'"', 0, end))
    return end + 1


def _rows_in(block: bytes) -> int:
    return sum(outside.count(b"\n") for outside in block.split(b'"')[::2])


def _numerals_learned(
    pieces: Sequence[Piece], layouts: dict[str, Layout], columns: Columns
) -> dict[str, Layout]:
    """How numbers are written that are text, which all rows of all files together say."""
    found = (
        cells
        for piece in pieces
        for cells in _text_numbers(piece, layouts[piece.url], columns.numbers)
    )
    first = next(found, None)
    if first is None:  # no library for tables is loaded where all numbers are typed
        return layouts
    from insurance_predictor.table.reading.understanding import Understanding

    may_be_comma = all(each.separator in ("", *DECIMAL_COMMA) for each in layouts.values())
    commas = [column.name for column in columns.numbers] if may_be_comma else []
    understanding = Understanding(columns.numbers, commas)
    for cells in chain([first], found):
        understanding.look(cells.to_pandas())
    try:
        numerals = understanding.decided().numerals
    except NotUnderstood as error:
        raise InvalidTable(f"{pieces[0].url} cannot be used as it is: {error}") from error
    return {url: replace(layout, numerals=numerals) for url, layout in layouts.items()}


def _text_numbers(
    piece: Piece, layout: Layout, numbers: Sequence[NumberColumn]
) -> Iterator[pa.Table]:
    places = {one.name: layout.known[one.name] for one in numbers if one.name in layout.known}
    if not layout.separator:
        if piece.start:  # once a file
            return
        with storage_errors(piece.url), opened(piece.url) as stream:
            file = parquet.ParquetFile(stream)
            schema = file.schema_arrow
            texts = {
                name: place
                for name, place in places.items()
                if is_text(kind := schema.field(place).type) or types.is_dictionary(kind)
            }
            if not texts:
                return
            wanted = [schema.names[place] for place in texts.values()]
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=wanted, use_threads=False):
                cells = {
                    name: batch.column(schema.names[place]).cast(pa.string())
                    for name, place in texts.items()
                }
                yield pa.table(cells)
        return
    for _, batch in batches(piece, layout):
        cells = {name: batch.column(place) for name, place in places.items()}
        yield pa.table(cells)
