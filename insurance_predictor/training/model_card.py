"""The model card: what a model is for, how good it is and where it fails, on one page."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from math import isfinite

from insurance_predictor.model.evaluation import Estimate, Evaluation, IntervalScore
from insurance_predictor.table import schema

# A browser that honours the policy runs no script and asks no other machine for anything.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.55 system-ui, sans-serif; color: #1f2328; background: #fff;
  max-width: 52rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }}
h1 {{ font-size: 1.7rem; }}
h2 {{ font-size: 1.2rem; margin-top: 2rem; border-bottom: 1px solid #d0d7de; }}
table {{ border-collapse: collapse; margin: 1rem 0; font-size: .92rem; overflow-wrap: normal; }}
th, td {{ border: 1px solid #d0d7de; padding: .3rem .7rem; text-align: left; }}
th {{ background: #f6f8fa; }}
code {{ background: #f6f8fa; padding: .1rem .3rem; border-radius: 4px; font-size: .88em; }}
pre {{ background: #f6f8fa; padding: .8rem; border-radius: 6px; white-space: pre-wrap; }}
pre code {{ padding: 0; }}
blockquote {{ margin: 1rem 0; padding: .1rem 1rem; border-left: 4px solid #d55e00;
  background: #fff6f0; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""

METRIC_WORDS = {
    "rmse": "RMSE",
    "mae": "mean absolute error",
    "median_absolute_error": "median absolute error",
    "r2": "R²",
    "total_bias": "total bias",
    "gamma_deviance": "Gamma deviance",
}
IN_US_DOLLARS = ("rmse", "mae", "median_absolute_error")

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


@dataclass(frozen=True)
class CandidateScore:
    """One candidate under cross-validation: RMSE in US$ a year, mean and deviation, and mean R²."""

    rmse: float
    rmse_deviation: float
    r2: float


@dataclass(frozen=True)
class CardFacts:
    """What the card of one run is written from.

    `trained_at` knows its time zone; `git_commit` is None outside a repository; `interval_method`
    and `cross_validation_method` are sentences in Markdown; `training_ranges` holds the lowest
    and highest value of each number in the training rows.
    """

    model_name: str
    run_id: str
    git_commit: str | None
    trained_at: datetime
    data_source: str
    data_fingerprint: str
    synthetic: bool
    rows_train: int
    rows_holdout: int
    candidate: str
    parameters: Mapping[str, object]
    cross_validation_method: str
    cross_validation: Mapping[str, CandidateScore]
    evaluation: Evaluation
    interval_method: str
    training_ranges: Mapping[str, tuple[float, float]]
    library_versions: Mapping[str, str]


def model_card(facts: CardFacts) -> str:
    """The card as Markdown; names, paths and values from outside are set as code."""
    sections = (
        _heading(facts),
        _use(),
        _data(facts),
        _training(facts),
        _metrics(facts.evaluation),
        _slices(facts.evaluation),
        _intervals(facts),
        _limits(facts),
        _reproduction(facts),
    )
    return "\n\n".join(sections) + "\n"


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
    return PAGE.format(title=escape(title), body=converter.convert(markdown))


def _heading(facts: CardFacts) -> str:
    lines = [
        f"# Model card: {_code(facts.model_name)}",
        f"{_code(facts.candidate)}, trained {facts.trained_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC, "
        f"run {_code(facts.run_id)}, commit {_code(facts.git_commit or 'not recorded')}.",
    ]
    if facts.synthetic:
        lines.append(
            "> Trained on the bundled **synthetic sample**: good for trying the tools out, "
            "not for quoting anybody."
        )
    return "\n\n".join(lines)


def _use() -> str:
    return """## Intended use

An estimate of a person's yearly insurance premium in US dollars, from age, sex, BMI, children,
smoking and region, with a 90 % interval, to support whoever prepares a quote.

Not for deciding claims, not for medical or legal decisions, not as the only ground to refuse
somebody, and not for people outside the ranges listed under Limits."""


def _data(facts: CardFacts) -> str:
    source = "the bundled synthetic sample, " if facts.synthetic else ""
    return f"""## Data

- Source: {source}{_code(facts.data_source)}
- Fingerprint: {_code(facts.data_fingerprint)}
- Rows: {facts.rows_train:,} to train, {facts.rows_holdout:,} held out by a hash of their content"""


def _training(facts: CardFacts) -> str:
    parameters = ", ".join(_code(f"{name}={value}") for name, value in facts.parameters.items())
    by_rmse = sorted(facts.cross_validation.items(), key=lambda item: item[1].rmse)
    table = _table(
        ("Candidate", "RMSE (US$ a year)", "Standard deviation", "R²"),
        [
            (
                _chosen(name, facts.candidate),
                f"{score.rmse:,.0f}",
                f"{score.rmse_deviation:,.0f}",
                f"{score.r2:.3f}",
            )
            for name, score in by_rmse
        ],
    )
    return f"""## How it was trained

Parameters of {_code(facts.candidate)}: {parameters or "its defaults"}.

{facts.cross_validation_method}

{table}"""


def _metrics(evaluation: Evaluation) -> str:
    rows = [
        (words, _quantity(name, evaluation.overall[name].value), _range(name, evaluation.overall))
        for name, words in METRIC_WORDS.items()
    ]
    return f"""## Metrics on the hold-out

{evaluation.rows:,} people the model has not seen; intervals are 95 % bootstrap percentiles.

{_table(("Metric", "Value", "95 % interval"), rows)}

Total bias is (sum predicted - sum actual) / sum actual: above zero, quotes are too high."""


def _slices(evaluation: Evaluation) -> str:
    rows = [
        (
            _code(name),
            f"{evaluation.slice_rows[name]:,}",
            _quantity("rmse", estimates["rmse"].value),
            _range("rmse", estimates),
            _quantity("total_bias", estimates["total_bias"].value),
            _range("total_bias", estimates),
        )
        for name, estimates in evaluation.slices.items()
    ]
    header = ("Slice", "People", "RMSE", "95 % interval", "Total bias", "95 % interval")
    return f"""## Slices

{_table(header, rows)}

The smaller a slice, the less its numbers say: read the intervals."""


def _intervals(facts: CardFacts) -> str:
    evaluation = facts.evaluation
    rows = [_interval_row("everybody", evaluation.interval)]
    rows += [
        _interval_row(_code(f"{schema.SMOKER.name}={smoker}"), score)
        for smoker, score in evaluation.interval_by_smoker.items()
    ]
    header = ("People", "Covered (goal 90 %)", "Mean width", "Winkler score (lower is better)")
    return f"""## Prediction intervals

{facts.interval_method}

{_table(header, rows)}"""


def _limits(facts: CardFacts) -> str:
    seen = "; ".join(
        f"{name} {low:,g} to {high:,g}{_unit(name)}"
        for name, (low, high) in facts.training_ranges.items()
    )
    return f"""## Limits

- Seen in training: {seen}. Outside these ranges, in particular for anybody older, the model
  extrapolates: a quote there is a guess.
- About 9 % of people in the public table cost far more than the six features can tell. No model
  built on these features sees the spikes coming: such a quote is thousands of dollars too low.
- The data is one table from the United States, without dates: other countries, years and
  products are not represented.
- Fairness: sex and region are inputs, so two people alike in everything else may be quoted
  differently for them. Some jurisdictions forbid this. Compare the slices above before use."""


def _unit(name: str) -> str:
    units = {
        column.name: column.unit["en"]
        for column in schema.FEATURES
        if isinstance(column, schema.NumberColumn)
    }
    unit = units.get(name, name)
    return "" if unit == name else f" {unit}"


def _reproduction(facts: CardFacts) -> str:
    commands = [] if facts.git_commit is None else [f"git checkout {_one_line(facts.git_commit)}"]
    data = "" if facts.synthetic else f" DATA={shlex.quote(_one_line(facts.data_source))}"
    commands.append(f"make train{data}")
    block = "\n".join(f"    {command}" for command in commands)
    versions = ", ".join(
        _code(f"{name} {version}") for name, version in facts.library_versions.items()
    )
    return f"## How to reproduce\n\n{block}\n\nwith {versions}."


def _chosen(name: str, candidate: str) -> str:
    return f"**{_code(name)}** (chosen)" if name == candidate else _code(name)


def _interval_row(people: str, score: IntervalScore) -> tuple[str, ...]:
    return (
        people,
        f"{100 * score.coverage:.1f} %",
        f"US$ {score.mean_width:,.0f}",
        f"US$ {score.winkler:,.0f}",
    )


def _range(name: str, estimates: Mapping[str, Estimate]) -> str:
    estimate = estimates[name]
    if not isfinite(estimate.low):
        return "not defined"
    high = _quantity(name, estimate.high).removeprefix("US$ ")
    return f"{_quantity(name, estimate.low)} to {high}"


def _quantity(name: str, value: float) -> str:
    if not isfinite(value):
        return "not defined"
    if name in IN_US_DOLLARS:
        return f"US$ {value:,.0f}"
    return f"{100 * value:+z.1f} %" if name == "total_bias" else f"{value:.3f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(text: str) -> str:
    """A code span, in which no Markdown or HTML is read."""
    shown = _one_line(text).replace("`", "'") or "(empty)"
    return f"`{shown}`"


def _one_line(text: str) -> str:
    """`text` without line breaks and characters that cannot be seen."""
    visible = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(visible.split())
