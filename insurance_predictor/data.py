"""Find, read, check, fingerprint and split the table that a model learns from."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from insurance_predictor.download import DATA_FOLDER, DOWNLOADED
from insurance_predictor.errors import InvalidTable
from insurance_predictor.schema import COLUMN_NAMES, COLUMNS, FEATURE_NAMES, Column, NumberColumn
from insurance_predictor.settings import Settings
from insurance_predictor.table_files import (
    SHOWN_FAULTS,
    read_bytes,
    read_cells,
    require_columns,
    shown,
)

SAMPLE = "sample.csv"
SAMPLE_SOURCE = f"bundled synthetic sample (data/{SAMPLE})"
HOLDOUT_SHARE = 0.2

NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
BY_NAME = {column.name: column for column in COLUMNS}


@dataclass(frozen=True)
class Table:
    """A table that keeps the rules of `schema`.

    `frame` has the columns of `schema.COLUMN_NAMES` in that order (age and children int64, bmi and
    charges float64, categories str), no exact duplicate and the index 0..n-1. `source` is what to
    show a person, `fingerprint` the sha256 over the sorted row hashes, `notices` what was done to
    the table on the way, a sentence each; `synthetic` says that it is the bundled sample.
    """

    frame: pd.DataFrame
    source: str
    fingerprint: str
    notices: tuple[str, ...]
    synthetic: bool = False


@dataclass(frozen=True)
class Split:
    """Rows to learn from and rows to judge by, each with its own index from 0."""

    train: pd.DataFrame
    holdout: pd.DataFrame


def read_table(settings: Settings, folder: Path = DATA_FOLDER) -> Table:
    """The table of `settings.data`: a local CSV or Parquet file, or such an object on s3://.

    Without it, the downloaded table in `folder`, and without that the bundled sample.
    Raises InvalidTable for whatever cannot be read or breaks a rule, Unreachable when the storage
    does not answer within 20 seconds.
    """
    source, location, notices = _found(settings, folder)
    cells, oddities = read_cells(read_bytes(location), source)
    checked = check_table(cells, source=source)
    repeated = checked.duplicated()
    notices += oddities
    if tuple(cells.columns) != COLUMN_NAMES:
        notices.append("columns are in another order; read by name")
    if repeated.any():
        notices.append(_duplicates(checked.index[repeated].tolist()))
    frame = checked[~repeated].reset_index(drop=True)
    synthetic = Path(location).resolve() == (folder / SAMPLE).resolve()
    return Table(frame, source, _fingerprint(frame), tuple(notices), synthetic)


def check_table(
    frame: pd.DataFrame, columns: Sequence[Column] = COLUMNS, source: str = "the table"
) -> pd.DataFrame:
    """`frame` with just `columns` of the schema, in their order and types, its index kept.

    Cells may be typed or text: text is stripped of surrounding spaces, then numbers are read from
    it. Raises InvalidTable with every violation (row by index label, column, value, rule; the
    first 20 and the count) or, before that, with the columns that are missing or unknown.
    """
    names = [column.name for column in columns]
    require_columns(list(frame.columns), source, names)
    if frame.empty:
        raise InvalidTable(f"{source} has a header but no rows. Give a table with people in it.")
    typed = _typed_table(frame, columns)
    cells = _violating_cells(typed, columns)
    if cells:
        raise InvalidTable(_violations_sentence(frame, cells, source))
    whole = [column.name for column in columns if isinstance(column, NumberColumn) and column.whole]
    return typed.astype(dict.fromkeys(whole, "int64")).set_axis(frame.index)


def violating_cells(
    frame: pd.DataFrame, columns: Sequence[Column] = COLUMNS
) -> list[tuple[int, str]]:
    """Position and column of each cell that breaks a rule, by row and then by column."""
    return _violating_cells(_typed_table(frame, columns), columns)


def split_table(frame: pd.DataFrame) -> Split:
    """About 20 % of the rows as hold-out, chosen by the sha256 of each row's six features.

    Rows that describe the same person stand on the same side whatever they were charged, and no
    row changes side when rows are appended or when rows, columns or number types are rearranged.
    Raises InvalidTable when one side would be empty.
    """
    hashes = row_hashes(frame, FEATURE_NAMES)
    held_out = np.array([int(text[:8], 16) < HOLDOUT_SHARE * 2**32 for text in hashes], dtype=bool)
    if held_out.all() or not held_out.any():
        raise InvalidTable(
            f"{len(frame)} rows are too few: the hold-out takes about 20 % of them by their "
            "content and one side would be empty. Give a larger table."
        )
    return Split(
        train=frame[~held_out].reset_index(drop=True),
        holdout=frame[held_out].reset_index(drop=True),
    )


def row_hashes(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """The sha256 (64 hex digits) of each row's canonical text over `columns` of the schema.

    30 and 30.0 have the same text, whatever the column's type; the order of `columns` counts.
    """
    texts = [_canonical(frame[name], BY_NAME[name]) for name in columns]
    return [
        hashlib.sha256("\x1f".join(cells).encode()).hexdigest()
        for cells in zip(*texts, strict=True)
    ]


def _canonical(series: pd.Series, column: Column) -> list[str]:
    if isinstance(column, NumberColumn):
        # Adding zero makes -0.0 the same text as 0.0.
        return [repr(number) for number in (_numbers(series) + 0.0).tolist()]
    return [str(word) for word in _words(series)]


def _fingerprint(frame: pd.DataFrame) -> str:
    hashes = sorted(row_hashes(frame, COLUMN_NAMES))
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def _found(settings: Settings, folder: Path) -> tuple[str, str, list[str]]:
    """What to call the table, where it is, and a notice when nobody asked for it."""
    if settings.data:
        return settings.data, settings.data, []
    if (folder / DOWNLOADED.name).is_file():
        return f"data/{DOWNLOADED.name}", str(folder / DOWNLOADED.name), []
    notice = f"no DATA given and data/{DOWNLOADED.name} absent: using the bundled synthetic sample"
    return SAMPLE_SOURCE, str(folder / SAMPLE), [notice]


def _duplicates(rows: list[int]) -> str:
    told = ", ".join(str(row) for row in rows[:SHOWN_FAULTS])
    if len(rows) == 1:
        return f"1 exact duplicate row dropped (row {told})"
    more = f" and {len(rows) - SHOWN_FAULTS} more" if len(rows) > SHOWN_FAULTS else ""
    return f"{len(rows)} exact duplicate rows dropped (rows {told}{more})"


def _typed_table(frame: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """Just `columns`, as float64 and str, with the index 0..n-1."""
    typed = {column.name: _typed(frame[column.name], column) for column in columns}
    return pd.DataFrame(typed).set_axis(pd.RangeIndex(len(frame)))


def _typed(series: pd.Series, column: Column) -> pd.Series:
    typed = _numbers(series) if isinstance(column, NumberColumn) else _words(series)
    return typed.reset_index(drop=True)


def _numbers(series: pd.Series) -> pd.Series:
    """float64, with NaN for whatever is not a number."""
    if isinstance(series.dtype, pd.StringDtype):
        text = series.astype("str").str.strip()
        text = text.where(text.str.fullmatch(NUMBER), "nan")
        # Through Python's own float(): the nearest double, as Parquet would have it.
        return pd.Series(text.astype(object).to_numpy().astype(np.float64), index=series.index)
    if pd.api.types.is_integer_dtype(series) or pd.api.types.is_float_dtype(series):
        return pd.Series(series.to_numpy(np.float64, na_value=nan), index=series.index)
    return pd.Series([_number(value) for value in series], index=series.index, dtype=np.float64)


def _number(value: object) -> float:
    if isinstance(value, str):
        return float(value) if re.fullmatch(NUMBER, value.strip()) else nan
    if isinstance(value, bool) or not isinstance(value, Real):
        return nan
    try:
        return float(value)
    except OverflowError:
        return nan


def _words(series: pd.Series) -> pd.Series:
    """str, with a missing value for whatever is not text."""
    if isinstance(series.dtype, pd.StringDtype):
        return series.astype("str").str.strip()
    words = [value.strip() if isinstance(value, str) else None for value in series]
    return pd.Series(words, index=series.index, dtype="str")


def _violating_cells(typed: pd.DataFrame, columns: Sequence[Column]) -> list[tuple[int, str]]:
    import pandera.pandas as pandera

    rules = pandera.DataFrameSchema({c.name: _pandera_column(c, pandera) for c in columns})
    try:
        rules.validate(typed, lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases[["index", "column"]].drop_duplicates()
        cells = zip(cases["index"].astype(int).tolist(), cases["column"].tolist(), strict=True)
        return sorted(cells, key=lambda cell: (cell[0], COLUMN_NAMES.index(cell[1])))
    return []


def _pandera_column(column: Column, pandera: Any) -> Any:
    if not isinstance(column, NumberColumn):
        return pandera.Column(str, pandera.Check.isin(column.values))
    limits = pandera.Check.in_range(
        column.low,
        column.high,
        include_min=not column.above_low,
        include_max=isfinite(column.high),
    )
    whole = [pandera.Check(_is_whole)] if column.whole else []
    return pandera.Column(float, [limits, *whole])


def _is_whole(numbers: pd.Series) -> pd.Series:
    return numbers == numbers.round()


def _violations_sentence(given: pd.DataFrame, cells: list[tuple[int, str]], source: str) -> str:
    lines = [
        f"  row {given.index[position]}, {name}: "
        + _broken_rule(given[name].iloc[position], BY_NAME[name])
        for position, name in cells[:SHOWN_FAULTS]
    ]
    count = f"{len(cells)} value{'s' * (len(cells) > 1)} that cannot be used"
    first = f" (the first {SHOWN_FAULTS} shown)" if len(cells) > SHOWN_FAULTS else ""
    return "\n".join([f"{source} has {count}{first}. Correct the table and run again:", *lines])


def _broken_rule(value: object, column: Column) -> str:
    has_comma = isinstance(column, NumberColumn) and isinstance(value, str) and "," in value
    hint = " (decimals come after a point)" if has_comma else ""
    return f"{shown(value)} is not {column.rule}{hint}"
