"""Training and production over time, read back from the runs."""

from pathlib import Path

import pytest

from insurance_predictor.base.settings import Settings
from insurance_predictor.training.trained_run import TrainedRun
from monitoring.history import mlflow_runs, recorded
from tests.monitoring import example_assessments as examples


@pytest.fixture
def place(client, settings: Settings) -> Settings:
    """An experiment and a model name of the test's own."""
    name = f"monitoring of {settings.model_name}"
    return settings.model_copy(update={"monitoring_experiment_name": name})


def kept(settings: Settings, **changes: object) -> str:
    assessment = examples.alarming(model_name=settings.model_name, **changes)
    return mlflow_runs.begin(settings, assessment).run_id


def test_before_the_first_look_there_is_none(place: Settings):
    assert recorded.trend(place).assessments == ()


def test_looks_come_back_with_what_they_measured_the_oldest_first(place: Settings):
    runs = [kept(place, window=examples.week(number), rows=number) for number in (0, 2, 1)]
    assessments = recorded.trend(place).assessments
    assert [assessment.run_id for assessment in assessments] == [runs[1], runs[2], runs[0]]
    latest = assessments[-1]
    window = examples.week(0)
    assert (latest.start, latest.end, latest.slot) == (window.start, window.end, window.slot)
    assert (latest.version, latest.status, latest.rows) == ("3", "alarm", 0)
    assert latest.metrics["drift.bmi.psi"] == pytest.approx(0.31)


def test_of_two_looks_at_one_slot_the_last_one_counts(place: Settings):
    kept(place)
    again = kept(place)
    assert [assessment.run_id for assessment in recorded.trend(place).assessments] == [again]


def test_looks_at_another_model_and_those_that_broke_off_are_left_out(client, place: Settings):
    kept(place.model_copy(update={"model_name": "another"}))
    experiment = client.get_experiment_by_name(place.monitoring_experiment_name)
    client.create_run(experiment.experiment_id, tags=mlflow_runs.tags(examples.alarming()))
    mine = kept(place)
    assert [assessment.run_id for assessment in recorded.trend(place).assessments] == [mine]


def test_trainings_come_with_the_metrics_of_their_holdout(place: Settings, trained: TrainedRun):
    found = {training.run_id: training for training in recorded.trend(place).trainings}
    rmse = trained.trained.evaluation.overall["rmse"].value
    assert found[trained.run_id].metrics["holdout.rmse"] == pytest.approx(rmse)
    assert found[trained.run_id].time.tzinfo is not None


def test_only_the_newest_are_asked_for(place: Settings):
    for number in (3, 2, 1, 0):
        kept(place, window=examples.week(number))
    assessments = recorded.trend(place, most=2).assessments
    assert [assessment.end for assessment in assessments] == [
        examples.week(1).end,
        examples.week(0).end,
    ]


def test_a_report_comes_back_as_it_was_written_and_none_where_there_is_none(
    place: Settings, tmp_path: Path
):
    begun = mlflow_runs.begin(place, examples.alarming(model_name=place.model_name))
    assert recorded.report(place, begun.run_id) is None
    page = tmp_path / mlflow_runs.REPORT
    page.write_text("<!doctype html>á")
    mlflow_runs.finish(place, begun, page)
    assert recorded.report(place, begun.run_id) == page.read_bytes()
