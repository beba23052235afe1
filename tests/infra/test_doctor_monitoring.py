"""The doctor says up to when quotes have been judged, and when that is too long ago."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.checks.finding import Verdict
from infra.checks.monitoring import monitoring
from infra.checks.prediction_log import prediction_log
from insurance_predictor.base.settings import IncidentRules, Settings
from monitoring.domain.assessment import Window
from monitoring.history import incident_store
from monitoring.history.tables import opened
from tests.monitoring.example_assessments import alarming
from tests.servers import free_port

SERVER = "http://127.0.0.1:9"


@pytest.fixture
def place(tmp_path: Path) -> Settings:
    return Settings(
        prediction_log_url=f"sqlite:///{tmp_path}/log.db",
        prediction_spool=tmp_path / "spool",
        mlflow_tracking_uri=SERVER,
    )


def look(settings: Settings, ago: timedelta) -> None:
    """Record an assessment of the week that ended so long ago."""
    end = datetime.now(UTC) - ago
    found = alarming(
        model_name=settings.model_name, window=Window(end - timedelta(7), end, end, "7d")
    )
    with opened(settings.prediction_log_url) as engine:
        incident_store.record(engine, found, IncidentRules(), end, lambda change: [])


def test_a_log_that_nobody_has_made_is_not_made(place, tmp_path):
    found = monitoring(place)
    assert (found.verdict, found.name) == (Verdict.NOTE, "monitoring")
    assert "judged nothing in this log yet" in found.found
    assert list(tmp_path.iterdir()) == []


def test_a_look_of_today_is_right(place):
    look(place, timedelta(hours=20))
    found = monitoring(place)
    assert found.verdict is Verdict.RIGHT
    assert found.found.endswith("UTC have been judged")


def test_monitoring_that_has_stopped_is_wrong_for_a_team_and_a_note_for_one(place):
    look(place, timedelta(days=9))
    found = monitoring(place)
    assert found.verdict is Verdict.WRONG
    assert found.found.endswith("9.0 days ago: it is overdue")
    assert "GitHub switches schedules off" in found.remedy
    alone = place.model_copy(update={"mlflow_tracking_uri": "sqlite:///mlflow.db"})
    assert monitoring(alone).verdict is Verdict.NOTE


def test_another_models_looks_are_none_of_this_one(place):
    look(place.model_copy(update={"model_name": "other"}), timedelta(hours=1))
    assert "judged nothing" in monitoring(place).found


def test_a_database_that_is_away_is_told_once_by_its_own_line(place):
    nobody = f"postgresql://ana@127.0.0.1:{free_port()}/log"
    found = monitoring(place.model_copy(update={"prediction_log_url": nobody}))
    assert (found.verdict, found.found) == (
        Verdict.NOTE,
        "not looked at: it comes after 'prediction log'",
    )


def test_a_log_on_this_machine_beside_a_server_is_told(place):
    assert "a team sets PREDICTION_LOG_URL" in prediction_log(place).found
    alone = place.model_copy(update={"mlflow_tracking_uri": "sqlite:///mlflow.db"})
    assert "a team sets" not in prediction_log(alone).found
