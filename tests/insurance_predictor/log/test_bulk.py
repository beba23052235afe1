"""A table of quotes comes into the log whole and once, whatever happens on the way."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from insurance_predictor.base.settings import Settings
from insurance_predictor.log.database import LATE_DELIVERIES
from insurance_predictor.log.prediction_log import PredictionLog
from insurance_predictor.log.spool import Spool
from tests.predictions import NOON, PATIENCE, kept, log_in, one_by_one, quotes_table


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return log_in(tmp_path)


def written(settings: Settings, table: pd.DataFrame, clock=lambda: NOON) -> list[dict[str, Any]]:
    with PredictionLog(settings, clock) as log:
        assert log.write_table(table, PATIENCE)
        assert log.flush(PATIENCE)
        assert log.lost == 0
    return kept(settings.prediction_log_url)


def test_a_table_is_kept_as_the_same_quotes_one_by_one_are(tmp_path: Path):
    table = quotes_table(50)
    together = written(log_in(tmp_path / "together"), table)
    alone = log_in(tmp_path / "alone")
    with PredictionLog(alone, lambda: NOON) as log:
        assert log.write(one_by_one(table), PATIENCE)
        assert log.flush(PATIENCE)
    assert together == kept(alone.prediction_log_url)
    assert len(together) == 50


def test_what_was_kept_already_is_kept_once(settings: Settings):
    written(settings, quotes_table(10).assign(premium=7.0))
    found = written(settings, quotes_table(30))
    assert len(found) == 30
    assert [row["premium"] for row in sorted(found, key=lambda row: row["id"])][:11] == [
        *[7.0] * 10,
        1_010.25,
    ]


def test_a_row_that_the_database_refuses_costs_no_other(settings: Settings):
    table = quotes_table(20)
    table.loc[7, "premium"] = None
    with PredictionLog(settings, lambda: NOON) as log:
        log.write_table(table, PATIENCE)
        assert log.flush(PATIENCE)
    found = kept(settings.prediction_log_url)
    assert {row["id"] for row in found} == {*table["id"]} - {table["id"][7]}
    aside = (settings.prediction_spool / "set_aside.txt").read_text()
    assert table["id"][7] in aside


def test_a_feature_that_is_missing_is_null(settings: Settings):
    table = quotes_table(3).astype({"bmi": "float64"})
    table.loc[1, "bmi"] = None
    table.loc[2, "region"] = None
    found = sorted(written(settings, table), key=lambda row: row["id"])
    assert [row["bmi"] is None for row in found] == [False, True, False]
    assert [row["region"] is None for row in found] == [False, False, True]


def test_a_column_that_the_log_has_not_is_left_out_and_told(settings: Settings, caplog):
    found = written(settings, quotes_table(5).assign(deductible=100.0))
    assert len(found) == 5
    assert "stored without deductible" in caplog.text


def test_what_waited_long_is_reported(settings: Settings):
    table = quotes_table(40)
    written(settings, table, lambda: NOON + timedelta(minutes=30))
    [report] = kept(settings.prediction_log_url, LATE_DELIVERIES)
    assert report["quotes"] == 40
    assert report["longest_seconds"] == pytest.approx(1_800)


def test_a_table_waits_for_the_database_and_counts_as_its_quotes_table(settings: Settings):
    away = settings.model_copy(
        update={"prediction_log_url": f"sqlite:///{settings.prediction_spool}/none/log.db"}
    )
    with PredictionLog(away) as log:
        assert log.write_table(quotes_table(25), PATIENCE)
        assert log.backlog() == 25
    assert Spool(away.prediction_spool, away.prediction_log_url).waiting() == 25
    elsewhere = Spool(settings.prediction_spool, settings.prediction_log_url)
    assert list(elsewhere.waiting_elsewhere().values()) == [25]
    (settings.prediction_spool / "none").mkdir()
    with PredictionLog(away) as log:
        while log.backlog():
            time.sleep(0.05)
    assert len(kept(away.prediction_log_url)) == 25


def test_what_is_no_table_is_set_aside_and_holds_up_no_other(settings: Settings, caplog):
    spool = Spool(settings.prediction_spool, settings.prediction_log_url)
    spool.append_table(b"not a table", 3)
    spool.close()
    assert len(written(settings, quotes_table(4))) == 4
    [aside] = settings.prediction_spool.glob("set_aside-*.arrow")
    assert aside.read_bytes() == b"not a table"
    assert str(aside) in caplog.text
