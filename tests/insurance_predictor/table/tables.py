"""Small tables as text, and any valid one, for the tests of this room."""

import math
from collections.abc import Callable

import pandas as pd
from hypothesis import strategies as st

from insurance_predictor.table.read import Table
from insurance_predictor.table.schema import (
    COLUMN_NAMES,
    COLUMNS,
    CategoryColumn,
    Column,
)

HEADER = "age,sex,bmi,children,smoker,region,charges\n"


FIRST = "19,female,27.9,0,yes,southwest,16884.92\n"


SECOND = "18,male,33.77,1,no,southeast,1725.55\n"


GOOD = HEADER + FIRST + SECOND


Read = Callable[[bytes | str], Table]


def values(column: Column) -> st.SearchStrategy[object]:
    if isinstance(column, CategoryColumn):
        return st.sampled_from(column.values)
    high = column.high if math.isfinite(column.high) else 1e9
    if column.whole:
        return st.integers(int(column.low), int(high))
    return st.floats(column.low, high, exclude_min=column.above_low, allow_subnormal=False)


def tables(min_size: int = 1, max_size: int = 30) -> st.SearchStrategy[pd.DataFrame]:
    rows = st.fixed_dictionaries({column.name: values(column) for column in COLUMNS})
    return st.lists(rows, min_size=min_size, max_size=max_size).map(
        lambda people: pd.DataFrame(people, columns=COLUMN_NAMES).drop_duplicates(ignore_index=True)
    )
