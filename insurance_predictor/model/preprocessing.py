"""From the raw columns to the model's columns: the artifact stored beside every model."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from insurance_predictor.table.columns import CategoryColumn, Column, Columns, NumberColumn
from insurance_predictor.table.schema import CURRENT

# Types outside scikit-learn's plain ones that a stored preprocessor may hold; others are refused.
# A dtype is what imputation remembers of the numbers it saw; it says what numbers are, and runs
# nothing.
TRUSTED_TYPES = (
    "insurance_predictor.model.preprocessing.Effects",
    "insurance_predictor.model.preprocessing.CategoryEncoder",
    "numpy.dtype",
)

# Above 30 kg/m² a smoker's charges jump. The public table has one smoker at exactly 30.0, who is
# charged like those below; docs/quality.md shows what that one row is worth.
OBESE_ABOVE = 30.0
BMI_SEEN = (15.0, 55.0)
MOST_CHILDREN_SEEN = 5
SMOKES = "yes"
FEW = 100  # people, where what they say does not matter
MANY = 1000  # people, of whom each different one is encoded once
MISSING = "missing"  # what stands for a category that is not said

# What each effect is made of, the column that it rises with first.
EFFECTS_OF = {
    "age_squared": ("age",),
    "children": ("children",),
    "smoker": ("smoker",),
    "smoker_bmi": ("smoker", "bmi"),
    "smoker_obese": ("smoker", "bmi"),
}
EFFECTS = tuple(EFFECTS_OF)
EFFECT_INPUTS = ("age", "bmi", "children", "smoker")


class Effects(TransformerMixin, BaseEstimator):
    """The effects that charges show: age squared, children, and bmi only for those who smoke.

    Input (n, ≤ 4): those of age (years), bmi (kg/m²), children and smoker (yes or no) that a table
    has. Output (n, ≤ 5): age_squared in units of 100 years², children up to 5, smoker 0 or 1,
    smoker_bmi in kg/m² above 15 (0 for non-smokers) and smoker_obese 0 or 1, each where its columns
    are there. Beyond what any table has shown (bmi outside 15-55, more than 5 children) an effect
    stays as it is at the edge, so that an extrapolated premium stays positive and never falls with
    smoking.
    """

    def fit(self, people: pd.DataFrame, y: object = None) -> Self:
        """Nothing is learned; the columns are remembered, as scikit-learn expects."""
        self.feature_names_in_ = np.asarray(people.columns, dtype=object)
        return self

    def transform(self, people: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Shape (n, columns) -> (n, effects)."""
        made = [getattr(self, f"_{name}")(people) for name in self._names()]
        return np.column_stack(made).astype(np.float64)

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[Any]:
        """The effects, in order."""
        return np.asarray(self._names(), dtype=object)

    def _names(self) -> tuple[str, ...]:
        return effects_of(set(self.feature_names_in_))

    def _age_squared(self, people: pd.DataFrame) -> npt.NDArray[np.float64]:
        return (_numbers(people["age"]) / 10) ** 2

    def _children(self, people: pd.DataFrame) -> npt.NDArray[np.float64]:
        return _numbers(people["children"]).clip(max=MOST_CHILDREN_SEEN)

    def _smoker(self, people: pd.DataFrame) -> npt.NDArray[np.float64]:
        return _numbers(people["smoker"] == SMOKES)

    def _smoker_bmi(self, people: pd.DataFrame) -> npt.NDArray[np.float64]:
        return self._smoker(people) * (self._bmi(people) - BMI_SEEN[0])

    def _smoker_obese(self, people: pd.DataFrame) -> npt.NDArray[np.float64]:
        return self._smoker(people) * (self._bmi(people) > OBESE_ABOVE)

    def _bmi(self, people: pd.DataFrame) -> npt.NDArray[np.float64]:
        return _numbers(people["bmi"]).clip(*BMI_SEEN)


class CategoryEncoder(OneHotEncoder):
    """One-hot categories: of many people, each combination of values is encoded once."""

    def transform(self, people: Any) -> Any:
        """Shape (n, categories) -> (n, columns), as `OneHotEncoder` does it."""
        if not isinstance(people, pd.DataFrame) or len(people) < MANY:
            return super().transform(people)
        grouped = people.groupby(list(people), sort=False, observed=True, dropna=False)
        which = grouped.ngroup().to_numpy()  # in the order in which each was seen first
        is_first = ~pd.Series(which).duplicated().to_numpy()
        encoded = super().transform(people[is_first])
        if isinstance(encoded, pd.DataFrame):
            return encoded.iloc[which].set_axis(people.index)
        return encoded[which]


def _numbers(values: pd.Series) -> npt.NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def effects_of(names: set[str]) -> tuple[str, ...]:
    """The effects whose columns are all among `names`."""
    return tuple(effect for effect, inputs in EFFECTS_OF.items() if names.issuperset(inputs))


def effect_inputs(columns: Columns) -> tuple[str, ...]:
    """Which of `columns` enter the model by effects: those that effects can be made of."""
    fitting = {column.name for column in columns.features if _suits_effects(column)}
    used = {name for effect in effects_of(fitting) for name in EFFECTS_OF[effect]}
    return tuple(name for name in EFFECT_INPUTS if name in used)


def make_preprocessor(columns: Columns = CURRENT) -> Pipeline:
    """An unfitted preprocessor: effects, other numbers, one-hot categories, then each one scaled.

    `transform` takes a table of people with the features of `columns` by name and gives a DataFrame
    of numeric columns; extra columns are ignored and the order does not matter.
    """
    inputs = effect_inputs(columns)
    others = [column for column in columns.features if column.name not in inputs]
    effects = [("effects", Effects(), list(inputs))] if inputs else []
    steps = Pipeline(
        [
            (
                "columns",
                ColumnTransformer([*effects, *by_kind(others)], verbose_feature_names_out=False),
            ),
            ("scale", StandardScaler()),
        ]
    )
    return steps.set_output(transform="pandas")


def made_columns(people: pd.DataFrame, columns: Columns = CURRENT) -> tuple[str, ...]:
    """What a preprocessor of `columns` makes of `people`, of whom the first few are looked at."""
    return tuple(make_preprocessor(columns).fit(people.head(FEW)).get_feature_names_out())


def by_kind(columns: list[Column]) -> list[tuple[str, Any, list[str]]]:
    """How columns enter a model that no effect is declared for, for a ColumnTransformer.

    Numbers as they are, categories one-hot. A number that may be missing has the median in its
    place and a column that says so; a category has one more value.
    """
    numbers = [column for column in columns if isinstance(column, NumberColumn)]
    categories = [column for column in columns if isinstance(column, CategoryColumn)]
    lacking = [column for column in numbers if column.optional]
    wordless = [column for column in categories if column.optional]
    present = SimpleImputer(strategy="constant", fill_value=MISSING, keep_empty_features=True)
    parts: list[tuple[str, Any, list[Any]]] = [
        ("numbers", "passthrough", [column for column in numbers if not column.optional]),
        ("imputed", SimpleImputer(strategy="median", keep_empty_features=True), lacking),
        ("missing", MissingIndicator(features="all"), lacking),
        (
            "categories",
            _one_hot([column.values for column in categories if not column.optional]),
            [column for column in categories if not column.optional],
        ),
        (
            "optional categories",
            make_pipeline(present, _one_hot([(*column.values, MISSING) for column in wordless])),
            wordless,
        ),
    ]
    return [(name, made, [each.name for each in whose]) for name, made, whose in parts if whose]


def _one_hot(values: list[tuple[str, ...]]) -> CategoryEncoder:
    return CategoryEncoder(
        categories=[list(each) for each in values],
        drop="first",
        sparse_output=False,
        handle_unknown="error",
    )


def one_hot(column: str, value: str) -> str:
    """What the preprocessor calls the column of one value of a category."""
    return f"{column}_{value}"


def _suits_effects(column: Column) -> bool:
    if column.optional:
        return False
    if isinstance(column, CategoryColumn):
        return column.name == "smoker" and set(column.values) == {"no", SMOKES}
    return column.name in EFFECT_INPUTS and column.name != "smoker"
