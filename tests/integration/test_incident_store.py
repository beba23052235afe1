"""The history of incidents on PostgreSQL: what tests/monitoring checks on SQLite."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from monitoring.history.tables import opened
from tests.monitoring import incident_store_contract as history
from tests.predictions import log_in


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    with opened(url) as running:
        yield running


def test_an_incident_and_its_messages_are_kept(engine):
    history.check_that_an_incident_and_its_messages_are_kept(engine)


def test_a_failure_in_the_middle_keeps_nothing(engine):
    history.check_that_a_failure_in_the_middle_keeps_nothing(engine)


def test_processes_that_assess_at_once_say_it_once(engine, url, tmp_path: Path):
    history.check_that_processes_take_turns(engine, log_in(tmp_path, url))


def test_a_snooze_is_kept(engine):
    history.check_that_a_snooze_is_kept(engine)
