"""Numbers, money and times in both languages."""

from datetime import UTC, datetime, timedelta

import pytest

from insurance_predictor.base import formats

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
UNKNOWN_ZONES = ("Mars/Olympus", "", "../../etc/passwd", "/etc/passwd", "America", "x" * 9999)
UNKNOWN_ZONES += ("\0", "..", "\ud800")


def test_money_is_in_whole_us_dollars():
    assert formats.money(8412.35, "pt") == "US$\u00a08.412"
    assert formats.money(8412.35, "en") == "US$\u00a08,412"


def test_a_difference_carries_its_sign():
    assert formats.signed_money(15112, "pt") == "+US$\u00a015.112"
    assert formats.signed_money(-15112, "en") == "−US$\u00a015,112"
    assert formats.signed_money(0.2, "en") == "US$\u00a00"
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
