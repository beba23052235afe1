"""The series that report and dashboard draw over time."""

import pytest

from insurance_predictor.table.schema import TARGET
from monitoring.history.mlflow_runs import Trend
from monitoring.report import trend
from monitoring.words import report_words
from tests.monitoring import example_assessments as examples


def test_errors_of_training_and_production_stand_side_by_side():
    training, estimated, actual = trend.errors(examples.trend(), "en")
    [point] = training.points
    assert (point.value, point.low, point.high) == (4507.0, 4002.0, 4998.0)
    assert [series.style for series in (training, estimated, actual)] == [
        "reference",
        "estimate",
        "window",
    ]
    assert {point.value for point in estimated.points} == {4600.0}
    assert {(point.low, point.high) for point in estimated.points} == {(4100.0, 5100.0)}
    assert [point.value for point in actual.points] == [4800, 4900, 5000, 5100, 5200, 5300]
    assert {point.low for point in actual.points} == {None}


def test_alarms_are_marked_where_they_were():
    assessments = examples.trend().assessments
    shift = trend.series(assessments, "drift.bmi.shift", "drift.bmi", "BMI")
    assert [point.is_alarm for point in shift.points] == [False] * 4 + [True] * 2
    assert [point.time for point in shift.points] == [assessment.end for assessment in assessments]


def test_a_series_can_be_scaled_and_skips_what_was_not_measured():
    assessments = examples.trend(2).assessments
    share = trend.series(assessments, "service.error_rate.value", "service.error_rate", "", 100)
    assert [point.value for point in share.points] == pytest.approx([0.1, 0.1])
    assert trend.series(assessments, "drift.smoker.shift", "drift.smoker", "").points == ()


@pytest.mark.parametrize("language", ["pt", "en"])
def test_there_is_a_chart_for_everything_that_was_measured_and_none_before(language):
    titles = [chart["title"] for chart in trend.charts(examples.trend(), language)]
    assert titles == [
        words(language, unit=TARGET.unit[language])
        for words in (
            report_words.TREND_ERROR,
            report_words.TREND_RATIO,
            report_words.TREND_PREMIUM,
            report_words.TREND_ALARMS,
        )
    ]
    assert trend.charts(examples.trend(1), language) == []
    assert trend.charts(Trend(), language) == []
