"""The figures show the numbers they are given, named and with units, and become PNG files."""

import subprocess
import sys
import time

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from insurance_predictor.training import plots

ACTUAL = np.array([1_500.0, 9_000.0, 12_000.0, 40_000.0, 25_000.0])
PREDICTED = np.array([2_500.0, 8_000.0, 5_000.0, 41_000.0, 30_000.0])
SMOKES = np.array([False, False, False, True, True])
GROUPS = {"smoker=no": ~SMOKES, "smoker=yes": SMOKES}
NAMES = ["age", "smoker", "sex"]
MEAN, STD = [1_200.0, 9_000.0, -4.0], [100.0, 800.0, 12.0]
SIZES = [100, 400, 800]
UNIT = "R$ a year"
TRAIN = [[3_000.0, 3_400.0], [4_000.0, 4_100.0], [4_200.0, 4_300.0]]
VALIDATION = [[6_000.0, 7_000.0], [4_900.0, 5_300.0], [4_600.0, 4_800.0]]


def all_figures():
    return {
        "predicted": plots.predicted_against_actual(ACTUAL, PREDICTED, GROUPS, UNIT),
        "residuals": plots.residuals(ACTUAL, PREDICTED, GROUPS, UNIT),
        "importance": plots.importance(NAMES, MEAN, STD, UNIT),
        "learning_curve": plots.learning_curve(SIZES, TRAIN, VALIDATION, UNIT),
    }


def points(axes, label):
    (line,) = [line for line in axes.lines if line.get_label() == label]
    return line.get_xydata().tolist()


@pytest.mark.parametrize("name", ["predicted", "residuals", "importance", "learning_curve"])
def test_every_figure_has_a_title_and_its_unit_on_an_axis(name):
    (axes,) = all_figures()[name].axes
    assert axes.get_title(loc="left")
    assert UNIT in axes.get_xlabel() + axes.get_ylabel()


def test_predictions_are_drawn_over_actual_premiums_by_group():
    (axes,) = plots.predicted_against_actual(ACTUAL, PREDICTED, GROUPS, UNIT).axes
    assert points(axes, "smoker=yes") == [[40_000, 41_000], [25_000, 30_000]]
    assert points(axes, "smoker=no") == [[1_500, 2_500], [9_000, 8_000], [12_000, 5_000]]
    assert points(axes, "perfect prediction") == [[0, 0], [41_000, 41_000]]


def test_a_residual_above_zero_was_quoted_too_low():
    (axes,) = plots.residuals(ACTUAL, PREDICTED, GROUPS, UNIT).axes
    assert points(axes, "smoker=yes") == [[41_000, -1_000], [30_000, -5_000]]
    assert points(axes, "smoker=no") == [[2_500, -1_000], [8_000, 1_000], [5_000, 7_000]]


def test_groups_can_be_told_apart_without_colour():
    (axes,) = plots.residuals(ACTUAL, PREDICTED, GROUPS, UNIT).axes
    assert len({line.get_marker() for line in axes.lines[:2]}) == 2


@pytest.mark.parametrize("groups", [{}, {"smoker=no": np.full(5, True)}])
def test_a_table_without_smokers_or_without_groups_can_be_drawn(tmp_path, groups):
    plots.save(plots.residuals(ACTUAL, PREDICTED, groups, UNIT), tmp_path / "residuals.png")
    assert imread(tmp_path / "residuals.png").std() > 0


def test_the_most_important_feature_is_on_top_with_its_value():
    (axes,) = plots.importance(NAMES, MEAN, STD, UNIT).axes
    assert [bar.get_width() for bar in axes.patches] == [-4, 1_200, 9_000]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["sex", "age", "smoker"]
    assert [text.get_text().strip() for text in axes.texts][-1] == "9,000 ± 800"


def test_the_text_beside_the_longest_bar_stays_inside_the_picture():
    figure = plots.importance(["a", "b"], [123_456.0, 1.0], [98_765.0, 0.0], UNIT)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert max(text.get_window_extent().x1 for text in axes.texts) <= figure.bbox.x1


def test_importance_of_a_model_that_uses_nothing_can_be_drawn(tmp_path):
    plots.save(plots.importance(NAMES, [0.0] * 3, [0.0] * 3, UNIT), tmp_path / "importance.png")
    assert imread(tmp_path / "importance.png").std() > 0


def test_the_learning_curve_joins_the_means_over_folds():
    (axes,) = plots.learning_curve(SIZES, TRAIN, VALIDATION, UNIT).axes
    assert points(axes, "on the training rows") == [[100, 3_200], [400, 4_050], [800, 4_250]]
    assert points(axes, "on the rows left out") == [[100, 6_500], [400, 5_100], [800, 4_700]]


def test_the_band_of_the_learning_curve_is_one_standard_deviation():
    (axes,) = plots.learning_curve(SIZES, TRAIN, VALIDATION, UNIT).axes
    heights = axes.collections[1].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (4_600, 7_000)


def test_saved_figures_are_png_files_in_a_folder_made_for_them(tmp_path):
    for name, figure in all_figures().items():
        plots.save(figure, tmp_path / "new" / f"{name}.png")
        height, width, _ = imread(tmp_path / "new" / f"{name}.png").shape
        assert (width, height) == (792, 528)


def test_the_four_figures_cost_no_more_than_sixteen_that_show_nothing(tmp_path):
    def seconds(deed):
        started = time.process_time()
        deed()
        return time.process_time() - started

    def draw_ours():
        for name, figure in all_figures().items():
            plots.save(figure, tmp_path / f"{name}.png")

    def draw_nothing():
        figure = Figure(figsize=(5, 4))
        figure.subplots()
        figure.savefig(tmp_path / "nothing.png", dpi=150)

    draw_nothing()  # the first figure of a process loads fonts
    pairs = [(seconds(draw_ours), seconds(draw_nothing)) for _ in range(3)]
    assert min(ours for ours, _ in pairs) < 16 * min(theirs for _, theirs in pairs)


@pytest.mark.process
def test_importing_the_module_does_not_import_matplotlib_and_drawing_leaves_pyplot_alone():
    program = (
        "import sys; from insurance_predictor.training import plots;"
        "assert 'matplotlib' not in sys.modules;"
        "plots.residuals([1.0], [2.0], {}, 'R$');"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
