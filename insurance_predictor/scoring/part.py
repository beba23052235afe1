"""One piece of a portfolio scored: its part is written whole, and the faults of its rows beside."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute as pc
from pyarrow import parquet

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.model.pair import open_pair
from insurance_predictor.scoring.features import Features, written
from insurance_predictor.scoring.kit import Kit
from insurance_predictor.scoring.order import FACTS, FAULTS, UNFINISHED, Facts, Order
from insurance_predictor.scoring.pieces import Layout, batches
from insurance_predictor.scoring.portfolio import ADDED
from insurance_predictor.serving.predictor import Predictor
from insurance_predictor.serving.quoting import quotes_unlogged
from insurance_predictor.table.columns import Column
from insurance_predictor.table.files import shown
from insurance_predictor.table.storage import joined, write_bytes

SHOWN_FAULTS = 20


@lru_cache(maxsize=1)
def predictor_of(kit: Kit, trusted: frozenset[str] = frozenset()) -> Predictor:
    """The version of a kit, checked and tried where it is used, once. Raises IntegrityFault."""
    with TemporaryDirectory() as folder:
        kit.write(Path(folder))
        owner = f"Version {kit.version}"
        pair = open_pair(Path(folder), kit.digests, owner, trusted)
    return Predictor(kit.version, pair, kit.incarnation)


def score_piece(order: Order, predictor: Predictor) -> Facts:
    """Quote the sound rows of a piece and write its part, after the faults of the others.

    Raises InvalidTable for what cannot be read, and for a faulty row when that is refused.
    """
    sink, writer = pa.BufferOutputStream(), None
    faults: list[pd.DataFrame] = []
    rows = outside = 0
    total = 0.0
    features = Features(order.layout, predictor.columns.features)
    for number, batch in batches(order.piece, order.layout):
        scored, found = _scored(batch, number, features, predictor)
        if not found.empty:
            if order.strict:
                raise _refusal(order.piece.url, found)
            faults.append(found)
        if writer is None:
            writer = parquet.ParquetWriter(
                sink, scored.schema, use_dictionary=_words(scored.schema)
            )
        writer.write_batch(scored)
        rows += scored.num_rows
        total += float(scored.column("premium").to_numpy().sum())
        inside = pc.sum(pc.equal(scored.column("outside_range"), ""), min_count=0)
        outside += scored.num_rows - inside.as_py()
    if writer is None:
        raise InvalidTable(f"{order.piece.url} has no rows from row {order.piece.first} on.")
    facts = Facts(
        version=predictor.version,
        source=order.piece.url.rsplit("/", 1)[-1],
        first=order.piece.first,
        rows=rows,
        faulty=sum(found["row"].nunique() for found in faults),
        outside=outside,
        premium=total,
    )
    writer.add_key_value_metadata({FACTS: json.dumps(asdict(facts))})
    writer.close()
    if faults:
        content = _fault_table(faults, order.piece.url)
        write_bytes(joined(order.out, UNFINISHED, FAULTS, order.name), content)
    write_bytes(joined(order.out, UNFINISHED, order.name), sink.getvalue())
    return facts


def _scored(
    batch: pa.RecordBatch, number: int, features: Features, predictor: Predictor
) -> tuple[pa.RecordBatch, pd.DataFrame]:
    """The sound rows of a batch with what is added, and each cell of the others that has a fault.

    Blank rows of CSV are neither.
    """
    columns, layout = features.columns, features.layout
    people, broken = features.of(batch)
    is_sound = ~broken.any(axis=1)
    found = pd.DataFrame()
    if not is_sound.all():
        found = _faults(batch, number, broken, layout, columns)
        people, batch = people[is_sound], batch.filter(pa.array(is_sound))
    whole = [one.name for one in columns if getattr(one, "whole", False) and not one.optional]
    people = people.astype(dict.fromkeys(whole, "int64"))
    if layout.separator:
        batch = _typed_text(batch, layout, people)
    return _with_quotes(batch, people, predictor), found


def _words(schema: pa.Schema) -> list[str]:
    """Which columns are worth a dictionary: numbers hardly repeat."""
    return [field.name for field in schema if not pa.types.is_floating(field.type)]


def _with_quotes(
    batch: pa.RecordBatch, people: pd.DataFrame, predictor: Predictor
) -> pa.RecordBatch:
    if people.empty:
        numbers: list[Any] = [pa.array([], pa.float64()) for _ in range(3)]
        outside = pa.array([], pa.string())
    else:
        answer = quotes_unlogged(predictor, people)
        numbers = [pa.array(answer[name].to_numpy()) for name in ("premium", "low", "high")]
        outside = pa.array(answer["outside_range"], pa.string())
    version = pa.repeat(pa.scalar(predictor.version), len(people))
    arrays = [*batch.columns, *numbers, version, outside]
    return pa.RecordBatch.from_arrays(arrays, [*batch.schema.names, *ADDED])


def _typed_text(batch: pa.RecordBatch, layout: Layout, people: pd.DataFrame) -> pa.RecordBatch:
    """The features of a CSV file as they were understood, under the file's own names."""
    arrays = list(batch.columns)
    for name, place in layout.known.items():
        typed = pa.array(people[name], from_pandas=True)
        is_word = pa.types.is_dictionary(typed.type)
        arrays[place] = typed.cast(pa.string()) if is_word else typed
    return pa.RecordBatch.from_arrays(arrays, list(layout.names))


def _faults(
    batch: pa.RecordBatch,
    first: int,
    broken: NDArray[np.bool_],
    layout: Layout,
    columns: Sequence[Column],
) -> pd.DataFrame:
    rows = np.flatnonzero(broken.any(axis=1))
    given = batch.take(pa.array(rows))
    cells = pd.DataFrame({each.name: written(given, layout, each).to_pandas() for each in columns})
    if layout.separator:
        is_blank = (given.to_pandas() == "").all(axis=1)
        rows, cells = rows[~is_blank], cells[~is_blank]
    places = [np.flatnonzero(broken[row]) for row in rows]
    found = [
        (first + row, columns[place], cells.iloc[number, place])
        for number, (row, those) in enumerate(zip(rows.tolist(), places, strict=True))
        for place in those.tolist()
    ]
    return pd.DataFrame(
        {
            "row": [row for row, _, _ in found],
            "column": [column.name for _, column, _ in found],
            "value": [shown(cell) for _, _, cell in found],
            "rule": [column.rule for _, column, _ in found],
        }
    )


def _fault_table(faults: list[pd.DataFrame], url: str) -> Any:
    sink = pa.BufferOutputStream()
    table = pd.concat(faults, ignore_index=True)
    table.insert(0, "file", url.rsplit("/", 1)[-1])
    parquet.write_table(pa.Table.from_pandas(table, preserve_index=False), sink)
    return sink.getvalue()


def _refusal(url: str, found: pd.DataFrame) -> InvalidTable:
    lines = [
        f"  row {row}, {column}: {value} is not {rule}"
        for row, column, value, rule in found.head(SHOWN_FAULTS).itertuples(index=False)
    ]
    told = "\n".join([f"{url} has values that cannot be used, which STRICT=1 refuses:", *lines])
    return InvalidTable(told)
