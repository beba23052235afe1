"""From the six raw columns to the model's columns: the artifact stored beside every model."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from insurance_predictor.table.schema import REGION, SEX, SMOKER

# Types outside scikit-learn's plain ones that a stored preprocessor may hold; others are refused.
TRUSTED_TYPES = ("insurance_predictor.model.preprocessing.Effects",)

# Above 30 kg/m² a smoker's charges jump. The public table has one smoker at exactly 30.0, who is
# charged like those below; docs/quality.md shows what that one row is worth.
OBESE_ABOVE = 30.0
BMI_SEEN = (15.0, 55.0)
MOST_CHILDREN_SEEN = 5

EFFECTS = ("age_squared", "children", "smoker", "smoker_bmi", "smoker_obese")
EFFECT_INPUTS = ("age", "bmi", "children", "smoker")


class Effects(TransformerMixin, BaseEstimator):
    """The effects that charges show: age squared, children, and bmi only for those who smoke.

    Input (n, 4): age (years), bmi (kg/m²), children, smoker (yes or no).
    Output (n, 5): age_squared in units of 100 years², children up to 5, smoker 0 or 1,
    smoker_bmi in kg/m² above 15 (0 for non-smokers) and smoker_obese 0 or 1. Beyond what any
    table has shown (bmi outside 15-55, more than 5 children) an effect stays as it is at the edge,
    so that an extrapolated premium stays positive and never falls with smoking.
    """

    def fit(self, people: pd.DataFrame, y: object = None) -> Self:
        """Nothing is learned; the columns are remembered, as scikit-learn expects."""
        self.feature_names_in_ = np.asarray(people.columns, dtype=object)
        return self

    def transform(self, people: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Shape (n, 4) -> (n, 5)."""
        bmi = people["bmi"].to_numpy(dtype=float).clip(*BMI_SEEN)
        smoker = (people["smoker"] == SMOKER.values[1]).to_numpy(dtype=float)
        return np.column_stack(
            [
                (people["age"].to_numpy(dtype=float) / 10) ** 2,
                people["children"].to_numpy(dtype=float).clip(max=MOST_CHILDREN_SEEN),
                smoker,
                smoker * (bmi - BMI_SEEN[0]),
                smoker * (bmi > OBESE_ABOVE),
            ]
        )

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[Any]:
        """The five columns, in order."""
        return np.asarray(EFFECTS, dtype=object)


def make_preprocessor() -> Pipeline:
    """An unfitted preprocessor: effects and one-hot categories, then each column scaled.

    `transform` takes a table of people with the six raw columns by name and gives a DataFrame of
    nine numeric columns; extra columns are ignored and the order does not matter.
    """
    categories = OneHotEncoder(
        categories=[list(SEX.values), list(REGION.values)],
        drop="first",
        sparse_output=False,
        handle_unknown="error",
    )
    columns = ColumnTransformer(
        [
            ("effects", Effects(), list(EFFECT_INPUTS)),
            ("categories", categories, [SEX.name, REGION.name]),
        ],
        verbose_feature_names_out=False,
    )
    steps = Pipeline([("columns", columns), ("scale", StandardScaler())])
    return steps.set_output(transform="pandas")
