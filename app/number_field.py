"""Numbers as people type them: with a comma or a point, whatever the language of the page."""

import re

from babel.numbers import format_decimal

from insurance_predictor.base.formats import LOCALES
from insurance_predictor.base.words import Language
from insurance_predictor.table.schema import NumberColumn

LONGEST = 30  # characters that can be typed
NUMBER = re.compile(r"[+-]?[0-9][0-9.,]*")
DECIMAL_MARK = {"pt": ",", "en": "."}
THOUSANDS_MARK = {",": ".", ".": ","}
WHOLE = {
    mark: re.compile(rf"[+-]?([0-9]+|[1-9][0-9]{{0,2}}({re.escape(mark)}[0-9]{{3}})+)")
    for mark in THOUSANDS_MARK
}
SPACES = str.maketrans("", "", " \u00a0\u202f")


def understood(written: str, column: NumberColumn, language: Language) -> float | int | None:
    """The number that was meant, None when it is none.

    A mark before three digits may set thousands apart or begin the decimals. Then what the column
    allows decides, and what the language means by it where both would do.
    """
    bare = written.strip().translate(SPACES)
    if len(bare) > LONGEST or not NUMBER.fullmatch(bare):
        return None
    readings = [float(reading) for reading in _readings(bare, DECIMAL_MARK[language])]
    allowed = [reading for reading in readings if column.allows(reading)]
    if not readings:
        return None
    value = (allowed or readings)[0]
    return int(value) if column.whole and value.is_integer() else value


def typed(value: float, language: Language) -> str:
    """A number as one types it in `language`: exact, without marks for thousands."""
    locale = LOCALES[language]
    return str(format_decimal(value, "0.##########", locale=locale, group_separator=False))


def _readings(written: str, usual: str) -> list[str]:
    """What `written` may mean, as Python writes it; `usual` is the language's decimal mark."""
    marks = [mark for mark in written if mark in THOUSANDS_MARK]
    if not marks:
        return [written]
    last = marks[-1]
    as_decimals, as_thousands = _read(written, last), _read(written, THOUSANDS_MARK[last])
    found = [as_decimals, as_thousands] if last == usual else [as_thousands, as_decimals]
    return [reading for reading in found if reading]


def _read(written: str, decimal_mark: str) -> str:
    """`written` with its decimals after `decimal_mark`; empty when it cannot be read so."""
    whole, mark, decimals = written.partition(decimal_mark)
    thousands_mark = THOUSANDS_MARK[decimal_mark]
    if (mark and not decimals.isdecimal()) or not WHOLE[thousands_mark].fullmatch(whole):
        return ""
    return f"{whole.replace(thousands_mark, '')}.{decimals or '0'}"
