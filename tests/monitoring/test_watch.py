"""Nobody looks at an empty file every morning, and that monitoring has stopped is said."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from insurance_predictor.base.errors import InvalidSettings
from insurance_predictor.base.settings import Settings
from insurance_predictor.serving import served_model
from monitoring import console
from monitoring.domain.watch import watch
from monitoring.run import MonitoringOptions, monitor
from tests.monitoring.logged_quotes import NOW, in_folder, log_quotes, population
from tests.servers import free_port

DAY = MonitoringOptions(window="1d")


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Settings:
    return in_folder(settings, tmp_path)


@pytest.mark.parametrize(("hours", "is_overdue"), [(24, False), (36, False), (36.1, True)])
def test_a_look_that_is_late_by_half_a_day_is_overdue(hours, is_overdue):
    now = NOW + timedelta(hours=hours)
    assert watch(NOW, now, 36).is_overdue is is_overdue


def test_what_was_never_begun_is_not_overdue():
    assert not watch(None, NOW, 36).is_overdue


def test_a_run_says_that_those_before_it_were_missing(own, production):
    log_quotes(own, served_model.refresh(own, None), population(300))
    first = monitor(own, DAY, NOW)
    soon = monitor(own, DAY, NOW + timedelta(hours=24))
    late = monitor(own, DAY, NOW + timedelta(days=10))
    assert first.notes == soon.notes == ()
    [note] = late.notes
    assert "up to 2026-03-16 06:00 UTC, 9.0 days ago" in note
    assert note in console.text(late)
    assert "Monitoring was overdue" in console.markdown(late)
    assert json.loads(console.as_json(late))["notes"] == [note]
    assert late.exit_code == 0


def test_a_runner_without_the_log_of_the_app_is_refused(own, elsewhere, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    server = f"http://127.0.0.1:{free_port()}"
    ours = own.model_copy(update={"mlflow_tracking_uri": server})
    with pytest.raises(InvalidSettings, match="PREDICTION_LOG_URL names no database"):
        monitor(ours, DAY, NOW)
    assert not Path(own.prediction_log_url.removeprefix("sqlite:///")).exists()


def test_a_fork_without_any_server_is_not_refused_for_its_log(own, production, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert monitor(own, MonitoringOptions(dry_run=True), NOW).assessment.rows == 0
