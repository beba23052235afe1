"""Messages to a Slack that works, refuses, is busy, breaks, hangs up, and keeps silent."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from insurance_predictor.base.settings import Settings
from monitoring.alerts.channel import NotSent, Outgoing
from monitoring.alerts.slack import Bot, Webhook
from tests.monitoring.slack_server import CHANNEL, NAME, Slack, slack
from tests.servers import free_port

QUICK = 1  # seconds of silence
MESSAGE = {"text": "Data drift", "blocks": [], "plain": "Data drift\n"}


@pytest.fixture
def server():
    with slack() as state:
        yield state


def outgoing(**changes: object) -> Outgoing:
    facts = {"id": "o1", "time": datetime.now(UTC), "event": "opened", "message": MESSAGE}
    return Outgoing(**facts | {"channel": "slack_bot"} | changes)


def bot(server: Slack, **changes: str) -> Bot:
    return Bot(server.bot(Settings(), **changes), timeout=QUICK)


def webhook(server: Slack, **changes: str) -> Webhook:
    return Webhook(server.webhook(Settings(), **changes), timeout=QUICK)


def test_a_bots_message_carries_the_id_of_the_outbox(server):
    place = bot(server).send(outgoing())
    assert place == f"{CHANNEL}:{server.messages[0]['ts']}"
    assert server.messages[0]["metadata"]["event_payload"] == {"id": "o1"}
    assert server.messages[0]["unfurl_links"] is False


def test_answers_go_into_the_thread_and_the_end_is_shown_in_the_channel_too(server):
    place = bot(server).send(outgoing())
    bot(server).send(outgoing(id="o2", event="updated", thread=place))
    bot(server).send(outgoing(id="o3", event="resolved", thread=place))
    first, update, end = server.messages
    assert update["thread_ts"] == end["thread_ts"] == first["ts"]
    assert "reply_broadcast" not in update
    assert end["reply_broadcast"] is True


def test_a_thread_that_is_gone_is_said_to_be(server):
    place = bot(server).send(outgoing())
    server.gone.add(server.messages[0]["ts"])
    with pytest.raises(NotSent) as trouble:
        bot(server).send(outgoing(thread=place))
    assert trouble.value.is_gone


def test_a_thread_of_another_channel_is_none(server):
    server.others = {"C0OTHER"}
    bot(server).send(outgoing(thread="C0OTHER:1.2"))
    assert server.messages[0]["channel"] == CHANNEL
    assert "thread_ts" not in server.messages[0]


def test_what_went_to_the_channel_is_found_whose_thread_is_gone(server):
    thread = bot(server).send(outgoing())
    server.gone.add(server.messages[0]["ts"])
    place = bot(server).send(outgoing(id="o2"))
    assert bot(server).found(outgoing(id="o2", thread=thread)) == place
    assert bot(server).found(outgoing(id="o3", thread=thread)) is None


@pytest.mark.parametrize("channel", [CHANNEL, NAME, f"#{NAME}"])
def test_what_has_arrived_is_found_by_its_id(server, channel):
    ours = bot(server, channel=channel)
    assert ours.found(outgoing()) is None
    place = ours.send(outgoing())
    for number in range(5):
        ours.send(outgoing(id=f"later {number}"))
    assert ours.found(outgoing()) == place
    assert ours.found(outgoing(id="another")) is None


def test_what_has_arrived_in_a_thread_is_found_there(server):
    thread = bot(server).send(outgoing())
    place = bot(server).send(outgoing(id="o2", event="updated", thread=thread))
    assert bot(server).found(outgoing(id="o2", thread=thread)) == place


def test_who_may_not_look_finds_nothing(server):
    bot(server).send(outgoing())
    server.may_look = False
    assert bot(server).found(outgoing()) is None


@pytest.mark.parametrize("channel", [bot, webhook])
def test_a_busy_slack_gets_the_message_when_it_asked_for_it(server, channel):
    server.faults = ["429", "429"]
    channel(server).send(outgoing())
    assert server.texts() == ["Data drift"]


@pytest.mark.parametrize("channel", [bot, webhook])
@pytest.mark.parametrize("patience", ["3600", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_slack_that_is_busy_for_long_is_left_to_the_next_run(server, channel, patience):
    server.faults = ["429"]
    server.retry_after = patience
    with pytest.raises(NotSent, match=f"asks for {patience}") as trouble:
        channel(server).send(outgoing())
    assert not trouble.value.is_doubtful
    assert server.messages == []


@pytest.mark.parametrize("fault", ["500", "hang up", "silence", "internal_error"])
def test_a_bots_message_that_got_no_answer_is_in_doubt_and_not_sent_twice(server, fault):
    server.faults = [fault]
    with pytest.raises(NotSent) as trouble:
        bot(server).send(outgoing())
    assert trouble.value.is_doubtful
    assert server.asked == ["chat.postMessage"]


def test_a_webhook_tries_again_when_slack_says_that_it_broke(server):
    server.faults = ["500", "500"]
    webhook(server).send(outgoing())
    assert server.texts() == ["Data drift"]


@pytest.mark.parametrize("fault", ["hang up", "silence"])
def test_a_webhook_that_says_nothing_is_in_doubt(server, fault):
    server.faults = [fault]
    with pytest.raises(NotSent, match="does not answer") as trouble:
        webhook(server).send(outgoing())
    assert trouble.value.is_doubtful
    assert server.asked == ["hook"]


def test_nobody_there_is_no_doubt():
    port = free_port()
    address = f"http://127.0.0.1:{port}/"
    settings = Settings(
        slack_bot_token="xoxb-1",
        slack_channel=CHANNEL,
        slack_api_url=address,
        slack_webhook_url=address,
    )
    for channel in (Bot(settings, timeout=QUICK), Webhook(settings, timeout=QUICK)):
        with pytest.raises(NotSent, match="Connection refused") as trouble:
            channel.send(outgoing())
        assert not trouble.value.is_doubtful


def test_a_refusal_names_the_remedy(server):
    with pytest.raises(NotSent, match=r"invalid_auth\. Check SLACK_BOT_TOKEN\."):
        bot(server, token="xoxb-wrong").send(outgoing())
    with pytest.raises(NotSent, match=r"channel_not_found\. Check SLACK_CHANNEL"):
        bot(server, channel="#other").send(outgoing())
    with pytest.raises(NotSent, match=r"no_service\. Make a new SLACK_WEBHOOK_URL"):
        webhook(server, path="/revoked").send(outgoing())


@pytest.mark.parametrize("channel", [bot, webhook])
def test_a_message_that_slack_will_never_take_is_refused_for_good(server, channel):
    server.faults = ["invalid_blocks"]
    with pytest.raises(NotSent, match="will not take this message") as trouble:
        channel(server).send(outgoing())
    assert trouble.value.is_final


def test_a_webhooks_address_is_in_no_sentence(server):
    server.faults = ["silence"]
    with pytest.raises(NotSent) as trouble:
        webhook(server).send(outgoing())
    assert "/hook" not in str(trouble.value)


@pytest.fixture
def report(tmp_path) -> Path:
    file = tmp_path / "report.html"
    file.write_text("<html></html>")
    return file


def test_the_report_goes_into_the_thread_once(server, report):
    place = bot(server).send(outgoing())
    sent = outgoing(thread=place, report=report)
    bot(server).attach(sent)
    bot(server).attach(sent)
    assert [file["thread_ts"] for file in server.files] == [server.messages[0]["ts"]]
    assert server.files[0]["title"] == "report.html"


def test_a_report_that_did_not_arrive_is_sent_again(server, report):
    place = bot(server).send(outgoing())
    server.upload_faults = ["500"]
    with pytest.raises(NotSent, match="Slack answered 500"):
        bot(server).attach(outgoing(thread=place, report=report))
    assert server.files == []
    bot(server).attach(outgoing(thread=place, report=report))
    assert len(server.files) == 1


def test_a_report_whose_answer_was_lost_is_not_sent_twice(server, report):
    place = bot(server).send(outgoing())
    server.upload_faults = ["", "hang up"]
    with pytest.raises(NotSent):
        bot(server).attach(outgoing(thread=place, report=report))
    bot(server).attach(outgoing(thread=place, report=report))
    assert len(server.files) == 1


def test_who_may_not_look_still_attaches_the_report(server, report):
    place = bot(server).send(outgoing())
    server.may_look = False
    bot(server).attach(outgoing(thread=place, report=report))
    assert len(server.files) == 1


def test_a_report_that_is_not_here_is_refused_for_good(server, report):
    place = bot(server).send(outgoing())
    report.unlink()
    with pytest.raises(NotSent, match="not on this machine") as trouble:
        bot(server).attach(outgoing(thread=place, report=report))
    assert trouble.value.is_final


def test_a_webhook_takes_no_report(server, report):
    webhook(server).attach(outgoing(report=report))
    assert server.asked == []
