"""Find and read the table that a model learns from."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.base.settings import Settings
from insurance_predictor.table.check import broken_cells, check_table, faulty_rows
from insurance_predictor.table.choice import SAMPLE, SAMPLE_SOURCE, choose_table
from insurance_predictor.table.columns import Columns
from insurance_predictor.table.download import DATA_FOLDER
from insurance_predictor.table.files import (
    SHOWN_FAULTS,
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
    sound, dropped = _without_faulty(cells, source, settings)
    checked = check_table(sound, source=source, written=cells.written.loc[sound.index])
    repeated = checked.duplicated()
    notices = [*choice.notices, *cells.notices]
    if tuple(cells.understood.columns) != COLUMN_NAMES:
        notices.append("columns are in another order; read by name")
    if dropped:
        notices.append(faulty_rows(dropped))
    if repeated.any():
        notices.append(_duplicates(checked.index[repeated].tolist()))
    frame = checked[~repeated].reset_index(drop=True)
    told, left_out = tuple(notices), len(dropped)
    return Table(frame, source, _fingerprint(frame), told, synthetic, left_out=left_out)


def _fingerprint(frame: pd.DataFrame) -> str:
    """Of the very numbers that are learned from: charges as float32 are another version of them."""
    together = hashlib.sha256()
    for each in sorted(exact_row_hashes(frame, COLUMNS)):
        together.update(each.encode())
    return together.hexdigest()


def _without_faulty(
    cells: Cells, source: str, settings: Settings
) -> tuple[pd.DataFrame, list[int]]:
    """The rows that can be used and the numbers of the others, if those may be left out.

    Raises InvalidTable for more faulty rows than `settings.faulty_share`.
    """
    understood = cells.understood
    if settings.faulty_rows != "drop":
        return understood, []
    faulty = broken_cells(understood).any(axis=1)
    count, most = int(faulty.sum()), settings.faulty_share * len(understood)
    if count > most or count == len(understood):
        try:
            check_table(understood, source=source, written=cells.written)
        except InvalidTable as error:
            raise InvalidTable(
                f"{count:,} of {len(understood):,} rows are faulty; FAULTY_ROWS=drop leaves out "
                f"{int(most):,} at most (FAULTY_SHARE={settings.faulty_share:g}). {error}"
            ) from error
    return understood[~faulty], understood.index[faulty].tolist()


def _duplicates(rows: list[int]) -> str:
    told = ", ".join(str(row) for row in rows[:SHOWN_FAULTS])
    if len(rows) == 1:
        return f"1 exact duplicate row dropped (row {told})"
    more = f" and {len(rows) - SHOWN_FAULTS} more" if len(rows) > SHOWN_FAULTS else ""
    return f"{len(rows)} exact duplicate rows dropped (rows {told}{more})"
