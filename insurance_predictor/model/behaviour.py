"""Whether a model quotes sensibly: smoking, ageing, batches and the corners of the schema."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import numpy.typing as npt
import pandas as pd

from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.model.evaluation import Premiums
from insurance_predictor.table import schema

# Two premiums that differ by less are the same quote: floating point may differ in the last digits.
CENT = 0.01

AGES = tuple(range(18, 65, 2))
BODY_MASS_INDEXES = tuple(float(bmi) for bmi in range(16, 55, 2))
CHILDREN = tuple(range(6))
# 400 profiles at 24 ages, smoking and not, are 19,200 people.
PROFILES = 400
PEOPLE_IN_A_BATCH = 2_000
PEOPLE_IN_A_SMALL_BATCH = 25
PEOPLE_ASKED_AGAIN = 500
# Whatever the table, a premium that one of these never changes was not learned from people.
MUST_MATTER = {
    schema.AGE.name: (AGES[0], AGES[-1]),
    schema.BMI.name: (BODY_MASS_INDEXES[0], BODY_MASS_INDEXES[-1]),
    schema.SMOKER.name: schema.SMOKER.values,
}


def behaviour_grid() -> pd.DataFrame:
    """19,200 valid people, the same ones at every call, with the six features as columns.

    Ages 18 to 64, BMI 16 to 54 kg/m² (both every 2), 0 to 5 children, both sexes, all regions.
    400 profiles (BMI, children, sex, region) are drawn, and each appears at every age, smoking
    and not, so that averages by age or by smoker compare the same people.
    """
    profiles = list(product(BODY_MASS_INDEXES, CHILDREN, schema.SEX.values, schema.REGION.values))
    drawn = np.random.default_rng(0).choice(len(profiles), PROFILES, replace=False)
    people = [
        (age, sex, bmi, children, smoker, region)
        for age, smoker in product(AGES, schema.SMOKER.values)
        for bmi, children, sex, region in (profiles[index] for index in np.sort(drawn))
    ]
    return pd.DataFrame(people, columns=list(schema.FEATURE_NAMES))


def smoker_undercut(premiums: Premiums, grid: pd.DataFrame) -> float:
    """Share of people quoted at least a cent less smoking than the same person not smoking.

    0.0 is right. A premium that is not finite counts as an undercut.
    """
    smoker = schema.SMOKER.name
    others = [name for name in schema.FEATURE_NAMES if name != smoker]
    people = grid.drop_duplicates(subset=others)
    both = pd.concat(
        [people.assign(**{smoker: value}) for value in ("no", "yes")], ignore_index=True
    )
    not_smoking, smoking = np.split(_quotes(premiums, both), 2)
    return _falling_share(smoking - not_smoking)


def age_falls(premiums: Premiums, grid: pd.DataFrame) -> dict[str, float]:
    """Worst fall of the mean premium, in US$ a year, from one age of the grid to the next.

    For "all" of the grid, "smoker=no" and "smoker=yes"; 0.0 is right. `grid` holds the same
    profiles at two ages or more, as `behaviour_grid` does; otherwise a change of people would
    look like a change with age. A premium that is not finite makes the result infinite.
    """
    quotes = _quotes(premiums, grid)
    groups = {"all": np.ones(len(grid), dtype=bool)}
    for value in schema.SMOKER.values:
        name = schema.SMOKER.name
        groups[f"{name}={value}"] = (grid[name] == value).to_numpy(dtype=bool)
    ages = grid[schema.AGE.name].to_numpy()
    return {
        name: _worst_fall(ages[mask], quotes[mask]) for name, mask in groups.items() if mask.any()
    }


def children_fall(premiums: Premiums, grid: pd.DataFrame) -> float:
    """Worst fall of the mean premium, in US$ a year, when the same 500 people have one child more.

    0.0 is right. A premium that is not finite makes the result infinite.
    """
    quotes = _quotes_with(premiums, _asked_again(grid), schema.CHILDREN.name, CHILDREN)
    falls = -np.diff(quotes.mean(axis=1))
    return float(np.nan_to_num(np.max(falls, initial=0.0), nan=np.inf))


def ignored_features(premiums: Premiums, grid: pd.DataFrame) -> tuple[str, ...]:
    """Which of age, bmi and smoker change nobody's premium by a cent from one end to the other.

    500 people of the grid are asked; none of the three should be named.
    """
    people = _asked_again(grid)
    ends = {
        name: _quotes_with(premiums, people, name, values) for name, values in MUST_MATTER.items()
    }
    return tuple(
        name for name, (low, high) in ends.items() if bool(np.all(np.abs(high - low) < CENT))
    )


def batch_invariance(premiums: Premiums, grid: pd.DataFrame) -> float:
    """Largest change, in US$ a year, of a person's premium with how the table was put together.

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


def extremes_positive_and_finite(premiums: Premiums) -> bool:
    """Whether everybody at a corner of the schema's limits is quoted a finite premium above 0."""
    corners = product(*(_extremes(column) for column in schema.FEATURES))
    people = pd.DataFrame(list(corners), columns=list(schema.FEATURE_NAMES))
    return bool(np.all(_quotes(premiums, people) > 0))


def _asked_again(grid: pd.DataFrame) -> pd.DataFrame:
    return grid.sample(min(len(grid), PEOPLE_ASKED_AGAIN), random_state=0)


def _quotes_with(
    premiums: Premiums, people: pd.DataFrame, name: str, values: Sequence[object]
) -> FloatArray:
    """Premiums of the same people with each of `values` in column `name`, (values, people)."""
    tables = [people.assign(**{name: value}) for value in values]
    return _quotes(premiums, pd.concat(tables, ignore_index=True)).reshape(len(values), -1)


def _extremes(column: schema.Column) -> tuple[object, ...]:
    if isinstance(column, schema.CategoryColumn):
        return column.values
    number = int if column.whole else float
    return number(column.low), number(column.high)


def _quotes(premiums: Premiums, people: pd.DataFrame) -> FloatArray:
    """Premiums, shape (rows,), with nan for infinite ones: no comparison holds for those."""
    quotes = np.asarray(premiums(people), dtype=float).reshape(len(people))
    return np.where(np.isfinite(quotes), quotes, np.nan)


def _worst_fall(ages: npt.NDArray[np.int64], quotes: FloatArray) -> float:
    _, age_index = np.unique(ages, return_inverse=True)
    curve = np.bincount(age_index, weights=quotes) / np.bincount(age_index)
    return float(np.nan_to_num(np.max(-np.diff(curve), initial=0.0), nan=np.inf))


def _falling_share(differences: FloatArray) -> float:
    """Share of `differences` that fall by a cent or more, or are not a number."""
    return float(np.mean(~(differences > -CENT)))
