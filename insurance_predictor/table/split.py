"""Rows to learn from and rows to judge by, told apart by what they say."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.table.check import BY_NAME, numbers, words
from insurance_predictor.table.schema import (
    FEATURE_NAMES,
    Column,
    NumberColumn,
)

HOLDOUT_SHARE = 0.2


@dataclass(frozen=True)
class Split:
    """Rows to learn from and rows to judge by, each with its own index from 0."""

    train: pd.DataFrame
    holdout: pd.DataFrame


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
        return [repr(number) for number in (numbers(series) + 0.0).tolist()]
    return [str(word) for word in words(series)]
