"""The history of incidents on PostgreSQL: what tests/monitoring checks on SQLite."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from monitoring.history.tables import opened
from tests.monitoring import incident_store_contract as history
from tests.monitoring.history import tables_contract
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


def test_the_tables_are_those_that_the_migrations_make(url):
    tables_contract.has_the_tables_that_the_code_knows(url)


def test_processes_that_open_a_new_log_at_once_make_the_tables_once(url, tmp_path: Path):
    tables_contract.processes_that_open_at_once_find(log_in(tmp_path, url), 0)


def test_tables_of_release_0_1_are_taken_over_with_their_rows(url, tmp_path: Path):
    tables_contract.make_tables_of_release_0_1(url)
    tables_contract.processes_that_open_at_once_find(log_in(tmp_path, url), 1)
    tables_contract.has_the_tables_that_the_code_knows(url)
