"""The report's pictures as SVG inside the page: no script, colours from the page's style sheet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import floor, log10

from markupsafe import Markup

WIDTH, HEIGHT = 340, 150  # units of the picture, which scales with the page
TOP, BOTTOM, LEFT, RIGHT = 10, 22, 48, 12  # room for labels around a chart of lines
LABEL_ROOM = 52  # units that one label below the bars needs
CHARACTERS = 9  # of a label below a bar

Written = Callable[[float], str]


@dataclass(frozen=True)
class Point:
    """A measured value, its band if there is one, and whether it was an alarm."""

    time: datetime
    value: float
    low: float | None = None
    high: float | None = None
    is_alarm: bool = False


@dataclass(frozen=True)
class Series:
    """Points that a line connects; `style` is a class of the page's style sheet."""

    name: str
    style: str
    points: tuple[Point, ...]


def bars(
    labels: Sequence[str],
    reference: Sequence[float],
    window: Sequence[float],
    names: tuple[str, str],
    percent: Written,
) -> Markup:
    """Shares (k,) of the reference beside those of the window, bin by bin or category by category.

    `names` are what the two sides are called.
    """
    most = max([*reference, *window], default=0.0) or 1.0
    room = HEIGHT - BOTTOM
    step = WIDTH / max(len(labels), 1)
    drawn = []
    for place, shares in enumerate(zip(reference, window, strict=True)):
        for side, share in enumerate(shares):
            height = (room - TOP) * share / most
            drawn.append(
                Markup(
                    '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">'
                    "<title>{}, {}: {}</title></rect>"
                ).format(
                    ("reference", "window")[side],
                    step * (place + 0.1 + 0.4 * side),
                    room - height,
                    step * 0.38,
                    height,
                    labels[place],
                    names[side],
                    percent(share),
                )
            )
    every = max(1, round(LABEL_ROOM / step))
    drawn += [
        _label(step * (place + 0.5), HEIGHT - 6, _short(label), "middle")
        for place, label in enumerate(labels)
        if place % every == 0
    ]
    drawn.append(_line(0, room, WIDTH, room, "axis"))
    return _picture(drawn, " / ".join(names))


def lines(series: Sequence[Series], number: Written, day: Callable[[datetime], str]) -> Markup:
    """Values over time; `number` and `day` write the labels of the axes.

    Empty without a point.
    """
    points = [point for one in series for point in one.points]
    if not points:
        return Markup("")
    values = [
        value
        for point in points
        for value in (point.value, point.low, point.high)
        if value is not None
    ]
    low, high, ticks = scale(min(values), max(values))
    times = [point.time for point in points]
    first, last = min(times), max(times)
    span = (last - first).total_seconds() or 1.0

    def across(when: datetime) -> float:
        share = (when - first).total_seconds() / span if last > first else 0.5
        return LEFT + (WIDTH - LEFT - RIGHT) * share

    def up(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    drawn = [_line(LEFT, up(tick), WIDTH - RIGHT, up(tick), "grid") for tick in ticks]
    drawn += [_label(LEFT - 5, up(tick) + 3.5, number(tick), "end") for tick in ticks]
    drawn.append(_label(LEFT, HEIGHT - 6, day(first), "start"))
    if last > first:
        drawn.append(_label(WIDTH - RIGHT, HEIGHT - 6, day(last), "end"))
    for one in series:
        drawn += _series(one, across, up, number, day)
    return _picture(drawn, ", ".join(one.name for one in series))


def interval(
    value: float, band: tuple[float, float] | None, expected: float | None, number: Written
) -> Markup:
    """A value with its band on one line, beside a mark for what was expected."""
    known = [value, *(band or ()), *(() if expected is None else (expected,))]
    low, high, ticks = scale(min(known), max(known))
    middle, height = 20, 48

    def across(number_there: float) -> float:
        return RIGHT + (WIDTH - 2 * RIGHT) * (number_there - low) / (high - low)

    drawn = [_line(RIGHT, middle, WIDTH - RIGHT, middle, "grid")]
    drawn += [_label(across(tick), height - 4, number(tick), "middle") for tick in ticks[1:-1]]
    if band is not None:
        drawn.append(_line(across(band[0]), middle, across(band[1]), middle, "band"))
    if expected is not None:
        drawn.append(_line(across(expected), middle - 12, across(expected), middle + 12, "mark"))
    drawn.append(_dot(across(value), middle, "window", number(value)))
    return _picture(drawn, number(value), height)


def scale(low: float, high: float) -> tuple[float, float, tuple[float, ...]]:
    """Round ends around low and high, and 3 to 7 round ticks from one end to the other."""
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-9):
        room = abs(low) * 0.1 or 1.0
        low, high = low - room, high + room
    raw = (high - low) / 4
    unit = 10.0 ** floor(log10(raw))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= raw)
    first, last = floor(low / step), -floor(-high / step)
    ticks = tuple(step * number for number in range(first, last + 1))
    return ticks[0], ticks[-1], ticks


def _series(
    one: Series,
    across: Callable[[datetime], float],
    up: Callable[[float], float],
    number: Written,
    day: Callable[[datetime], str],
) -> list[Markup]:
    """The bands, the line and its points."""
    drawn = [
        _line(across(point.time), up(point.low), across(point.time), up(point.high), "band")
        for point in one.points
        if point.low is not None and point.high is not None
    ]
    path = " ".join(f"{across(point.time):.1f},{up(point.value):.1f}" for point in one.points)
    drawn.append(Markup('<polyline class="{}" points="{}"/>').format(one.style, path))
    drawn += [
        _dot(
            across(point.time),
            up(point.value),
            "alarm" if point.is_alarm else one.style,
            f"{one.name}, {day(point.time)}: {number(point.value)}",
        )
        for point in one.points
    ]
    return drawn


def _short(label: str) -> str:
    return label if len(label) <= CHARACTERS else label[: CHARACTERS - 1] + "…"


def _dot(x: float, y: float, style: str, told: str) -> Markup:
    return Markup(
        '<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="4"><title>{}</title></circle>'
    ).format(style, x, y, told)


def _line(x: float, y: float, to_x: float, to_y: float, style: str) -> Markup:
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(
        style, x, y, to_x, to_y
    )


def _label(x: float, y: float, words: str, anchor: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        x, y, anchor, words
    )


def _picture(drawn: Sequence[Markup], told: str, height: int = HEIGHT) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, height, told, Markup("").join(drawn)
    )
