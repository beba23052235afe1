"""How the cells of a table are written, learned from all of them, and each as the schema has it."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from insurance_predictor.table.reading import notices
from insurance_predictor.table.reading.header import Known
from insurance_predictor.table.reading.notices import Notice, quoted
from insurance_predictor.table.reading.numerals import NUMBER, Numerals, Reader
from insurance_predictor.table.reading.spellings import respelled
from insurance_predictor.table.schema import CategoryColumn, NumberColumn

SHOWN_WORDS = 10


@dataclass(frozen=True)
class Decision:
    """How the numbers and the words of `columns` are to be read, as it was learned from a table.

    `spelled` has some of the words that are spelled otherwise, with what they mean.
    """

    columns: Sequence[Known]
    numerals: Mapping[str, Numerals]
    spelled: Mapping[str, Mapping[str, str]]

    def applied(self, cells: pd.DataFrame) -> pd.DataFrame:
        """`cells` as the schema writes them; what is not understood stays as it is written."""
        changed = {}
        for column in self.columns:
            name = column.name
            if isinstance(column, NumberColumn) and name in self.numerals:
                if not self.numerals[name].is_plain:
                    changed[name] = self.numerals[name].applied(cells[name])
            elif isinstance(column, CategoryColumn) and name in self.spelled:
                meant = cells[name].map(respelled(cells[name], column))
                changed[name] = cells[name].where(meant.isna(), meant)
        return cells.assign(**changed) if changed else cells

    @property
    def notices(self) -> tuple[Notice, ...]:
        told = []
        for sentence, which in (
            (notices.CURRENCY, [name for name, how in self.numerals.items() if how.signs]),
            (notices.THOUSANDS, [name for name, how in self.numerals.items() if how.thousands]),
            (notices.DECIMAL_COMMA, [name for name, how in self.numerals.items() if how.comma]),
        ):
            if which:
                told.append(Notice(sentence, {"columns": ", ".join(which)}))
        for name, found in self.spelled.items():
            pairs = ", ".join(f"{quoted([cell])} → {value}" for cell, value in found.items())
            told.append(Notice(notices.SPELLED, {"name": name, "pairs": pairs}))
        return tuple(told)


@dataclass
class Understanding:
    """Learns how a table is written, from some of its rows after the other.

    In those called in `commas` a comma may be the decimal mark.
    """

    columns: Sequence[Known]
    commas: Collection[str]
    _readers: dict[str, Reader] = field(default_factory=dict)
    _spelled: dict[str, dict[str, str]] = field(default_factory=dict)

    def look(self, cells: pd.DataFrame) -> None:
        """Learn from some rows, whose columns have the schema's names."""
        for column in self.columns:
            name = column.name
            if isinstance(column, NumberColumn) and name in cells:
                reader = self._readers.setdefault(name, Reader(column, name in self.commas))
                reader.look(cells[name])
            elif isinstance(column, CategoryColumn) and name in cells:
                for cell, value in respelled(cells[name], column).items():
                    found = self._spelled.setdefault(name, {})
                    if len(found) < SHOWN_WORDS:
                        found.setdefault(cell.strip(), value)

    def decided(self) -> Decision:
        """How the table is to be read. Raises NotUnderstood for numbers with two readings."""
        numerals = {name: reader.decided() for name, reader in self._readers.items()}
        return Decision(self.columns, numerals, self._spelled)


def understood(
    cells: pd.DataFrame, columns: Sequence[Known], commas: Collection[str]
) -> tuple[pd.DataFrame, tuple[Notice, ...]]:
    """A whole table as the schema writes it, and what was done. Raises NotUnderstood."""
    understanding = Understanding(columns, commas)
    understanding.look(cells)
    decision = understanding.decided()
    return decision.applied(cells), decision.notices


def understood_person(
    written: Mapping[str, str], columns: Sequence[Known]
) -> dict[str, float | int | str]:
    """The values of one person as the schema has them, numbers as such.

    A point alone is the decimal mark; a comma may be. What is not understood stays as it is
    written. Raises NotUnderstood for a number with two readings.
    """
    commas = [name for name, cell in written.items() if "," in cell]
    cells = pd.DataFrame({name: pd.Series([cell], dtype="str") for name, cell in written.items()})
    read, _ = understood(cells, columns, commas)
    person: dict[str, float | int | str] = {name: read[name].iloc[0].strip() for name in read}
    for column in columns:
        cell = person.get(column.name)
        if isinstance(column, NumberColumn) and re.fullmatch(NUMBER, str(cell)):
            number = float(str(cell))
            person[column.name] = int(number) if column.whole and number.is_integer() else number
    return person
