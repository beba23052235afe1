"""How the numbers of a column are written: decimal mark, thousands, currency; never a guess.

There are two readings, with a point before decimals and with a comma. What decides is the whole
column: cells that one reading alone can read, or the limits of the column.
"""

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from insurance_predictor.table.columns import SIGNS
from insurance_predictor.table.reading import notices
from insurance_predictor.table.reading.notices import NotUnderstood, quoted
from insurance_predictor.table.schema import NumberColumn

LONGEST_CELL = 100  # characters; a longer cell is no value of any column and is not looked into
# What counts as a number in text. Each part begins with a sign of its own, so there is one way to
# read a text: the time that takes grows with the text's length and not with its square.
NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
WITH_COMMA = r"[+-]?(?:[0-9]+(?:,[0-9]*)?|,[0-9]+)(?:[eE][+-]?[0-9]+)?"
SPACE = "[ \u00a0\u2009\u202f'’]"
GROUPED = r"[+-]?[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+(?:{decimal}[0-9]*)?"
POINT = rf"(?:{NUMBER}|{GROUPED.format(mark=f'(?:,|{SPACE})', decimal='[.]')})"
COMMA = rf"(?:{WITH_COMMA}|{GROUPED.format(mark=f'(?:[.]|{SPACE})', decimal=',')})"


@dataclass(frozen=True)
class Numerals:
    """How the numbers of a column are written: with a decimal `comma`, `thousands` set apart.

    `signs` are the currency signs beside them.
    """

    comma: bool = False
    thousands: bool = False
    signs: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        return self == Numerals()

    def applied(self, cells: pd.Series) -> pd.Series:
        """The cells as `NUMBER`; one that cannot be read so stays as it is written."""
        if self.is_plain or not isinstance(cells.dtype, pd.StringDtype):
            return cells
        text = _bare(cells, self.signs)
        reads = _matches(text, COMMA if self.comma else POINT)
        number = text.str.replace(rf"[.]|{SPACE}" if self.comma else rf",|{SPACE}", "", regex=True)
        if self.comma:
            number = number.str.replace(",", ".", regex=False)
        return number.where(reads, cells)


@dataclass
class Reader:
    """Learns how the numbers of a column are written, from some of its cells after the other.

    `may_be_comma` says that a comma may be the decimal mark in files of this kind; if not, a point
    is one, whatever follows it.
    """

    column: NumberColumn
    may_be_comma: bool
    point: str | None = None  # a cell that only a decimal point explains
    comma: str | None = None  # and one that only a decimal comma does
    both: str | None = None  # one that is another number in each reading
    point_fits: bool = False  # whether any such cell keeps the column's limits, in each reading
    comma_fits: bool = False
    thousands: set[str] = field(default_factory=set)  # the readings in which they are set apart
    signs: set[str] = field(default_factory=set)

    def look(self, cells: pd.Series) -> None:
        """Learn from some cells."""
        if not isinstance(cells.dtype, pd.StringDtype):
            return
        text = cells[cells.str.len() <= LONGEST_CELL].str.strip()
        plain = _matches(text, NUMBER)
        if self.may_be_comma:
            plain &= ~text.str.contains(".", regex=False)
        elif (
            self.point is None and (found := text[plain & text.str.contains(".", regex=False)]).size
        ):
            self.point = found.iloc[0]
        text = text[~plain & (text != "")].drop_duplicates()
        if text.empty:
            return
        for sign in _currencies(self.column):
            at_an_end = rf"^[+-]?{SPACE}*{re.escape(sign)}|{re.escape(sign)}$"
            if text.str.contains(at_an_end).any():
                self.signs.add(sign)
        text = _bare(text, tuple(self.signs))
        self._weigh(text)

    def _weigh(self, text: pd.Series) -> None:
        by_point, by_comma = _matches(text, POINT), _matches(text, COMMA)
        other = by_point & by_comma & text.str.contains("[.,]")
        only_point, only_comma = by_point & ~by_comma, by_comma & ~by_point
        if not self.may_be_comma:  # a lone point is the decimal mark, as always
            plain = _matches(text, NUMBER) & text.str.contains(".", regex=False)
            only_point, other = only_point | (plain & by_point), other & ~plain
        self.point = self.point or _first(text[only_point])
        self.comma = self.comma or _first(text[only_comma])
        self.both = self.both or _first(text[other])
        if text[by_point].str.contains(rf",|{SPACE}").any():
            self.thousands.add("point")
        if text[by_comma].str.contains(rf"[.]|{SPACE}").any():
            self.thousands.add("comma")
        if other.any():
            self.point_fits |= self._fits(Numerals(thousands=True).applied(text[other]))
            self.comma_fits |= self._fits(Numerals(comma=True).applied(text[other]))

    def _fits(self, text: pd.Series) -> bool:
        numbers = text.astype(object).to_numpy().astype(np.float64)
        return bool(np.any(self.column.fits(numbers)))

    def decided(self) -> Numerals:
        """How the column is written. Raises NotUnderstood when that cannot be told."""
        comma = self._is_comma()
        reading = "comma" if comma else "point"
        return Numerals(comma, reading in self.thousands, tuple(sorted(self.signs, key=_longest)))

    def _is_comma(self) -> bool:
        if self.point and self.comma and (self.may_be_comma or self.both):
            raise NotUnderstood(
                notices.TWO_WAYS,
                name=self.column.name,
                point=quoted([self.point]),
                comma=quoted([self.comma]),
            )
        if not self.both or self.point or (self.comma and self.may_be_comma):
            return self.may_be_comma and self.comma is not None
        if self.comma or (self.point_fits and self.comma_fits):
            raise NotUnderstood(
                notices.TWO_READINGS,
                name=self.column.name,
                cell=quoted([self.both]),
                whole=re.sub("[.,]", "", self.both),
                decimal=self.both.replace(",", "."),
            )
        return self.comma_fits and self.may_be_comma


def _matches(text: pd.Series, pattern: str) -> pd.Series:
    return text.str.fullmatch(pattern)


def _first(text: pd.Series) -> str | None:
    return None if text.empty else str(text.iloc[0])


def _currencies(column: NumberColumn) -> tuple[str, ...]:
    """The signs of the currency that a column is in; with another one a cell is no number."""
    if column.currency is None:
        return ()
    sign = SIGNS.get(column.currency, column.currency)
    return (column.currency, sign, *(("$",) if "$" in sign else ()))


def _longest(sign: str) -> tuple[int, str]:
    return -len(sign), sign


def _bare(text: pd.Series, signs: tuple[str, ...]) -> pd.Series:
    """The cells without surrounding spaces and currency signs."""
    text = text.str.strip()
    if not signs:
        return text
    either = "|".join(re.escape(sign) for sign in sorted(signs, key=_longest))
    before = text.str.replace(rf"^([+-]?){SPACE}*(?:{either}){SPACE}*", r"\1", regex=True)
    return before.str.replace(rf"{SPACE}*(?:{either})$", "", regex=True)
