"""The pictures a person looks at before trusting a model; each function returns one figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from insurance_predictor.base.arrays import BoolArray, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure


# Colours that stay apart for colour-blind readers (Okabe & Ito 2008, Color Universal Design).
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#555555"
COLOURS = (BLUE, VERMILION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
# Marker and label tell the groups apart for readers and printers without colour.
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
DOTS_PER_INCH = 110


def predicted_against_actual(
    actual: npt.ArrayLike, predicted: npt.ArrayLike, groups: Mapping[str, BoolArray], unit: str
) -> Figure:
    """Predicted over actual premiums, with the line of a perfect model.

    `actual` and `predicted` have shape (rows,) and are in `unit`; `groups` say by
    their names which rows are drawn apart, each (rows,).
    """
    figure, axes = _blank(
        "Predicted against actual premium",
        f"Actual premium ({unit})",
        f"Predicted premium ({unit})",
    )
    actual_values, predicted_values = _numbers(actual), _numbers(predicted)
    _scatter_by_group(axes, actual_values, predicted_values, groups)
    highest = float(np.nanmax(np.concatenate([actual_values, predicted_values])))
    axes.plot([0, highest], [0, highest], color=GREY, linewidth=1.2, label="perfect prediction")
    _legend_above(axes)
    _thousands(axes.xaxis, axes.yaxis)
    return figure


def residuals(
    actual: npt.ArrayLike, predicted: npt.ArrayLike, groups: Mapping[str, BoolArray], unit: str
) -> Figure:
    """Actual minus predicted premiums over the predicted ones, with the zero line.

    `actual` and `predicted` have shape (rows,) and are in `unit`; `groups` say by
    their names which rows are drawn apart, each (rows,).
    """
    figure, axes = _blank(
        "Residuals: above zero, quoted too low",
        f"Predicted premium ({unit})",
        f"Actual minus predicted ({unit})",
    )
    predicted_values = _numbers(predicted)
    _scatter_by_group(axes, predicted_values, _numbers(actual) - predicted_values, groups)
    axes.axhline(0, color=GREY, linewidth=1.2)
    _legend_above(axes)
    _thousands(axes.xaxis, axes.yaxis)
    return figure


def importance(names: Sequence[str], mean: npt.ArrayLike, std: npt.ArrayLike, unit: str) -> Figure:
    """Bars of how much RMSE grows when a feature is shuffled, the largest on top.

    `names`, `mean` and `std` have shape (features,); the last two are in `unit`.
    """
    figure, axes = _blank(
        "What the model would lose without each feature",
        f"Rise of RMSE when the feature is shuffled ({unit})",
        "",
    )
    means, deviations = _numbers(mean), _numbers(std)
    order = np.argsort(means, kind="stable")
    axes.barh(
        [names[index] for index in order],
        means[order],
        xerr=deviations[order],
        height=0.6,
        color=BLUE,
        error_kw={"ecolor": GREY, "elinewidth": 1.2, "capsize": 3},
    )
    for position, index in enumerate(order):
        label = f"  {means[index]:,.0f} ± {deviations[index]:,.0f}"
        axes.text(max(0.0, means[index] + deviations[index]), position, label, va="center")
    lowest, highest = np.min(means - deviations), np.max(means + deviations)
    label_room = 0.25 * max(highest, 1.0)
    axes.set_xlim(min(0.0, lowest), highest + label_room)
    axes.grid(visible=False, axis="y")
    _thousands(axes.xaxis)
    return figure


def learning_curve(
    sizes: npt.ArrayLike, train_scores: npt.ArrayLike, validation_scores: npt.ArrayLike, unit: str
) -> Figure:
    """RMSE over the number of training rows; bands are one standard deviation over the folds.

    `sizes` has shape (sizes,) and both scores (sizes, folds), in `unit`.
    """
    figure, axes = _blank(
        "Would more rows help?", "Training rows", f"RMSE, mean and spread over folds ({unit})"
    )
    _line_with_band(
        axes, _numbers(sizes), _numbers(train_scores), (BLUE, "o", "on the training rows")
    )
    _line_with_band(
        axes, _numbers(sizes), _numbers(validation_scores), (VERMILION, "^", "on the rows left out")
    )
    _legend_above(axes)
    _thousands(axes.xaxis, axes.yaxis)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write `figure` to `path` as PNG, making the folder if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", dpi=DOTS_PER_INCH)


def _blank(title: str, horizontal: str, vertical: str) -> tuple[Figure, Axes]:
    # The object-oriented API: pyplot keeps every figure alive and may look for a display.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.8), facecolor="white")
    axes = figure.add_axes((0.15, 0.13, 0.80, 0.71))
    axes.set_title(title, loc="left", fontsize=13, pad=30)
    axes.set_xlabel(horizontal, labelpad=8)
    axes.set_ylabel(vertical, labelpad=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def _scatter_by_group(
    axes: Axes, horizontal: FloatArray, vertical: FloatArray, groups: Mapping[str, BoolArray]
) -> None:
    apart = groups or {"everybody": np.full(len(horizontal), True)}
    for (label, rows), color, marker in zip(
        apart.items(), cycle(COLOURS), cycle(MARKERS), strict=False
    ):
        axes.plot(
            horizontal[rows],
            vertical[rows],
            linestyle="none",
            color=color,
            marker=marker,
            markersize=5,
            markeredgewidth=0,
            alpha=0.6,
            label=label,
        )


def _line_with_band(
    axes: Axes, sizes: FloatArray, scores: FloatArray, style: tuple[str, str, str]
) -> None:
    color, marker, label = style
    mean, deviation = scores.mean(axis=1), scores.std(axis=1)
    axes.fill_between(sizes, mean - deviation, mean + deviation, color=color, alpha=0.15, lw=0)
    axes.plot(sizes, mean, color=color, marker=marker, markersize=5, label=label)


def _legend_above(axes: Axes) -> None:
    """Between the title and the axes, where no point can hide under it."""
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.99), ncols=3, frameon=False)


def _thousands(*axis_lines: Axis) -> None:
    for axis in axis_lines:
        axis.set_major_formatter("{x:,.0f}")


def _numbers(values: npt.ArrayLike) -> FloatArray:
    return np.asarray(values, dtype=float)
