"""Whether a model quotes sensibly: what must rise, what must matter, batches and corners."""

from collections.abc import Sequence
from itertools import product
from math import isfinite, prod
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.model.evaluation import Premiums
from insurance_predictor.table.columns import CategoryColumn, Column, Columns, NumberColumn
from insurance_predictor.table.schema import CURRENT

# Two premiums that differ by less are the same quote: floating point may differ in the last digits.
# Of a typical charge of 10,000; for another one the functions below are given theirs.
CENT = 0.01

# 400 profiles at 24 ages, smoking and not, are 19,200 people.
PROFILES = 400
PEOPLE_IN_A_BATCH = 2_000
PEOPLE_IN_A_SMALL_BATCH = 25
PEOPLE_ASKED_AGAIN = 500
MOST_CORNERS = 4_096


def behaviour_grid(columns: Columns = CURRENT) -> pd.DataFrame:
    """Up to 19,200 valid people, the same ones at every call, with the features as columns.

    Numbers go evenly from one usual end of their column to the other, categories have all their
    values. 400 profiles are drawn of all other columns, and each appears at every value of
    `compared`: every age, smoking and not. So averages by one of these compare the same people.
    """
    along = compared(columns)
    everything: tuple[Column, ...] = (*columns.numbers, *columns.categories)
    others = [column for column in everything if column not in along]
    profiles = list(zip(*_drawn(others), strict=True)) if others else [()]
    people = [
        dict(zip([column.name for column in (*along, *others)], (*values, *profile), strict=True))
        for values in product(*(column.usual_values for column in along))
        for profile in profiles
    ]
    return pd.DataFrame(people, columns=list(columns.feature_names))


def compared(columns: Columns) -> tuple[Column, ...]:
    """The columns at whose values everybody of the grid appears.

    The first number with which the premium may only rise (age), and the group (smoker).
    """
    rising = [column for column in columns.numbers if column.rises][:1]
    return (*rising, *([columns.group] if columns.group else []))


def undercut(
    premiums: Premiums, grid: pd.DataFrame, column: CategoryColumn, cent: float = CENT
) -> float:
    """Share of people quoted at least a cent less with one value than with the value before it.

    The same people are asked with every value of `column`. 0.0 is right. A premium that is not
    finite counts as an undercut.
    """
    others = [name for name in grid.columns if name != column.name]
    people = grid.drop_duplicates(subset=others)
    each = [people.assign(**{column.name: value}) for value in column.values]
    quotes = _quotes(premiums, pd.concat(each, ignore_index=True)).reshape(len(each), -1)
    return _falling_share(np.diff(quotes, axis=0).min(axis=0, initial=np.inf), cent)


def worst_fall(
    premiums: Premiums, grid: pd.DataFrame, column: NumberColumn, columns: Columns = CURRENT
) -> float:
    """Worst fall of the mean premium, a year, from one usual value of `column` to the next."""
    if column in compared(columns):
        return max(falls_by_group(premiums, grid, column, columns.group).values())
    return fall(premiums, grid, column)


def falls_by_group(
    premiums: Premiums, grid: pd.DataFrame, column: NumberColumn, group: CategoryColumn | None
) -> dict[str, float]:
    """Worst fall of the mean premium, a year, from one value of `column` in the grid to the next.

    For "all" of the grid and each value of `group`, such as "smoker=no"; 0.0 is right. `grid` holds
    the same profiles at two values or more, as `behaviour_grid` does of the columns `compared`;
    otherwise a change of people would look like a change with age. A premium that is not finite
    makes the result infinite.
    """
    quotes = _quotes(premiums, grid)
    groups = {"all": np.ones(len(grid), dtype=bool)}
    if group is not None:
        for value in group.values:
            groups[f"{group.name}={value}"] = (grid[group.name] == value).to_numpy(dtype=bool)
    values = grid[column.name].to_numpy()
    return {
        name: _worst_fall(values[mask], quotes[mask]) for name, mask in groups.items() if mask.any()
    }


def fall(premiums: Premiums, grid: pd.DataFrame, column: NumberColumn) -> float:
    """Worst fall of the mean premium, a year, from one usual value of `column` to the next.

    The same 500 people of the grid are asked at each value. 0.0 is right. A premium that is not
    finite makes the result infinite.
    """
    quotes = _quotes_with(premiums, _asked_again(grid), column.name, column.usual_values)
    falls = -np.diff(quotes.mean(axis=1))
    return float(np.nan_to_num(np.max(falls, initial=0.0), nan=np.inf))


def ignored_features(
    premiums: Premiums, grid: pd.DataFrame, columns: Columns = CURRENT, cent: float = CENT
) -> tuple[str, ...]:
    """Which of the columns that must matter change nobody's premium by a cent.

    500 people of the grid are asked at both usual ends of a number, or at every value of a
    category; no column should be named. A category of one value tells nobody apart.
    """
    people = _asked_again(grid)
    return tuple(
        column.name
        for column in columns.features
        if column.must_matter
        and not (isinstance(column, CategoryColumn) and len(column.values) == 1)
        and bool(np.all(_spread(_quotes_with(premiums, people, column.name, _ends(column))) < cent))
    )


def batch_invariance(premiums: Premiums, grid: pd.DataFrame) -> float:
    """Largest change, in its unit, of a person's premium with how the table was put together.

    0.0 is right. Up to 2,000 people of the grid are quoted together, then with the rows and the
    columns in reverse, then 25 of them by themselves and one alone. A premium that is not finite
    makes the result infinite.
    """
    people = grid.sample(min(len(grid), PEOPLE_IN_A_BATCH), random_state=0)
    quotes = _quotes(premiums, people)
    variants = (
        (quotes[::-1], people.iloc[::-1, ::-1]),
        (quotes[:PEOPLE_IN_A_SMALL_BATCH], people.iloc[:PEOPLE_IN_A_SMALL_BATCH]),
        (quotes[-1:], people.iloc[-1:]),
    )
    changes = [np.abs(_quotes(premiums, frame) - expected) for expected, frame in variants]
    return float(np.nan_to_num(np.concatenate(changes), nan=np.inf).max())


def extremes_positive_and_finite(premiums: Premiums, columns: Columns = CURRENT) -> bool:
    """Whether people at the corners of the limits are quoted a finite premium above 0.

    All of them, or 4,096 drawn of more.
    """
    extremes = [_extremes(column) for column in columns.features]
    if prod(map(len, extremes)) <= MOST_CORNERS:
        corners = list(product(*extremes))
    else:
        drawn = np.random.default_rng(0)
        corners = list(zip(*(_chosen(drawn, each) for each in extremes), strict=True))
    people = pd.DataFrame(corners, columns=list(columns.feature_names))
    return bool(np.all(_quotes(premiums, people) > 0))


def _chosen(generator: np.random.Generator, values: Sequence[object]) -> list[object]:
    return [values[place] for place in generator.integers(len(values), size=MOST_CORNERS)]


def _drawn(columns: Sequence[Column]) -> list[list[object]]:
    """The values of each column in up to 400 profiles, no two alike, drawn from all of them."""
    values = [column.tried_values for column in columns]
    sizes = [len(each) for each in values]
    generator = np.random.default_rng(0)
    if prod(sizes) > np.iinfo(np.int64).max:  # too many to number; hardly two of them are alike
        places = [generator.integers(size, size=PROFILES) for size in sizes]
    else:
        number = min(PROFILES, prod(sizes))
        drawn = np.sort(generator.choice(prod(sizes), number, replace=False))
        places = list(np.unravel_index(drawn, sizes))
    return [[each[place] for place in found] for each, found in zip(values, places, strict=True)]


def _asked_again(grid: pd.DataFrame) -> pd.DataFrame:
    return grid.sample(min(len(grid), PEOPLE_ASKED_AGAIN), random_state=0)


def _quotes_with(
    premiums: Premiums, people: pd.DataFrame, name: str, values: Sequence[object]
) -> FloatArray:
    """Premiums of the same people with each of `values` in column `name`, (values, people)."""
    tables = [people.assign(**{name: value}) for value in values]
    return _quotes(premiums, pd.concat(tables, ignore_index=True)).reshape(len(values), -1)


def _extremes(column: Column) -> tuple[object, ...]:
    if isinstance(column, CategoryColumn):
        return column.tried_values
    number = int if column.whole else float
    ends = (column.low, column.high) if isfinite(column.high) else column.ends
    return (*map(number, ends), *((None,) if column.optional else ()))


def _ends(column: Column) -> Sequence[object]:
    if isinstance(column, CategoryColumn):
        return column.values
    return (column.usual_values[0], column.usual_values[-1])


def _spread(quotes: FloatArray) -> FloatArray:
    """How far apart each person's premiums are, (values, people) -> (people,); nan is not below."""
    return np.asarray(quotes.max(axis=0) - quotes.min(axis=0))


def _quotes(premiums: Premiums, people: pd.DataFrame) -> FloatArray:
    """Premiums, shape (rows,), with nan for infinite ones: no comparison holds for those."""
    quotes = np.asarray(premiums(people), dtype=float).reshape(len(people))
    return np.where(np.isfinite(quotes), quotes, np.nan)


def _worst_fall(values: npt.NDArray[Any], quotes: FloatArray) -> float:
    _, place = np.unique(values, return_inverse=True)
    curve = np.bincount(place, weights=quotes) / np.bincount(place)
    return float(np.nan_to_num(np.max(-np.diff(curve), initial=0.0), nan=np.inf))


def _falling_share(differences: FloatArray, cent: float) -> float:
    """Share of `differences` that fall by a cent or more, or are not a number."""
    return float(np.mean(~(differences > -cent)))
