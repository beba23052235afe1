"""Evidently's full report over a sample of the window, as a page behind ours.

Evidently is imported here and nowhere else: that alone takes five seconds. It is asked after the
verdicts, and none of them is its; whatever it cannot draw costs this page and nothing more.
"""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import escape

from insurance_predictor.base import formats
from insurance_predictor.base.foreign_text import one_line
from insurance_predictor.base.words import Language, Text
from insurance_predictor.table.columns import Columns
from insurance_predictor.table.schema import CURRENT
from monitoring.words import verdict_text

LOGGER = logging.getLogger(__name__)
MOST_ROWS = 5000  # of each side
# The page holds everything it needs. Its scripts may draw; nothing may be asked for or sent.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "font-src data:; img-src data: blob:"
)
MARKUP = str.maketrans("<>&", "‹›＆")  # to what looks the same and means nothing to a browser
STATED = Text(
    "Relatório do Evidently sobre uma amostra: {window} de {window_rows} cotações e {reference} de "
    "{reference_rows} linhas da referência. Os limites e testes daqui são os do Evidently, não os "
    "do nosso veredito.",
    "Evidently's report over a sample: {window} of {window_rows} quotes and {reference} of "
    "{reference_rows} rows of the reference. Limits and tests here are Evidently's, not those of "
    "our verdict.",
)
LEFT_OUT = Text("Sem valores para comparar: {columns}.", "Without values to compare: {columns}.")
NO_ROWS = Text(
    "não há cotações para o Evidently comparar", "there are no quotes for Evidently to compare"
)
NO_COLUMNS = Text("nenhuma coluna tem valores dos dois lados", "no column has values on both sides")
FAILED = Text("o Evidently não conseguiu ({error})", "Evidently could not make it ({error})")


@dataclass(frozen=True)
class Sides:
    """What is compared: the same columns on both sides, each with at least one value a side.

    `categories` are the names of those that are one.
    """

    reference: pd.DataFrame
    window: pd.DataFrame
    left_out: tuple[str, ...]
    categories: frozenset[str]


def write_page(
    reference: pd.DataFrame,
    window: pd.DataFrame,
    window_rows: int,
    path: Path,
    language: Language,
    columns: Columns = CURRENT,
) -> str | None:
    """Write the page to `path`; None when it is there, else why it is not, in plain words.

    Both tables have named columns of features and premium; at most 5,000 rows of each are drawn,
    always the same ones. `window_rows` is how many quotes `window` is a sample of,
    and `columns` are those of the version.
    """
    if window.empty or reference.empty:
        return NO_ROWS(language)
    sides = comparable(_sample(reference), _sample(window), columns)
    if sides.window.columns.empty:
        return NO_COLUMNS(language)
    try:
        with warnings.catch_warnings(action="ignore"):  # of its own libraries, about each other
            page = _draw(sides)
    except Exception as error:  # whatever a library of that size finds in odd columns
        LOGGER.warning("Evidently could not draw its page", exc_info=error)
        return FAILED(language, error=type(error).__name__)
    note = STATED(
        language,
        window=formats.decimal(len(sides.window), language, 0),
        window_rows=formats.decimal(window_rows, language, 0),
        reference=formats.decimal(len(sides.reference), language, 0),
        reference_rows=formats.decimal(len(reference), language, 0),
    )
    if sides.left_out:
        note += " " + LEFT_OUT(language, columns=", ".join(sides.left_out))
    path.write_text(_sealed(page, note), encoding="utf-8")
    return None


def comparable(reference: pd.DataFrame, window: pd.DataFrame, columns: Columns = CURRENT) -> Sides:
    """Numbers as floats and categories as words; columns empty on a side are left out.

    What should be a number and is none counts as no value.
    """
    shared = [name for name in reference.columns if name in window.columns]
    categories = frozenset(column.name for column in columns.categories)
    cleaned = [_typed(side[shared], categories) for side in (reference, window)]
    kept = [name for name in shared if all(side[name].notna().any() for side in cleaned)]
    left_out = tuple(name for name in reference.columns if name not in kept)
    return Sides(cleaned[0][kept], cleaned[1][kept], left_out, categories)


def _typed(table: pd.DataFrame, categories: frozenset[str]) -> pd.DataFrame:
    typed = {name: _column(table[name], name in categories) for name in table.columns}
    return pd.DataFrame(typed, index=table.index)


def _column(values: "pd.Series[object]", is_category: bool) -> "pd.Series[object]":
    if is_category:
        return values.astype(object).map(_harmless, na_action="ignore").astype(object)
    return pd.to_numeric(values, errors="coerce").astype(float).replace([np.inf, -np.inf], np.nan)


def _harmless(word: object) -> str:
    """A category as one short line without markup: Evidently writes it into a script as it is."""
    return one_line(word, verdict_text.LONGEST).translate(MARKUP)


def _sample(table: pd.DataFrame) -> pd.DataFrame:
    return table if len(table) <= MOST_ROWS else table.sample(MOST_ROWS, random_state=0)


def _draw(sides: Sides) -> str:
    """Evidently's page. Raises whatever it raises."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset, DataSummaryPreset

    definition = DataDefinition(
        numerical_columns=_named(sides, is_category=False),
        categorical_columns=_named(sides, is_category=True),
    )
    reference, window = (
        Dataset.from_pandas(side, data_definition=definition)
        for side in (sides.reference, sides.window)
    )
    drawn = Report([DataDriftPreset(), DataSummaryPreset()]).run(window, reference)
    page: str = drawn.get_html_str(as_iframe=False)
    return page


def _named(sides: Sides, is_category: bool) -> Sequence[str]:
    return [name for name in sides.window.columns if (name in sides.categories) == is_category]


def _sealed(page: str, note: str) -> str:
    """The page under a policy that lets nothing out, with `note` on top."""
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    banner = f'<p style="font:15px/1.5 sans-serif;padding:0 24px">{escape(note)}</p>'
    page = page.replace("<head>", f"<head>{policy}", 1)
    return page.replace("<body>", f"<body>{banner}", 1)
