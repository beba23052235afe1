"""The candidate estimators, what a search may change in them, and the textbook baseline."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import GammaRegressor, HuberRegressor, LinearRegression, Ridge
from sklearn.pipeline import Pipeline

from insurance_predictor.base.arrays import FloatArray
from insurance_predictor.model.preprocessing import EFFECTS_OF, by_kind, one_hot
from insurance_predictor.model.sizes import (
    USUAL_LEAVES,
    USUAL_ROWS,
    leaves,
    patience,
    searched_leaves,
)
from insurance_predictor.table.columns import Columns
from insurance_predictor.table.schema import CURRENT

# skops looks into every package of scikit-learn when it is imported, and one of them would load
# Dask, which made a tenth of what that takes.
sys.modules.setdefault("sklearn.externals.array_api_compat.dask", None)  # type: ignore[arg-type]

# Types outside scikit-learn's plain ones that a stored model may hold; anything else is refused.
TRUSTED_TYPES = (
    "insurance_predictor.model.estimators.TypicalPlusMean",
    "insurance_predictor.models.TypicalPlusMean",  # its name in versions of release 0.1
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)


# Trees of the deeper boosting at which it is judged: one fit shows all of them.
STAGES = (40, 80, 120, 160, 240, 320, 480)

# The model's columns, (n, columns), and charges, (n,).
Rows = tuple[pd.DataFrame, FloatArray]


class TypicalPlusMean(RegressorMixin, BaseEstimator):
    """A robust fit of the typical charge, plus what people are charged above it on average.

    About nine people in a hundred are charged far above their pattern, whatever their features.
    Least squares bends towards them; a robust fit ignores them and is too low on average, so the
    mean residual is added back, for each group of people (Huber 1964, Annals of Mathematical
    Statistics 35:73-101, for the fit). `group` names the columns that tell the groups apart: one of
    two values, or one for each group but the first; without any, everybody is one group.
    """

    def __init__(self, typical: Any = None, group: str | tuple[str, ...] = "smoker") -> None:
        self.typical = typical
        self.group = group

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike) -> Self:
        """Fit to `X` (n, columns) and yearly charges `y` (n,), US dollars."""
        charges = np.asarray(y, dtype=float)
        self.typical_ = clone(self.typical if self.typical is not None else HuberRegressor())
        self.typical_.fit(X, charges)
        residual = charges - self.typical_.predict(X)
        # Least squares on columns that only tell groups apart gives the mean of each group.
        self.mean_above_ = LinearRegression().fit(self._groups(X), residual)
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Expected yearly charges (n,), US dollars."""
        above = self.mean_above_.predict(self._groups(X))
        return np.asarray(self.typical_.predict(X) + above)

    def _groups(self, X: pd.DataFrame) -> pd.DataFrame:
        if not self.group:
            return pd.DataFrame({"everybody": np.zeros(len(X))}, index=X.index)
        return X[[self.group] if isinstance(self.group, str) else list(self.group)]


@dataclass(frozen=True)
class CandidateEstimator:
    """An unfitted estimator and the values a search may try for its parameters.

    Boosting is judged at each number of trees in `stages`, of which the best is taken; without any,
    the estimator is judged as it is. With `patience` it grows no further when so many trees in a
    row have brought the people it is judged by no gain.
    """

    name: str
    estimator: Any
    space: Mapping[str, list[Any]]
    stages: tuple[int, ...] = ()
    patience: int | None = None

    def stages_on(self, learned: Rows, unseen: Rows) -> tuple[tuple[Self, FloatArray], ...]:
        """What the candidate, fitted to `learned`, is at each stage, and predicts of `unseen`."""
        model, further = clone(self.estimator), {}
        if self.patience is not None:
            model.set_params(early_stopping=True, n_iter_no_change=self.patience)
            further = dict(zip(("X_val", "y_val"), unseen, strict=True))
        return tuple(self._predicted(model.fit(*learned, **further), unseen[0]))

    def _predicted(self, model: Any, columns: pd.DataFrame) -> Iterator[tuple[Self, FloatArray]]:
        if not self.stages:
            yield self, np.asarray(model.predict(columns), dtype=float)
            return
        for trees, predicted in enumerate(model.staged_predict(columns), 1):
            if trees in self.stages:
                estimator = clone(self.estimator).set_params(max_iter=trees)
                yield replace(self, estimator=estimator, stages=(), patience=None), predicted


def make_candidates(
    made: tuple[str, ...], columns: Columns = CURRENT, rows: int = USUAL_ROWS
) -> tuple[CandidateEstimator, ...]:
    """The estimators that are compared, for a preprocessor that makes `made` out of `columns`.

    `rows` are learned from: a table with more of them or of columns than usual gets deeper
    trees and a gamma regression beside the usual ones.
    """
    huber = HuberRegressor(epsilon=1.35, alpha=1e-4, max_iter=1000)
    needs_more = leaves(rows, len(columns.features)) > USUAL_LEAVES
    return (
        CandidateEstimator(
            "typical_plus_mean",
            TypicalPlusMean(huber, _group(made, columns)),
            {"typical__epsilon": [1.1, 1.35, 2.0], "typical__alpha": [1e-6, 1e-4, 1e-2, 1e-1]},
        ),
        CandidateEstimator("ridge", Ridge(alpha=3.0), {"alpha": [0.1, 0.3, 1.0, 3.0, 10.0, 30.0]}),
        CandidateEstimator(
            "gradient_boosting",
            _boosting(made, columns, learning_rate=0.1, max_iter=80, max_leaf_nodes=USUAL_LEAVES),
            {
                "max_leaf_nodes": [3, 4, 6],
                "max_iter": [60, 80, 120],
                "learning_rate": [0.06, 0.08, 0.1],
                "min_samples_leaf": [10, 20],
            },
        ),
        *(_beyond_usual(made, columns, rows) if needs_more else ()),
    )


def _beyond_usual(
    made: tuple[str, ...], columns: Columns, rows: int
) -> Iterator[CandidateEstimator]:
    """What only more people or columns than usual can tell from luck.

    Where charges are above zero, so are the premiums: effects multiply, as they do where tails are
    heavy, in a gamma regression (McCullagh & Nelder, Generalized Linear Models, 1989, ch. 8), and
    trees of Poisson's deviance find what else acts together.
    """
    target, chosen = columns.target, leaves(rows, len(columns.features))
    is_positive = target.low > 0 or (target.low == 0 and target.above_low)
    if is_positive:
        yield CandidateEstimator(
            "gamma_regression",
            GammaRegressor(alpha=0.01, solver="newton-cholesky"),
            {"alpha": [1e-4, 1e-3, 1e-2, 1e-1]},
        )
    yield CandidateEstimator(
        "deep_boosting",
        _boosting(
            made,
            columns,
            loss="poisson" if is_positive else "squared_error",
            learning_rate=0.08,
            max_iter=STAGES[-1],
            max_leaf_nodes=chosen,
            min_samples_leaf=40,
        ),
        {
            "max_leaf_nodes": searched_leaves(chosen),
            "learning_rate": [0.04, 0.08],
            "min_samples_leaf": [20, 40, 80],
            "l2_regularization": [0.0, 3.0],
            "max_features": [0.5, 1.0],
        },
        STAGES,
        patience(rows),
    )


def _boosting(
    made: tuple[str, ...], columns: Columns, **sizes: Any
) -> HistGradientBoostingRegressor:
    rising = _rising(columns)
    return HistGradientBoostingRegressor(
        early_stopping=False,
        monotonic_cst=[int(name in rising) for name in made],
        random_state=0,
        **sizes,
    )


def make_baseline(columns: Columns = CURRENT) -> Pipeline:
    """The textbook model: least squares on the raw columns, categories one-hot. Raw people in."""
    raw = ColumnTransformer(by_kind(list(columns.features)))
    return Pipeline([("columns", raw), ("model", LinearRegression())])


def _rising(columns: Columns) -> set[str]:
    """The columns of the preprocessor with which the premium may only rise."""
    rising = {column.name for column in columns.features if column.rises}
    effects = {effect for effect, (first, *_) in EFFECTS_OF.items() if first in rising}
    values = {
        one_hot(column.name, value)
        for column in columns.categories
        if column.rises
        for value in column.values
    }
    return rising | effects | values


def _group(made: tuple[str, ...], columns: Columns) -> str | tuple[str, ...]:
    """The columns of the preprocessor that tell the groups of the intervals apart."""
    group = columns.group
    if group is None:
        return ()
    if group.name in made:
        return group.name
    values = {one_hot(group.name, value) for value in group.values}
    return tuple(name for name in made if name in values)
