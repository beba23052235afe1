"""The prediction log on PostgreSQL: killed and back, locked, filled by several at once."""

import json
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from insurance_predictor.base.settings import Settings
from insurance_predictor.log.database import FAILURES, METADATA, opened
from insurance_predictor.log.outcomes import Conflict, record_outcomes
from insurance_predictor.log.prediction_log import PredictionLog, _line
from insurance_predictor.log.spool import ASIDE, Spool
from tests.predictions import (
    DAMAGED_LINES,
    MOST,
    OPEN_AT_ONCE,
    PATIENCE,
    QUOTE_LINE,
    at_once,
    entries,
    entry,
    failure,
    ids,
    kept,
    kept_ids,
    kill,
    log_in,
    make_first_release,
    one_by_one,
    process,
    quotes_table,
    typical_wait,
    wait_until,
)

DELIVER_FOR_EVER = """
from insurance_predictor.log.prediction_log import PredictionLog
from tests.predictions import entries
log = PredictionLog(log_settings)
while True:
    written = entries(2000)
    log.write(written)
    assert log.flush(60)
    print(*(one.id for one in written), flush=True)
"""


@pytest.fixture
def settings(url: str, tmp_path: Path) -> Settings:
    return log_in(tmp_path, url)


@pytest.fixture
def log(settings: Settings) -> Iterator[PredictionLog]:
    with PredictionLog(settings) as running:
        yield running


@pytest.fixture
def ask(url: str) -> Callable[[str], list[tuple[Any, ...]]]:
    def answer(question: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(url, connect_timeout=5) as connection:
            return connection.execute(question).fetchall()

    return answer


def test_rows_and_types_are_those_of_a_table_that_people_query(log, ask):
    given = entry(stale=True)
    log.write([given])
    assert log.flush(PATIENCE)
    question = "SELECT id, time, age + children, bmi, smoker, premium, stale FROM predictions"
    assert ask(question) == [(given.id, given.time, 42, 27.5, "no", 8123.45, True)]


def test_the_tables_are_those_that_the_migrations_make(url):
    with opened(url) as engine, engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_processes_that_open_a_new_database_at_once_make_its_tables_once(settings, ask):
    both = [process(OPEN_AT_ONCE, settings) for _ in range(2)]
    assert at_once(both) == ["postgresql\n"] * 2
    assert ask("SELECT version_num FROM alembic_version") == [("0006",)]


def test_processes_that_upgrade_the_first_release_at_once_keep_every_row(url, settings, ask):
    make_first_release(url)
    quote = "1.0, 0.0, 2.0, 4.0, 'app', false FROM generate_series(1, 500) AS number"
    ask_to(
        url,
        "INSERT INTO predictions SELECT 'id-' || number, now(), '3', 40, 'female', 27.5, 2, "
        f"'no', 'southeast', {quote}",
        "INSERT INTO outcomes SELECT id, 9000.5, time FROM predictions WHERE id LIKE '%5'",
    )
    known = "id, p.time, version, age, sex, bmi, children, smoker, region, premium, source, charges"
    everything = f"SELECT {known} FROM predictions p LEFT JOIN outcomes USING (id) ORDER BY id"
    before = ask(everything)
    assert at_once([process(OPEN_AT_ONCE, settings) for _ in range(2)]) == ["postgresql\n"] * 2
    assert ask(everything) == before
    assert ask("SELECT version_num FROM alembic_version") == [("0006",)]
    with opened(url) as engine, engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_a_failure_is_kept_as_it_was_given(log, ask):
    given = failure(version=None)
    log.write([given])
    assert log.flush(PATIENCE)
    asked = "SELECT id, time, version, source, error, latency_ms FROM failures"
    assert ask(asked) == [(given.id, given.time, None, "app", "MemoryError", 12.5)]


def test_a_database_that_is_killed_and_comes_back_has_every_row_once(database, url, log):
    before, during, after = entries(5), entries(21), entries(5)
    log.write(before)
    assert log.flush(PATIENCE)
    database.kill()
    try:
        assert typical_wait(log, during) < MOST
        assert not log.flush(0.2)
        assert log.backlog() == len(during)
    finally:
        database.start()
    log.write(after)
    assert log.flush(PATIENCE)
    assert log.backlog() == 0
    assert sorted(kept_ids(url)) == sorted(ids([*before, *during, *after]))


def test_a_database_that_is_killed_during_a_large_batch_has_every_row_once(database, url, log):
    batch = entries(20_000)
    log.write(batch)
    wait_until(lambda: has_rows(url))
    database.kill()
    database.start()
    assert log.flush(PATIENCE)
    assert sorted(kept_ids(url)) == sorted(ids(batch))


def test_a_locked_table_costs_nobody_time_and_gets_its_rows_later(url, log):
    log.write([entry()])
    assert log.flush(PATIENCE)
    with psycopg.connect(url, connect_timeout=5) as other:
        other.execute("LOCK TABLE predictions IN ACCESS EXCLUSIVE MODE")
        assert typical_wait(log, entries(21)) < MOST
        assert not log.flush(0.2)
        assert log.backlog() == 21
    assert log.flush(PATIENCE)
    assert len(kept_ids(url)) == 22


def test_a_process_killed_while_it_delivers_loses_and_doubles_nothing(settings, url, tmp_path):
    told = set()
    for _ in range(2):
        delivering = process(DELIVER_FOR_EVER, settings)
        told |= set(delivering.stdout.readline().split())
        told |= set(kill(delivering).split())
    with PredictionLog(settings) as log:
        wait_until(lambda: not log.backlog())
    found = kept_ids(url)
    assert told <= set(found)
    assert len(found) == len(set(found))
    assert Spool(tmp_path / "spool").waiting() == 0


def test_a_row_that_the_database_refuses_is_set_aside_and_holds_up_no_other(
    url, log, tmp_path, caplog
):
    good = entries(10)
    log.write([*good[:5], entry(version="a\0b"), *good[5:]])
    assert log.flush(PATIENCE)
    assert sorted(kept_ids(url)) == sorted(ids(good))
    assert b"a\\u0000b" in (tmp_path / "spool" / "set_aside.txt").read_bytes()
    assert "1 predictions cannot be stored" in caplog.text


def test_lines_that_no_database_keeps_are_set_aside_and_hold_up_no_other(url, settings, tmp_path):
    good, lines = entries(len(DAMAGED_LINES)), []
    for damaged, sound in zip(DAMAGED_LINES, good, strict=True):
        lines += [damaged, _line(sound, "m")]
    # What only PostgreSQL refuses: it looks at lengths.
    lines.insert(7, json.dumps(QUOTE_LINE | {"id": "x" * 37}).encode())
    lines.insert(8, json.dumps(QUOTE_LINE | {"children": 2**40}).encode())
    queue = Spool(tmp_path / "spool")
    queue.append(lines)
    queue.close()
    with PredictionLog(settings) as log:
        wait_until(lambda: not log.backlog())
    assert set(kept_ids(url)) == ids(good)
    assert kept(url, FAILURES) == []
    aside = (tmp_path / "spool" / ASIDE).read_bytes()
    assert aside.count(b"\n") == len(DAMAGED_LINES) + 2


def test_a_table_is_kept_as_the_same_quotes_one_by_one_are(url, log, settings, tmp_path):
    table = quotes_table(300, region='a, "b"\nc').astype({"bmi": "float64"})
    table.loc[1, "bmi"] = table.loc[2, "region"] = None
    table.loc[3, "region"] = ""
    assert log.write(one_by_one(table[:20]), PATIENCE)
    assert log.flush(PATIENCE)
    assert log.write_table(table, PATIENCE)
    assert log.flush(PATIENCE)
    found = kept(url)
    alone = log_in(tmp_path / "alone")
    with PredictionLog(alone) as other:
        other.write(one_by_one(table))
        assert other.flush(PATIENCE)
    wanted = kept(alone.prediction_log_url)
    assert sorted(found, key=itemgetter("id")) == sorted(wanted, key=itemgetter("id"))


def test_a_row_of_a_table_that_the_database_refuses_holds_up_no_other(url, log, tmp_path):
    table = quotes_table(30)
    table.loc[7, "region"] = "a\0b"
    table.loc[8, "children"] = 2**40
    log.write_table(table)
    assert log.flush(PATIENCE)
    assert set(kept_ids(url)) == {*table["id"]} - {*table["id"][7:9]}
    assert (tmp_path / "spool" / ASIDE).read_bytes().count(b"\n") == 2


@pytest.mark.parametrize(
    ("stop", "go"),
    [
        (
            "ALTER ROLE CURRENT_USER SET default_transaction_read_only = on",
            "ALTER ROLE CURRENT_USER RESET default_transaction_read_only",
        ),
        (
            "REVOKE INSERT ON predictions FROM CURRENT_USER",
            "GRANT INSERT ON predictions TO CURRENT_USER",
        ),
    ],
    ids=["read only", "no permission"],
)
def test_a_database_that_takes_no_row_keeps_all_of_them_waiting(stop, go, url, tmp_path):
    settings, written = log_in(tmp_path, url), entries(4)
    with PredictionLog(settings) as log:
        log.write(written[:1])
        assert log.flush(PATIENCE)
    ask_to(url, stop)
    try:
        with PredictionLog(settings) as log:
            log.write(written[1:])
            assert not log.flush(0.5)
            assert log.backlog() == 3
    finally:
        ask_to(url, "SET TRANSACTION READ WRITE", go)
    with PredictionLog(settings) as log:
        wait_until(lambda: not log.backlog())
    assert sorted(kept_ids(url)) == sorted(ids(written))
    assert not (tmp_path / "spool" / ASIDE).exists()


def test_outcomes_join_their_quotes_once(settings, log, ask, tmp_path):
    quoted = [entry(), entry()]
    log.write(quoted)
    assert log.flush(PATIENCE)
    file = tmp_path / "outcomes.csv"
    file.write_text(f"id,charges\n{quoted[0].id},8000.1\nwho,1\n{quoted[0].id},9000\n")
    first, again = record_outcomes(settings, file), record_outcomes(settings, file)
    assert (first.recorded, first.repeated, first.unknown) == (1, 0, ("who",))
    assert (again.recorded, again.repeated, again.unknown) == (0, 1, ("who",))
    assert first.conflicts == again.conflicts == (Conflict(quoted[0].id, 8000.1, 9000.0),)
    assert ask("SELECT id, charges FROM outcomes") == [(quoted[0].id, 8000.1)]


def ask_to(url: str, *statements: str) -> None:
    with psycopg.connect(url, connect_timeout=5) as connection:
        for statement in statements:
            connection.execute(statement)


def has_rows(url: str) -> bool:
    """Whether something has been delivered."""
    with psycopg.connect(url, connect_timeout=5) as connection:
        found = connection.execute("SELECT to_regclass('predictions') IS NOT NULL").fetchone()
        return found == (True,) and bool(connection.execute("SELECT 1 FROM predictions").fetchone())
