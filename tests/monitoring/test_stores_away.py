"""While a store is away monitoring judges what it can, tells it, and says what is missing."""

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from insurance_predictor.base.errors import InvalidSettings, Unreachable
from insurance_predictor.base.settings import Settings
from insurance_predictor.log.prediction_log import PredictionLog
from insurance_predictor.serving import served_model, version_cache
from insurance_predictor.serving.served_model import Served
from monitoring import console
from monitoring.run import MonitoringOptions, monitor
from tests.monitoring.logged_quotes import NOW, in_folder, log_quotes, population
from tests.monitoring.slack_server import slack
from tests.predictions import away, entry
from tests.servers import free_port, mlflow_server

DAY = MonitoringOptions(window="1d")
UNREACHABLE = 4
REFUSED = "refused the credentials. Check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Settings:
    return in_folder(settings, tmp_path)


@pytest.fixture
def served(own: Settings, production) -> Served:
    return served_model.refresh(own, None)


@pytest.fixture
def alone(own: Settings, elsewhere, tmp_path: Path) -> Settings:
    """The same with a registry that nobody answers for, on a machine that has kept nothing."""
    nobody = f"http://127.0.0.1:{free_port()}"
    changed = {"mlflow_tracking_uri": nobody, "model_cache": tmp_path / "nothing"}
    return own.model_copy(update=changed)


@pytest.fixture
def cut_off(own: Settings, served: Served, alone: Settings) -> Settings:
    """As `alone`, on a machine that has kept the version in production."""
    ours = alone.model_copy(update={"model_cache": own.model_cache})
    kept = version_cache.find(own)
    version_cache.keep(ours, own.model_cache / kept.folder, kept.facts, kept.checked)
    return ours


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a registry that asks for a password."""
    folder = tmp_path_factory.mktemp("guarded")
    with mlflow_server(folder, credentials=("admin", secrets.token_urlsafe())) as server:
        yield server.uri


@pytest.fixture
def refused(alone: Settings, guarded: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """As `alone`, with a registry that does not take the password any more."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "revoked")
    return alone.model_copy(update={"mlflow_tracking_uri": guarded})


def test_stale_quotes_are_an_incident_while_the_registry_is_still_away(cut_off, served):
    log_quotes(cut_off, served, population(300), stale=True)
    with slack() as heard:
        done = monitor(heard.webhook(cut_off), DAY, NOW)
        message = str(heard.messages)
    assert done.assessment.version == served.facts.version
    assert "service.stale" in {verdict.name for verdict in done.assessment.alarms}
    assert [incident.kind for incident in done.open] == ["service"]
    assert done.assessment.registry_problem
    assert (done.exit_code, done.run_id, done.delivery.sent) == (UNREACHABLE, None, 1)
    assert "Monitoring could not ask the model registry" in message
    assert "could not be asked: this is of the last good version" in done.report.read_text()
    for said in (console.text(done), console.markdown(done), console.as_json(done)):
        assert "Judged by version 1, the last that was known to serve" in said


def test_drift_is_judged_by_the_last_good_version(cut_off, served):
    people = population(400)
    log_quotes(cut_off, served, people.assign(bmi=people["bmi"] + 6))
    found = monitor(cut_off, DAY, NOW).assessment
    assert "drift.bmi" in {verdict.name for verdict in found.alarms}


def test_a_dry_run_says_it_too(cut_off, served):
    log_quotes(cut_off, served, population(300))
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    done = monitor(cut_off, MonitoringOptions(window="1d", dry_run=True), in_an_hour)
    assert done.exit_code == UNREACHABLE
    assert done.report is None


def test_where_no_version_is_kept_the_log_alone_says_how_the_service_is(own, served, alone):
    people = population(400)
    log_quotes(own, served, people, NOW - timedelta(days=1))
    log_quotes(own, served, population(3), NOW - timedelta(hours=25), bmi=0.04)
    assert [incident.kind for incident in monitor(own, DAY, NOW - timedelta(days=1)).open] == [
        "schema"
    ]
    log_quotes(own, served, people, stale=True)
    done = monitor(alone, DAY, NOW)
    statuses = {verdict.name: verdict.status for verdict in done.assessment.verdicts}
    assert (statuses["service.stale"], statuses["service.latency"]) == ("alarm", "quiet")
    assert {statuses[name] for name in statuses if not name.startswith("service.")} == {"unknown"}
    assert done.assessment.version == "1"
    assert sorted(incident.kind for incident in done.open) == ["schema", "service"]
    assert done.exit_code == UNREACHABLE
    assert done.report.is_file()
    back = monitor(own, DAY, NOW + timedelta(hours=20))
    assert sorted(incident.kind for incident in back.open) == ["service"]


def test_with_nothing_at_all_to_go_by_the_registry_is_what_is_missing(alone, production):
    with pytest.raises(Unreachable):
        monitor(alone, DAY, NOW)


def test_a_registry_that_refuses_is_as_one_that_is_away(refused, own, served):
    kept = version_cache.find(own)
    ours = refused.model_copy(update={"model_cache": own.model_cache})
    version_cache.keep(ours, own.model_cache / kept.folder, kept.facts, kept.checked)
    people = population(400)
    log_quotes(ours, served, people.assign(bmi=people["bmi"] + 6))
    with slack() as heard:
        done = monitor(heard.webhook(ours), DAY, NOW)
        [message] = heard.messages
    assert "drift.bmi" in {verdict.name for verdict in done.assessment.alarms}
    assert done.exit_code == UNREACHABLE
    assert REFUSED in str(message)


def test_a_registry_that_refuses_a_new_machine_is_told_once_a_day(refused, own, served):
    log_quotes(own, served, population(400), NOW - timedelta(days=1))
    monitor(own, DAY, NOW - timedelta(days=1))
    log_quotes(own, served, population(400))
    with slack() as heard:
        ours = heard.webhook(refused)
        done = monitor(ours, DAY, NOW)
        monitor(ours, DAY, NOW + timedelta(hours=1))
        [message] = heard.messages
        monitor(ours, DAY, NOW + timedelta(days=1))
        assert len(heard.messages) == 2
    statuses = {verdict.name: verdict.status for verdict in done.assessment.verdicts}
    assert (statuses["service.stale"], statuses["drift.bmi"]) == ("quiet", "unknown")
    assert (done.exit_code, done.open) == (UNREACHABLE, ())
    [problem] = done.problems
    assert REFUSED in problem
    assert "Monitoring could not see everything" in message["text"]
    assert REFUSED in str(message)
    assert "revoked" not in str(message)


def test_a_registry_that_is_away_is_told_where_no_incident_tells_it(cut_off, served):
    log_quotes(cut_off, served, population(400))
    with slack() as heard:
        done = monitor(heard.webhook(cut_off), DAY, NOW)
        [text] = heard.texts()
    assert done.open == ()
    assert "Monitoring could not see everything" in text


def test_a_registry_that_refuses_a_first_setup_is_bad_settings(refused, production):
    with pytest.raises(InvalidSettings, match="refused the credentials") as caught:
        monitor(refused, DAY, NOW)
    assert caught.value.exit_code == 2


def test_storage_that_takes_no_report_stops_no_decision_and_no_message(
    own, served, client, monkeypatch
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    place = f"http://127.0.0.1:{free_port()}/artifacts"
    client.create_experiment(own.monitoring_experiment_name, artifact_location=place)
    own = own.model_copy(update={"artifact_location": place})
    log_quotes(own, served, population(297))
    log_quotes(own, served, population(3), NOW - timedelta(hours=1), bmi=0.04)
    with slack() as heard:
        done = monitor(heard.webhook(own), DAY, NOW)
        assert len(heard.messages) == 1
    assert [incident.kind for incident in done.open] == ["schema"]
    assert done.exit_code == UNREACHABLE
    [problem] = json.loads(console.as_json(done))["problems"]
    assert problem.startswith("This assessment is not in MLflow: ")
    assert done.report.is_file()


def test_a_deleted_experiment_stops_no_decision_and_no_message(own, served, client):
    deleted = client.create_experiment("of monitoring, deleted")
    client.delete_experiment(deleted)
    own = own.model_copy(update={"monitoring_experiment_name": "of monitoring, deleted"})
    log_quotes(own, served, population(297))
    log_quotes(own, served, population(3), NOW - timedelta(hours=1), bmi=0.04)
    with slack() as heard:
        done = monitor(heard.webhook(own), DAY, NOW)
        assert len(heard.messages) == 1
    assert [incident.kind for incident in done.open] == ["schema"]
    assert (done.exit_code, done.run_id) == (UNREACHABLE, None)
    assert "deleted' has been deleted" in done.problems[0]


def test_quotes_that_waited_for_the_database_are_seen_after_they_have_arrived(own, served):
    long_ago = datetime.now(UTC) - timedelta(hours=3)
    with away(own), PredictionLog(own) as log:
        log.write([entry(version="1", time=long_ago) for _ in range(300)])
    found = monitor(own, DAY).assessment
    assert found.rows == 300
    [verdict] = [one for one in found.verdicts if one.check == "backlog"]
    assert (verdict.status, verdict.rows) == ("alarm", 300)
    assert verdict.effects["longest_minutes"] == pytest.approx(180, abs=30)
