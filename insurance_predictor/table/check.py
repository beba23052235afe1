"""Whether a table keeps the rules of the schema, and every cell that does not."""

import re
from collections.abc import Sequence
from math import nan
from numbers import Real

import numpy as np
import pandas as pd

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.table.files import (
    SHOWN_FAULTS,
    require_columns,
    shown,
)
from insurance_predictor.table.schema import (
    COLUMNS,
    Column,
    NumberColumn,
)

NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
BY_NAME = {column.name: column for column in COLUMNS}


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


def _typed_table(frame: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """Just `columns`, as float64 and str, with the index 0..n-1."""
    typed = {column.name: _typed(frame[column.name], column) for column in columns}
    return pd.DataFrame(typed).set_axis(pd.RangeIndex(len(frame)))


def _typed(series: pd.Series, column: Column) -> pd.Series:
    typed = numbers(series) if isinstance(column, NumberColumn) else words(series)
    return typed.reset_index(drop=True)


def numbers(series: pd.Series) -> pd.Series:
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


def words(series: pd.Series) -> pd.Series:
    """str, with a missing value for whatever is not text."""
    if isinstance(series.dtype, pd.StringDtype):
        return series.astype("str").str.strip()
    words = [value.strip() if isinstance(value, str) else None for value in series]
    return pd.Series(words, index=series.index, dtype="str")


def _violating_cells(typed: pd.DataFrame, columns: Sequence[Column]) -> list[tuple[int, str]]:
    broken = np.column_stack([~column.fits(typed[column.name]) for column in columns])
    return [(int(row), columns[place].name) for row, place in np.argwhere(broken)]


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
