"""A PostgreSQL that does not take the password any more, and who hears of it."""

from pathlib import Path

import pytest
from sqlalchemy import make_url

from insurance_predictor.base.errors import Unreachable
from insurance_predictor.base.settings import Settings
from monitoring.alerts.unqueued import tell_not_assessed
from monitoring.run import MonitoringOptions, monitor
from tests.monitoring.logged_quotes import in_folder
from tests.monitoring.slack_server import slack


def test_a_log_that_refuses_the_password_is_told_without_it(
    url: str, settings: Settings, production, tmp_path: Path
):
    revoked = make_url(url).set(password="revoked").render_as_string(hide_password=False)
    ours = in_folder(settings, tmp_path).model_copy(update={"prediction_log_url": revoked})
    with slack() as heard:
        ours = heard.webhook(ours)
        with pytest.raises(Unreachable) as caught:
            monitor(ours, MonitoringOptions())
        tell_not_assessed(ours, caught.value)
        [message] = heard.messages
    assert caught.value.exit_code == 4
    assert "password authentication failed" in str(message)
    assert "Check PREDICTION_LOG_URL" in str(message)
    assert "revoked" not in str(message)
