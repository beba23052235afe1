"""The report's SVG: the right number of shapes in the right places."""

import re
from datetime import timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.report.svg import Point, Series, bars, interval, lines, scale
from tests.monitoring import example_assessments as examples


def plain(value: float) -> str:
    return f"{value:g}"


def day(when: object) -> str:
    return str(when)[:10]


def shapes(picture: str, name: str) -> list[dict[str, str]]:
    """The attributes of all shapes of a kind; raises for SVG that is not well formed."""
    return [element.attrib for element in ElementTree.fromstring(picture).iter(name)]


def test_bars_are_as_high_as_their_shares():
    picture = bars(("no", "yes"), (0.8, 0.2), (0.6, 0.4), ("then", "now"), plain)
    heights = [float(bar["height"]) for bar in shapes(picture, "rect")]
    assert [height / heights[0] for height in heights] == pytest.approx([1, 0.75, 0.25, 0.5])
    assert "yes, now: 0.4" in picture


def test_bars_without_any_share_are_flat_and_without_a_bin_there_are_none():
    assert {
        bar["height"] for bar in shapes(bars(("a",), (0,), (0,), ("x", "y"), plain), "rect")
    } == {"0.0"}
    assert shapes(bars((), (), (), ("x", "y"), plain), "rect") == []


def test_a_long_name_is_cut_below_its_bar_and_whole_in_its_title():
    picture = bars(("a very long category",), (1,), (1,), ("x", "y"), plain)
    assert ">a very l…</text>" in picture
    assert "a very long category, x: 1" in picture


def series(*values: float, **first: object) -> Series:
    points = [Point(examples.END + timedelta(days=n), value) for n, value in enumerate(values)]
    if first:
        points[0] = Point(points[0].time, points[0].value, **first)
    return Series("rmse", "window", tuple(points))


def test_a_line_goes_up_where_values_grow_and_alarms_stand_out():
    picture = lines([series(1, 2, 4, low=0.5, high=1.5, is_alarm=True)], plain, day)
    dots = shapes(picture, "circle")
    assert [dot["class"] for dot in dots] == ["alarm", "window", "window"]
    heights = [float(dot["cy"]) for dot in dots]
    assert heights == sorted(heights, reverse=True)
    [band] = [line for line in shapes(picture, "line") if line["class"] == "band"]
    assert float(band["y1"]) > heights[0] > float(band["y2"])


def test_one_point_stands_in_the_middle_and_none_makes_no_picture():
    [dot] = shapes(lines([series(3)], plain, day), "circle")
    assert 100 < float(dot["cx"]) < 250
    assert lines([Series("x", "window", ())], plain, day) == ""


def test_an_interval_has_its_value_between_its_ends_and_a_mark():
    picture = interval(1.03, (0.97, 1.09), 1.0, plain)
    [dot] = shapes(picture, "circle")
    [band] = [line for line in shapes(picture, "line") if line["class"] == "band"]
    [mark] = [line for line in shapes(picture, "line") if line["class"] == "mark"]
    assert float(band["x1"]) < float(mark["x1"]) < float(dot["cx"]) < float(band["x2"])
    assert shapes(interval(0.9, None, None, plain), "circle")


@given(st.floats(-1e9, 1e9, allow_subnormal=False), st.floats(0, 1e9, allow_subnormal=False))
def test_a_scale_holds_its_numbers_between_few_ticks(low: float, more: float):
    start, end, ticks = scale(low, low + more)
    rounding = 1e-12 * max(abs(low), more)  # far less than a pixel
    assert start <= low + rounding
    assert low + more <= end + rounding
    assert 2 <= len(ticks) <= 8
    assert list(ticks) == sorted(set(ticks))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5))
def test_no_point_is_drawn_outside_of_the_picture(values: list[float]):
    picture = lines([series(*values)], plain, day)
    _, _, width, height = map(float, re.findall(r'viewBox="(.*?)"', picture)[0].split())
    for dot in shapes(picture, "circle"):
        assert 0 <= float(dot["cx"]) <= width
        assert 0 <= float(dot["cy"]) <= height
