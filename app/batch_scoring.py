"""Premiums for a table of people, and the file to give back, written as they are made."""

import time
import zipfile
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from app.spreadsheet import neutral_column, neutral_names
from app.table_upload import Upload, shortened
from app.upload_folder import PACKED, RESULT
from insurance_predictor.log.prediction_log import PredictionLog
from insurance_predictor.serving.quoting import ADDED, quote_table
from insurance_predictor.serving.served_model import Served
from insurance_predictor.table.columns import NumberColumn

SHOWN_ROWS = 50
# A larger result is given packed, because the server holds what is downloaded for a minute.
MOST_PLAIN_BYTES = 5 * 2**20


@dataclass(eq=False)
class Scored:
    """The people with their premiums, in the unit of the version's `target`, and how it went.

    `path` is the file: CSV, or a ZIP of it when that is large. `first` are the first rows of it,
    long texts shortened. `outside` counts the people beyond what the model saw in training, whose
    column `outside_range` names the features; `neutralised` counts the texts that would have been
    run, and `renamed` are the columns whose name was one, each with its new name. `failure` is why
    not every row was quoted; those that were are in the file.
    """

    version: str
    target: NumberColumn
    path: Path
    rows: int = 0
    total: float = 0.0
    seconds: float = 0.0
    outside: int = 0
    neutralised: int = 0
    renamed: dict[str, str] = field(default_factory=dict)
    first: pd.DataFrame = field(default_factory=pd.DataFrame)
    failure: Exception | None = None

    @property
    def is_packed(self) -> bool:
        return self.path.name == PACKED


def score(
    upload: Upload,
    served: Served,
    log: PredictionLog,
    name: str,
    progress: Callable[[int], None] = lambda done: None,
) -> Scored:
    """Quote the sound rows of an upload, record every quote, and write the result beside them.

    Other columns are kept, except those named as one of `ADDED`. `name` is what the result is
    called inside a ZIP. `progress` hears how many rows are done. What fails before the first quote
    is raised; what fails later ends the result.
    """
    start = time.perf_counter()
    path = upload.rows.path.with_name(RESULT)
    scored = Scored(served.predictor.version, served.predictor.columns.target, path)
    try:
        # With a byte-order mark, without which Excel takes UTF-8 for something else.
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            for people in upload.sound_pieces():
                if not people.empty:
                    table = _quoted(people, served, log, scored)
                    table.to_csv(file, header=scored.rows == 0, index=False, lineterminator="\n")
                    _count(scored, table)
                    progress(scored.rows)
    except Exception as error:
        if scored.rows == 0:
            raise
        scored.failure = error
    if path.stat().st_size > MOST_PLAIN_BYTES:
        scored.path = _pack(path, name)
    scored.seconds = time.perf_counter() - start
    return scored


def neutralise(
    table: pd.DataFrame, features: Collection[str] = ()
) -> tuple[pd.DataFrame, int, dict[str, str]]:
    """`table` without a text that a spreadsheet would run, how many there were, and new names.

    Column names do not count; the new names are those that differ. The `features`, which
    keep the rules of their columns, are no formulas.
    """
    called = neutral_names(table.columns)
    renamed = {name: other for name, other in called.items() if other != name}
    count = 0
    changed = {}
    for name in table.columns:
        column, found = table[name], 0
        if name not in features:
            column, found = neutral_column(column)
        count += found
        changed[called[name]] = column
    return pd.DataFrame(changed, index=table.index), count, renamed


def _quoted(
    people: pd.DataFrame, served: Served, log: PredictionLog, scored: Scored
) -> pd.DataFrame:
    names = list(served.predictor.columns.feature_names)
    # What can fail of a piece comes before its quotes are recorded.
    given, neutralised, scored.renamed = neutralise(
        people.drop(columns=list(ADDED), errors="ignore"), names
    )
    features = people[names]
    stale = served.is_stale
    added = quote_table(served.predictor, features, log, "batch", stale=stale, carried=people)
    scored.neutralised += neutralised
    return given.join(added)


def _count(scored: Scored, table: pd.DataFrame) -> None:
    if scored.rows == 0:
        scored.neutralised += len(scored.renamed)
    if (more := SHOWN_ROWS - len(scored.first)) > 0:
        # Built anew: a part of a table would keep the whole of it in memory.
        shown = pd.DataFrame(
            {
                name: [shortened(cell) if isinstance(cell, str) else cell for cell in cells]
                for name, cells in table.head(more).to_dict("list").items()
            }
        )
        scored.first = pd.concat([scored.first, shown], ignore_index=True)
    scored.rows += len(table)
    scored.total += float(table["premium"].sum())
    scored.outside += int((table["outside_range"] != "").sum())


def _pack(path: Path, name: str) -> Path:
    packed = path.with_name(PACKED)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        archive.write(path, name)
    path.unlink()
    return packed
