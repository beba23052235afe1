"""The outbox in SQLite, and channels that are not Slack."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from insurance_predictor.base.settings import Settings
from insurance_predictor.log.prediction_log import PredictionLog
from monitoring.alerts import channels
from monitoring.alerts.outbox import Delivery
from monitoring.history import incident_store
from monitoring.history.incident_store import QueuedMessage
from monitoring.history.tables import opened
from tests.monitoring.assessments import day
from tests.monitoring.outbox_contract import Deliveries, content, delivery, queue, report_in, rows
from tests.monitoring.slack_server import slack
from tests.predictions import entry, kept_ids, log_in
from tests.servers import PATIENCE, Quiet, host


class TestSqlite(Deliveries):
    @pytest.fixture
    def log_settings(self, tmp_path: Path) -> Settings:
        return log_in(tmp_path)

    def test_quotes_are_logged_while_slack_keeps_silent(self, tmp_path, engine, log_settings):
        with slack() as server:
            server.faults = ["kept and silence"]
            queue(engine, "message")
            settings = server.bot(log_settings)
            sender = threading.Thread(target=delivery, args=(settings, engine))
            sender.start()
            assert server.arrived.wait(PATIENCE)
            with PredictionLog(log_settings) as log:
                one = entry()
                log.write([one])  # whether within 30 ms is the disk's business
                assert log.flush(PATIENCE)
            assert sender.is_alive()
            sender.join(PATIENCE)
        assert kept_ids(log_settings.prediction_log_url) == [one.id]


@pytest.fixture
def endpoint() -> Iterator[tuple[int, list[dict], list[int]]]:
    """A JSON endpoint: its port, what it took, and the statuses it is going to answer with."""
    taken: list[dict] = []
    statuses: list[int] = []

    class Handler(Quiet):
        def do_POST(self) -> None:  # noqa: N802 (the name is the server's)
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = statuses.pop(0) if statuses else 200
            if status == 200:
                taken.append(said | {"path": self.path})
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with host(Handler) as port:
        yield port, taken, statuses


def test_another_service_gets_title_body_and_report(endpoint, tmp_path):
    port, taken, _ = endpoint
    report = report_in(tmp_path)
    settings = others(tmp_path, f"json://127.0.0.1:{port}/alerts")
    with opened(settings.prediction_log_url) as engine:
        (name,) = channels.configured(settings)
        incident_store.queue(
            engine, [QueuedMessage(channel=name, content=content("a"), report=report)], "x", day(0)
        )
        assert delivery(settings, engine) == Delivery(sent=1)
        assert delivery(settings, engine) == Delivery()
    assert [(one["title"], one["message"]) for one in taken] == [("a", "in plain words")]
    assert [file["filename"] for file in taken[0]["attachments"]] == ["report.html"]


def test_a_service_that_takes_no_report_gets_the_message_without(endpoint, tmp_path):
    port, taken, statuses = endpoint
    report = report_in(tmp_path)
    settings = others(tmp_path, f"json://127.0.0.1:{port}/alerts")
    with opened(settings.prediction_log_url) as engine:
        (name,) = channels.configured(settings)
        with_report = QueuedMessage(channel=name, content=content("a"), report=report)
        incident_store.queue(engine, [with_report], "x", day(0))
        statuses[:] = [413]
        found = delivery(settings, engine)
        assert (found.sent, found.waiting, found.is_broken) == (1, 0, False)
        assert found.given_up == [
            "The report of “a” is given up: The json:// service did not take the report."
        ]
        queue(engine, "b", channel=name)
        assert delivery(settings, engine) == Delivery(sent=1)
    assert [one["attachments"] for one in taken] == [[], []]
    assert "O relatório da mensagem “a”" in taken[1]["message"]


def test_a_message_that_a_service_never_takes_stops_no_other(endpoint, tmp_path):
    port, taken, statuses = endpoint
    settings = others(tmp_path, f"json://127.0.0.1:{port}/alerts")
    with opened(settings.prediction_log_url) as engine:
        (name,) = channels.configured(settings)
        queue(engine, "first", "second", channel=name)
        statuses[:] = [500]
        found = delivery(settings, engine)
        assert (found.sent, found.waiting, found.is_broken) == (1, 1, True)
    assert [one["title"] for one in taken] == ["second"]


def test_a_service_that_fails_does_not_repeat_what_another_took(endpoint, tmp_path):
    port, taken, statuses = endpoint
    urls = [f"json://127.0.0.1:{port}/{path}" for path in ("first", "second")]
    settings = others(tmp_path, " ".join(urls))
    with opened(settings.prediction_log_url) as engine:
        for name in channels.configured(settings):
            queue(engine, "message", channel=name)
        statuses[:] = [500]
        found = delivery(settings, engine)
        assert (found.sent, found.waiting) == (1, 1)
        assert found.troubles == [
            "The json:// service did not take the message. Check its address in ALERT_URLS."
        ]
        assert delivery(settings, engine) == Delivery(sent=1)
    assert sorted(one["path"] for one in taken) == ["/first", "/second"]


def test_a_request_for_a_training_of_an_earlier_release_is_given_up(endpoint, tmp_path):
    port, taken, _ = endpoint
    settings = others(tmp_path, f"json://127.0.0.1:{port}/alerts")
    with opened(settings.prediction_log_url) as engine:
        request = {"event_type": "retrain", "client_payload": {"incident": "one"}}
        old = QueuedMessage(channel="github", content=request)
        (name,) = channels.configured(settings)
        new = QueuedMessage(channel=name, content=content("a"))
        incident_store.queue(engine, [old, new], "retrain", day(0))
        found = delivery(settings, engine)
        assert (found.sent, found.waiting, found.refused) == (1, 0, ["retrain"])
        assert not found.is_broken
        assert found.troubles == [
            "A request for a training is given up: `make incidents RETRAIN=1` asks for it now."
        ]
        assert delivery(settings, engine) == Delivery()
    assert len(taken) == 1


def test_an_address_that_is_none_says_so(tmp_path):
    settings = others(tmp_path, "nonsense://secret-word")
    with opened(settings.prediction_log_url) as engine:
        queue(engine, "message", channel=channels.configured(settings)[0])
        found = delivery(settings, engine)
        assert "none that apprise knows" in found.troubles[0]
        assert "secret-word" not in str(rows(engine))


def others(folder: Path, urls: str) -> Settings:
    changed = {"alert_urls": Settings(alert_urls=urls).alert_urls}
    return log_in(folder).model_copy(update=changed | {"report_folder": folder / "reports"})
