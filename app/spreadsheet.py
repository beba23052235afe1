"""Text in a table that a spreadsheet would run as a formula, and how it is made harmless."""

import re
from collections.abc import Iterable

import pandas as pd

from insurance_predictor.table.reading.numerals import NUMBER

# Where a spreadsheet may begin a new cell, whatever separates the columns of the file: one that
# expects semicolons, as in Portuguese, does not honour quotation marks in the middle of its cells.
SEPARATOR = r"[;|\t\r\n\v\f\x1c-\x1e\x85\u2028\u2029]"
# What it passes over before a formula, and what it takes for the start of one, in both widths.
PASSED_OVER = rf'(?:(?!{SEPARATOR})["\x00-\x20\x7f-\xa0\s\u200b-\u200f\u2060\ufeff])*+'
FORMULA = rf"{PASSED_OVER}[=+\-@＝＋－＠]"
QUOTED_NUMBER = rf'[ "]*+{NUMBER}[ "]*+(?:{SEPARATOR}|\Z)'
# One pattern without a width, so that what a stranger wrote costs little for each of its letters.
FORMULAS = re.compile(rf"(?:\A|(?<={SEPARATOR}))(?={FORMULA})(?!{QUOTED_NUMBER})")
BREAKS = ("\t", "\r", "\n")


def neutral(text: str) -> str:
    """`text` with an apostrophe before each part of it that a spreadsheet would run.

    A number written as text is no formula, and text that is neutral already stays as it is.
    """
    return ("'" if text.startswith(BREAKS) else "") + FORMULAS.sub("'", text)


def neutral_column(column: pd.Series) -> tuple[pd.Series, int]:
    """A column as text with each cell neutral, and how many had to be changed.

    Numbers, truth values and times stay as they are typed; a missing value stays missing.
    """
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        return column, 0
    text = column.astype(object)
    changed = text.map(lambda cell: neutral(str(cell)), na_action="ignore")
    different = changed.notna() & (changed != text.map(str, na_action="ignore"))
    return changed.astype("str"), int(different.sum())


def neutral_names(names: Iterable[str]) -> dict[str, str]:
    """Each name and what it is called when it is neutral; two names never become one.

    A name that would be taken by another column is followed by " (2)", " (3)" and so on, in the
    order of the columns.
    """
    given = list(names)
    taken = {name for name in given if neutral(name) == name}
    called = {}
    for name in given:
        wanted = free = neutral(name)
        number = 2
        while free != name and free in taken:
            free, number = f"{wanted} ({number})", number + 1
        taken.add(free)
        called[name] = free
    return called
