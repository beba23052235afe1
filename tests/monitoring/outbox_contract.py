"""What has to hold of the outbox whichever database it is in: nothing lost, nothing twice."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, select

from insurance_predictor.base import formats
from insurance_predictor.base.settings import Settings
from monitoring.alerts.channel import Channel
from monitoring.alerts.outbox import LONGEST_WAIT, Delivery, deliver, open_channel, turn
from monitoring.alerts.slack import Bot, Webhook
from monitoring.domain.incidents import Incident
from monitoring.history import incident_store, report_folder
from monitoring.history.incident_store import QueuedMessage
from monitoring.history.tables import INCIDENTS, OUTBOX, opened
from tests.monitoring.assessments import MODEL, day
from tests.monitoring.slack_server import CHANNEL, KEPT, NAME, TOKEN, Slack, slack
from tests.predictions import at_once, kill, process, wait_until
from tests.servers import free_port

QUICK = 1  # seconds of silence
PAUSE = 0.01  # seconds
SOON = day(1)  # after the messages
INCIDENT = Incident(
    model_name=MODEL,
    kind="drift",
    version="7",
    schedule="7d",
    opened=day(0),
    seen=day(0),
    findings=("drift.bmi",),
)
OTHER = replace(INCIDENT, kind="performance", id=str(uuid4()))
# Delivers once a line has told it to; prints how many it sent.
DELIVER = f"""
from monitoring.history.tables import opened
from monitoring.alerts.outbox import deliver
settings = Settings(
    prediction_log_url=log_settings.prediction_log_url,
    slack_bot_token="{TOKEN}",
    slack_channel="{CHANNEL}",
    slack_api_url=f"http://127.0.0.1:{{sys.argv[3]}}/api/",
)
with opened(settings.prediction_log_url) as engine:
    print("ready", flush=True)
    sys.stdin.readline()
    print(deliver(settings, engine).sent, flush=True)
"""


def impatient(settings: Settings, name: str) -> Channel:
    """The channels of the settings, Slack's with less patience."""
    channel = open_channel(settings, name)
    is_slack = isinstance(channel, Bot | Webhook)
    return type(channel)(settings, timeout=QUICK) if is_slack else channel


def delivery(settings: Settings, engine: Engine) -> Delivery:
    return deliver(settings, engine, impatient, PAUSE, now=SOON)


def content(text: str) -> dict[str, object]:
    return {"text": text, "blocks": [], "plain": f"{text}\n\nin plain words"}


def queue(engine: Engine, *texts: str, channel: str = "slack_bot") -> None:
    """Test messages, a second apart."""
    for number, text in enumerate(texts):
        now = day(0) + timedelta(seconds=number)
        incident_store.queue(
            engine, [QueuedMessage(channel=channel, content=content(text))], "test", now
        )


def rows(engine: Engine) -> list[dict[str, object]]:
    with engine.begin() as connection:
        found = connection.execute(select(OUTBOX).order_by(OUTBOX.c.time, OUTBOX.c.id))
        return [dict(row) for row in found.mappings()]


def tell(
    engine: Engine, *events: str, report: Path | None = None, incident: Incident = INCIDENT
) -> None:
    """Queue messages about the incident, which is made if it is not there."""
    made = {name: value for name, value in vars(incident).items() if name != "thread"}
    lists = {"findings": ["drift.bmi"], "told": []}
    known = select(INCIDENTS).where(INCIDENTS.c.id == incident.id)
    with engine.begin() as connection:
        if connection.execute(known).first() is None:
            connection.execute(INCIDENTS.insert(), made | lists)
        before = len(connection.execute(select(OUTBOX)).all())
        for number, event in enumerate(events, before):
            connection.execute(OUTBOX.insert(), _row(event, number, report, incident))


def _row(event: str, number: int, report: Path | None, incident: Incident) -> dict[str, object]:
    return {
        "id": str(uuid4()),
        "time": day(0) + timedelta(seconds=number),
        "incident_id": incident.id,
        "event": event,
        "message": content(event),
        "channel": "slack_bot",
        "report": report and str(report),
        "attempts": 0,
        "is_in_doubt": False,
    }


def report_in(folder: Path) -> Path:
    """A report that a run of monitoring made, below REPORT_FOLDER in `folder`."""
    report_folder.make(folder / "reports" / "run")
    file = folder / "reports" / "run" / "report.html"
    file.write_text("<html></html>")
    return file


def said_of(message: dict[str, Any]) -> str:
    """What stands in the blocks of a message."""
    return "\n".join(block["elements"][0]["text"] for block in message["blocks"])


class Deliveries:
    """Tests for a subclass whose `log_settings` name a database."""

    @pytest.fixture
    def engine(self, log_settings: Settings) -> Iterator[Engine]:
        with opened(log_settings.prediction_log_url) as running:
            yield running

    @pytest.fixture
    def server(self) -> Iterator[Slack]:
        with slack() as state:
            yield state

    @pytest.fixture
    def settings(self, log_settings: Settings, server: Slack, tmp_path: Path) -> Settings:
        return server.bot(log_settings).model_copy(update={"report_folder": tmp_path / "reports"})

    @pytest.fixture
    def report(self, tmp_path: Path) -> Path:
        return report_in(tmp_path)

    def test_messages_arrive_in_order_once(self, engine, server, settings):
        queue(engine, "first", "second", "third")
        assert delivery(settings, engine) == Delivery(sent=3)
        assert delivery(settings, engine) == Delivery()
        assert server.texts() == ["first", "second", "third"]
        assert all(row["sent"] and not row["is_in_doubt"] for row in rows(engine))

    def test_an_incident_has_a_thread(self, engine, server, settings):
        tell(engine, "opened", "updated")
        delivery(settings, engine)
        tell(engine, "resolved")
        delivery(settings, engine)
        first, *others = server.messages
        assert [one["thread_ts"] for one in others] == [first["ts"], first["ts"]]

    @pytest.mark.parametrize("fault", ["500", "hang up", "kept and 500", "kept and hang up"])
    def test_a_bot_asks_whether_it_arrived_before_it_sends_again(
        self, engine, server, settings, fault
    ):
        queue(engine, "message")
        server.faults = [fault]
        assert delivery(settings, engine) == Delivery(sent=1)
        assert server.texts() == ["message"]
        assert "conversations.history" in server.asked

    @pytest.mark.parametrize("fault", ["silence", "kept and silence"])
    def test_silence_is_asked_about_too(self, engine, server, settings, fault):
        queue(engine, "message")
        server.faults = [fault]
        assert delivery(settings, engine) == Delivery(sent=1)
        assert server.texts() == ["message"]

    def test_a_slack_that_stays_broken_gets_the_message_from_the_next_run(
        self, engine, server, settings
    ):
        queue(engine, "message")
        server.faults = ["500", "500", "500"]
        found = delivery(settings, engine)
        assert (found.sent, found.waiting) == (0, 1)
        assert found.troubles == [
            "Slack is in trouble: 500 Received a response in a non-JSON format: "
            "<html>Server Error</html>."
        ]
        assert delivery(settings, engine) == Delivery(sent=1)
        assert server.texts() == ["message"]
        assert rows(engine)[0]["attempts"] == 4

    def test_what_nobody_took_is_sent_by_the_next_run_once(self, engine, server, settings):
        queue(engine, "first", "second")
        nowhere = settings.model_copy(
            update={"slack_api_url": f"http://127.0.0.1:{free_port()}/api/"}
        )
        found = delivery(nowhere, engine)
        assert (found.sent, found.waiting, len(found.troubles)) == (0, 2, 1)
        assert [row["attempts"] for row in rows(engine)] == [1, 0]
        assert not rows(engine)[0]["is_in_doubt"]
        assert delivery(settings, engine) == Delivery(sent=2)
        assert server.texts() == ["first", "second"]
        assert "conversations.history" not in server.asked

    def test_a_refused_token_waits_for_another(self, engine, server, settings, log_settings):
        queue(engine, "message")
        found = delivery(server.bot(log_settings, token="xoxb-wrong"), engine)
        assert found.troubles == ["Slack refuses: invalid_auth. Check SLACK_BOT_TOKEN."]
        assert rows(engine)[0]["trouble"] == found.troubles[0]
        assert delivery(settings, engine).sent == 1
        assert rows(engine)[0]["trouble"] is None

    def test_a_message_that_slack_never_takes_stops_no_other(self, engine, server, settings):
        queue(engine, "first", "second")
        server.faults = ["invalid_blocks"]
        found = delivery(settings, engine)
        assert (found.sent, found.waiting) == (1, 0)
        assert found.refused == ["first\n\nin plain words"]
        assert delivery(settings, engine) == Delivery()
        assert server.texts() == ["second"]
        assert rows(engine)[0]["gave_up"]

    def test_a_message_in_doubt_stops_only_its_own_incident(self, engine, server, settings):
        tell(engine, "opened", "updated")
        incident_store.queue(
            engine, [QueuedMessage(channel="slack_bot", content=content("x"))], "test", day(9)
        )
        server.faults = ["500", "500", "500"]
        found = delivery(settings, engine)
        assert (found.sent, found.waiting) == (1, 2)
        assert server.texts() == ["x"]
        assert delivery(settings, engine).sent == 2
        assert server.texts() == ["x", "opened", "updated"]

    def test_without_a_right_to_look_nothing_is_lost(self, engine, server, settings):
        server.may_look = False
        queue(engine, "message")
        server.faults = ["500"]
        assert delivery(settings, engine).sent == 1
        assert server.texts() == ["message"]

    def test_a_webhook_gets_it_at_least_once(self, engine, server, log_settings):
        settings = server.webhook(log_settings)
        queue(engine, "message", channel="slack_webhook")
        server.faults = ["silence"]
        assert delivery(settings, engine).waiting == 1
        assert rows(engine)[0]["is_in_doubt"]
        assert delivery(settings, engine) == Delivery(sent=1)
        assert server.texts() == ["message"]

    def test_a_channel_that_is_no_longer_set_keeps_its_messages(
        self, engine, server, settings, log_settings
    ):
        queue(engine, "message")
        queue(engine, "other", channel="slack_webhook")
        found = delivery(server.webhook(log_settings), engine)
        assert (found.sent, found.waiting, found.is_broken) == (1, 1, False)
        assert "slack_bot, which is no longer set" in found.troubles[0]
        assert delivery(settings, engine).sent == 1

    @pytest.mark.parametrize("fault", ["silence", "kept and silence"])
    def test_dying_in_the_middle_of_a_call_loses_nothing_and_says_nothing_twice(
        self, engine, server, settings, log_settings, fault
    ):
        queue(engine, "first", "second")
        server.faults = [fault]
        dying = process(DELIVER, log_settings, server.port)
        dying.stdin.write("\n")
        dying.stdin.flush()
        wait_until(server.arrived.is_set if fault in KEPT else lambda: server.asked)
        kill(dying)
        assert rows(engine)[0]["is_in_doubt"]
        assert delivery(settings, engine) == Delivery(sent=2)
        assert server.texts() == ["first", "second"]

    def test_processes_at_once_send_each_message_once(self, engine, server, settings, log_settings):
        texts = [f"message {number}" for number in range(10)]
        queue(engine, *texts)
        said = at_once([process(DELIVER, log_settings, server.port) for _ in range(3)])
        assert sorted(map(int, said)) == [0, 0, 10]
        assert server.texts() == texts

    def test_a_turn_that_does_not_come_leaves_the_messages_to_others(
        self, engine, server, settings
    ):
        queue(engine, "message")
        with turn(engine, 0) as is_ours:
            assert is_ours
            found = deliver(settings, engine, patience=0.2)
        assert (found.sent, found.waiting) == (0, 1)
        assert found.troubles == ["Another process is sending; it or the next run sends these."]
        assert server.texts() == []
        assert deliver(settings, engine).sent == 1

    def test_the_report_goes_along_once(self, engine, server, settings, report):
        tell(engine, "opened", report=report)
        server.upload_faults = ["", "hang up"]
        assert delivery(settings, engine) == Delivery(sent=1)
        assert delivery(settings, engine) == Delivery()
        assert server.texts() == ["opened"]
        assert [file["thread_ts"] for file in server.files] == [server.messages[0]["ts"]]

    def test_a_report_is_brought_by_the_run_after_the_one_that_died(
        self, engine, server, settings, report
    ):
        tell(engine, "opened", report=report)
        delivery(settings, engine)
        server.files.clear()
        with engine.begin() as connection:
            connection.execute(OUTBOX.update().values(report=str(report)))
        assert delivery(settings, engine) == Delivery()
        assert len(server.files) == 1

    def test_no_message_waits_for_a_report(self, engine, server, settings, report):
        server.takes_files = False
        events = ("opened", "updated", "updated again", "resolved")
        found = []
        for event in events:
            tell(engine, event, report=report)
            found.append(delivery(settings, engine))
        assert server.texts() == list(events)
        assert [(one.sent, one.waiting, one.is_broken) for one in found] == [(1, 0, False)] * 4
        assert found[0].given_up == [
            "The report of “opened” is given up: Slack refuses: missing_scope. "
            "Give the Slack app the scopes of docs/runbook.md."
        ]

    @pytest.mark.parametrize("fault", ["500", "hang up"])
    def test_a_report_that_breaks_every_time_holds_up_nothing(
        self, engine, server, settings, report, fault
    ):
        tell(engine, "opened", "updated", report=report)
        server.upload_faults = [fault] * 99
        found = delivery(settings, engine)
        assert (found.sent, found.waiting, len(found.given_up)) == (2, 0, 2)
        assert not found.is_broken
        assert server.texts() == ["opened", "updated"]

    def test_the_next_message_tells_once_what_was_given_up(self, engine, server, settings, report):
        server.takes_files = False
        server.never = {"bad": "invalid_blocks"}
        tell(engine, "opened", report=report)
        queue(engine, "first", "bad")
        assert len(delivery(settings, engine).given_up) == 2
        queue(engine, "next", "after")
        assert delivery(settings, engine) == Delivery(sent=2)
        *before, told, after = map(said_of, server.messages)
        assert [*before, after] == ["", "", ""]
        *lost, why = told.splitlines()
        when = [formats.moment(day(0) + timedelta(seconds=n), "pt", None) for n in (0, 1)]
        assert lost == [
            f"O relatório da mensagem “opened”, de {when[0]}, não pôde ser anexado.",
            f"A mensagem “bad”, de {when[1]}, não chegou nem será reenviada.",
        ]
        assert why == "O motivo está na execução que desistiu e na tabela outbox."

    def test_what_was_given_up_is_told_again_where_the_telling_was_refused(
        self, engine, server, settings
    ):
        server.never = {"bad": "invalid_blocks", "worse": "msg_too_long"}
        queue(engine, "bad", "worse", "next")
        assert delivery(settings, engine).sent == 1
        assert "“bad”" in said_of(server.messages[0])
        assert "“worse”" in said_of(server.messages[0])

    def test_a_thread_that_is_gone_goes_on_in_the_channel(self, engine, server, settings, report):
        tell(engine, "opened", report=report)
        delivery(settings, engine)
        server.gone.add(server.messages[0]["ts"])
        tell(engine, "updated", "updated again", "resolved", report=report)
        tell(engine, "other", incident=OTHER)
        found = delivery(settings, engine)
        assert found == Delivery(sent=4)
        first, *rest, other = server.messages[1:]
        assert server.texts() == ["opened", "updated", "updated again", "resolved", "other"]
        assert "thread_ts" not in first
        assert said_of(first) == "A conversa deste incidente não existe mais; ele continua aqui."
        assert [one["thread_ts"] for one in rest] == [first["ts"]] * 2
        assert "thread_ts" not in other
        assert [file["thread_ts"] for file in server.files[1:]] == [first["ts"]] * 3

    def test_a_thread_that_goes_before_its_report_holds_up_nothing(
        self, engine, server, settings, report
    ):
        tell(engine, "opened", report=report)
        delivery(settings, engine)
        with engine.begin() as connection:
            connection.execute(OUTBOX.update().values(report=str(report)))
        server.gone.add(server.messages[0]["ts"])
        found = delivery(settings, engine)
        assert (found.waiting, len(found.given_up)) == (0, 1)
        tell(engine, "updated")
        assert delivery(settings, engine) == Delivery(sent=1)

    def test_what_arrived_before_its_thread_went_is_not_sent_again(self, engine, server, settings):
        tell(engine, "opened")
        delivery(settings, engine)
        server.gone.add(server.messages[0]["ts"])
        tell(engine, "updated")
        server.faults = ["kept and hang up"]  # of the message that begins another thread
        assert delivery(settings, engine) == Delivery(sent=1)
        assert server.texts() == ["opened", "updated"]

    @pytest.mark.parametrize("word", ["restricted_action", "a word of tomorrow", "500"])
    def test_no_incident_waits_for_another(self, engine, server, settings, word):
        tell(engine, "opened")
        tell(engine, "other", incident=OTHER)
        queue(engine, "test")
        server.never = {"opened": word}
        found = delivery(settings, engine)
        assert (found.sent, found.waiting, found.is_broken) == (2, 1, True)
        assert sorted(server.texts()) == ["other", "test"]

    def test_many_in_trouble_do_not_keep_a_new_one_waiting_for_ever(self, engine, server, settings):
        stuck = [f"stuck {number}" for number in range(4)]
        queue(engine, *stuck)
        server.never = dict.fromkeys(stuck, "500")
        assert delivery(settings, engine).waiting == 4
        assert server.asked.count("chat.postMessage") == 9  # three of them, three times each
        queue(engine, "new")
        assert delivery(settings, engine).sent == 1
        assert server.texts() == ["new"]

    def test_a_channel_that_takes_nothing_is_asked_once_a_run(
        self, engine, server, settings, log_settings
    ):
        queue(engine, *(f"message {number}" for number in range(20)))
        found = delivery(server.bot(log_settings, token="xoxb-revoked"), engine)
        assert (found.waiting, found.is_broken) == (20, True)
        assert server.asked == ["chat.postMessage"]

    def test_a_doubt_outlives_a_refusal(self, engine, server, settings, log_settings):
        queue(engine, "message")
        server.faults = ["kept and 500"]
        server.may_look = False
        nowhere = server.bot(log_settings, token="xoxb-revoked")
        with engine.begin() as connection:
            connection.execute(OUTBOX.update().values(is_in_doubt=True))
        delivery(nowhere, engine)
        assert rows(engine)[0]["is_in_doubt"]

    def test_a_message_that_never_arrives_is_given_up_after_two_weeks(
        self, engine, server, settings, log_settings
    ):
        revoked = server.bot(log_settings, token="xoxb-revoked")
        queue(engine, "first", "second")
        late = day(0) + LONGEST_WAIT
        assert deliver(revoked, engine, impatient, PAUSE, now=late).waiting == 2
        later = late + timedelta(seconds=2)
        found = deliver(revoked, engine, impatient, PAUSE, now=later)
        assert (found.waiting, len(found.given_up), found.is_broken) == (0, 2, True)
        assert [text.partition("\n")[0] for text in found.refused] == ["first", "second"]
        queue(engine, "third")
        assert deliver(settings, engine, impatient, PAUSE, now=later) == Delivery(sent=1)
        assert "“first”" in said_of(server.messages[0])

    def test_an_old_message_that_can_be_sent_is_sent(self, engine, server, settings):
        queue(engine, "message")
        late = day(0) + 10 * LONGEST_WAIT
        assert deliver(settings, engine, now=late) == Delivery(sent=1)

    @pytest.mark.parametrize(
        "asked",
        [
            "{folder}/.env",
            "/proc/self/environ",
            "{folder}/reports/run/../../.env",
            "{folder}/reports/.env",
            "{folder}/reports/run/.monitoring-run",
            "{folder}/reports/linked/report.html",
            "{folder}/reports/link/report.html",
            "{folder}/reports/theirs/report.html",
            "../report.html",
            "report.html",
            "run",
            "",
            "/",
            "\0/report.html",
        ],
    )
    def test_no_file_goes_along_but_a_report_that_monitoring_wrote(
        self, engine, server, settings, report, tmp_path, asked
    ):
        reports, elsewhere = tmp_path / "reports", tmp_path / "elsewhere"
        for place in (tmp_path, reports):
            (place / ".env").write_text("SLACK_BOT_TOKEN=secret")
            (place / "report.html").write_text("secret")
        report_folder.make(elsewhere)
        (elsewhere / "report.html").write_text("secret")
        (reports / "link").symlink_to(elsewhere)
        report_folder.make(reports / "linked")
        (reports / "linked" / "report.html").symlink_to(tmp_path / ".env")
        (reports / "theirs").mkdir()
        (reports / "theirs" / "report.html").write_text("secret")
        tell(engine, "opened")
        with engine.begin() as connection:
            asked = asked.format(folder=tmp_path)
            if connection.dialect.name == "postgresql":
                asked = asked.replace("\0", "")
            connection.execute(OUTBOX.update().values(report=asked))
        assert delivery(settings, engine).sent == 1
        assert server.texts() == ["opened"]
        assert server.files == []
        tell(engine, "updated", report=report)
        delivery(settings, engine)
        assert len(server.files) == 1

    @pytest.mark.parametrize("channel", [CHANNEL, NAME])
    def test_no_thread_leads_out_of_the_channel(
        self, engine, server, log_settings, report, channel
    ):
        settings = server.bot(log_settings, channel=channel)
        settings = settings.model_copy(update={"report_folder": report.parents[1]})
        server.others = {"C0TENANT"}
        tell(engine, "opened")
        delivery(settings, engine)
        with engine.begin() as connection:
            connection.execute(INCIDENTS.update().values(thread="C0TENANT:111.222"))
        tell(engine, "updated", report=report)
        assert delivery(settings, engine) == Delivery(sent=1)
        assert {one["channel"] for one in server.messages} <= {CHANNEL, NAME}
        assert {file["channel_id"] for file in server.files} == {CHANNEL}

    @pytest.mark.parametrize(
        ("model", "created", "count"),
        [
            (None, None, 1),
            (MODEL, None, 1),
            (MODEL, "2026-01-01", 1),
            (MODEL, "2026-02-02", 0),
            ("another", None, 0),
            ("another", "2026-01-01", 0),
        ],
    )
    def test_only_messages_of_the_own_model_are_sent(
        self, engine, server, settings, model, created, count
    ):
        settings = settings.model_copy(update={"model_name": MODEL})
        message = QueuedMessage(channel="slack_bot", content=content("message"))
        incident_store.queue(engine, [message], "test", day(0), model, created)
        found = deliver(settings, engine, impatient, now=SOON, incarnation="2026-01-01")
        assert found == Delivery(sent=count)
        assert server.texts() == ["message"] * count
        assert [row["sent"] is not None for row in rows(engine)] == [count == 1]

    def test_an_incident_of_another_model_lends_no_thread(self, engine, server, settings):
        tell(engine, "opened", incident=replace(INCIDENT, model_name="another"))
        with engine.begin() as connection:
            connection.execute(INCIDENTS.update().values(thread=f"{CHANNEL}:1.1"))
        delivery(settings, engine)
        assert "thread_ts" not in server.messages[0]
        with engine.begin() as connection:
            assert connection.scalar(select(INCIDENTS.c.thread)) == f"{CHANNEL}:1.1"

    def test_a_report_that_is_gone_keeps_no_message(self, engine, server, settings, tmp_path):
        tell(engine, "opened", report=tmp_path / "gone.html")
        found = delivery(settings, engine)
        assert (found.sent, found.waiting, found.is_broken) == (1, 0, False)
        assert found.given_up[0].startswith("The report of “opened” is given up: It is not on this")
        assert server.files == []
