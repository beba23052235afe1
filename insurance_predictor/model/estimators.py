"""The candidate estimators, what a search may change in them, and the textbook baseline."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import HuberRegressor, LinearRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from insurance_predictor.table.schema import FEATURES, CategoryColumn, NumberColumn

# Types outside scikit-learn's plain ones that a stored model may hold; anything else is refused.
TRUSTED_TYPES = (
    "insurance_predictor.model.estimators.TypicalPlusMean",
    "insurance_predictor.models.TypicalPlusMean",  # its name in versions of release 0.1
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)

# The premium may only rise with these columns of the preprocessor, in its order.
RISING = {"age_squared": 1, "children": 1, "smoker": 1, "smoker_bmi": 1, "smoker_obese": 1}


class TypicalPlusMean(RegressorMixin, BaseEstimator):
    """A robust fit of the typical charge, plus what people are charged above it on average.

    About nine people in a hundred are charged far above their pattern, whatever their features.
    Least squares bends towards them; a robust fit ignores them and is too low on average, so the
    mean residual is added back, for each value of the column `group` (Huber 1964, Annals of
    Mathematical Statistics 35:73-101, for the fit). `group` holds two values.
    """

    def __init__(self, typical: Any = None, group: str = "smoker") -> None:
        self.typical = typical
        self.group = group

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike) -> Self:
        """Fit to `X` (n, columns) and yearly charges `y` (n,), US dollars."""
        charges = np.asarray(y, dtype=float)
        self.typical_ = clone(self.typical if self.typical is not None else HuberRegressor())
        self.typical_.fit(X, charges)
        residual = charges - self.typical_.predict(X)
        # With two values in the column, a least-squares line through the residuals is their means.
        self.mean_above_ = LinearRegression().fit(X[[self.group]], residual)
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Expected yearly charges (n,), US dollars."""
        above = self.mean_above_.predict(X[[self.group]])
        return np.asarray(self.typical_.predict(X) + above)


@dataclass(frozen=True)
class CandidateEstimator:
    """An unfitted estimator and the values a search may try for its parameters."""

    name: str
    estimator: Any
    space: Mapping[str, list[Any]]


def make_candidates(columns: tuple[str, ...]) -> tuple[CandidateEstimator, ...]:
    """The estimators that are compared, for a preprocessor that makes `columns`."""
    huber = HuberRegressor(epsilon=1.35, alpha=1e-4, max_iter=1000)
    boosting = HistGradientBoostingRegressor(
        learning_rate=0.1,
        max_iter=80,
        max_leaf_nodes=4,
        early_stopping=False,
        monotonic_cst=[RISING.get(column, 0) for column in columns],
        random_state=0,
    )
    return (
        CandidateEstimator(
            "typical_plus_mean",
            TypicalPlusMean(huber),
            {"typical__epsilon": [1.1, 1.35, 2.0], "typical__alpha": [1e-6, 1e-4, 1e-2, 1e-1]},
        ),
        CandidateEstimator("ridge", Ridge(alpha=3.0), {"alpha": [0.1, 0.3, 1.0, 3.0, 10.0, 30.0]}),
        CandidateEstimator(
            "gradient_boosting",
            boosting,
            {
                "max_leaf_nodes": [3, 4, 6],
                "max_iter": [60, 80, 120],
                "learning_rate": [0.06, 0.08, 0.1],
                "min_samples_leaf": [10, 20],
            },
        ),
    )


def make_baseline() -> Pipeline:
    """The textbook model: least squares on the raw columns, categories one-hot. Raw people in."""
    numbers = [column.name for column in FEATURES if isinstance(column, NumberColumn)]
    categories = [column for column in FEATURES if isinstance(column, CategoryColumn)]
    encoder = OneHotEncoder(categories=[list(column.values) for column in categories], drop="first")
    columns = ColumnTransformer(
        [
            ("numbers", "passthrough", numbers),
            ("categories", encoder, [column.name for column in categories]),
        ]
    )
    return Pipeline([("columns", columns), ("model", LinearRegression())])
