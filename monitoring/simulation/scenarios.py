"""Months of production as they might be: people, what they were charged, how the service did."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.serving.predictor import Predictor
from insurance_predictor.table.columns import CategoryColumn, Columns, NumberColumn
from insurance_predictor.table.read import Table
from insurance_predictor.table.synthetic import make_table

ROWS = 400  # quotes a month
FIRST_YEAR = 2026
CHANGE = 3  # the month, counted from 1, in which a scenario leaves the ordinary
POUNDS_A_SQUARE_INCH = 703.07  # kg/m² of 1 lb/in²
NEW_REGION = "midwest"


Stretch = tuple[float, float]  # of a month: from this share of it up to that one
NEVER: Stretch = (0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Month:
    """The quotes of one month, (n, ...), in the order in which they were given.

    `logged` are the features as somebody logged them and `seen` as the model got them; `charges`
    are in the target's unit. In the stretches `no_registry`, `no_service` and `no_database`
    that part was away. `slow` is a share of the quotes.
    """

    number: int
    logged: pd.DataFrame
    seen: pd.DataFrame
    charges: FloatArray
    no_registry: Stretch = NEVER
    no_service: Stretch = NEVER
    no_database: Stretch = NEVER
    slow: float = 0.0

    @property
    def start(self) -> datetime:
        """Its first moment, UTC."""
        return month_start(self.number)

    @property
    def end(self) -> datetime:
        """The first moment of the next one, UTC."""
        return month_start(self.number + 1)

    def at(self, share: float) -> datetime:
        """The moment when that share of the month is over."""
        return self.start + share * (self.end - self.start)

    def is_in(self, stretch: Stretch, moment: datetime) -> bool:
        """Whether a moment is within a stretch of the month."""
        return self.at(stretch[0]) <= moment < self.at(stretch[1])

    @property
    def ends_without_registry(self) -> bool:
        """Whether monitoring, which looks at the end, cannot ask it either."""
        return self.no_registry[1] >= 1


Change = Callable[[Month, Predictor, np.random.Generator], Month]


@dataclass(frozen=True)
class Scenario:
    """A story in one sentence, and what it does to each month from the third on.

    It is about the features in `needs`, of the kinds given there, and is told of a version that
    has them.
    """

    story: str
    change: Change
    needs: Mapping[str, type[NumberColumn] | type[CategoryColumn]] = field(default_factory=dict)

    def lacking(self, columns: Columns) -> tuple[str, ...]:
        """The features it is about that a version does not have, or not as such a column."""
        there = {column.name: column for column in columns.features}
        return tuple(
            name for name, kind in self.needs.items() if not isinstance(there.get(name), kind)
        )


def month_start(number: int) -> datetime:
    """The first moment of the month, counted from 1."""
    years, months = divmod(number - 1, 12)
    return datetime(FIRST_YEAR + years, months + 1, 1, tzinfo=UTC)


def play(
    scenario: Scenario, table: Table, predictor: Predictor, months: int, seed: int
) -> Iterator[Month]:
    """The months of a scenario; the same seed gives the same ones.

    A made-up table is continued by its generator; from a real one people are drawn with
    replacement.
    """
    for number in range(1, months + 1):
        dice = np.random.default_rng([seed, number])
        month = _ordinary(number, _drawn(table, dice), predictor.columns)
        yield scenario.change(month, predictor, dice) if number >= CHANGE else month


def _drawn(table: Table, dice: np.random.Generator) -> pd.DataFrame:
    if table.synthetic:
        return make_table(ROWS, int(dice.integers(2**31)))
    return table.frame.iloc[dice.integers(len(table.frame), size=ROWS)].reset_index(drop=True)


def _ordinary(number: int, rows: pd.DataFrame, columns: Columns) -> Month:
    people = rows[list(columns.feature_names)]
    return Month(number, people, people, rows[columns.target.name].to_numpy(dtype=float))


def _other_people(month: Month, predictor: Predictor, people: pd.DataFrame) -> Month:
    """Other people, charged as many dollars more or less as the model says they cost."""
    before = predictor.predict(month.seen)["premium"].to_numpy()
    after = predictor.predict(people)["premium"].to_numpy()
    return replace(month, logged=people, seen=people, charges=month.charges + after - before)


def _nothing(month: Month, predictor: Predictor, dice: np.random.Generator) -> Month:
    return month


def _pounds_and_inches(month: Month, predictor: Predictor, dice: np.random.Generator) -> Month:
    people = month.logged.assign(bmi=month.logged["bmi"] / POUNDS_A_SQUARE_INCH)
    return replace(month, logged=people, seen=people)


def _dearer(month: Month, predictor: Predictor, dice: np.random.Generator) -> Month:
    return replace(month, charges=1.10 * month.charges)


def _another_region(month: Month, predictor: Predictor, dice: np.random.Generator) -> Month:
    """The client asks for a region that the model knows, and logs what the person said."""
    regions = month.logged["region"].where(dice.random(len(month.logged)) > 0.15, NEW_REGION)
    return replace(month, logged=month.logged.assign(region=regions))


def _older(month: Month, predictor: Predictor, dice: np.random.Generator) -> Month:
    years = 3 * (month.number - CHANGE + 1)
    ages = month.logged["age"] + years
    age = predictor.columns.by_name["age"]
    if isinstance(age, NumberColumn):
        ages = ages.clip(upper=int(age.high))
    return _other_people(month, predictor, month.logged.assign(age=ages))


def _no_habits(month: Month, predictor: Predictor, dice: np.random.Generator) -> Month:
    """A form loses one answer in five, and the model is asked about a non-smoker."""
    is_lost = dice.random(len(month.logged)) < 0.2
    habits = month.logged["smoker"]
    smoker = predictor.columns.by_name["smoker"]
    first = smoker.values[0] if isinstance(smoker, CategoryColumn) else None
    return replace(
        month,
        logged=month.logged.assign(smoker=habits.mask(is_lost, None)),
        seen=month.logged.assign(smoker=habits.mask(is_lost, first)),
    )


def _bad_month(month: Month, predictor: Predictor, dice: np.random.Generator) -> Month:
    """In one month the service is away, then the log's database, then the registry to the end."""
    if month.number != CHANGE:
        return month
    return replace(
        month, no_service=(0.1, 0.16), no_database=(0.2, 0.55), no_registry=(0.6, 1.0), slow=0.1
    )


def _young_families(month: Month, predictor: Predictor, dice: np.random.Generator) -> Month:
    """One month a year a campaign brings young families."""
    if (month.number - CHANGE) % 12:
        return month
    are_new = dice.random(len(month.logged)) < 0.4
    ages = month.logged["age"].mask(are_new, dice.integers(24, 35, len(month.logged)))
    children = month.logged["children"].mask(are_new, dice.integers(1, 4, len(month.logged)))
    people = month.logged.assign(age=ages, children=children)
    return _other_people(month, predictor, people)


SCENARIOS: Mapping[str, Scenario] = {
    "none": Scenario("Nothing happens.", _nothing),
    "bmi_units": Scenario(
        "From the third month on a client sends the BMI in lb/in² instead of kg/m².",
        _pounds_and_inches,
        {"bmi": NumberColumn},
    ),
    "inflation": Scenario("From the third month on everybody is charged 10 % more.", _dearer),
    "new_region": Scenario(
        "From the third month on 15 % of people come from a region that the model does not know.",
        _another_region,
        {"region": CategoryColumn},
    ),
    "ageing": Scenario(
        "From the third month on people are 3 years older each month.",
        _older,
        {"age": NumberColumn},
    ),
    "smoker_nulls": Scenario(
        "From the third month on a form loses whether people smoke, one time in five.",
        _no_habits,
        {"smoker": CategoryColumn},
    ),
    "outage": Scenario(
        "In the third month the service, then the log's database and then the registry are away.",
        _bad_month,
    ),
    "seasonal": Scenario(
        "In the third month a campaign brings young families.",
        _young_families,
        {"age": NumberColumn, "children": NumberColumn},
    ),
}
