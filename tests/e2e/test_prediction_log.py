"""The prediction log behind a real app: its PostgreSQL dies and comes back."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from app import text
from tests.e2e.running_app import App, clone, running
from tests.integration.postgres import Postgres, postgres
from tests.predictions import kept_ids, wait_until

DATABASE = ("predictions", "predictions")


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with postgres() as started:
        yield started


@pytest.fixture(scope="module")
def app(registry, database, tmp_path_factory) -> Iterator[App]:
    """An app whose prediction log is in PostgreSQL, as in the stack."""
    url = database.uri(*DATABASE)
    own = {"PREDICTION_LOG_URL": url}
    with running(clone(tmp_path_factory.mktemp("postgres")), registry.variables | own) as started:
        yield started


def test_a_database_that_is_killed_and_comes_back_has_every_quote_once(visit, database):
    url = database.uri(*DATABASE)
    person = visit("pt")
    person.open()
    quoted = {person.calculate() for _ in range(2)}
    wait_until(lambda: set(kept_ids(url)) == quoted)
    database.kill()
    try:
        for _ in range(3):
            quoted.add(person.calculate())
            expect(person.sees(text.NOT_RECORDED)).to_have_count(0)
    finally:
        database.start()
    quoted.add(person.calculate())
    wait_until(lambda: len(kept_ids(url)) >= len(quoted))
    assert sorted(kept_ids(url)) == sorted(quoted)
