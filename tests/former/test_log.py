"""A log and a spool of release 0.1 lose nothing and are counted once."""

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, func, select

from insurance_predictor.base.settings import Settings
from insurance_predictor.log.archive import archived_files, read_archived
from insurance_predictor.log.archiving import archive_log
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


def test_what_it_logged_can_be_archived(former: Settings, tmp_path: Path):
    ours = former.model_copy(update={"archive": str(tmp_path / "archive")})
    done = archive_log(ours, "30d", now=datetime(2030, 1, 1, tzinfo=UTC))
    assert (done.rows, done.strange) == (LOGGED + LEFT_IN_THE_SPOOL, 0)
    with opened(former.prediction_log_url) as engine:
        assert count(engine, PREDICTIONS) == 0
        files = archived_files(engine, "predictions")
    tables = [read_archived(ours.archive, file) for file in files]
    assert sum(table.num_rows for table in tables) == LOGGED + LEFT_IN_THE_SPOOL
