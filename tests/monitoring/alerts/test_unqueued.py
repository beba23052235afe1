"""That monitoring did not finish reaches every channel, past a log that is away."""

import pytest
from pydantic import SecretStr

from insurance_predictor.base.errors import BadInput, IntegrityFault, NoProductionModel, Unreachable
from insurance_predictor.base.settings import Settings
from monitoring.alerts.unqueued import tell_not_assessed
from tests.monitoring.slack_server import slack
from tests.servers import free_port

AWAY = Unreachable("postgresql://app:hidden@db:5432/log is away. Check PREDICTION_LOG_URL.")


@pytest.fixture
def nowhere() -> Settings:
    return Settings(prediction_log_url="postgresql://nobody@127.0.0.1:9/none")


def test_each_channel_is_tried_once_and_none_waits_for_another(nowhere):
    with slack() as heard:
        ours = heard.bot(nowhere)
        urls = SecretStr(f"json://127.0.0.1:{free_port()}/")
        ours = ours.model_copy(update={"alert_urls": urls})
        delivery = tell_not_assessed(ours, AWAY)
        assert heard.asked == ["chat.postMessage"]
    assert (delivery.sent, delivery.waiting, delivery.is_broken) == (1, 0, True)
    [trouble] = delivery.troubles
    assert "did not take the message" in trouble


@pytest.mark.parametrize(
    ("language", "header"),
    [("pt", "O monitoramento não terminou"), ("en", "Monitoring did not finish")],
)
def test_it_says_why_without_a_password(nowhere, language, header):
    with slack() as heard:
        ours = heard.webhook(nowhere).model_copy(update={"alert_language": language})
        tell_not_assessed(ours, AWAY)
        [message] = heard.messages
    assert header in message["text"]
    assert "Check PREDICTION_LOG_URL." in str(message)
    assert "hidden" not in str(message)


def test_a_version_that_is_not_as_it_was_written_is_told(nowhere):
    with slack() as heard:
        tell_not_assessed(heard.webhook(nowhere), IntegrityFault("Version 3 is refused."))
        assert len(heard.messages) == 1


@pytest.mark.parametrize("error", [BadInput("WINDOW"), NoProductionModel("Nothing was promoted.")])
def test_what_is_no_fault_of_a_store_is_not_told(nowhere, error):
    with slack() as heard:
        assert tell_not_assessed(heard.webhook(nowhere), error) is None
        assert heard.asked == []


def test_without_a_channel_there_is_nobody_to_tell(nowhere):
    assert tell_not_assessed(nowhere, AWAY) is None
