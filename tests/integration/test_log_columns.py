"""One prediction log on PostgreSQL under schemas that differ: in turn, and side by side."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from insurance_predictor.base.settings import Settings
from insurance_predictor.log.database import opened
from insurance_predictor.log.prediction_log import PredictionLog
from tests.other_columns import BEA, CARRYING, NEWS, WIDER, program, write
from tests.predictions import ANA, OPEN_AT_ONCE, at_once, entry, log_in, process

NOTHING = dict.fromkeys(NEWS)


@pytest.fixture
def settings(url: str, tmp_path: Path) -> Settings:
    return log_in(tmp_path, url)


@pytest.fixture
def old_log(settings: Settings) -> Iterator[PredictionLog]:
    with PredictionLog(settings) as log:
        yield log


@pytest.fixture(scope="module")
def wider(tmp_path_factory) -> Path:
    return program(tmp_path_factory.mktemp("wider"), WIDER)


def people(url: str) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        rows = connection.execute("SELECT * FROM predictions ORDER BY time").fetchall()
    return [{name: row[name] for name in row if name in BEA} for row in rows]


def test_columns_are_added_to_a_log_that_has_quotes_and_both_programs_go_on(
    settings, old_log, wider, url
):
    old_log.write([entry()])
    assert old_log.flush(60)
    assert write(wider, settings, BEA)
    old_log.write([entry(), entry(person=BEA, features=tuple(BEA))])
    assert old_log.flush(60)
    assert people(url) == [ANA | NOTHING, BEA, ANA | NOTHING, BEA]


def test_a_carried_column_is_added_to_a_log_that_has_quotes(settings, old_log, url, tmp_path):
    old_log.write([entry()])
    assert old_log.flush(60)
    carrying = program(tmp_path / "carrying", CARRYING)
    assert write(carrying, settings, ANA, carried={"policy_number": "0042/A", "note": "no"})
    old_log.write([entry()])
    assert old_log.flush(60)
    with psycopg.connect(url, row_factory=dict_row) as connection:
        rows = connection.execute("SELECT * FROM predictions ORDER BY time").fetchall()
    assert [row["policy_number"] for row in rows] == [None, "0042/A", None]
    assert "note" not in rows[0]
    assert people(url) == [ANA] * 3


def test_programs_that_add_the_columns_at_once_add_them_once(settings, wider, url):
    with opened(url):
        pass
    several = [process(OPEN_AT_ONCE, settings, program=wider) for _ in range(3)]
    assert at_once(several) == ["postgresql\n"] * 3
    assert write(wider, settings, BEA)
    assert people(url) == [BEA]


def test_a_number_with_decimals_is_not_rounded_in_a_column_of_whole_ones(
    settings, wider, url, capfd
):
    with opened(url), psycopg.connect(url) as connection:
        connection.execute("ALTER TABLE predictions ADD COLUMN pressure integer")
    assert not write(wider, settings, BEA, waits=2)
    told = capfd.readouterr().err
    assert "Traceback" not in told
    assert "keeps pressure as INTEGER, and the schema now says DOUBLE." in told
