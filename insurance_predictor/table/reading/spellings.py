"""Which word of the schema a cell means, however it is spelled."""

import re
from collections.abc import Mapping

import pandas as pd

from insurance_predictor.base.words import Language
from insurance_predictor.table.reading.header import plain
from insurance_predictor.table.reading.numerals import LONGEST_CELL
from insurance_predictor.table.schema import CategoryColumn


def respelled(cells: pd.Series, column: CategoryColumn) -> dict[str, str]:
    """Cell -> value of the schema, for those cells that mean one and are spelled otherwise."""
    spellings = _spellings(column)
    found = {}
    for cell in cells.unique():
        if not isinstance(cell, str) or len(cell) > LONGEST_CELL or cell.strip() in column.values:
            continue
        value = spellings.get(_folded(cell))
        if value is not None:
            found[cell] = value
    return found


def word(column: CategoryColumn, value: str, language: Language) -> str:
    """How people of a `language` write a value in a file: its label, if that is this value's."""
    label = column.value_labels[value][language]
    return label if _spellings(column).get(_folded(label)) == value else value


def _spellings(column: CategoryColumn) -> Mapping[str, str]:
    """Folded spelling -> value, of each spelling that is one value's alone."""
    claims: dict[str, set[str]] = {}
    for value in column.values:
        labels = column.value_labels.get(value, {}).values()
        for spelling in (value, *labels, *column.also_written.get(value, ())):
            claims.setdefault(_folded(spelling), set()).add(value)
    return {spelling: min(values) for spelling, values in claims.items() if len(values) == 1}


def _folded(cell: str) -> str:
    """Letter case, accents, and spaces, underscores and hyphens between words do not count."""
    text = plain(cell.strip())
    if re.fullmatch(r"[0-9]+\.0+", text):  # a whole number of a column with gaps
        return text.partition(".")[0]
    return re.sub(r"(?<=\w)[ _-]+(?=\w)", "", text).replace("_", "")
