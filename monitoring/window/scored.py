"""A scored portfolio, part by part: its people as the version understood them, with premiums."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from hashlib import sha256

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.scoring.features import Features
from insurance_predictor.scoring.order import FAULTS
from insurance_predictor.scoring.output import Manifest
from insurance_predictor.scoring.pieces import Layout
from insurance_predictor.scoring.portfolio import ADDED, survey
from insurance_predictor.table.columns import Column, Columns
from insurance_predictor.table.files import shown
from insurance_predictor.table.storage import File, joined, listing, read_bytes
from monitoring.window.batches import chunk
from monitoring.window.reference import PREMIUM
from monitoring.window.statistics import WindowStatistics

ROWS_AT_ONCE = 2**16
AGAIN = "Score the portfolio again, into another OUT."
NOTHING = {shown(""), shown(None)}  # how a fault says that there is no value


@dataclass(frozen=True)
class ScoredPart:
    """A part by its address, what it must be, and where the features are among its columns."""

    url: str
    sha256: str
    layout: Layout


def parts_of(out: str, manifest: Manifest, columns: Columns) -> list[ScoredPart]:
    """The parts that a manifest names. Raises InvalidTable for one that is gone or is none."""
    sizes = listing(out)
    for name in manifest.parts:
        if name not in sizes:
            raise InvalidTable(f"{joined(out, name)} is gone, which the manifest names. {AGAIN}")
    files = [File(joined(out, name), sizes[name]) for name in sorted(manifest.parts)]
    layouts = survey(files, columns, ADDED).layouts
    return [
        ScoredPart(file.url, manifest.parts[file.name]["sha256"], layouts[file.url])
        for file in files
    ]


def count_part(part: ScoredPart, blank: WindowStatistics) -> WindowStatistics:
    """The people of a part; `blank` are statistics of nothing, with the version's columns.

    Raises InvalidTable for a part that is not the one that was written.
    """
    content = read_bytes(part.url)
    if sha256(content).hexdigest() != part.sha256:
        raise InvalidTable(f"{part.url} is not as it was written, by its sha256. {AGAIN}")
    counted = deepcopy(blank)
    features = Features(part.layout, blank.columns.features)
    for batch in parquet.ParquetFile(pa.BufferReader(content)).iter_batches(ROWS_AT_ONCE):
        counted.add(chunk(_plain(batch, features, blank.columns), blank.columns))
    return counted


def _plain(batch: pa.RecordBatch, features: Features, columns: Columns) -> pa.RecordBatch:
    """The features as the version understood them, under its own names, and the premium."""
    people, _ = features.of(batch)
    cells = {name: pa.array(people[name], from_pandas=True) for name in columns.feature_names}
    return pa.RecordBatch.from_pydict({**cells, PREMIUM: batch.column(PREMIUM)})


def with_refused(out: str, counted: WindowStatistics, faulty: int) -> WindowStatistics:
    """The statistics with those `faulty` people who could not be quoted, by what was wrong."""
    every = deepcopy(counted)
    every.rows += faulty
    for name in sorted(listing(joined(out, FAULTS))):
        table = parquet.read_table(pa.BufferReader(read_bytes(joined(out, FAULTS, name))))
        found = table.to_pandas()
        for column in counted.columns.features:
            of_column = found[found["column"] == column.name]
            if len(of_column):
                _add(every, column, of_column["value"])
    return every


def _add(every: WindowStatistics, column: Column, values: "pd.Series[str]") -> None:
    absent = values.isin(NOTHING)
    beyond: Sequence[str] = values[~absent].tolist()
    # A text stands in quotation marks there.
    plain = [value[1:-1] if value[:1] in "\"'" else value for value in beyond]
    every.add_refused(column, int(absent.sum()), plain)
