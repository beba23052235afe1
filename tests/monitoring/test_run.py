"""A whole run: what is recorded, written and said, once, and what a dry one leaves alone."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from insurance_predictor.base.errors import BadInput, NoProductionModel
from insurance_predictor.base.settings import Settings
from insurance_predictor.serving import served_model
from monitoring import console
from monitoring.history import report_folder
from monitoring.run import INCIDENT_OPEN, MonitoringOptions, alert_test, monitor
from tests.monitoring.logged_quotes import NOW, in_folder, log_quotes, population
from tests.monitoring.slack_server import slack

DAY = MonitoringOptions(window="1d")
LIGHT = """
import json, sys
from datetime import datetime
from insurance_predictor.base.settings import Settings
from monitoring import console
from monitoring.history import report_folder
from monitoring.run import MonitoringOptions, monitor
settings = Settings(**json.loads(sys.argv[1]))
done = monitor(settings, MonitoringOptions(window="1d"), datetime.fromisoformat(sys.argv[2]))
print(done.exit_code, done.assessment.rows, "evidently" in sys.modules)
"""
DRY = """
import json, sys
from datetime import datetime
from insurance_predictor.base.settings import Settings
from monitoring import console
from monitoring.run import MonitoringOptions, monitor
options = MonitoringOptions(window="1d", dry_run=True)
done = monitor(Settings(**json.loads(sys.argv[1])), options, datetime.fromisoformat(sys.argv[2]))
console.text(done)
print(done.assessment.rows, *sorted(set(sys.argv[3:]) & set(sys.modules)))
"""
HEAVY = ("alembic", "dask", "evidently", "jinja2", "matplotlib", "mlflow", "psycopg", "scipy.stats")
HEAVY += ("skops", "slack_sdk", "sklearn")


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Settings:
    return in_folder(settings, tmp_path)


@pytest.fixture
def served(own: Settings, production) -> served_model.Served:
    return served_model.refresh(own, None)


def test_a_quiet_window_is_recorded_and_nothing_is_said(own, served, client):
    log_quotes(own, served, population(300))
    done = monitor(own, DAY, NOW)
    assert (done.exit_code, done.assessment.status, done.assessment.rows) == (0, "quiet", 300)
    assert done.messages == ()
    assert done.delivery.sent == 0
    run = client.get_run(done.run_id)
    assert run.data.tags["version"] == served.facts.version
    assert run.data.metrics["drift.bmi.alarm"] == 0
    files = {file.path for file in client.list_artifacts(done.run_id)}
    assert files == {"report.html", "result.json"}
    assert "All quiet" in done.report.read_text()


def test_a_model_made_anew_is_judged_by_none_of_the_quotes_of_the_one_before(own, served):
    log_quotes(own, served, population(300), bmi=0.04, model=own.model_name, incarnation="111")
    log_quotes(own, served, population(5), NOW - timedelta(minutes=1), model="another")
    ours = {"model": own.model_name, "incarnation": served.facts.incarnation}
    log_quotes(own, served, population(250), NOW - timedelta(minutes=2), **ours)
    done = monitor(own, MonitoringOptions(window="2d", dry_run=True), NOW)
    assert (done.assessment.rows, done.assessment.left_out) == (250, 305)
    assert done.assessment.status == "quiet"
    assert "; 305 of other models in this log are left out" in console.text(done)


@pytest.mark.process
def test_a_dry_run_without_outcomes_loads_no_model_and_nothing_that_is_not_needed(own, served):
    log_quotes(own, served, population(300))
    own = own.model_copy(update={"registry_check_seconds": 86_400})
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            DRY,
            own.model_dump_json(exclude_none=True),
            NOW.isoformat(),
            *HEAVY,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (["300"], "")


@pytest.mark.process
def test_a_quiet_run_on_1000_rows_never_imports_evidently(own, served):
    log_quotes(own, served, population(1000))
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, own.model_dump_json(exclude_none=True), NOW.isoformat()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.split() == ["0", "1000", "False"]


def test_a_fault_opens_an_incident_that_is_told_once(own, served, client):
    log_quotes(own, served, population(297))
    log_quotes(own, served, population(3), NOW - timedelta(hours=1), bmi=0.04)
    with slack() as heard:
        ours = heard.webhook(own)
        first = monitor(ours, DAY, NOW)
        again = monitor(ours, DAY, NOW + timedelta(minutes=5))
        texts = heard.texts()
    assert (first.exit_code, again.exit_code) == (INCIDENT_OPEN, INCIDENT_OPEN)
    assert [incident.kind for incident in first.open] == ["schema"]
    assert first.delivery.sent == 1
    assert (again.messages, again.delivery.sent) == ((), 0)
    [text] = texts
    assert "BMI is out of range in 1.0\u00a0% of quotes" in text
    files = {file.path for file in client.list_artifacts(first.run_id)}
    assert files == {"evidently.html", "report.html", "result.json"}


def test_a_large_change_opens_one_incident_at_once_and_ends_with_it(own, served):
    kinds, events = [], []
    for number, shift in enumerate([0, 4, 4, 0, 0]):
        end = NOW + timedelta(days=number)
        people = population(400, seed=number)
        log_quotes(own, served, people.assign(bmi=people["bmi"] + shift), end)
        done = monitor(own, DAY, end)
        kinds.append([incident.kind for incident in done.open])
        events += [change.event for change in done.decision.told]
    assert kinds == [[], ["drift"], ["drift"], [], []]
    assert events == ["opened", "resolved"]


def test_a_shorter_look_in_between_leaves_the_incidents_of_the_others_alone(own, served):
    log_quotes(own, served, population(3), NOW - timedelta(days=3), bmi=0.04)
    log_quotes(own, served, population(300))
    week = MonitoringOptions()
    first = monitor(own, week, NOW)
    between = monitor(own, DAY, NOW + timedelta(hours=1))
    again = monitor(own, week, NOW + timedelta(hours=2))
    (incident,) = first.open
    assert (incident.kind, incident.schedule) == ("schema", "7d")
    assert (between.decision.counts, between.decision.changes, between.messages) == (True, (), ())
    assert (between.open, between.exit_code) == ((incident,), INCIDENT_OPEN)
    assert [one["id"] for one in json.loads(console.as_json(between))["incidents"]] == [incident.id]
    assert (again.decision.counts, again.messages) == (True, ())
    assert again.open[0].id == incident.id


def test_a_dry_run_shows_what_would_be_said_and_writes_nothing(own, served, client):
    log_quotes(own, served, population(300), region="midwest")
    for _ in range(2):
        done = monitor(own, replace(DAY, dry_run=True), NOW)
        [message] = done.messages
        assert "midwest" in message
        assert (done.exit_code, done.report, done.run_id) == (INCIDENT_OPEN, None, None)
    assert client.get_experiment_by_name(own.monitoring_experiment_name) is None
    assert not own.report_folder.exists()


def test_what_could_not_be_sent_is_sent_by_the_next_run_once(own, served):
    log_quotes(own, served, population(300), sex="other")
    with slack() as heard:
        ours = heard.webhook(own)
        heard.faults += ["500"] * 10
        first = monitor(ours, DAY, NOW)
        assert (first.delivery.sent, first.delivery.waiting) == (0, 1)
        heard.faults.clear()
        second = monitor(ours, DAY, NOW + timedelta(hours=1))
        third = monitor(ours, DAY, NOW + timedelta(hours=2))
        assert (second.delivery.sent, third.delivery.sent) == (1, 0)
        assert len(heard.messages) == 1


def test_a_window_without_quotes_is_undecided(own, served):
    done = monitor(own, DAY, NOW)
    assert (done.exit_code, done.assessment.status, done.assessment.rows) == (0, "unknown", 0)
    assert done.report.is_file()


def test_the_last_quotes_are_a_window(own, served):
    log_quotes(own, served, population(300))
    found = monitor(own, MonitoringOptions(last=120), NOW)
    assert (found.assessment.rows, found.decision.counts) == (120, False)
    assert "It is no length that is looked back at regularly" in console.text(found)
    with pytest.raises(BadInput, match="LAST=120 is a window of its own"):
        monitor(own, MonitoringOptions(last=120, window="7d"), NOW)


def test_old_reports_make_room_and_what_is_not_monitorings_stays(own, served):
    log_quotes(own, served, population(300))
    (own.report_folder / ".git").mkdir(parents=True)
    for number in range(40):
        report_folder.make(own.report_folder / f"2025-01-{number:02}-00-version-1")
    done = monitor(own, DAY, NOW)
    assert done.report.is_file()
    assert len(list(own.report_folder.iterdir())) == report_folder.KEPT + 1
    assert (own.report_folder / ".git").is_dir()


def test_a_report_that_waits_is_not_replaced_by_that_of_another_window(own, served):
    """A week, and then a day, a stretch and the last quotes, all of which end on the same day."""
    log_quotes(own, served, population(300), region="midwest")
    stretch = (NOW - timedelta(hours=30)).isoformat()
    others = (
        DAY,
        MonitoringOptions(start=stretch, end=NOW.isoformat()),
        MonitoringOptions(last=50),
    )
    week = monitor(own, MonitoringOptions(), NOW)
    shown = week.report.read_text()
    reports = {monitor(own, one, NOW).report for one in others}
    assert len({week.report, *reports}) == 4
    assert week.report.read_text() == shown


def test_an_old_window_is_looked_at_however_many_newer_reports_there_are(own, served, client):
    for number in range(40):
        report_folder.make(own.report_folder / f"2099-01-{number:02}-00-version-1")
    done = monitor(own, DAY, NOW)
    assert done.report.is_file()
    assert client.get_run(done.run_id).info.status == "FINISHED"


def test_a_report_folder_that_cannot_be_written_is_said_before_anything_is_recorded(
    own, served, client, tmp_path
):
    log_quotes(own, served, population(300), region="midwest")
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="Set REPORT_FOLDER to another place"):
        monitor(own.model_copy(update={"report_folder": tmp_path / "file"}), DAY, NOW)
    assert client.get_experiment_by_name(own.monitoring_experiment_name) is None
    [opened] = monitor(own, DAY, NOW).decision.told
    assert opened.event == "opened"


def test_without_a_version_in_production_nothing_is_judged(own):
    with pytest.raises(NoProductionModel):
        monitor(own, DAY, NOW)


def test_a_test_message_goes_to_every_channel_or_is_printed(own):
    text, delivery = alert_test(own)
    assert own.model_name in text
    assert delivery is None
    with slack() as heard:
        _, delivery = alert_test(heard.bot(own))
        assert (delivery.sent, len(heard.messages)) == (1, 1)
