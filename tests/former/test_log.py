"""A log and a spool of release 0.1 lose nothing and are counted once."""

from pathlib import Path

from sqlalchemy import Engine, func, select

from insurance_predictor.base.settings import Settings
from insurance_predictor.log.database import FAILURES, PREDICTIONS
from insurance_predictor.log.prediction_log import PredictionLog
from insurance_predictor.log.spool import Spool
from monitoring.history.tables import ASSESSMENTS, INCIDENTS, opened

LOGGED, LEFT_IN_THE_SPOOL = 300, 3


def count(engine: Engine, table) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table))


def test_what_was_left_in_the_spool_arrives_once(former: Settings):
    assert Spool(former.prediction_spool).waiting() == LEFT_IN_THE_SPOOL + 1  # and a failure
    for _ in range(2):
        PredictionLog(former).close()
        with opened(former.prediction_log_url) as engine:
            assert count(engine, PREDICTIONS) == LOGGED + LEFT_IN_THE_SPOOL
            assert count(engine, FAILURES) == 2 + 1
    assert Spool(former.prediction_spool).waiting() == 0
    assert list(Path(former.prediction_spool).glob("*.jsonl")) == []


def test_what_monitoring_found_is_still_known(former: Settings):
    for _ in range(2):
        with opened(former.prediction_log_url) as engine:
            assert (count(engine, ASSESSMENTS), count(engine, INCIDENTS)) == (1, 1)
