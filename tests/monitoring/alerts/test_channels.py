"""Which channels the settings name."""

import pytest

from insurance_predictor.base.errors import InvalidSettings
from insurance_predictor.base.settings import Settings
from monitoring.alerts import channels


def configured(**values: str) -> tuple[str, ...]:
    return channels.configured(Settings(**values))


def test_without_any_messages_are_printed():
    assert configured() == ()


def test_a_bot_needs_a_channel():
    assert configured(slack_bot_token="xoxb-1", slack_channel="#alerts") == ("slack_bot",)
    with pytest.raises(InvalidSettings, match="SLACK_CHANNEL"):
        configured(slack_bot_token="xoxb-1")


def test_a_webhook_is_used_where_there_is_no_bot():
    hook = {"slack_webhook_url": "https://hooks.example.org/1"}
    assert configured(**hook) == ("slack_webhook",)
    assert configured(**hook, slack_bot_token="xoxb-1", slack_channel="C1") == ("slack_bot",)


def test_each_other_address_is_a_channel_that_does_not_show_its_password():
    # pragma: allowlist nextline secret
    urls = "mailto://me:secret@example.org?to=a@example.org,b@example.org, json://localhost/x"
    names = configured(alert_urls=urls, slack_webhook_url="https://hooks.example.org/1")
    assert names[0] == "slack_webhook"
    assert len(names) == 3
    assert all(name.startswith("other:") for name in names[1:])
    assert "secret" not in "".join(names)


def test_a_channel_keeps_its_name_when_others_come_and_go():
    one = "json://localhost/x"
    alone = configured(alert_urls=one)
    with_another = configured(alert_urls=f"json://localhost/y\n{one}")
    assert set(alone) < set(with_another)
    assert channels.other_urls(Settings(alert_urls=one)) == {alone[0]: one}
