"""Find and read the table that a model learns from."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from insurance_predictor.base.settings import Settings
from insurance_predictor.table.check import check_table
from insurance_predictor.table.choice import SAMPLE, SAMPLE_SOURCE, choose_table
from insurance_predictor.table.columns import Columns
from insurance_predictor.table.download import DATA_FOLDER
from insurance_predictor.table.files import (
    SHOWN_FAULTS,
    read_bytes,
    read_cells,
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
    the table on the way, a sentence each; `synthetic` says that it is the bundled sample.
    """

    frame: pd.DataFrame
    source: str
    fingerprint: str
    notices: tuple[str, ...]
    synthetic: bool = False
    columns: Columns = CURRENT


def read_table(settings: Settings, folder: Path = DATA_FOLDER) -> Table:
    """The table that `choice` names: a local CSV or Parquet file, or such an object on s3://.

    Raises InvalidTable for whatever cannot be read or breaks a rule, Unreachable when the storage
    does not answer within 20 seconds.
    """
    choice = choose_table(settings, folder)
    content = read_bytes(choice.location)
    synthetic = Path(choice.location).resolve() == (folder / SAMPLE).resolve()
    source = SAMPLE_SOURCE if synthetic else choice.source
    cells = read_cells(content, source, strict=settings.strict)
    checked = check_table(cells.understood, source=source, written=cells.written)
    repeated = checked.duplicated()
    notices = [*choice.notices, *cells.notices]
    if tuple(cells.understood.columns) != COLUMN_NAMES:
        notices.append("columns are in another order; read by name")
    if repeated.any():
        notices.append(_duplicates(checked.index[repeated].tolist()))
    frame = checked[~repeated].reset_index(drop=True)
    return Table(frame, source, _fingerprint(frame), tuple(notices), synthetic)


def _fingerprint(frame: pd.DataFrame) -> str:
    """Of the very numbers that are learned from: charges as float32 are another version of them."""
    hashes = sorted(exact_row_hashes(frame, COLUMNS))
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def _duplicates(rows: list[int]) -> str:
    told = ", ".join(str(row) for row in rows[:SHOWN_FAULTS])
    if len(rows) == 1:
        return f"1 exact duplicate row dropped (row {told})"
    more = f" and {len(rows) - SHOWN_FAULTS} more" if len(rows) > SHOWN_FAULTS else ""
    return f"{len(rows)} exact duplicate rows dropped (rows {told}{more})"
