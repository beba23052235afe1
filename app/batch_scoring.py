"""Premiums for a table of people, and the table to give back."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from app.spreadsheet import neutral_column, neutral_names
from insurance_predictor.log.prediction_log import PredictionLog
from insurance_predictor.serving.quoting import ADDED, quote_table
from insurance_predictor.serving.served_model import Served
from insurance_predictor.table.schema import FEATURE_NAMES


@dataclass(frozen=True, eq=False)
class Scored:
    """The people with their premiums, US dollars a year to the cent, and how it went.

    `outside` counts the people beyond what the model saw in training, whose column
    `outside_range` names the features; `neutralised` counts the texts that would have been run,
    and `renamed` are the columns whose name was one, each with its new name.
    """

    table: pd.DataFrame
    version: str
    seconds: float
    outside: int
    neutralised: int
    renamed: dict[str, str]

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
    # What can fail comes before the first quote is recorded.
    others = people.drop(columns=list(ADDED), errors="ignore")
    given, neutralised, renamed = neutralise(others)
    features = people[list(FEATURE_NAMES)]
    added = quote_table(
        served.predictor, features, log, "batch", stale=served.is_stale, progress=progress
    )
    return Scored(
        table=given.join(added),
        version=served.predictor.version,
        seconds=time.perf_counter() - start,
        outside=int((added["outside_range"] != "").sum()),
        neutralised=neutralised,
        renamed=renamed,
    )


def neutralise(table: pd.DataFrame) -> tuple[pd.DataFrame, int, dict[str, str]]:
    """`table` without a text that a spreadsheet would run, how many there were, and new names.

    Column names count too; the new names are those that differ. The features, which keep the
    rules of `schema`, are no formulas.
    """
    called = neutral_names(table.columns)
    renamed = {name: other for name, other in called.items() if other != name}
    count = len(renamed)
    changed = {}
    for name in table.columns:
        column, found = table[name], 0
        if name not in FEATURE_NAMES:
            column, found = neutral_column(column)
        count += found
        changed[called[name]] = column
    return pd.DataFrame(changed, index=table.index), count, renamed
