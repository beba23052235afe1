"""One prediction log under schemas that differ: in turn, side by side, and in what had waited."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from insurance_predictor.base.settings import Settings
from insurance_predictor.log.prediction_log import PredictionLog
from tests.other_columns import (
    BEA,
    CARRYING,
    NARROWER,
    NEWS,
    WIDER,
    WITHOUT_REGION,
    program,
    write,
)
from tests.predictions import ANA, away, entry, kept_ids, log_in

pytestmark = pytest.mark.process
NOTHING = dict.fromkeys(NEWS)
CARRIED = {"policy_number": "0042/A", "note": "asked twice"}


@pytest.fixture(scope="module")
def wider(tmp_path_factory) -> Path:
    return program(tmp_path_factory.mktemp("wider"), WIDER)


@pytest.fixture(scope="module")
def narrower(tmp_path_factory) -> Path:
    return program(tmp_path_factory.mktemp("narrower"), NARROWER)


@pytest.fixture(scope="module")
def carrying(tmp_path_factory) -> Path:
    return program(tmp_path_factory.mktemp("carrying"), CARRYING)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return log_in(tmp_path)


def people(settings: Settings) -> list[dict[str, Any]]:
    """The features of every quote, by time, in all columns that the log has."""
    with closing(sqlite3.connect(settings.prediction_log_url[10:])) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM predictions ORDER BY time").fetchall()
    return [{name: row[name] for name in row.keys() if name in BEA} for row in rows]  # noqa: SIM118


def test_columns_are_added_to_a_log_that_has_quotes_and_both_programs_go_on(settings, wider):
    assert write(None, settings, ANA)
    assert write(wider, settings, BEA)
    assert write(None, settings, ANA)
    assert people(settings) == [ANA | NOTHING, BEA, ANA | NOTHING]


def test_a_new_log_has_the_new_columns_and_a_missing_value_is_none(settings, wider):
    assert write(wider, settings, BEA | {"pressure": None})
    assert write(wider, settings, BEA | {"pressure": float("nan")})
    assert people(settings) == [BEA | {"pressure": None}] * 2


def policies(settings: Settings) -> list[dict[str, Any]]:
    """What the log has beside the features, by time; the note nowhere."""
    with closing(sqlite3.connect(settings.prediction_log_url[10:])) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM predictions ORDER BY time").fetchall()
    assert "note" not in dict(rows[0])
    return [row["policy_number"] for row in rows]


def test_what_is_carried_gets_a_column_of_the_log_if_the_schema_says_so(settings, carrying):
    with away(settings), PredictionLog(settings) as log:
        log.write([entry()])  # it waits, and knows no number
    assert write(carrying, settings, ANA, carried=CARRIED)
    assert write(None, settings, ANA)
    assert write(carrying, settings, ANA)
    assert policies(settings) == [None, "0042/A", None, None]
    assert people(settings) == [ANA] * 4
    assert not (settings.prediction_spool / "set_aside.txt").exists()


def test_what_waited_with_a_number_is_delivered_by_a_program_that_knows_none(settings, carrying):
    assert write(carrying, settings, ANA)
    place = Path(settings.prediction_log_url[10:])
    place.rename(place.with_suffix(".away"))
    with away(settings):
        assert not write(carrying, settings, ANA, carried=CARRIED, waits=1)
    place.with_suffix(".away").rename(place)
    assert write(None, settings, ANA)
    assert policies(settings) == [None, "0042/A", None]


def test_what_waited_from_before_a_column_is_delivered_without_it(settings, wider):
    with away(settings), PredictionLog(settings) as log:
        log.write([entry()])
    assert write(wider, settings, BEA)
    assert people(settings) == [ANA | NOTHING, BEA]
    assert not (settings.prediction_spool / "set_aside.txt").exists()


def test_a_column_that_the_schema_has_lost_stays_and_takes_what_had_waited(settings, narrower):
    with away(settings), PredictionLog(settings) as log:
        log.write([entry()])
    assert write(narrower, settings, WITHOUT_REGION)
    assert people(settings) == [ANA, WITHOUT_REGION | {"region": None}]


def test_a_version_that_knows_a_lost_column_is_logged_with_it(settings, wider):
    assert write(wider, settings, BEA)
    with PredictionLog(settings) as log:
        log.write([entry(person=BEA, features=tuple(BEA))])
        assert log.flush(60)
    assert people(settings) == [BEA, BEA]


def test_a_quote_with_a_column_that_the_log_never_had_is_stored_without_it_and_told_once(
    settings, caplog
):
    with PredictionLog(settings) as log:
        for _ in range(3):
            log.write([entry(person=BEA, features=tuple(BEA)), entry()])
            assert log.flush(60)
    assert people(settings) == [ANA] * 6
    (told,) = [record.getMessage() for record in caplog.records if "stored" in record.getMessage()]
    assert told.startswith("Quotes are stored without deductible and plan and pressure:")


def test_a_column_of_another_kind_is_one_sentence_and_the_quotes_wait(
    settings, wider, tmp_path, capfd
):
    with PredictionLog(settings) as log:
        log.write([entry()])
        assert log.flush(60)
    with closing(sqlite3.connect(settings.prediction_log_url[10:])) as connection, connection:
        connection.execute("ALTER TABLE predictions ADD COLUMN plan INTEGER")
    assert not write(wider, settings, BEA, waits=2)
    told = capfd.readouterr().err
    assert "Traceback" not in told
    assert "keeps plan as INTEGER, and the schema now says VARCHAR." in told
    assert "Give the column another name in insurance_predictor/table/schema.py" in told

    renamed = program(tmp_path / "renamed", WIDER)
    schema = renamed / "insurance_predictor" / "table" / "schema.py"
    schema.write_text(schema.read_text().replace('name="plan"', 'name="plan_bought"'))
    assert write(renamed, settings, BEA | {"plan_bought": "full"})
    assert len(kept_ids(settings.prediction_log_url)) == 3
