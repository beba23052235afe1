"""A column as pages show it: what a form begins with, and its values in words."""

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from app import text
from app.number_field import DECIMAL_MARK
from insurance_predictor.base import formats
from insurance_predictor.base.words import Language
from insurance_predictor.table.columns import CategoryColumn, Column, Columns, NumberColumn
from insurance_predictor.table.reading.spellings import word
from insurance_predictor.table.schema import CURRENT

# Between the columns of a file that a spreadsheet opens: where decimals follow a comma, it is none.
SEPARATOR = {"pt": ";", "en": ","}


def start(column: Column) -> float | int | str | None:
    """What a form begins with: as declared, else nothing if that is allowed, else what is usual."""
    if column.start is not None or column.optional:
        return column.start
    if isinstance(column, CategoryColumn):
        return column.values[0]
    middle = round(sum(column.ends) / 2, column.decimals)
    return int(middle) if column.whole else middle


def asked(columns: Columns) -> tuple[Column, ...]:
    """The features of a version's `columns`, known by the names and spellings of the schema.

    What may stand in them is the version's own; what else a file may call them is learned later.
    """
    return tuple(_called_as_now(column) for column in columns.features)


def _called_as_now(column: Column) -> Column:
    now = CURRENT.by_name.get(column.name)
    if isinstance(column, NumberColumn) and isinstance(now, NumberColumn):
        return replace(column, also_called=now.also_called)
    if isinstance(column, CategoryColumn) and isinstance(now, CategoryColumn):
        written = {value: now.also_written.get(value, ()) for value in column.values}
        return replace(column, also_called=now.also_called, also_written=written)
    return column


def template(columns: Sequence[Column], language: Language) -> str:
    """A small table in CSV whose people keep the rules, as a spreadsheet of the language opens it.

    Beside them there is an identifier that is nobody's, and what is carried along.
    """
    beside = ["id", *(column.name for column in CURRENT.carried)]
    people = [
        [start(column) for column in columns],
        [column.tried_values[-1] for column in columns],
    ]
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=SEPARATOR[language], lineterminator="\n")
    writer.writerow([*beside, *(column.name for column in columns)])
    for name, person in zip(("A-1", "A-2"), people, strict=True):
        cells = map(partial(_cell, language=language), columns, person)
        writer.writerow([*[name] * len(beside), *cells])
    return stream.getvalue()


def _cell(column: Column, value: Any, language: Language) -> str:
    if value is None:
        return ""
    if isinstance(column, CategoryColumn):
        return word(column, value, language)
    return str(value).replace(".", DECIMAL_MARK[language])


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
