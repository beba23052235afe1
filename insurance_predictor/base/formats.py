"""Money, numbers, percentages and times as each language writes them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time, format_timedelta
from babel.numbers import format_decimal

from insurance_predictor.base.foreign_text import LONGEST_PARAGRAPH, one_line, without_addresses
from insurance_predictor.base.words import Language

LOCALES = {"pt": "pt_BR", "en": "en_US"}
SPACE = "\u00a0"  # keeps a number and its unit on one line
SECOND = timedelta(seconds=1)
MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|$~:&])")


class Target(Protocol):
    """What a premium is counted in: the sign of its currency, empty where it is no amount of money.

    `digits` are shown of it; none where it does not say, because no estimate is finer.
    """

    @property
    def sign(self) -> str: ...
    @property
    def digits(self) -> int | None: ...
    def with_unit(self, number: str, language: Language, space: str) -> str: ...


def plain(text: object) -> str:
    """`text` for a place where Markdown is read: shown as it is, on one line."""
    return MARKDOWN.sub(r"\\\1", without_addresses(one_line(text, LONGEST_PARAGRAPH)))


def amount(value: float, target: Target, language: Language) -> str:
    """R$ 8,412 or R$ 8.412; with the target's unit where that is no currency."""
    shown = decimal(value, language, target.digits or 0)
    if not target.sign:
        return target.with_unit(shown, language, SPACE)
    return f"{target.sign}{SPACE}{shown}"


def signed_amount(value: float, target: Target, language: Language) -> str:
    sign = _sign(round(value, target.digits or 0))
    return f"{sign}{amount(abs(value), target, language)}"


def amount_with_unit(value: float, target: Target, language: Language) -> str:
    """R$ 8,412 a year: an amount with what else its unit says."""
    shown = decimal(value, language, target.digits or 0)
    return target.with_unit(shown, language, SPACE)


def signed_amount_with_unit(value: float, target: Target, language: Language) -> str:
    sign = _sign(round(value, target.digits or 0))
    return f"{sign}{amount_with_unit(abs(value), target, language)}"


def decimal(value: float, language: Language, digits: int) -> str:
    """With exactly `digits` decimals and thousands set apart."""
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    return str(format_decimal(value, pattern, locale=LOCALES[language]))


def number(value: float, language: Language) -> str:
    """With the decimals it needs, two at most."""
    return str(format_decimal(value, "#,##0.##", locale=LOCALES[language]))


def signed_decimal(value: float, language: Language, digits: int) -> str:
    return _sign(round(value, digits)) + decimal(abs(value), language, digits)


def percent(share: float, language: Language, digits: int = 0) -> str:
    """`share` is a fraction: 0.63 is 63 %."""
    return f"{decimal(100 * share, language, digits)}{SPACE}%"


def signed_percent(share: float, language: Language, digits: int = 1) -> str:
    return _sign(round(100 * share, digits)) + percent(abs(share), language, digits)


def signed_points(share: float, language: Language, digits: int = 1) -> str:
    """A difference of two shares, in percentage points: 0.012 is +1.2 p.p."""
    return f"{signed_decimal(100 * share, language, digits)}{SPACE}p.p."


def moment(when: datetime, language: Language, timezone: str | None) -> str:
    """Date and time of day in `timezone`; without one that is known here in UTC, and says so."""
    zone = _zone(timezone)
    local = when.astimezone(zone or UTC)
    locale = LOCALES[language]
    shown = f"{format_date(local, 'medium', locale)}, {format_time(local, 'HH:mm', locale=locale)}"
    return shown if zone else f"{shown} UTC"


def ago(when: datetime, now: datetime, language: Language) -> str:
    """How long before `now`, in words: "3 minutes ago"."""
    return str(
        format_timedelta(min(when - now, -SECOND), locale=LOCALES[language], add_direction=True)
    )


def _zone(name: str | None) -> ZoneInfo | None:
    """What a browser calls its time zone may be unknown to this machine, or no name at all."""
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        return None


def _sign(value: float) -> str:
    return "+" if value > 0 else "−" if value < 0 else ""
