"""Premiums for a table of people, and the table to give back."""

import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import pandas as pd

from insurance_predictor.log.prediction_log import Entry, PredictionLog
from insurance_predictor.table.check import check_table
from insurance_predictor.table.schema import FEATURE_NAMES, FEATURES

if TYPE_CHECKING:
    from insurance_predictor.serving.served_model import Served

ROWS_AT_ONCE = 5_000  # a moment each, so that people who ask for one quote get their turn
ADDED = ("premium", "low", "high", "version", "outside_range", "prediction_id")
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
    people: pd.DataFrame, served: "Served", log: PredictionLog, progress: Callable[[int], None]
) -> Scored:
    """Quote `people`, which keep the rules of `schema`, and record every quote.

    Other columns are kept, except those named as one of `ADDED`. `progress` hears how many rows
    are done.
    """
    start = time.perf_counter()
    typed = check_table(people[list(FEATURE_NAMES)], FEATURES)
    answers = []
    for first in range(0, len(typed), ROWS_AT_ONCE):
        answers.append(_quoted(typed.iloc[first : first + ROWS_AT_ONCE], served, log))
        progress(min(first + ROWS_AT_ONCE, len(typed)))
    added = pd.concat(answers)
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


def _quoted(people: pd.DataFrame, served: "Served", log: PredictionLog) -> pd.DataFrame:
    start = time.perf_counter()
    with log.recording_failure("batch", served.predictor.version):
        answer = served.predictor.pair.predict(people)
    latency_ms = 1000 * (time.perf_counter() - start) / len(people)
    entries = _entries(people, answer, latency_ms, served)
    log.write(entries)
    return answer.round(2).assign(
        version=served.predictor.version,
        outside_range=_outside(people, served),
        prediction_id=[entry.id for entry in entries],
    )


def _entries(
    people: pd.DataFrame, answer: pd.DataFrame, latency_ms: float, served: "Served"
) -> Sequence[Entry]:
    persons = people[list(FEATURE_NAMES)].to_dict("records")
    amounts = answer[["premium", "low", "high"]].to_numpy().tolist()
    return [
        Entry(
            id=entry_id,
            version=served.predictor.version,
            person=person,
            premium=premium,
            low=low,
            high=high,
            latency_ms=latency_ms,
            source="batch",
            stale=served.problem is not None,
        )
        for entry_id, person, (premium, low, high) in zip(
            _ids(len(people)), persons, amounts, strict=True
        )
    ]


def _ids(count: int) -> list[str]:
    """As `uuid4` makes them, with one call to the system for all."""
    noise = os.urandom(16 * count)
    starts = range(0, 16 * count, 16)
    return [str(UUID(bytes=noise[start : start + 16], version=4)) for start in starts]


def _outside(people: pd.DataFrame, served: "Served") -> pd.Series:
    """The features, named and separated by spaces, that are beyond what the model saw."""
    names = pd.Series("", index=people.index, dtype="str")
    for name, (low, high) in served.predictor.pair.serving.ranges.items():
        names += (~people[name].between(low, high)).map({True: f"{name} ", False: ""}).astype("str")
    return names.str.strip()
