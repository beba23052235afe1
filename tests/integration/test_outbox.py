"""The outbox in PostgreSQL: nothing lost, nothing twice there either."""

from pathlib import Path

import pytest

from insurance_predictor.base.settings import Settings
from tests.monitoring.outbox_contract import Deliveries
from tests.predictions import log_in


class TestPostgres(Deliveries):
    @pytest.fixture
    def log_settings(self, url: str, tmp_path: Path) -> Settings:
        return log_in(tmp_path, url)
