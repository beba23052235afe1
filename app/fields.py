"""A column as pages show it: what a form begins with, and its values in words."""

from typing import Any

from app import text
from insurance_predictor.base import formats
from insurance_predictor.base.words import Language
from insurance_predictor.table.columns import CategoryColumn, Column, Columns, NumberColumn
from insurance_predictor.table.schema import CURRENT


def start(column: Column) -> float | int | str | None:
    """What a form begins with: as declared, else nothing if that is allowed, else what is usual."""
    if column.start is not None or column.optional:
        return column.start
    if isinstance(column, CategoryColumn):
        return column.values[0]
    middle = round(sum(column.ends) / 2, column.decimals)
    return int(middle) if column.whole else middle


def template() -> str:
    """A small table in CSV whose people keep the rules, with an identifier that is nobody's."""
    first = [start(column) for column in CURRENT.features]
    second = [column.tried_values[-1] for column in CURRENT.features]
    rows = [("id", *CURRENT.feature_names), ("A-1", *first), ("A-2", *second)]
    return "".join(
        ",".join("" if cell is None else str(cell) for cell in row) + "\n" for row in rows
    )


def shown(column: Column, value: Any, language: Language) -> str:
    """A value in words, with the digits that the column shows."""
    if value is None:
        return text.NOT_GIVEN(language)
    if isinstance(column, CategoryColumn):
        return column.value_labels[value][language]
    digits = column.decimals if column.digits is None else column.digits
    return formats.number(round(float(value), digits), language)


def labelled(column: Column, value: Any, language: Language) -> str:
    """As `shown`, behind the column's label."""
    label = column.label[language]
    return text.LABELLED(language, label=label, value=shown(column, value, language))


def with_unit(column: NumberColumn, language: Language) -> str:
    """The column's label and unit, as a heading or an axis has them."""
    return text.FIELD(language, label=column.label[language], unit=column.unit[language])


def labels_of_later(columns: Columns, language: Language) -> str:
    """What the schema has got since a version learned from `columns`; empty when nothing."""
    known = columns.feature_names
    return ", ".join(one.label[language] for one in CURRENT.features if one.name not in known)


def labels_of_lost(columns: Columns, language: Language) -> str:
    """What a version needs of its `columns` and the schema has lost; empty when nothing."""
    known = CURRENT.feature_names
    return ", ".join(
        f"{one.label[language]} ({one.name})"
        for one in columns.features
        if one.name not in known and not one.optional
    )
