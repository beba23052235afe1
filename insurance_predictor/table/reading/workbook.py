"""The rows of an Excel workbook as CSV, for a process of its own: what is in one may be hostile."""

import csv
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

SHOWN_SHEETS = 10
LONGEST_TITLE = 31  # characters, Excel's own limit
LONGEST_NAME = 300  # characters of a column's name; a longer one is refused anyway


@dataclass(frozen=True)
class Sheet:
    """What was read of a workbook, or the `fault` that it has.

    `columns` are the cells of the first row that has any, `first` is the number of the row below
    it, `sheet` is the one of `sheets` that was read.
    """

    columns: tuple[str, ...] = ()
    first: int = 2
    sheet: str = ""
    sheets: tuple[str, ...] = ()
    fault: str = ""
    typed: tuple[int, ...] = ()


def write_rows(
    source: Path, target: Path, wanted: str | None, rows: int, columns: int, most: int
) -> Sheet:
    """Write the rows below the header of a sheet, the first unless one is `wanted`, as CSV.

    At most so many `rows`, `columns` and bytes. A formula counts as the value that was saved with
    it. Faults are "rows", "columns", "size", "sheet" and "ragged".
    """
    from openpyxl import load_workbook

    with source.open("rb") as file:  # by its name alone openpyxl would refuse it
        book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        return _write(book, target, wanted, rows, columns, most)


def _write(
    book: Any, target: Path, wanted: str | None, rows: int, columns: int, most: int
) -> Sheet:
    every = {sheet.title: sheet for sheet in book.worksheets}
    titles = tuple(title[:LONGEST_TITLE] for title in list(every)[:SHOWN_SHEETS])
    name = next(iter(every), "") if wanted is None else wanted
    if name not in every:
        return Sheet(sheet=name, sheets=titles, fault="sheet")
    sheet = every[name]
    sheet.reset_dimensions()  # what a file says of its size need not be true
    header: tuple[str, ...] = ()
    first = 2
    typed: set[int] = set()
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
            found = _without_end([_text(cell) for cell in cells])
            if number > rows + first:
                return Sheet(fault="rows")
            if len(found) > columns:
                return Sheet(fault="columns")
            if not header:
                header, first = tuple(cell[:LONGEST_NAME] for cell in found), number + 1
                continue
            if len(found) > len(header):
                return Sheet(first=number, fault="ragged")
            typed.update(
                place
                for place, cell in enumerate(cells)
                if isinstance(cell, float) and not cell.is_integer()
            )
            writer.writerow([*found, *[""] * (len(header) - len(found))])
            if file.tell() > most:
                return Sheet(fault="size")
    return Sheet(header, first, name, titles, typed=tuple(sorted(typed)))


def _without_end(cells: list[str]) -> list[str]:
    """The cells up to the last that has something."""
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime | date | time):
        return cell.isoformat()
    return str(cell)
