"""Numbers, money and times in both languages."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from insurance_predictor.base import formats
from insurance_predictor.table.columns import NumberColumn
from insurance_predictor.table.schema import TARGET

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
UNKNOWN_ZONES = ("Mars/Olympus", "", "../../etc/passwd", "/etc/passwd", "America", "x" * 9999)
UNKNOWN_ZONES += ("\0", "..", "\ud800")


def in_units(currency: str | None, sign: str) -> NumberColumn:
    unit = {"pt": f"{sign} por ano", "en": f"{sign} a year"}
    return replace(TARGET, currency=currency, unit=unit)


@pytest.mark.parametrize(
    ("currency", "sign"),
    [("USD", "US$"), ("BRL", "R$"), ("EUR", "€"), ("GBP", "£"), ("CHF", "CHF")],
)
def test_an_amount_is_in_whole_units_of_the_target_s_currency(currency: str, sign: str):
    target = in_units(currency, sign)
    assert formats.amount(8412.35, target, "pt") == f"{sign}\u00a08.412"
    assert formats.amount(8412.35, target, "en") == f"{sign}\u00a08,412"
    assert formats.amount_with_unit(8412.35, target, "pt") == f"{sign}\u00a08.412 por ano"
    assert formats.amount_with_unit(8412.35, target, "en") == f"{sign}\u00a08,412 a year"


def test_what_is_no_money_has_its_unit_and_what_is_small_its_digits():
    points = replace(in_units(None, "points"), digits=1)
    assert formats.amount(8412.35, points, "en") == "8,412.4\u00a0points a year"
    assert formats.amount_with_unit(8412.35, points, "pt") == "8.412,4\u00a0points por ano"
    assert formats.signed_amount(-0.04, points, "en") == "0.0\u00a0points a year"


def test_a_difference_carries_its_sign():
    assert formats.signed_amount(15112, in_units("BRL", "R$"), "pt") == "+R$\u00a015.112"
    assert formats.signed_amount(-15112, TARGET, "en") == "−US$\u00a015,112"
    assert formats.signed_amount(0.2, TARGET, "en") == "US$\u00a00"
    assert formats.signed_amount_with_unit(-9, TARGET, "en") == "−US$\u00a09 a year"
    assert formats.signed_percent(-0.014, "pt") == "−1,4\u00a0%"
    assert formats.signed_decimal(0.0004, "pt", 3) == "0,000"


def test_numbers_have_the_decimals_they_need():
    assert [formats.number(value, "pt") for value in (40, 28.5, 31.255)] == ["40", "28,5", "31,26"]
    assert formats.number(100_000, "en") == "100,000"


def test_percentages():
    assert formats.percent(0.404, "pt") == "40\u00a0%"
    assert formats.percent(0.9678, "en", 1) == "96.8\u00a0%"


def test_a_difference_of_shares_is_in_percentage_points():
    assert formats.signed_points(0.0123, "pt") == "+1,2\u00a0p.p."
    assert formats.signed_points(-0.0123, "en") == "−1.2\u00a0p.p."


def test_a_moment_is_told_in_the_visitors_zone():
    assert formats.moment(NOW, "pt", "America/Sao_Paulo") == "24 de nov. de 2026, 09:30"
    assert formats.moment(NOW, "en", None) == "Nov 24, 2026, 12:30 UTC"


@pytest.mark.parametrize("zone", UNKNOWN_ZONES)
def test_a_zone_that_is_unknown_here_is_utc_and_says_so(zone: str):
    assert formats.moment(NOW, "en", zone) == "Nov 24, 2026, 12:30 UTC"


def test_how_long_ago():
    assert formats.ago(NOW - timedelta(minutes=5), NOW, "pt") == "há 5 minutos"
    assert formats.ago(NOW - timedelta(seconds=30), NOW, "en") == "30 seconds ago"
    # A clock that runs behind the registry's makes no future.
    assert formats.ago(NOW + timedelta(hours=1), NOW, "en") == "1 second ago"


def test_plain_text_is_no_markdown():
    assert formats.plain("a\n **b** $c$ [d](e)") == r"a \*\*b\*\* \$c\$ \[d\]\(e\)"
