"""How a person's premium would change with what matters most: whom to quote beside them."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor, log10
from typing import Any

import numpy as np
import pandas as pd

from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.table.columns import CategoryColumn, Columns, NumberColumn

MOST_CURVES = 2
MOST_GROUPS = 4  # lines in a chart that one can still tell apart
MOST_STEPS = 100  # fine enough to show where a premium jumps
NICE = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, eq=False)
class Curve:
    """At the `values` of `column`, (n,) in its unit, the premiums, (n,), by the group's values.

    Premiums are in the target's unit. Without a group they are those of None.
    """

    column: NumberColumn
    values: FloatArray
    premiums: Mapping[str | None, FloatArray]


@dataclass(frozen=True, eq=False)
class WhatIf:
    """The curves of a person, and `otherwise`: the premium with the group's other value.

    That is None unless the version has a group, of two values.
    """

    group: CategoryColumn | None
    curves: tuple[Curve, ...]
    other: str | None
    otherwise: float | None


@dataclass(frozen=True, eq=False)
class Questions:
    """The `people`, (n, features), whose premiums are the curves and, last, the other value's."""

    people: pd.DataFrame
    group: CategoryColumn | None
    grids: tuple[tuple[NumberColumn, FloatArray], ...]
    other: str | None

    def answered(self, premiums: FloatArray) -> WhatIf:
        """What the `premiums` of the people say, (n,), in their order."""
        curves, first = [], 0
        for column, values in self.grids:
            by_group = {}
            for value in _groups(self.group):
                by_group[value] = premiums[first : first + len(values)]
                first += len(values)
            curves.append(Curve(column, values, by_group))
        otherwise = None if self.other is None else float(premiums[first])
        return WhatIf(self.group, tuple(curves), self.other, otherwise)


def questions(
    person: Mapping[str, Any], columns: Columns, ranges: Mapping[str, tuple[float, float]]
) -> Questions:
    """Along the first numbers that must matter, two at most, for each value of the group.

    They go over the `ranges` that the model saw in training, widened to where the person is.
    """
    chosen = [column for column in columns.numbers if column.must_matter and column.name in ranges]
    group = columns.group
    if group is not None and len(group.values) > MOST_GROUPS:
        group = None
    grids = tuple(
        (column, _values(*ranges[column.name], person.get(column.name), column.whole))
        for column in chosen[:MOST_CURVES]
    )
    other = _other(group, person)
    return Questions(_people(person, columns, group, grids, other), group, grids, other)


def _other(group: CategoryColumn | None, person: Mapping[str, Any]) -> str | None:
    if group is None or len(group.values) != 2:
        return None
    first, second = group.values
    return first if person[group.name] == second else second


def _groups(group: CategoryColumn | None) -> tuple[str | None, ...]:
    return (None,) if group is None else group.values


def _values(low: float, high: float, own: float | None, whole: bool) -> FloatArray:
    """Multiples of a round step over `low` to `high`, and over `own`."""
    ends = [low, high, *([] if own is None else [float(own)])]
    finest = max((high - low) / MOST_STEPS, 1e-6)
    power = 10.0 ** floor(log10(finest))
    step = next(nice * power for nice in NICE if nice * power >= finest * (1 - 1e-9))
    step = max(1.0, step) if whole else step
    first, last = np.ceil(min(ends) / step), np.floor(max(ends) / step)
    values: FloatArray = np.round(np.arange(first, last + 1) * step, 9)
    return values


def _people(
    person: Mapping[str, Any],
    columns: Columns,
    group: CategoryColumn | None,
    grids: tuple[tuple[NumberColumn, FloatArray], ...],
    other: str | None,
) -> pd.DataFrame:
    """For each grid its values once for each of the group's, and then the other value."""
    lines = [(grid, value) for grid in grids for value in _groups(group)]
    count = sum(len(values) for (_, values), _ in lines) + (other is not None)
    cells = {
        column.name: np.full(
            count, person.get(column.name), float if isinstance(column, NumberColumn) else object
        )
        for column in columns.features
    }
    first = 0
    for (column, values), value in lines:
        last = first + len(values)
        cells[column.name][first:last] = values
        if group is not None:
            cells[group.name][first:last] = value
        first = last
    if group is not None and other is not None:
        cells[group.name][first:] = other
    words = {column.name: "str" for column in columns.categories}
    return pd.DataFrame(cells).astype(words)
