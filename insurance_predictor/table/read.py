"""Find and read the table that a model learns from."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.base.settings import Settings
from insurance_predictor.table.check import (
    about_leaving_out,
    broken_cells,
    can_be_left_out,
    check_table,
    rows_told,
)
from insurance_predictor.table.choice import SAMPLE, SAMPLE_SOURCE, choose_table
from insurance_predictor.table.columns import Columns
from insurance_predictor.table.download import DATA_FOLDER
from insurance_predictor.table.files import (
    Cells,
    Wanted,
    read_cells,
    read_parts,
)
from insurance_predictor.table.schema import (
    COLUMN_NAMES,
    COLUMNS,
    CURRENT,
)
from insurance_predictor.table.split import exact_row_hashes


@dataclass(frozen=True)
class Table:
    """A table that keeps the rules of its `columns`.

    `frame` has the features and the target of `columns` in that order (whole numbers int64, others
    float64, categories str), no exact duplicate and the index 0..n-1. `source` is what to
    show a person, `fingerprint` the sha256 over the sorted row hashes, `notices` what was done to
    the table on the way, a sentence each; `synthetic` says that it is the bundled sample,
    `left_out` how many faulty rows are not in it.
    """

    frame: pd.DataFrame
    source: str
    fingerprint: str
    notices: tuple[str, ...]
    synthetic: bool = False
    columns: Columns = CURRENT
    left_out: int = 0


def read_table(settings: Settings, folder: Path = DATA_FOLDER) -> Table:
    """The table that `choice` names: a local CSV or Parquet file, or such an object on s3://.

    Raises InvalidTable for whatever cannot be read or breaks a rule, Unreachable when the storage
    does not answer within 20 seconds.
    """
    choice = choose_table(settings, folder)
    parts = read_parts(choice.location)
    synthetic = Path(choice.location).resolve() == (folder / SAMPLE).resolve()
    source = SAMPLE_SOURCE if synthetic else choice.source
    wanted = Wanted(strict=settings.strict, sheet=settings.sheet)
    cells = read_cells(parts, source, wanted)
    del parts
    checked, dropped = _checked(cells, source, settings)
    repeated = checked.duplicated()
    notices = [*choice.notices, *cells.notices]
    if tuple(cells.understood.columns) != COLUMN_NAMES:
        notices.append("columns are in another order; read by name")
    if dropped:
        notices.append(rows_told("faulty", dropped, "left out"))
    if repeated.any():
        those = checked.index[repeated].tolist()
        notices.append(rows_told("exact duplicate", those, "dropped"))
    frame = checked[~repeated].reset_index(drop=True)
    told, left_out = tuple(notices), len(dropped)
    return Table(frame, source, _fingerprint(frame), told, synthetic, left_out=left_out)


def _fingerprint(frame: pd.DataFrame) -> str:
    """Of the very numbers that are learned from: charges as float32 are another version of them."""
    together = hashlib.sha256()
    for each in sorted(exact_row_hashes(frame, COLUMNS)):
        together.update(each.encode())
    return together.hexdigest()


def _checked(cells: Cells, source: str, settings: Settings) -> tuple[pd.DataFrame, list[int]]:
    """The rows that can be used and the numbers of the others, if those may be left out.

    Raises InvalidTable for faulty rows otherwise, with what was done to read the table.
    """
    understood = cells.understood
    try:
        return check_table(understood, source=source, written=cells.written), []
    except InvalidTable as error:
        faulty = broken_cells(understood).any(axis=1)
        count, rows = int(faulty.sum()), len(understood)
        may_drop = can_be_left_out(count, rows, settings.faulty_share)
        if not may_drop or settings.faulty_rows != "drop":
            about = about_leaving_out(count, rows, settings)
            told = [about, str(error)] if not may_drop else [str(error), about]
            done = ["How it was read:", *(f"  {notice}" for notice in cells.notices)]
            every = [*filter(None, told), *(done if cells.notices else ())]
            raise InvalidTable("\n".join(every)) from error
    return check_table(understood[~faulty], source=source), understood.index[faulty].tolist()
