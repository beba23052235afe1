"""A window means the same whatever the clock on the wall does."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from insurance_predictor.base.errors import BadInput
from monitoring.domain.windows import parse_window

NOW = datetime(2026, 3, 15, 10, 45, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("length", "expected"),
    [("7d", timedelta(days=7)), ("12h", timedelta(hours=12)), (" 4w ", timedelta(weeks=4))],
)
def test_a_length_counts_back_from_now(length, expected):
    window = parse_window(length, None, None, NOW)

    assert (window.start, window.end) == (NOW - expected, NOW)


def test_without_anything_it_is_the_last_week():
    assert parse_window(None, None, None, NOW) == parse_window("7d", None, None, NOW)


def test_the_slot_is_the_day_or_for_less_than_a_day_the_hour():
    assert parse_window("1d", None, None, NOW).slot == datetime(2026, 3, 15, tzinfo=UTC)
    assert parse_window("23h", None, None, NOW).slot == datetime(2026, 3, 15, 10, tzinfo=UTC)
    later = parse_window("1d", None, None, NOW + timedelta(hours=3))
    assert later.slot == parse_window("1d", None, None, NOW).slot


def test_a_stretch_of_time_is_in_utc_unless_it_says_otherwise():
    window = parse_window(None, "2026-01-31", "2026-02-28T12:00:00-03:00", NOW)

    assert window.start == datetime(2026, 1, 31, tzinfo=UTC)
    assert window.end == datetime(2026, 2, 28, 15, tzinfo=UTC)
    assert window.slot == datetime(2026, 2, 28, tzinfo=UTC)
    assert window.end.tzinfo is UTC


def test_a_stretch_without_an_end_goes_on_until_now():
    assert parse_window(None, "2026-03-01", None, NOW).end == NOW


def test_a_length_may_end_before_now():
    window = parse_window("1w", None, "2026-03-08", NOW)

    assert window.start == datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("day", [8, 9])  # clocks go forward in New York on the 8th of March
def test_a_day_has_24_hours_when_the_clocks_change(day):
    now = datetime(2026, 3, day, 12, tzinfo=ZoneInfo("America/New_York"))

    window = parse_window("1d", None, None, now)

    assert window.end - window.start == timedelta(hours=24)
    assert window.end == now


def test_an_hour_that_comes_twice_is_two_hours():
    first, second = "2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00"

    window = parse_window(None, first, second, NOW.replace(year=2027))

    assert window.end - window.start == timedelta(hours=1)


@pytest.mark.parametrize(
    ("window", "expected"),
    [(None, "7d"), ("7d", "7d"), ("1w", "7d"), ("168h", "7d"), ("12h", "12h")],
)
def test_windows_of_one_length_are_of_one_schedule_however_it_is_said(window, expected):
    assert parse_window(window, None, None, NOW).schedule == expected
    assert parse_window(window, None, "2026-03-08", NOW).schedule == expected


def test_a_stretch_of_time_is_of_no_schedule():
    assert parse_window(None, "2026-03-01", "2026-03-08", NOW).schedule == ""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("a week", None, None), "'a week' is no length of time. Give one like 7d"),
        (("0d", None, None), "is no length of time"),
        (("1.5d", None, None), "is no length of time"),
        (("7d", "2026-01-01", None), "are both given. Give one of them"),
        ((None, "yesterday", None), "'yesterday' is no time like 2026-01-31"),
        ((None, "2026-01-02", "2026-01-01"), "is empty"),
        ((None, "2026-01-02", "2026-01-02"), "is empty"),
        (("7d", None, "2027-03-15"), "ends at 2027-03-15 00:00:00 UTC, and now it is 2026-03-15"),
        ((None, "2026-03-01", "2026-03-15T10:45:31"), "Give an end that is over, or none"),
        (("9999999w", None, None), "begins before the calendar does"),
        (("99999999999999999999w", None, None), "is no length of time"),
    ],
)
def test_what_cannot_be_a_window_is_said(given, said):
    with pytest.raises(BadInput, match=said):
        parse_window(*given, NOW)
