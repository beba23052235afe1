"""What Arrow's types are to the schema, and its cells as pandas shall have them."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pyarrow import compute, types

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.table.columns import Column, NumberColumn
from insurance_predictor.table.reading.header import Header, Known, TextColumn

MOST_WHOLE = 1e15  # beyond it a float is not every whole number


def require_types(schema: Any, header: Header, columns: Sequence[Known], source: str) -> None:
    wrong = [
        f"{column.name} is {kind}, it must be {column.rule}"
        for column in columns
        if isinstance(column, Column) and column.name in header.known
        if not _has_parquet_type(kind := schema.field(header.known[column.name]).type, column)
    ]
    if wrong:
        raise InvalidTable(f"{source} has columns of a wrong type: {'; '.join(wrong)}.")


def _has_parquet_type(found: pa.DataType, column: Column) -> bool:
    found = _inner(found)
    if is_text(found) or types.is_null(found) or types.is_integer(found):
        return True
    if isinstance(column, NumberColumn):
        # 16 bits do not hold the decimals by which people are told apart.
        coarse = types.is_float16(found) and column.decimals > 0
        return bool((types.is_floating(found) or types.is_decimal(found)) and not coarse)
    return bool(types.is_boolean(found) or types.is_floating(found))


def arrow_cells(cells: Any, column: Known) -> Any:
    """An Arrow column as pandas shall have it. Decimals go by their text to the nearest float."""
    if types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    if isinstance(column, TextColumn):  # an identifier with gaps is a float there: 12345.0
        is_number = types.is_integer(cells.type) or types.is_floating(cells.type)
        return as_text(cells) if is_number else cells
    is_number = isinstance(column, NumberColumn) and not types.is_decimal(cells.type)
    return cells if is_number and not is_text(cells.type) else cells.cast(pa.string())


def _inner(kind: Any) -> Any:
    """The type of the values, where those are kept in a dictionary."""
    return kind.value_type if types.is_dictionary(kind) else kind


def is_text(kind: Any) -> bool:
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
    )


def as_text(cells: Any) -> Any:
    """An Arrow column as text: a whole number without decimals or exponent, as identifiers are."""
    text = cells.cast(pa.string())
    if not types.is_floating(cells.type) or types.is_float16(cells.type):
        return text
    is_whole = compute.and_(
        compute.equal(cells, compute.floor(cells)), compute.less(compute.abs(cells), MOST_WHOLE)
    )
    whole = compute.if_else(is_whole, cells, None).cast(pa.int64()).cast(pa.string())
    return compute.coalesce(whole, text)
