"""Whether a table keeps the rules of the schema, and every cell that does not."""

import re
from collections.abc import Sequence
from math import isnan, nan
from numbers import Real

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.base.settings import Settings
from insurance_predictor.table.columns import Declared
from insurance_predictor.table.files import (
    SHOWN_FAULTS,
    require_columns,
    shown,
)
from insurance_predictor.table.reading.numerals import LONGEST_CELL, NUMBER, WITH_COMMA
from insurance_predictor.table.schema import COLUMNS, NumberColumn


def check_table(
    frame: pd.DataFrame,
    columns: Sequence[Declared] = COLUMNS,
    source: str = "the table",
    written: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """`frame` with just `columns` of the schema, in their order and types, its index kept.

    Cells may be typed or text: text is stripped of surrounding spaces, then numbers are read from
    it. `written` has the cells as a file writes them, where that is otherwise. Raises InvalidTable
    with every violation (row by index label, column, value, rule; the first 20 and the count) or,
    before that, with the columns that are missing or unknown.
    """
    names = [column.name for column in columns]
    require_columns(list(frame.columns), source, names)
    if frame.empty:
        raise InvalidTable(f"{source} has a header but no rows. Give a table with people in it.")
    typed = _typed_table(frame, columns)
    broken = _broken(typed, frame, columns)
    if broken.any():
        written = frame if written is None else written
        raise InvalidTable(_violations_sentence(frame, written, broken, columns, source))
    whole = [
        column.name
        for column in columns
        if isinstance(column, NumberColumn) and column.whole and not column.optional
    ]
    return typed.astype(dict.fromkeys(whole, "int64")).set_axis(frame.index)


def typed_cells(
    frame: pd.DataFrame, columns: Sequence[Declared] = COLUMNS
) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Just `columns` of `frame` as float64 and str, and which cells break a rule, (rows, columns).

    The index is 0..n-1; cells that break a rule may be anything.
    """
    typed = _typed_table(frame, columns)
    return typed, _broken(typed, frame, columns)


def broken_cells(frame: pd.DataFrame, columns: Sequence[Declared] = COLUMNS) -> NDArray[np.bool_]:
    """Which cells of `frame` break a rule, (rows, columns of the schema)."""
    return typed_cells(frame, columns)[1]


def rows_told(fault: str, rows: Sequence[int], done: str) -> str:
    """A notice of what was `done` to the rows with a `fault`, by their numbers."""
    told = ", ".join(str(row) for row in rows[:SHOWN_FAULTS])
    if len(rows) == 1:
        return f"1 {fault} row {done} (row {told})"
    more = f" and {len(rows) - SHOWN_FAULTS} more" if len(rows) > SHOWN_FAULTS else ""
    return f"{len(rows)} {fault} rows {done} (rows {told}{more})"


def can_be_left_out(faulty: int, rows: int, share: float) -> bool:
    """Whether so few of the rows are faulty that a table does without them."""
    return faulty <= share * rows and faulty < rows


def about_leaving_out(faulty: int, rows: int, settings: Settings) -> str:
    """What FAULTY_ROWS=drop does, or would do, for a table that is refused; empty for nothing."""
    share, most = settings.faulty_share, int(settings.faulty_share * rows)
    if settings.faulty_rows == "drop":
        return (
            f"{faulty:,} of {rows:,} rows are faulty; FAULTY_ROWS=drop leaves out {most:,} at most "
            f"(FAULTY_SHARE={share:g})."
        )
    if not can_be_left_out(faulty, rows, share):
        return ""
    return (
        f"{faulty:,} of {rows:,} rows are faulty; FAULTY_ROWS=drop does without them "
        f"(FAULTY_SHARE={share:g})."
    )


def _typed_table(frame: pd.DataFrame, columns: Sequence[Declared]) -> pd.DataFrame:
    """Just `columns`, as float64 and str, with the index 0..n-1."""
    typed = {column.name: _typed(frame[column.name], column) for column in columns}
    return pd.DataFrame(typed).set_axis(pd.RangeIndex(len(frame)))


def _typed(series: pd.Series, column: Declared) -> pd.Series:
    typed = numbers(series) if isinstance(column, NumberColumn) else words(series)
    if column.optional:
        typed = typed.mask(_absent(series))
    return typed.reset_index(drop=True)


def numbers(series: pd.Series) -> pd.Series:
    """float64, with NaN for whatever is not a number."""
    if isinstance(series.dtype, pd.StringDtype):
        text = _short(series).str.strip()
        text = text.where(text.str.fullmatch(NUMBER), "nan")
        # Through Python's own float(): the nearest double, as Parquet would have it.
        return pd.Series(text.astype(object).to_numpy().astype(np.float64), index=series.index)
    if pd.api.types.is_integer_dtype(series) or pd.api.types.is_float_dtype(series):
        return pd.Series(series.to_numpy(np.float64, na_value=nan), index=series.index)
    return pd.Series([number(value) for value in series], index=series.index, dtype=np.float64)


def number(value: object) -> float:
    """One cell as a float, NaN for whatever is not a number."""
    if isinstance(value, str):
        return float(value) if len(value) <= LONGEST_CELL and is_number(value.strip()) else nan
    if isinstance(value, bool) or not isinstance(value, Real):
        return nan
    try:
        return float(value)
    except OverflowError:
        return nan


def is_number(text: str) -> bool:
    """Whether the whole of a text, however long, is a number as tables write it."""
    return re.fullmatch(NUMBER, text) is not None


def words(series: pd.Series) -> pd.Series:
    """str, with a missing value for whatever is not text."""
    if isinstance(series.dtype, pd.StringDtype):
        return _short(series).str.strip()
    words = [
        value.strip() if isinstance(value, str) and len(value) <= LONGEST_CELL else None
        for value in series
    ]
    return pd.Series(words, index=series.index, dtype="str")


def _short(series: pd.Series) -> pd.Series:
    """str, with a missing value for what is longer than a cell may be."""
    text = series.astype("str")
    return text.where(text.str.len() <= LONGEST_CELL)


def _broken(
    typed: pd.DataFrame, given: pd.DataFrame, columns: Sequence[Declared]
) -> NDArray[np.bool_]:
    broken = np.column_stack([~column.fits(typed[column.name]) for column in columns])
    for place, column in enumerate(columns):
        if column.optional:
            broken[:, place] &= ~_absent(given[column.name])
    return broken


def _absent(series: pd.Series) -> NDArray[np.bool_]:
    """Which cells hold nothing at all; what cannot be read is not absent."""
    blank = series.astype("str").str.strip() == ""
    return np.asarray(series.isna() | blank.fillna(value=False), dtype=bool)


def _violations_sentence(
    given: pd.DataFrame,
    written: pd.DataFrame,
    broken: NDArray[np.bool_],
    columns: Sequence[Declared],
    source: str,
) -> str:
    rows = np.flatnonzero(broken.any(axis=1))[:SHOWN_FAULTS]
    cells = [
        (row, columns[place]) for row in rows for place in np.flatnonzero(broken[row]).tolist()
    ]
    lines = [
        f"  row {given.index[row]}, {column.name}: "
        + broken_rule(written[column.name].iloc[row], given[column.name].iloc[row], column)
        for row, column in cells[:SHOWN_FAULTS]
    ]
    return "\n".join(
        [f"{counted(int(broken.sum()), source)} Correct the table and run again:", *lines]
    )


def counted(faults: int, source: str) -> str:
    """How many values of a file cannot be used, and whether all are shown."""
    count = f"{faults} value{'s' * (faults > 1)} that cannot be used"
    first = f" (the first {SHOWN_FAULTS} shown)" if faults > SHOWN_FAULTS else ""
    return f"{source} has {count}{first}."


def broken_rule(written: object, understood: object, column: Declared) -> str:
    """Why a cell that is `written` so cannot be used; as a number it was `understood` otherwise."""
    hint = ""
    if isinstance(written, str) and len(written) > LONGEST_CELL:
        hint = f" (it has {len(written):,} characters, {LONGEST_CELL} is the most)"
    elif isinstance(column, NumberColumn) and isinstance(written, str):
        if written != understood and not isnan(value := number(understood)):
            return f"{shown(written)}, read as {value:.15g}, is not {column.rule}"
        if re.fullmatch(WITH_COMMA, written.strip()) and "," in written:
            hint = " (decimals come after a point)"
    return f"{shown(written)} is not {column.rule}{hint}"
