"""Which column of a file is which of the schema, whatever it is called there."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from insurance_predictor.table.columns import Declared
from insurance_predictor.table.reading import notices
from insurance_predictor.table.reading.notices import Notice, NotUnderstood, quoted
from insurance_predictor.table.schema import NumberColumn

SEPARATORS = (",", ";", "\t", "|")
DECIMAL_COMMA = (";", "\t")  # the separators beside which a comma may be the decimal mark
LONGEST_NAME = 100  # characters; a longer name is nobody's
# What a table of quotes comes back with. A premium beside these is ours: nobody was charged it.
OURS = frozenset({"premium", "low", "high"})


@dataclass(frozen=True)
class TextColumn:
    """A column beside those of the schema, whose cells are taken as they are written.

    Where a column is called `rather`, no other is meant, whatever that is called.
    """

    name: str
    also_called: tuple[str, ...] = ()
    rather: str = ""


Known = Declared | TextColumn


@dataclass(frozen=True)
class Header:
    """The columns of a file: `names` has the schema's name of each, or else the file's own.

    `known` are the schema's names that are there, each with its place; `unknown` are the file's
    names of all others; `notices` tell which are called otherwise.
    """

    names: tuple[str, ...]
    known: Mapping[str, int]
    unknown: tuple[str, ...]
    notices: tuple[Notice, ...]


def read_header(written: Sequence[str], columns: Sequence[Known]) -> Header:
    """What the columns of a file mean. Raises NotUnderstood when two mean the same."""
    meanings = _meanings(written, columns)
    places: dict[str, list[int]] = {}
    for place, meaning in enumerate(meanings):
        if meaning is not None:
            places.setdefault(meaning, []).append(place)
    for name, those in places.items():
        if len(those) > 1:
            same = list(dict.fromkeys(written[place] for place in those))
            reason = notices.SAME_MEANING if len(same) > 1 else notices.REPEATED
            raise NotUnderstood(reason, columns=quoted(same), name=name)
    pairs = list(zip(written, meanings, strict=True))
    return Header(
        names=tuple(meaning or own for own, meaning in pairs),
        known={name: place for name, (place,) in places.items()},
        unknown=tuple(own for own, meaning in pairs if meaning is None),
        notices=tuple(
            Notice(notices.READ_AS, {"written": quoted([own]), "name": meaning})
            for own, meaning in pairs
            if meaning is not None and meaning != own
        ),
    )


def left_out(header: Header) -> tuple[Notice, ...]:
    """A notice of the columns that nobody knows, where they are not kept."""
    if not header.unknown:
        return ()
    return (Notice(notices.LEFT_OUT, {"columns": quoted(header.unknown)}),)


def find_separator(text: str, columns: Sequence[Known]) -> str:
    """What stands between the columns of a text: that under which most of them are known."""

    def count(separator: str) -> int:
        try:
            written, _ = first_row(text, separator)
        except csv.Error:
            return 0
        return len(set(_meanings(written, columns)) - {None})

    return max(SEPARATORS, key=count)


def first_row(text: str, separator: str) -> tuple[list[str], int]:
    """The names in the first row of a text, and how many lines they take. Raises csv.Error."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    names = next(reader, [])
    return [name.strip(" \t") for name in names], reader.line_num


def folded(name: str) -> str:
    """The letters and digits of a name, without accents and in small letters."""
    if len(name) > LONGEST_NAME:
        return ""
    return "".join(sign for sign in plain(name) if sign.isalnum())


def plain(text: str) -> str:
    """Small letters without accents."""
    small = text.casefold()
    if small.isascii():
        return small
    signs = unicodedata.normalize("NFKD", small)
    return "".join(sign for sign in signs if not unicodedata.combining(sign))


def _meanings(written: Sequence[str], columns: Sequence[Known]) -> list[str | None]:
    # Columns hold translations, which are no keys of a cache.
    known = _known(tuple((column.name, tuple(_other_names(column))) for column in columns))
    found = [folded(name) for name in written]
    ours = set(found) >= OURS
    meanings = [None if ours and name in OURS else known.get(name) for name in found]
    rather = {
        column.name: folded(column.rather)
        for column in columns
        if isinstance(column, TextColumn) and folded(column.rather) in found
    }
    return [
        meaning if meaning is None or name == rather.get(meaning, name) else None
        for name, meaning in zip(found, meanings, strict=True)
    ]


@cache
def _known(columns: tuple[tuple[str, tuple[str, ...]], ...]) -> Mapping[str, str]:
    """Folded name -> the column's own, of each name that is one column's alone."""
    claims: dict[str, set[str]] = {}
    for name, others in columns:
        for other in others:
            claims.setdefault(folded(other), set()).add(name)
    others_names = {other: min(names) for other, names in claims.items() if len(names) == 1}
    return others_names | {folded(name): name for name, _ in columns}


def _other_names(column: Known) -> Iterable[str]:
    yield from column.also_called
    if isinstance(column, TextColumn):
        yield from filter(None, [column.rather])
        return
    yield from column.label.values()
    if isinstance(column, NumberColumn):  # as a form says it: BMI (kg/m²)
        for language, label in column.label.items():
            yield f"{label} {column.unit[language]}"
