"""Tables that are not the usual one: columns, a known process, and a peer tuned by hand.

Everything is drawn from a seed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.table.columns import CategoryColumn, Column, Columns, NumberColumn
from insurance_predictor.table.schema import CHARGES, CURRENT
from insurance_predictor.table.synthetic import make_table

WORDS = {"pt": "palavras", "en": "words"}
LEAST_CHARGE = 50.0

Drawn = Mapping[str, FloatArray]


@dataclass(frozen=True)
class Generated:
    """A kind of table: `draw(rows, seed)` gives its people and what they are expected to cost.

    That is a table with the target, (rows, columns), and an array, (rows,). `tuned` are the
    settings of scikit-learn's boosting that were found best, for tables of up to so many rows: of
    60 sets drawn from the space of `PEER_SPACE`, each fitted to the table of seed 1 and measured on
    20,000 fresh people of seed 2, which no user could do; then their trees one by one.
    """

    columns: Columns
    draw: Callable[[int, int], tuple[pd.DataFrame, FloatArray]]
    tuned: Mapping[int, Mapping[str, Any]]

    def peer(self, rows: int) -> Pipeline:
        """Boosting tuned by hand for a table of `rows`, unfitted: raw people in."""
        settings = self.tuned[min(size for size in self.tuned if size >= rows)]
        words = [column.name for column in self.columns.categories]
        known = [list(column.values) for column in self.columns.categories]
        numbers = [column.name for column in self.columns.numbers]
        raw = ColumnTransformer(
            [
                ("words", OrdinalEncoder(categories=known), words),
                ("numbers", "passthrough", numbers),
            ]
        )
        boosting = HistGradientBoostingRegressor(
            categorical_features=range(len(words)),
            early_stopping=False,
            random_state=0,
            **settings,
        )
        return make_pipeline(raw, boosting)


def _tuned(rate: float, trees: int, leaves: int, least: int, **more: Any) -> dict[str, Any]:
    return {
        "learning_rate": rate,
        "max_iter": trees,
        "max_leaf_nodes": leaves,
        "min_samples_leaf": least,
        **more,
    }


def number(name: str, low: float, high: float, whole: bool = False, **more: Any) -> NumberColumn:
    return NumberColumn(name, low, high, whole, 0 if whole else 3, WORDS, WORDS, WORDS, **more)


def category(name: str, *values: str, **more: Any) -> CategoryColumn:
    return CategoryColumn(name, values, WORDS, WORDS, dict.fromkeys(values, WORDS), **more)


def _people(
    columns: Columns, rows: int, generator: np.random.Generator, shares: Mapping[str, Any] = {}
) -> pd.DataFrame:
    return pd.DataFrame(
        {column.name: _values(column, rows, generator, shares) for column in columns.features}
    )


def _values(
    column: Column, rows: int, generator: np.random.Generator, shares: Mapping[str, Any]
) -> Any:
    if isinstance(column, CategoryColumn):
        return generator.choice(column.values, size=rows, p=shares.get(column.name))
    if column.whole:
        return generator.integers(int(column.low), int(column.high) + 1, size=rows)
    return generator.uniform(column.low, column.high, size=rows).round(column.decimals)


def _scaled(people: pd.DataFrame, columns: Columns) -> dict[str, FloatArray]:
    """The numbers of `people` from -1 at the low limit to 1 at the high one."""
    return {
        column.name: 2
        * (people[column.name].to_numpy(float) - column.low)
        / (column.high - column.low)
        - 1
        for column in columns.numbers
    }


def _with_charges(people: pd.DataFrame, charges: FloatArray) -> pd.DataFrame:
    return people.assign(charges=np.maximum(charges, LEAST_CHARGE).round(2))


INTERACTING = Columns(
    (
        number("age", 18, 80, True, rises=True, must_matter=True),
        number("income", 0, 200, must_matter=True),
        number("distance", 0, 100),
        number("tenure", 0, 30, must_matter=True),
        number("power", 40, 300),
        number("score", 0, 1, must_matter=True),
        number("floor", 0, 40, True),
        number("rooms", 1, 12, True),
        category("plan", "basic", "plus", "full", is_group=True),
        category("urban", "no", "yes"),
        category("vehicle", "car", "van", "truck", "none"),
        category("channel", "agent", "bank", "web"),
    ),
    CHARGES,
)


def interacting(rows: int, seed: int) -> tuple[pd.DataFrame, FloatArray]:
    """Products, steps that cross and a wave that a category turns round; only age acts alone."""
    generator = np.random.default_rng(seed)
    people = _people(INTERACTING, rows, generator)
    u = _scaled(people, INTERACTING)
    turned = people["plan"].map({"basic": -1.0, "plus": 0.0, "full": 1.0}).to_numpy()
    urban = np.where(people["urban"] == "yes", 1.0, -1.0)
    expected = (
        14_000
        + 1_500 * u["age"]
        + 3_500 * u["income"] * u["distance"]
        + 2_000 * np.sign(u["tenure"] * (u["power"] + 0.2))
        + 2_500 * np.sin(np.pi * u["score"]) * turned
        + 2_000 * u["floor"] * u["rooms"] * urban
    )
    return _with_charges(people, expected + generator.normal(0, 2_000, rows)), expected


CROSSING = Columns(
    (
        number("age", 18, 80, True),
        number("tenure", 0, 30, must_matter=True),
        number("power", 40, 300, must_matter=True),
        number("score", 0, 1),
        category("plan", "basic", "full", is_group=True),
    ),
    CHARGES,
)


def crossing(rows: int, seed: int) -> tuple[pd.DataFrame, FloatArray]:
    """What tenure and power do is turned round by the plan, so a textbook sees next to nothing."""
    generator = np.random.default_rng(seed)
    people = _people(CROSSING, rows, generator)
    u = _scaled(people, CROSSING)
    turned = np.where(people["plan"] == "full", 1.0, -1.0)
    together = 6_000 * np.sign(u["tenure"]) + 2_500 * u["power"]
    expected = 12_000 + 1_000 * u["age"] + turned * together
    return _with_charges(people, expected + generator.normal(0, 600, rows)), expected


HEAVY = Columns(
    (
        number("age", 18, 80, True, rises=True, must_matter=True),
        number("sum_insured", 10, 500, must_matter=True),
        number("excess", 0, 5),
        number("years_clean", 0, 20, True),
        category("use", "private", "business", is_group=True, must_matter=True),
        category("zone", "a", "b", "c", "d", "e"),
    ),
    CHARGES,
)
SPREAD = 1.0  # of the logarithm of a charge around its middle


def heavy_tailed(rows: int, seed: int) -> tuple[pd.DataFrame, FloatArray]:
    """Effects that multiply, and charges that are lognormal around them: a few cost very much."""
    generator = np.random.default_rng(seed)
    people = _people(HEAVY, rows, generator, {"use": (0.75, 0.25)})
    u = _scaled(people, HEAVY)
    business = (people["use"] == "business").to_numpy()
    zone = people["zone"].map({"a": 0.0, "b": 0.1, "c": -0.2, "d": 0.5, "e": 0.0}).to_numpy()
    expected = 3_000 * np.exp(
        0.5 * u["age"]
        + 0.6 * u["sum_insured"]
        + 0.7 * business
        + zone * (1 + u["excess"])
        - 0.4 * np.maximum(u["years_clean"], 0)
    )
    noise = np.exp(generator.normal(-(SPREAD**2) / 2, SPREAD, rows))
    return _with_charges(people, expected * noise), expected


ONE_ONLY = Columns(
    (
        number("age", 18, 80, True, rises=True, must_matter=True),
        number("bmi", 15, 50),
        number("exposure", 0, 60, must_matter=True),
        number("hours", 0, 60),
        category(
            "occupation", "clerk", "driver", "farmer", "nurse", "teacher", "miner", is_group=True
        ),
        category("sex", "female", "male"),
    ),
    CHARGES,
)


def one_only(rows: int, seed: int) -> tuple[pd.DataFrame, FloatArray]:
    """Exposure costs miners, and them only; one person in five is a miner."""
    generator = np.random.default_rng(seed)
    people = _people(ONE_ONLY, rows, generator, {"occupation": (0.16,) * 5 + (0.2,)})
    miner = (people["occupation"] == "miner").to_numpy()
    u = _scaled(people, ONE_ONLY)
    expected = 6_000 + 2_000 * u["age"] + miner * 250 * people["exposure"].to_numpy()
    return _with_charges(people, expected + generator.normal(0, 1_500, rows)), expected


def no_smokers(rows: int, seed: int) -> tuple[pd.DataFrame, FloatArray]:
    """The usual columns, and nobody smokes. The expected charge is the process's own."""
    table = make_table(int(rows * 1.3) + 50, seed)
    table = table[table["smoker"] == "no"].head(rows).reset_index(drop=True)
    region = table["region"].map(
        {"northeast": 0.0, "northwest": -200.0, "southeast": -600.0, "southwest": -600.0}
    )
    expected = (
        1_100
        + 3.4 * table["age"] ** 2
        + 590 * table["children"]
        - 500 * (table["sex"] == "male")
        + 2 * table["bmi"]
        + region
        + 0.09 * 15_250
    )
    return table, expected.to_numpy(float)


PEER_SPACE = {
    "learning_rate": (0.02, 0.03, 0.05, 0.08, 0.1),
    "max_iter": (60, 100, 200, 400, 800),
    "max_leaf_nodes": (3, 4, 6, 8, 12, 16, 24, 31),
    "min_samples_leaf": (3, 5, 10, 20, 40),
    "l2_regularization": (0.0, 1.0, 10.0),
    "max_features": (0.3, 0.5, 1.0),
    "loss": ("squared_error", "poisson", "gamma"),
}
GENERATED = {
    "interactions": Generated(
        INTERACTING,
        interacting,
        {
            2_000: _tuned(0.03, 800, 12, 40, l2_regularization=1.0, loss="poisson"),
            20_000: _tuned(0.08, 480, 12, 20),
        },
    ),
    "heavy tails": Generated(
        HEAVY,
        heavy_tailed,
        {
            2_000: _tuned(0.05, 200, 3, 20, max_features=0.5, loss="poisson"),
            20_000: _tuned(0.05, 320, 6, 20, loss="gamma"),
        },
    ),
    "one category only": Generated(
        ONE_ONLY, one_only, {20_000: _tuned(0.05, 100, 12, 5, l2_regularization=10.0)}
    ),
    "no smokers": Generated(
        CURRENT, no_smokers, {20_000: _tuned(0.03, 400, 3, 10, l2_regularization=10.0)}
    ),
}
