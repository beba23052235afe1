"""Another version serves: who hears of it, and how often."""

from pathlib import Path

import pytest

from insurance_predictor.base.errors import NotFound
from insurance_predictor.base.settings import Settings
from insurance_predictor.release.promotion import promote, rollback
from insurance_predictor.release.registration import register
from monitoring.alerts.production_move import announce
from tests.monitoring.logged_quotes import in_folder
from tests.monitoring.slack_server import slack
from tests.planting import Workshop, plant


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Settings:
    return in_folder(settings, tmp_path)


def test_without_a_channel_the_message_is_printed(own, production):
    message, delivery = announce(own)
    assert message.startswith("🔵 Another version in production")
    assert "version 1 serves. Decided by " in message
    assert "Why: approved by the gate" in message
    assert delivery is None


def test_each_move_is_told_once(client, own, production, store, sample, trained):
    other = plant(client, store, sample, Workshop.of(trained, sample).slightly_other)
    register(client, own, other)
    with slack() as heard:
        ours = heard.webhook(own)
        promote(client, own, reason="*better*")
        announce(ours)
        announce(ours)
        rollback(client, own, "worse after all")
        announce(ours)
        texts = heard.texts()
    assert len(texts) == 2
    assert "version 2 serves instead of 1" in texts[0]
    assert "*better*" not in texts[0]
    assert "Back to the version before" in texts[1]
    assert "worse after all" in texts[1]


def test_what_cannot_be_sent_waits(own, production):
    with slack() as heard:
        ours = heard.webhook(own)
        heard.faults = ["500"] * 9
        _, delivery = announce(ours)
        assert (delivery.sent, delivery.waiting) == (0, 1)
        heard.faults = []
        announce(ours)
        assert len(heard.texts()) == 1


def test_an_empty_ledger_has_nothing_to_tell(own):
    with pytest.raises(NotFound, match="nothing was ever promoted"):
        announce(own)
