"""How good a model is: metrics with intervals, on the whole and per slice."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import inf
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from insurance_predictor.base.arrays import BoolArray, FloatArray
from insurance_predictor.base.errors import BadInput
from insurance_predictor.table.columns import Columns, NumberColumn
from insurance_predictor.table.schema import CURRENT

Premiums = Callable[[pd.DataFrame], FloatArray]

# Small enough for a block of resamples to stay in the processor's cache, whatever the table's size.
RESAMPLED_NUMBERS_AT_ONCE = 20_000
RESAMPLES = 1_000
# Of more rows than so many each resample draws no more, and the interval shrinks accordingly.
MOST_DRAWN = 2_000


@dataclass(frozen=True)
class Estimate:
    """A measured value and the ends of its 95 % bootstrap percentile interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class IntervalScore:
    """How prediction intervals did: share covered, mean width and Winkler score in US dollars."""

    coverage: float
    mean_width: float
    winkler: float


@dataclass(frozen=True)
class Evaluation:
    """Everything measured on one set of rows; slices are named as in `slice_masks`."""

    rows: int
    overall: Mapping[str, Estimate]
    slices: Mapping[str, Mapping[str, Estimate]]
    slice_rows: Mapping[str, int]
    interval: IntervalScore
    interval_by_group: Mapping[str, IntervalScore]


@dataclass(frozen=True)
class PairedDifference:
    """How much more a candidate loses than production, as a fraction of production's loss.

    `value` is 0.05 when the candidate's mean loss is 5 % higher; `low` and `high` are the ends of
    the two-sided 95 % interval. `at_least` and `at_most` are one-sided 95 % bounds: the candidate
    is clearly worse when `at_least` is above 0, and clearly not worse when `at_most` is below 0.
    """

    value: float
    low: float
    high: float
    at_least: float
    at_most: float


def metrics(actual: npt.ArrayLike, predicted: npt.ArrayLike) -> dict[str, float]:
    """Metrics of `predicted` against `actual`, both of shape (rows,) in US dollars a year.

    `rmse`, `mae` and `median_absolute_error` are in US dollars a year. `total_bias` is the
    fraction (sum predicted - sum actual) / sum actual. `r2` is nan when all actual values are
    equal. `gamma_deviance` is the mean unit deviance 2 (log(predicted / actual) +
    actual / predicted - 1) of a Gamma distribution (McCullagh & Nelder, Generalized Linear
    Models, 1989, ch. 8); it is nan when a value of either side is not above 0. A nan among the
    predictions makes every metric nan.
    Raises BadInput when there are no rows.
    """
    values = _metrics_along_rows(*_aligned(actual, predicted))
    return {name: float(value) for name, value in values.items()}


def bootstrap_metrics(
    actual: npt.ArrayLike, predicted: npt.ArrayLike, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Estimate]:
    """The metrics of `metrics` with 95 % bootstrap percentile intervals.

    Rows are drawn with replacement, the same rows for every metric (Efron & Tibshirani, An
    Introduction to the Bootstrap, 1993, ch. 13), `resamples` times; of more than 2,000 rows so
    many, and the interval shrinks to that of all (Politis, Romano & Wolf, Subsampling, 1999,
    ch. 2). Where a metric is not finite, its interval is nan; resamples in which it is not defined
    are left out of its interval.
    Raises BadInput when there are no rows.
    """
    actual_values, predicted_values = _aligned(actual, predicted)
    blocks = [
        _metrics_along_rows(actual_values[rows], predicted_values[rows])
        for rows in _resampled_rows(len(actual_values), resamples, seed)
    ]
    return {
        name: _estimate(
            value, np.concatenate([block[name] for block in blocks]), len(actual_values)
        )
        for name, value in metrics(actual_values, predicted_values).items()
    }


def slice_masks(people: pd.DataFrame, columns: Columns = CURRENT) -> dict[str, BoolArray]:
    """Which of `people` belong to each slice, shape (rows,); slices without people are left out.

    Slices are named "smoker=yes", "sex=female", "region=southeast", "age=18-29": those of the
    column that is the group first, then every category, then the bands of numbers.
    """
    masks = {}
    for category in sorted(columns.categories, key=lambda column: not column.is_group):
        for value in category.values:
            mask = (people[category.name] == value).to_numpy(dtype=bool)
            masks[f"{category.name}={value}"] = mask
    for number in (column for column in columns.numbers if column.bands):
        values = people[number.name].to_numpy(dtype=float)
        for name, first, beyond in _bands(number):
            masks[name] = (values >= first) & (values < beyond)
    return {name: mask for name, mask in masks.items() if mask.any()}


def _bands(column: NumberColumn) -> Iterator[tuple[str, float, float]]:
    """Name and start of each band of a number, and the start of the next one."""
    for first, beyond in pairwise((*column.bands, inf)):
        last = f"{min(beyond - 1, column.high):g}" if column.whole else f"below {beyond:g}"
        yield f"{column.name}={first:g}-{last}", first, beyond


def interval_score(
    actual: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike, alpha: float = 0.10
) -> IntervalScore:
    """Coverage, mean width and Winkler score of intervals meant to cover 1 - `alpha` of the rows.

    All arrays have shape (rows,) and are in US dollars a year; the ends belong to the interval.
    The Winkler score is the mean of
    (high - low) + 2/alpha (low - actual)+ + 2/alpha (actual - high)+, smaller being better
    (Winkler 1972, JASA 67:187-191; Gneiting & Raftery 2007, JASA 102:359-378, equation 43).
    Raises BadInput when there are no rows.
    """
    values, lows, highs = _aligned(actual, low, high)
    width = highs - lows
    missed_by = np.maximum(lows - values, 0) + np.maximum(values - highs, 0)
    return IntervalScore(
        coverage=float(np.mean((lows <= values) & (values <= highs))),
        mean_width=float(np.mean(width)),
        winkler=float(np.mean(width + 2 / alpha * missed_by)),
    )


def evaluate(
    people: pd.DataFrame,
    actual: npt.ArrayLike,
    predicted: npt.ArrayLike,
    low: npt.ArrayLike,
    high: npt.ArrayLike,
    resamples: int = RESAMPLES,
    seed: int = 0,
    columns: Columns = CURRENT,
) -> Evaluation:
    """Metrics and 90 % interval scores of `people`, (rows, features), overall and sliced.

    The arrays have shape (rows,) and are in US dollars a year.
    Raises BadInput when there are no rows.
    """
    values, point, lows, highs = _aligned(actual, predicted, low, high)
    masks = slice_masks(people, columns)
    group = columns.group
    groups = [f"{group.name}={value}" for value in group.values] if group else []
    return Evaluation(
        rows=len(values),
        overall=bootstrap_metrics(values, point, resamples, seed),
        slices={
            name: bootstrap_metrics(values[mask], point[mask], resamples, seed)
            for name, mask in masks.items()
        },
        slice_rows={name: int(mask.sum()) for name, mask in masks.items()},
        interval=interval_score(values, lows, highs),
        interval_by_group={
            name: interval_score(values[mask], lows[mask], highs[mask])
            for name in groups
            if (mask := masks.get(name)) is not None
        },
    )


def flat_metrics(evaluation: Evaluation, prefix: str) -> dict[str, float]:
    """One number for each name MLflow allows: `holdout.rmse`, `holdout.smoker_yes.rmse_low`, ...

    Each metric has its `_low` and `_high`; each slice and the whole have `rows`; the whole and
    each group have `coverage`, `mean_width` and `winkler`. Undefined values stay nan.
    """
    flat = {f"{prefix}.rows": float(evaluation.rows)}
    flat |= _flat_estimates(prefix, evaluation.overall)
    flat |= _flat_interval(prefix, evaluation.interval)
    for name, estimates in evaluation.slices.items():
        slice_prefix = f"{prefix}.{_metric_name(name)}"
        flat[f"{slice_prefix}.rows"] = float(evaluation.slice_rows[name])
        flat |= _flat_estimates(slice_prefix, estimates)
    for name, score in evaluation.interval_by_group.items():
        flat |= _flat_interval(f"{prefix}.{_metric_name(name)}", score)
    return flat


def paired_bootstrap_difference(
    actual: npt.ArrayLike,
    candidate: npt.ArrayLike,
    production: npt.ArrayLike,
    loss: Literal["absolute", "squared"],
    resamples: int = 2000,
    seed: int = 0,
) -> PairedDifference:
    """(mean loss of candidate - mean loss of production) / mean loss of production.

    The arrays have shape (rows,) and are in US dollars a year. Both models are measured on the
    same resampled rows, so that the luck of the draw, large next to the difference, cancels out.
    Everything is nan when production makes no error at all or a prediction is nan.
    Raises BadInput when there are no rows.
    """
    values, candidate_values, production_values = _aligned(actual, candidate, production)
    power = {"absolute": 1, "squared": 2}[loss]
    candidate_loss = np.abs(candidate_values - values) ** power
    production_loss = np.abs(production_values - values) ** power
    differences = np.concatenate(
        [
            _relative_difference(candidate_loss[rows], production_loss[rows])
            for rows in _resampled_rows(len(values), resamples, seed)
        ]
    )
    value = float(_relative_difference(candidate_loss, production_loss))
    shares = (0.025, 0.05, 0.95, 0.975)
    low, at_least, at_most, high = _quantiles(value, differences, shares, len(values))
    return PairedDifference(value, low, high, at_least, at_most)


def _aligned(*columns: npt.ArrayLike) -> tuple[FloatArray, ...]:
    arrays = tuple(np.asarray(column, dtype=float) for column in columns)
    if any(array.shape != (len(arrays[0]),) for array in arrays):
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise ValueError(f"Values to compare must be flat and equally long; got shapes {shapes}.")
    if not len(arrays[0]):
        raise BadInput("There are no rows to evaluate. Use a table with more rows.")
    return arrays


def _metrics_along_rows(actual: FloatArray, predicted: FloatArray) -> dict[str, FloatArray]:
    """Each metric along the last axis, so that one formula serves a table and its resamples."""
    with np.errstate(all="ignore"):
        error = predicted - actual
        squared_error = np.mean(error**2, axis=-1)
        absolute_error = np.abs(error)
        constant = np.max(actual, axis=-1) == np.min(actual, axis=-1)
        explained = 1 - squared_error / np.var(actual, axis=-1)
        return {
            "rmse": np.sqrt(squared_error),
            "mae": np.mean(absolute_error, axis=-1),
            "r2": np.where(constant, np.nan, explained),
            "median_absolute_error": np.median(absolute_error, axis=-1),
            "total_bias": np.sum(error, axis=-1) / np.sum(actual, axis=-1),
            "gamma_deviance": _mean_gamma_deviance(actual, predicted),
        }


def _mean_gamma_deviance(actual: FloatArray, predicted: FloatArray) -> FloatArray:
    positive = (np.min(actual, axis=-1) > 0) & (np.min(predicted, axis=-1) > 0)
    ratio = predicted / actual
    deviance = 2 * np.mean(np.log(ratio) + 1 / ratio - 1, axis=-1)
    return np.where(positive, deviance, np.nan)


def _resampled_rows(rows: int, resamples: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    generator = np.random.default_rng(seed)
    drawn = min(rows, MOST_DRAWN)
    block = max(1, RESAMPLED_NUMBERS_AT_ONCE // drawn)
    for start in range(0, resamples, block):
        yield generator.integers(rows, size=(min(block, resamples - start), drawn))


def _estimate(value: float, resampled: FloatArray, rows: int) -> Estimate:
    low, high = _quantiles(value, resampled, (0.025, 0.975), rows)
    return Estimate(value, low, high)


def _quantiles(
    value: float, resampled: FloatArray, shares: tuple[float, ...], rows: int
) -> list[float]:
    """Those of the luck of drawing `rows` people, known from resamples of `_resampled_rows`."""
    defined = resampled[np.isfinite(resampled)]
    if not np.isfinite(value) or not len(defined):
        return [float("nan")] * len(shares)
    quantiles = np.quantile(defined, shares)
    if rows > MOST_DRAWN:
        quantiles = value + (quantiles - value) * np.sqrt(MOST_DRAWN / rows)
    return [float(quantile) for quantile in quantiles]


def _relative_difference(candidate_loss: FloatArray, production_loss: FloatArray) -> FloatArray:
    production_mean = np.mean(production_loss, axis=-1)
    with np.errstate(all="ignore"):
        relative = np.mean(candidate_loss, axis=-1) / production_mean - 1
    return np.where(production_mean > 0, relative, np.nan)


def _metric_name(name: str) -> str:
    """The name of a slice with only what MLflow allows in the name of a metric."""
    return re.sub(r"[^\w\-. /]", "_", name)


def _flat_estimates(prefix: str, estimates: Mapping[str, Estimate]) -> dict[str, float]:
    return {
        f"{prefix}.{name}{suffix}": number
        for name, estimate in estimates.items()
        for suffix, number in zip(
            ("", "_low", "_high"), (estimate.value, estimate.low, estimate.high), strict=True
        )
    }


def _flat_interval(prefix: str, score: IntervalScore) -> dict[str, float]:
    return {f"{prefix}.{name}": number for name, number in asdict(score).items()}
