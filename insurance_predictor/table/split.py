"""Rows to learn from and rows to judge by, told apart by what they say."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, log, log10

import numpy as np
import numpy.typing as npt
import pandas as pd

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.table.check import numbers, words
from insurance_predictor.table.columns import Column, Columns, NumberColumn
from insurance_predictor.table.schema import CURRENT

HOLDOUT_SHARE = 0.2
ROWS_AT_ONCE = 20_000
# What is charged at most: in small units a billion is no fault, and beyond MOST nothing computes.
MOST_CHARGES, MOST_TIMES, MOST = 1e9, 1e5, 1e15
HUGE = 1e300  # what is beyond has no logarithm of its own


@dataclass(frozen=True)
class Split:
    """Rows to learn from and rows to judge by, each with its own index from 0."""

    train: pd.DataFrame
    holdout: pd.DataFrame


def split_table(frame: pd.DataFrame, columns: Columns = CURRENT) -> Split:
    """About 20 % of the rows as hold-out, chosen by the sha256 of each row's features.

    Rows that describe the same person stand on the same side whatever they were charged, and no
    row changes side when rows are appended, when rows or columns are rearranged or when numbers are
    stored in another type (`row_hashes`). Raises InvalidTable when one side would be empty, and
    when the charges to learn from are all the same or too high to compute with.
    """
    hashes = row_hashes(frame, columns.features)
    held_out = np.array([int(text[:8], 16) < HOLDOUT_SHARE * 2**32 for text in hashes], dtype=bool)
    if held_out.all() or not held_out.any():
        raise InvalidTable(
            f"{len(frame)} rows with {len(set(hashes))} different people are too few: the hold-out "
            "takes about 20 % of the people and one side would be empty. Give a table of more "
            "different people."
        )
    split = Split(
        train=frame[~held_out].reset_index(drop=True),
        holdout=frame[held_out].reset_index(drop=True),
    )
    target = columns.target
    _require_prices(numbers(frame[target.name]), numbers(split.train[target.name]), target)
    return split


def typical_charge(charges: npt.ArrayLike) -> float:
    """About what is charged, in the target's unit: limits on amounts are shares of it.

    It is the median of `charges`, (n,), to the nearest of 1, 2, 5 and their tens, so that a part of
    a table has the limits of the whole, and a table in another currency other ones.
    """
    values = np.asarray(charges, dtype=float)
    above_zero = values[np.isfinite(values) & (values > 0)]
    if not len(above_zero):
        return 1.0
    median = float(np.median(np.clip(above_zero, 1 / HUGE, HUGE)))
    ten = 10.0 ** floor(log10(median))
    return min((ten, 2 * ten, 5 * ten, 10 * ten), key=lambda near: abs(log(near / median)))


def _require_prices(charges: pd.Series, learned: pd.Series, target: NumberColumn) -> None:
    most = min(max(MOST_CHARGES, MOST_TIMES * typical_charge(charges)), MOST)
    if charges.max() > most:
        raise InvalidTable(
            f"{target.name} go up to {charges.max():g}; more than {most:g} "
            f"({target.unit['en']}) cannot be learned from. Correct the table or its unit."
        )
    levels = learned.round(target.decimals).unique()
    if len(levels) == 1:
        raise InvalidTable(
            f"All {len(learned)} people to train on are charged the same ({levels[0]:,.2f}), so "
            "there is nothing to learn. Give a table whose charges differ by a cent or more."
        )


def row_hashes(frame: pd.DataFrame, columns: Sequence[Column]) -> list[str]:
    """The sha256 (64 hex digits) of each row's canonical text over `columns`.

    Numbers are written with the decimals that their column names, and alike whether
    they were stored in 32 bits or in 64: 30, 30.0 and 27.9 as float32 have the text of 30.0 and
    27.9. The order of `columns` counts.
    """
    return _hashed(frame, columns, _canonical)


def exact_row_hashes(frame: pd.DataFrame, columns: Sequence[Column]) -> list[str]:
    """The sha256 (64 hex digits) of each row over `columns`, every digit of its numbers kept."""
    return _hashed(frame, columns, _exact)


def _hashed(
    frame: pd.DataFrame,
    columns: Sequence[Column],
    written: Callable[[pd.Series, Column], list[str]],
) -> list[str]:
    """Some rows after the other: the texts of a whole table would be several times its size."""
    found: list[str] = []
    for start in range(0, len(frame), ROWS_AT_ONCE):
        rows = frame.iloc[start : start + ROWS_AT_ONCE]
        texts = [written(rows[column.name], column) for column in columns]
        found += (
            hashlib.sha256("\x1f".join(cells).encode()).hexdigest()
            for cells in zip(*texts, strict=True)
        )
    return found


def _canonical(series: pd.Series, column: Column) -> list[str]:
    if not isinstance(column, NumberColumn):
        return _exact(series, column)
    # Through float32 first, so that no number can be rounded one way from 32 bits and the other
    # way from 64. Up to the schema's decimals the text is still the one of the number as given.
    single = numbers(series).to_numpy(np.float32).astype(np.float64)
    return _exact(pd.Series(single.round(column.decimals)), column)


def _exact(series: pd.Series, column: Column) -> list[str]:
    if isinstance(column, NumberColumn):
        # Adding zero makes -0.0 the same text as 0.0.
        return [repr(number) for number in (numbers(series) + 0.0).tolist()]
    # As a list first: from Arrow's text, one cell after the other takes ten times as long.
    return [str(word) for word in words(series).tolist()]
