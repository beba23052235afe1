"""Premiums for a table of people, and the table to give back."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from insurance_predictor.log.prediction_log import PredictionLog
from insurance_predictor.serving.quoting import ADDED, quote_table
from insurance_predictor.serving.served_model import Served
from insurance_predictor.table.schema import FEATURE_NAMES

# What a spreadsheet takes for the start of a formula, after spaces too, in both widths of writing.
FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, eq=False)
class Scored:
    """The people with their premiums, US dollars a year to the cent, and how it went.

    `outside` counts the people beyond what the model saw in training, whose column
    `outside_range` names the features; `neutralised` counts the texts that would have been run.
    """

    table: pd.DataFrame
    version: str
    seconds: float
    outside: int
    neutralised: int

    @property
    def csv(self) -> bytes:
        # With a byte-order mark, without which Excel takes UTF-8 for something else.
        written: str = self.table.to_csv(index=False, lineterminator="\n")
        return written.encode("utf-8-sig")


def score(
    people: pd.DataFrame, served: Served, log: PredictionLog, progress: Callable[[int], None]
) -> Scored:
    """Quote `people`, which keep the rules of `schema`, and record every quote.

    Other columns are kept, except those named as one of `ADDED`. `progress` hears how many rows
    are done.
    """
    start = time.perf_counter()
    features = people[list(FEATURE_NAMES)]
    added = quote_table(
        served.predictor, features, log, "batch", stale=served.is_stale, progress=progress
    )
    given, neutralised = neutralise(people.drop(columns=list(ADDED), errors="ignore"))
    return Scored(
        table=given.join(added),
        version=served.predictor.version,
        seconds=time.perf_counter() - start,
        outside=int((added["outside_range"] != "").sum()),
        neutralised=neutralised,
    )


def neutralise(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """`table` with an apostrophe before each text that a spreadsheet would run, and their count.

    Column names count too. Numbers written as text are no formulas and stay, and neither are the
    features, which keep the rules of `schema`.
    """
    count = 0
    changed = {}
    for name in table.columns:
        column = table[name]
        is_text = pd.api.types.is_string_dtype(column) or column.dtype == object
        if is_text and name not in FEATURE_NAMES:
            risky = column.map(_would_run, na_action="ignore").fillna(False).astype(bool)
            count += int(risky.sum())
            column = column.mask(risky, "'" + column.astype("str"))
        risky_name = _would_run(name)
        count += risky_name
        changed[f"'{name}" if risky_name else name] = column
    return pd.DataFrame(changed), count


def _would_run(cell: object) -> bool:
    return isinstance(cell, str) and bool(FORMULA.match(cell)) and not NUMBER.fullmatch(cell)
