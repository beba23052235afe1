"""An assessment as an MLflow run: its numbers, its tags, its files."""

import json
import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from insurance_predictor.base.errors import Unreachable
from insurance_predictor.base.settings import Settings
from insurance_predictor.store.tracking import connect
from insurance_predictor.training.trained_run import TrainedRun
from monitoring.domain.assessment import Verdict, Window
from monitoring.history import mlflow_runs
from monitoring.history.json import assessment_from_json
from tests.monitoring import example_assessments as examples

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def place(settings: Settings) -> Settings:
    """An experiment of the test's own."""
    name = f"monitoring of {settings.model_name}"
    return settings.model_copy(update={"monitoring_experiment_name": name})


def test_an_assessment_has_its_verdicts_as_metrics_and_its_facts_as_tags(client, place: Settings):
    assessment = examples.alarming()
    recorded = mlflow_runs.begin(place, assessment)
    run = client.get_run(recorded.run_id)
    assert run.info.status == "RUNNING"
    assert run.data.metrics["drift.bmi.p_value"] == pytest.approx(0.00002)
    assert run.data.metrics["drift.bmi.psi"] == pytest.approx(0.31)
    assert run.data.metrics["drift.bmi.alarm"] == 1
    assert run.data.metrics["drift.age.alarm"] == 0
    assert run.data.metrics["performance.ratio.value"] == pytest.approx(1.03)
    assert run.data.metrics["schema.unseen.region.value"] == pytest.approx(0.011)
    assert run.data.tags | {
        "role": "monitoring",
        "model_name": examples.MODEL,
        "version": "3",
        "window_start": "2026-03-08T00:00:00+00:00",
        "window_end": "2026-03-15T00:00:00+00:00",
        "rows": "1234",
        "outcomes": "410",
        "status": "alarm",
        "alarms": "drift.premium, drift.bmi, schema.unseen.region",
    } == dict(run.data.tags)
    [psi] = client.get_metric_history(recorded.run_id, "drift.bmi.psi")
    assert psi.timestamp == assessment.window.end.timestamp() * 1000


def test_the_result_and_the_pages_are_files_of_the_run_which_then_ends(
    client, place: Settings, tmp_path: Path
):
    assessment = examples.alarming()
    recorded = mlflow_runs.begin(place, assessment)
    page = tmp_path / mlflow_runs.REPORT
    page.write_text("<!doctype html>")
    mlflow_runs.finish(place, recorded.run_id, page)
    assert client.get_run(recorded.run_id).info.status == "FINISHED"
    files = {file.path for file in client.list_artifacts(recorded.run_id)}
    assert files == {mlflow_runs.RESULT, mlflow_runs.REPORT}
    result = client.download_artifacts(recorded.run_id, mlflow_runs.RESULT, str(tmp_path))
    assert assessment_from_json(json.loads(Path(result).read_text())) == assessment


def test_a_run_that_broke_off_is_failed_by_the_next_of_its_model(client, place: Settings, tmp_path):
    broken, next_one = kept(place), kept(place)
    kept(place.model_copy(update={"model_name": "another"}))
    assert client.get_run(broken).info.status == "FAILED"
    assert client.get_run(next_one).info.status == "RUNNING"
    page = tmp_path / mlflow_runs.REPORT
    page.write_text("<!doctype html>")
    mlflow_runs.finish(place, broken, page)  # it was only slow
    assert client.get_run(broken).info.status == "FINISHED"


def test_an_undecided_verdict_has_no_alarm_and_says_how_many_rows_are_missing():
    metrics = mlflow_runs.metrics(examples.one_row())
    assert metrics["drift.bmi.missing"] == 99
    assert "drift.bmi.alarm" not in metrics
    assert "average_premium" not in mlflow_runs.metrics(examples.empty())


def test_only_finite_numbers_are_recorded():
    odd = Verdict(
        kind="drift",
        check="bmi",
        status="alarm",
        rows=1,
        value=math.nan,
        effects={"psi": math.inf},
        money=-3.0,
    )
    metrics = mlflow_runs.metrics(examples.alarming(verdicts=(odd,)))
    assert {name for name in metrics if name.startswith("drift.bmi")} == {
        "drift.bmi.alarm",
        "drift.bmi.money",
    }


def test_an_assessment_at_nothing_is_recorded_too(client, place: Settings):
    recorded = mlflow_runs.begin(place, examples.empty())
    run = client.get_run(recorded.run_id)
    assert run.data.tags["status"] == "unknown"
    assert run.data.metrics["rows"] == 0


@pytest.mark.parametrize(
    ("uri", "link"),
    [
        ("http://127.0.0.1:5000/", "http://127.0.0.1:5000/#/experiments/7/runs/abc"),
        (
            "https://ana:secret@mlflow.example.com/base",  # pragma: allowlist secret
            "https://mlflow.example.com/base/#/experiments/7/runs/abc",
        ),
        ("sqlite:///mlflow.db", None),
        ("postgresql://ana:secret@db/mlflow", None),  # pragma: allowlist secret
    ],
)
def test_a_report_is_linked_where_a_server_shows_it_and_never_with_a_password(uri, link):
    settings, run = (
        Settings(mlflow_tracking_uri=uri),
        replace(examples.recorded(0), run_id="abc", experiment_id="7"),
    )
    assert mlflow_runs.run_url(settings, run) == link
    assert mlflow_runs.report_url(settings, run) == (link and f"{link}/artifacts/report.html")


@pytest.mark.parametrize(
    ("tracking", "public", "server"),
    [
        ("http://mlflow:5000", "https://mlflow.example.org/", "https://mlflow.example.org"),
        ("postgresql://db/mlflow", "http://127.0.0.1:5050/base", "http://127.0.0.1:5050/base"),
        (
            "http://mlflow:5000",
            "https://ana:secret@mlflow.example.org",  # pragma: allowlist secret
            "https://mlflow.example.org",
        ),
    ],
)
def test_links_lead_where_people_open_mlflow(tracking, public, server):
    run = replace(examples.recorded(0), run_id="abc", experiment_id="7")
    settings = Settings(mlflow_tracking_uri=tracking, mlflow_public_url=public)
    assert mlflow_runs.run_url(settings, run) == f"{server}/#/experiments/7/runs/abc"


def test_a_store_that_is_gone_is_said_in_a_sentence(place: Settings, elsewhere: None):
    gone = place.model_copy(update={"mlflow_tracking_uri": "http://127.0.0.1:9"})
    with pytest.raises(Unreachable, match=r"No answer from http://127\.0\.0\.1:9"):
        mlflow_runs.begin(gone, examples.alarming())


def kept(settings: Settings, **changes: object) -> str:
    assessment = examples.alarming(model_name=settings.model_name, **changes)
    return mlflow_runs.begin(settings, assessment).run_id


def test_before_the_first_assessment_there_is_none(place: Settings):
    assert mlflow_runs.trend(place).assessments == ()


def test_assessments_come_back_with_what_they_measured_the_oldest_first(place: Settings):
    runs = [kept(place, window=examples.week(number), rows=number) for number in (0, 2, 1)]
    assessments = mlflow_runs.trend(place).assessments
    assert [assessment.run_id for assessment in assessments] == [runs[1], runs[2], runs[0]]
    latest = assessments[-1]
    window = examples.week(0)
    assert (latest.start, latest.end, latest.slot) == (window.start, window.end, window.slot)
    assert (latest.version, latest.status, latest.rows) == ("3", "alarm", 0)
    assert latest.metrics["drift.bmi.psi"] == pytest.approx(0.31)


def test_of_two_assessments_at_one_slot_the_last_one_counts(place: Settings):
    kept(place)
    again = kept(place)
    assert [assessment.run_id for assessment in mlflow_runs.trend(place).assessments] == [again]


def test_of_two_that_end_on_one_day_the_one_that_ends_last_counts(place: Settings):
    early, slot = examples.END - 2 * HOUR, examples.END - DAY
    later = kept(place, window=Window(early - 7 * DAY + HOUR, early + HOUR, slot, "7d"))
    kept(place, window=Window(early - 7 * DAY, early, slot, "7d"))
    [found] = mlflow_runs.trend(place).assessments
    assert found.run_id == later


def test_each_length_of_window_is_a_trend_of_its_own(place: Settings):
    end = examples.END
    kept(place, window=examples.week(1))
    week = kept(place)
    kept(place, window=Window(end - DAY, end, end, "1d"))
    kept(place, window=Window(end - DAY, end, end, ""))
    found = mlflow_runs.trend(place)
    assert len(found.assessments) == 4
    assert found.usual == "7d"
    assert [one.run_id for one in found.of("").assessments][1:] == [week]
    assert [one.end - one.start for one in found.of("1d").assessments] == [DAY]


def test_a_run_of_before_is_of_the_schedule_that_its_length_says(client, place: Settings):
    client.delete_tag(kept(place), mlflow_runs.SCHEDULE_TAG)
    [found] = mlflow_runs.trend(place).assessments
    assert found.schedule == "7d"


def test_the_usual_schedule_is_that_of_most_of_the_newest():
    old = examples.trend(40).assessments
    new = tuple(replace(one, schedule="1d") for one in examples.trend(6).assessments)
    assert mlflow_runs.Trend((), (*old, *new[:4])).usual == "7d"
    assert mlflow_runs.Trend((), (*old, *new)).usual == "1d"
    day = replace(new[-1], start=new[-1].end - DAY)
    assert mlflow_runs.Trend((), (old[-1], day)).usual == "7d"
    once = tuple(replace(one, schedule="") for one in old)
    assert mlflow_runs.Trend((), once).of("").assessments == once


def test_another_model_and_assessments_that_broke_off_are_left_out(client, place: Settings):
    kept(place.model_copy(update={"model_name": "another"}))
    experiment = client.get_experiment_by_name(place.monitoring_experiment_name)
    client.create_run(experiment.experiment_id, tags=mlflow_runs.tags(examples.alarming()))
    mine = kept(place)
    assert [assessment.run_id for assessment in mlflow_runs.trend(place).assessments] == [mine]


def test_trainings_come_with_the_metrics_of_their_holdout(place: Settings, trained: TrainedRun):
    found = {training.run_id: training for training in mlflow_runs.trend(place).trainings}
    rmse = trained.trained.evaluation.overall["rmse"].value
    assert found[trained.run_id].metrics["holdout.rmse"] == pytest.approx(rmse)
    assert found[trained.run_id].time.tzinfo is not None


def test_only_the_newest_are_asked_for(place: Settings):
    for number in (3, 2, 1, 0):
        kept(place, window=examples.week(number))
    assessments = mlflow_runs.trend(place, most=2).assessments
    assert [assessment.end for assessment in assessments] == [
        examples.week(1).end,
        examples.week(0).end,
    ]


def test_a_report_comes_back_as_it_was_written_and_none_where_there_is_none(
    place: Settings, tmp_path: Path
):
    begun = mlflow_runs.begin(place, examples.alarming(model_name=place.model_name))
    assert mlflow_runs.report(place, begun.run_id) is None
    page = tmp_path / mlflow_runs.REPORT
    page.write_text("<!doctype html>á")
    mlflow_runs.finish(place, begun.run_id, page)
    assert mlflow_runs.report(place, begun.run_id) == page.read_bytes()
    client = connect(place)
    stored = urlsplit(client.get_run(begun.run_id).info.artifact_uri).path
    (Path(stored) / mlflow_runs.REPORT).write_text("<script>alert(1)</script>")
    assert mlflow_runs.report(place, begun.run_id) is None


def test_the_run_just_written_joins_the_trend_as_if_it_had_been_read(place: Settings):
    kept(place, window=examples.week(1))
    kept(place)
    earlier = mlflow_runs.trend(place)
    assessment = examples.alarming(model_name=place.model_name)
    again = mlflow_runs.begin(place, assessment)
    assert earlier.with_runs([again]) == mlflow_runs.trend(place)
