"""The charts as Vega-Lite specifications: light to make at every quote, drawn by the browser.

Altair would write the same, at the price of an import of a second before the first quote and of
some milliseconds for every other.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from app import fields, text
from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.base.words import Language
from insurance_predictor.table.columns import CategoryColumn, NumberColumn

if TYPE_CHECKING:
    from app.what_if import Curve
    from insurance_predictor.serving.predictor import Quote

Spec = dict[str, Any]

# Okabe and Ito's palette, which people who see few colours can tell apart too.
BLUE, VERMILION, DARK = "#0072B2", "#D55E00", "#1F2328"
LINES = (BLUE, VERMILION, "#009E73", "#CC79A7")
BARS = "#A9BFD1"
BINS = 30
HEIGHT = 280  # pixels
NUMBER_WORDS = {
    "pt": {"decimal": ",", "thousands": "."},
    "en": {"decimal": ".", "thousands": ","},
}


def histogram(premiums: FloatArray) -> pd.DataFrame:
    """Columns start, end (in the target's unit) and people, for premiums of shape (n,)."""
    people, edges = np.histogram(premiums, bins=BINS)
    return pd.DataFrame({"start": edges[:-1], "end": edges[1:], "people": people})


def portfolio(bins: pd.DataFrame, quote: "Quote", target: NumberColumn, language: Language) -> Spec:
    """Where a premium and its interval stand among those counted in `bins`."""
    title, written = fields.with_unit(target, language), _amount(target)
    axis = {"format": written, "tickCount": 5, "grid": False, "labelOverlap": True}
    zero = {"zero": True, "nice": False}
    start = _number("start", title=title, scale=zero, axis=axis)
    bars = {
        "mark": {"type": "bar", "color": BARS, "binSpacing": 1},
        "encoding": {
            "x": {**start, "bin": {"binned": True}},
            "x2": {"field": "end"},
            "y": _number("people", title=text.PEOPLE_AXIS(language)),
            "tooltip": [
                _number("start", title=title, format=written),
                _number("people", title=text.PEOPLE_AXIS(language), format=","),
            ],
        },
    }
    premium = quote.premium
    person = {"premium": premium, "low": quote.low, "high": quote.high}
    place = {"data": {"values": [{**person, "who": text.THIS_PERSON(language)}]}}
    x = _number("premium")
    line = {**place, "mark": {"type": "rule", "color": VERMILION, "size": 3}, "encoding": {"x": x}}
    band = {
        **place,
        "mark": {"type": "rect", "color": VERMILION, "opacity": 0.12},
        "encoding": {"x": _number("low"), "x2": {"field": "high"}},
    }
    is_right = premium > (bins["start"].min() + bins["end"].max()) / 2
    side = {"align": "right", "dx": -6} if is_right else {"align": "left", "dx": 6}
    words = {"type": "text", "baseline": "top", "fontWeight": "bold", "fontSize": 13}
    label = {
        **place,
        "mark": {**words, **side, "color": VERMILION},
        "encoding": {"x": x, "y": {"value": 0}, "text": {"field": "who"}},
    }
    layers = [band, bars, line, label]
    return {
        "data": {"values": bins.to_dict("records")},
        "layer": layers,
        **_common(target, language),
    }


def curves(
    curve: "Curve",
    group: CategoryColumn | None,
    person: tuple[float, float] | None,
    target: NumberColumn,
    language: Language,
) -> Spec:
    """The premium along a column for each value of `group`, and where the person is.

    `person` is (value, premium), None where the value is missing.
    """
    column = curve.column
    named = {
        "" if group is None else fields.labelled(group, value, language): premiums
        for value, premiums in curve.premiums.items()
    }
    data = [
        {"value": value, "premium": premium, "group": name}
        for name, premiums in named.items()
        for value, premium in zip(curve.values.tolist(), premiums.tolist(), strict=True)
    ]
    field, title = (fields.with_unit(one, language) for one in (column, target))
    written = _amount(target)
    loose, sparse = {"zero": False, "nice": False}, {"tickCount": 6, "grid": False}
    x = _number("value", title=field, scale=loose, axis=sparse)
    axis = {"format": written, "tickCount": 5, "labelFlush": False}
    y = _number("premium", title=title, scale={"zero": True}, axis=axis)
    lines = {
        "mark": {"type": "line", "strokeWidth": 2.5},
        "encoding": {
            "x": x,
            "y": y,
            "color": {
                "field": "group",
                "type": "nominal",
                "title": None,
                "scale": {"domain": list(named), "range": LINES[: len(named)]},
                "legend": None if group is None else {"orient": "top"},
            },
            "tooltip": [
                _number("value", title=column.label[language], format=",.1f"),
                _number("premium", title=title, format=written),
                {"field": "group", "type": "nominal", "title": " "},
            ],
        },
    }
    value, premium = person or (None, None)
    point = {
        "data": {"values": [{"value": value, "premium": premium}] if person else []},
        "mark": {"type": "point", "filled": True, "size": 110, "color": DARK, "opacity": 1},
        "encoding": {"x": x, "y": y},
    }
    return {"data": {"values": data}, "layer": [lines, point], **_common(target, language)}


def _number(field: str, **more: object) -> Spec:
    return {"field": field, "type": "quantitative", **more}


def _amount(target: NumberColumn) -> str:
    """How d3 writes an amount; "$" is the currency of the chart's locale."""
    return f"$,.{target.digits or 0}f"


def _common(target: NumberColumn, language: Language) -> Spec:
    currency = [f"{target.sign} " if target.sign else "", ""]
    number = {**NUMBER_WORDS[language], "grouping": [3], "currency": currency}
    return {
        "height": HEIGHT,
        "config": {
            "locale": {"number": number},
            "axis": {"labelColor": DARK, "titleColor": DARK},
            "legend": {"labelColor": DARK},
        },
    }
