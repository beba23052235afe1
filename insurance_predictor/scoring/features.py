"""The features in the rows of a portfolio, as a version takes them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from insurance_predictor.scoring.pieces import Layout
from insurance_predictor.table.check import typed_cells
from insurance_predictor.table.columns import CategoryColumn, Column, NumberColumn
from insurance_predictor.table.reading.arrow_types import arrow_cells
from insurance_predictor.table.reading.numerals import Numerals
from insurance_predictor.table.reading.spellings import respelled

ABSENT = -1  # the place of no value


class Features:
    """Reads the `columns` of rows that are laid out in the same way, some after the other."""

    def __init__(self, layout: Layout, columns: Sequence[Column]) -> None:
        self.layout, self.columns = layout, columns
        # Of each category the place of the value that a word means, for those that were seen.
        self._meant: dict[str, dict[str | None, int]] = {}

    def of(self, batch: pa.RecordBatch) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
        """The features in a batch, and which cells break a rule, (rows, features).

        Numbers are float64, categories categorical with the schema's values; what breaks a rule may
        be anything. What may be missing and is not there is missing.
        """
        people, broken = {}, []
        for column in self.columns:
            cells = written(batch, self.layout, column)
            people[column.name], faults = (
                self._category(cells, column)
                if isinstance(column, CategoryColumn)
                else _number(cells, column, self.layout.numerals.get(column.name))
            )
            broken.append(faults)
        return pd.DataFrame(people), np.column_stack(broken)

    def _category(
        self, cells: pa.Array, column: CategoryColumn
    ) -> tuple[pd.Categorical, NDArray[np.bool_]]:
        """Each different word is understood once, however many people have it."""
        encoded = cells.cast(pa.string()).dictionary_encode(null_encoding="encode")
        words = encoded.dictionary.to_pylist()
        known = self._meant.setdefault(column.name, {})
        found = _meanings([word for word in words if word not in known], column)
        # What breaks a rule may be another word in each row, and is not remembered.
        known |= {word: place for word, (place, is_broken) in found.items() if not is_broken}
        places = np.array([known.get(word, ABSENT) for word in words], dtype=np.intp)
        broken = np.array([word not in known for word in words], dtype=bool)
        codes = encoded.indices.to_numpy()
        values = pd.Index(column.values, dtype=object)  # which is copied without new texts
        return pd.Categorical.from_codes(places[codes], values), broken[codes]


def written(batch: pa.RecordBatch, layout: Layout, column: Column) -> pa.Array:
    """A feature's cells as they stand in the file."""
    if column.name not in layout.known:
        return pa.nulls(batch.num_rows, pa.string())
    return arrow_cells(batch.column(layout.known[column.name]), column)


def _number(
    cells: pa.Array, column: NumberColumn, numerals: Numerals | None
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    found = cells.to_pandas()
    understood = found if numerals is None else numerals.applied(found)
    typed, broken = typed_cells(understood.to_frame(column.name), [column])
    return typed[column.name].to_numpy(), broken[:, 0]


def _meanings(
    words: Sequence[str | None], column: CategoryColumn
) -> dict[str | None, tuple[int, bool]]:
    """The place of the value that each word means, and whether the word breaks a rule."""
    if not words:
        return {}
    cells = pd.Series(words, dtype="str")
    meant = cells.map(respelled(cells, column))
    typed, broken = typed_cells(cells.where(meant.isna(), meant).to_frame(column.name), [column])
    places = pd.Index(column.values, dtype=object).get_indexer(typed[column.name])
    return dict(zip(words, zip(places.tolist(), broken[:, 0].tolist(), strict=True), strict=True))
