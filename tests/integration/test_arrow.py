"""What Arrow reads from PostgreSQL is what SQLAlchemy reads, and nobody writes by it."""

import math

import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.exc import DBAPIError

from insurance_predictor.base.errors import Unreachable
from insurance_predictor.log.arrow import batches, in_bytes
from insurance_predictor.log.database import PREDICTIONS, database_errors, open_database, reading
from insurance_predictor.log.prediction_log import PredictionLog
from tests.predictions import PATIENCE, entries, log_in
from tests.servers import free_port

COLUMNS = [PREDICTIONS.c[name] for name in ("id", "age", "bmi", "region", "premium", "stale")]
ROWS = select(*COLUMNS).select_from(PREDICTIONS)


@pytest.fixture
def log(url, tmp_path):
    with PredictionLog(log_in(tmp_path, url)) as log:
        log.write(entries(300))
        assert log.flush(PATIENCE)
    return url


def read(url, chosen, size=100):
    with reading(url) as engine:
        return [row for batch in batches(engine, chosen, size) for row in batch.to_pylist()]


@pytest.mark.parametrize("size", [1, 7, 299, 300, 50_000])
def test_every_row_is_there_once_in_order(log, size):
    with reading(log) as engine:
        chosen = ROWS.order_by(in_bytes(engine, PREDICTIONS.c.id))
        pieces = list(batches(engine, chosen, size))
        with engine.connect() as connection:
            expected = [tuple(row) for row in connection.execute(chosen)]

    rows = [tuple(row.values()) for piece in pieces for row in piece.to_pylist()]
    assert rows == expected
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert all(0 < piece.num_rows <= size for piece in pieces)


@pytest.mark.parametrize("value", ["it's", 'a"b', "50%", "%s %(a)s %%", ":name", "\\", "\\'", "é"])
def test_a_value_is_never_part_of_the_statement(log, value):
    engine = open_database(log)
    with engine.begin() as connection:
        chosen = select(PREDICTIONS.c.id).limit(3).scalar_subquery()
        assert connection.execute(
            PREDICTIONS.update().where(PREDICTIONS.c.id.in_(chosen)).values(region=value)
        )
    engine.dispose()

    assert len(read(log, ROWS.where(PREDICTIONS.c.region == value))) == 3


def test_null_and_what_is_not_finite_are_what_they_are(log):
    engine = open_database(log)
    with engine.begin() as connection:
        connection.execute(text("UPDATE predictions SET age = NULL, bmi = 'NaN', region = NULL"))
        connection.execute(text("UPDATE predictions SET premium = '-Infinity'"))
    engine.dispose()

    rows = read(log, ROWS)

    assert len(rows) == 300
    assert all(row["age"] is None and row["region"] is None for row in rows)
    assert all(math.isnan(row["bmi"]) and row["premium"] == -math.inf for row in rows)


def test_a_column_of_any_kind_of_number_is_read(log):
    engine = open_database(log)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE predictions ALTER bmi TYPE numeric(9, 3)"))
        connection.execute(text("ALTER TABLE predictions ALTER age TYPE bigint"))
    engine.dispose()

    assert all(isinstance(row["bmi"], float) for row in read(log, ROWS))


def test_a_password_that_is_wrong_and_a_server_that_is_away_are_sentences_without_it(log):
    wrong = create_engine(log).url.set(password="no-such-$ecret")
    away = create_engine(log).url.set(port=free_port())
    for url, reason in ((wrong, "password authentication failed"), (away, "refused")):
        told = url.render_as_string(hide_password=False)
        with pytest.raises(Unreachable, match=reason) as raised, database_errors(told):
            list(batches(create_engine(url), ROWS))
        assert str(url.password) not in str(raised.value)


def test_a_database_without_tables_is_a_sentence(url):
    with pytest.raises(Unreachable, match=r"predictions.* does not exist"), database_errors(url):
        list(batches(create_engine(url), ROWS))


def test_who_reads_batches_cannot_write(log):
    gone = PREDICTIONS.delete().returning(PREDICTIONS.c.id).cte("gone")
    with reading(log) as engine, pytest.raises(DBAPIError, match="read-only"):
        list(batches(engine, select(gone.c.id).select_from(gone)))
    assert len(read(log, ROWS)) == 300
