"""The model card: what a model is for, how good it is and where it fails, on one page."""

import shlex
from collections.abc import Iterable, Mapping
from datetime import UTC
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from insurance_predictor.model.evaluation import Estimate
from insurance_predictor.table.columns import Column, Columns

if TYPE_CHECKING:
    from jinja2 import Template

    from insurance_predictor.training.trained_run import TrainedRun

METRIC_WORDS = {
    "rmse": "RMSE",
    "mae": "mean absolute error",
    "median_absolute_error": "median absolute error",
    "r2": "R²",
    "total_bias": "total bias",
    "gamma_deviance": "Gamma deviance",
}
AMOUNTS = ("rmse", "mae", "median_absolute_error")

# Parts of Markdown that can carry HTML or an address; `as_html` reads the rest of it.
HTML_PREPROCESSOR, REFERENCE_BLOCK = "html_block", "reference"
HTML_AND_LINK_PATTERNS = (
    "html",
    "link",
    "image_link",
    "image_reference",
    "short_image_ref",
    "reference",
    "short_reference",
    "autolink",
    "automail",
)


def model_card(run: "TrainedRun") -> str:
    """The card as Markdown; names, paths and values from outside are set as code."""
    found = run.trained.evaluation
    columns = run.trained.pair.columns
    return _template("model_card.md.j2", run.trained.pair.columns.target.sign).render(
        run=run,
        found=found,
        trained_at=run.trained_at.astimezone(UTC),
        parameters=[f"{name}={value}" for name, value in run.parameters.items()],
        metric_words=METRIC_WORDS,
        intervals={"everybody": found.interval}
        | {_code(name): score for name, score in found.interval_by_group.items()},
        columns=columns,
        labels=_listed(_said(column) for column in columns.features),
        sensitive=_listed(column.name for column in columns.categories if not column.is_group),
        ranges=[
            f"{name} {low:,g} to {high:,g}{_unit(columns, name)}"
            for name, (low, high) in run.trained.pair.serving.ranges.items()
        ],
        versions=[f"{name} {version}" for name, version in run.library_versions.items()],
    )


def as_html(markdown: str, title: str) -> str:
    """A page of `markdown` that stands alone: its style inside, no script, no outside address.

    HTML, links and images in `markdown` are shown as the text they are written with.
    """
    from markdown import Markdown

    converter = Markdown(extensions=["tables"])
    converter.preprocessors.deregister(HTML_PREPROCESSOR)
    converter.parser.blockprocessors.deregister(REFERENCE_BLOCK)
    for pattern in HTML_AND_LINK_PATTERNS:
        converter.inlinePatterns.deregister(pattern)
    page = _template("model_card.html.j2")
    return page.render(title=title, body=converter.convert(markdown))


def _template(name: str, sign: str = "") -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        # In Markdown, what comes from outside is set as code instead.
        autoescape=select_autoescape(("html.j2",)),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "code": _code,
        "line": _one_line,
        "shell": shlex.quote,
        "quantity": lambda estimates, name: _quantity(name, estimates[name].value, sign),
        "range": lambda estimates, name: _range(estimates, name, sign),
        "score": lambda value: _quantity("r2", value),
    }
    return environment.get_template(name)


def _said(column: Column) -> str:
    """Its label as it stands in a sentence: BMI stays as it is."""
    label = column.label["en"]
    return label if label.isupper() else label[:1].lower() + label[1:]


def _listed(words: Iterable[str]) -> str:
    *first, last = [*words] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _unit(columns: Columns, name: str) -> str:
    units = {column.name: column.unit["en"] for column in columns.numbers}
    unit = units.get(name, name)
    return "" if unit == name else f" {unit}"


def _range(estimates: Mapping[str, Estimate], name: str, sign: str) -> str:
    estimate = estimates[name]
    if not isfinite(estimate.low):
        return "not defined"
    high = _quantity(name, estimate.high, sign).removeprefix(f"{sign} ")
    return f"{_quantity(name, estimate.low, sign)} to {high}"


def _quantity(name: str, value: float, sign: str = "") -> str:
    if not isfinite(value):
        return "not defined"
    if name in AMOUNTS:
        return f"{sign} {value:,.0f}"
    return f"{100 * value:+z.1f} %" if name == "total_bias" else f"{value:.3f}"


def _code(text: str) -> str:
    """A code span, in which no Markdown or HTML is read."""
    shown = _one_line(text).replace("`", "'") or "(empty)"
    return f"`{shown}`"


def _one_line(text: str) -> str:
    """`text` without line breaks and characters that cannot be seen."""
    visible = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(visible.split())
