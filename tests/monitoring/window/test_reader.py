"""Every prediction of a window is read exactly once, whatever somebody has logged."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import text

from insurance_predictor.base.errors import BadInput, Unreachable
from insurance_predictor.log.database import FAILURES, OUTCOMES, insert, reading
from insurance_predictor.log.outcomes import record_outcomes
from insurance_predictor.table.schema import REGION, SMOKER
from monitoring.domain.assessment import Window
from monitoring.history.tables import opened
from monitoring.window.reader import (
    ModelLog,
    count_failures,
    last_rows,
    outcomes_by_version,
    read_chunks,
    read_outcomes,
    read_service,
    rows_by_version,
    sample,
    unseen_values,
)
from tests.monitoring.windows import (
    DAY,
    START,
    database,
    log,
    of_model,
    people,
    statistics_of,
)
from tests.predictions import PATIENCE, log_in

# What another process does, for a file has one library of SQLite in a process at a time.
TWICE = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as connection:
    connection.execute("CREATE TEMP TABLE more AS SELECT * FROM predictions")
    connection.execute("UPDATE more SET id = 'another-' || id")
    connection.execute("INSERT INTO predictions SELECT * FROM more")
"""
NOW = datetime(2026, 3, 15, 10, 45, 30, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path):
    with database(tmp_path) as opened_database:
        yield opened_database


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8, 100])
def test_every_row_is_in_one_piece(engine, size):
    table = people(7)
    log(engine, table, outcomes=7)

    chunks = list(read_chunks(of_model(engine), DAY, "1", size))
    outcomes = list(read_outcomes(of_model(engine), DAY, "1", size))

    bmi = np.concatenate([chunk.numbers["bmi"] for chunk in chunks])
    charges = np.concatenate([chunk.charges for chunk in outcomes])
    assert bmi.tolist() == table["bmi"].tolist()
    assert sorted(charges) == sorted(table["charges"])
    assert all(chunk.rows <= size for chunk in chunks)


def test_an_empty_window_has_no_piece(engine):
    assert list(read_chunks(of_model(engine), DAY, "1")) == []
    assert list(read_outcomes(of_model(engine), DAY, "1")) == []


def test_a_window_has_its_start_but_not_its_end(engine):
    log(engine, people(5))
    seconds = [START + timedelta(seconds=number) for number in range(5)]

    window = Window(seconds[1], seconds[3], seconds[3])

    assert [chunk.rows for chunk in read_chunks(of_model(engine), window, "1")] == [2]


def test_a_window_across_months_has_all_its_days(engine):
    for days in range(0, 70, 10):
        log(engine, people(1), start=START + timedelta(days=days))

    window = Window(START, START + timedelta(days=65), START)

    assert statistics_of(engine, window).rows == 7


def test_versions_are_read_apart(engine):
    log(engine, people(4))
    log(engine, people(3), version="2", stale=True)
    log(engine, people(2), version="10", start=START - timedelta(days=9))

    assert rows_by_version(of_model(engine), DAY) == ({"1": 4, "2": 3}, 0)
    assert statistics_of(engine).rows == 4
    assert sum(chunk.stale for chunk in read_service(of_model(engine), DAY, "2")) == 3


def test_models_and_registries_that_share_a_log_are_read_apart(engine):
    ours = ModelLog(engine, "premium", "111")
    log(engine, people(4), outcomes=4)  # of before rows said whose they are
    log(engine, people(3), outcomes=3, model="premium", incarnation="111")
    log(engine, people(5), outcomes=5, model="premium")  # the registry was never asked
    for other in ({"model": "premium", "incarnation": "222"}, {"model": "other"}):
        log(engine, people(10), outcomes=10, region="<abroad>", **other)
    log(engine, people(2), model="premium", incarnation="111", version="2")
    log(engine, people(2), model="other", version="3")
    failed = {"time": START, "version": None, "source": "app", "error": "KeyError"}
    failed |= {"latency_ms": None}
    origins = [(None, None), ("premium", None), ("premium", "111")]
    origins += [("premium", "222"), ("other", None)]
    rows = [
        failed | {"id": str(number), "model": model, "incarnation": incarnation}
        for number, (model, incarnation) in enumerate(origins)
    ]
    insert(engine, FAILURES, rows)

    assert sum(chunk.rows for chunk in read_chunks(ours, DAY, "1")) == 12
    assert sum(len(chunk.charges) for chunk in read_outcomes(ours, DAY, "1")) == 12
    assert rows_by_version(ours, DAY) == ({"1": 12, "2": 2}, 22)
    assert len(sample(ours, DAY, "1", 500)) == 12
    assert unseen_values(ours, DAY, "1", REGION) == ()
    assert sum(len(chunk.latency) for chunk in read_service(ours, DAY, "3")) == 0
    assert count_failures(ours, DAY) == 3
    assert last_rows(ours, "3", 1, NOW).start == NOW
    assert rows_by_version(ModelLog(engine, "premium"), DAY) == ({"1": 22, "2": 2}, 12)


def test_categories_are_read_by_their_place(engine):
    table = people(300)
    log(engine, table)

    statistics = statistics_of(engine, size=100)

    for column in (SMOKER, REGION):
        expected = [int(np.sum(table[column.name] == value)) for value in column.values]
        assert statistics.categories(column).tolist() == expected


def test_null_and_unknown_are_no_category(engine):
    log(engine, people(4), region=None, smoker="sometimes")

    statistics = statistics_of(engine)

    assert statistics.absent(REGION).rows == statistics.unseen(SMOKER).rows == 4
    assert statistics.unseen(REGION).rows == statistics.absent(SMOKER).rows == 0
    assert statistics.categories(REGION).sum() == 0
    assert unseen_values(of_model(engine), DAY, "1", SMOKER) == ("sometimes",)


def test_a_category_that_assessments_like_a_place_is_none(engine):
    log(engine, people(2), smoker="1")

    assert statistics_of(engine).unseen(SMOKER).rows == 2


def test_text_in_a_column_of_numbers_is_beyond_every_limit(engine):
    log(engine, people(3))
    with engine.begin() as connection:
        connection.execute(text("UPDATE predictions SET bmi = 'much' WHERE premium > 0"))

    (chunk,) = read_chunks(of_model(engine), DAY, "1")

    assert np.isposinf(chunk.numbers["bmi"]).all()
    assert np.isfinite(chunk.numbers["age"]).all()


def test_nobody_waits_for_one_quote_of_a_batch(engine):
    log(engine, people(2), source="batch")
    log(engine, people(1), source="command")

    (chunk,) = read_chunks(of_model(engine), DAY, "1")

    assert np.isnan(chunk.numbers["latency_ms"]).sum() == 2


def test_outcomes_that_arrive_twice_count_once_and_others_never(tmp_path):
    settings = log_in(tmp_path)
    with opened(settings.prediction_log_url) as engine:
        ids = log(engine, people(5))
    file = tmp_path / "outcomes.csv"
    known = f"{START - timedelta(days=30):%Y-%m-%dT%H:%M}"
    file.write_text(
        f"id,charges,time\n{ids[0]},100,{known}\n{ids[1]},200,{known}\n{ids[0]},100,{known}\n"
    )
    before = datetime.now(UTC)
    record_outcomes(settings, file)
    between = datetime.now(UTC)
    record_outcomes(settings, file)
    after = datetime.now(UTC) + timedelta(seconds=1)

    with reading(settings.prediction_log_url) as engine:
        (outcomes,) = read_outcomes(of_model(engine), Window(before, between, between), "1")
        assert list(read_outcomes(of_model(engine), Window(between, after, after), "1")) == []
    assert sorted(outcomes.charges) == [100, 200]


def test_an_outcome_counts_when_it_is_recorded_however_old_it_and_its_prediction_are(engine):
    long_ago = START - timedelta(days=400)
    ids = log(engine, people(3), start=long_ago)
    times = {ids[0]: START, ids[1]: DAY.end, ids[2]: long_ago}
    said = {"charges": 100.0, "time": long_ago}
    insert(engine, OUTCOMES, [said | {"id": i, "recorded": time} for i, time in times.items()])

    (outcomes,) = read_outcomes(of_model(engine), DAY, "1")
    assert len(outcomes.charges) == 1
    assert outcomes_by_version(of_model(engine), DAY) == {"1": 1}
    assert list(read_outcomes(of_model(engine), DAY, "2")) == []


def test_failures_of_the_window_are_counted_with_or_without_a_version(engine):
    at = {"source": "app", "error": "ValueError", "latency_ms": None}
    times = {"a": START, "b": DAY.end, "c": START + timedelta(hours=1)}
    rows = [{"id": name, "time": time, "version": None} | at for name, time in times.items()]
    insert(engine, FAILURES, rows)

    assert count_failures(of_model(engine), DAY) == 2


def test_a_sample_is_the_same_each_time_and_has_the_charges_there_are(engine):
    log(engine, people(50), outcomes=50)

    first, second = (sample(of_model(engine), DAY, "1", 20) for _ in range(2))

    assert first.equals(second)
    assert first.shape == (20, 8)
    assert first["charges"].notna().all()
    assert len(sample(of_model(engine), DAY, "1", 500)) == 50
    assert sample(of_model(engine), DAY, "2", 500).empty


def test_who_reads_stops_nobody_who_writes(tmp_path):
    url = f"sqlite:///{tmp_path}/log.db"
    with opened(url) as writer:
        log(writer, people(5))
    with reading(url) as reader:
        chunks = read_chunks(of_model(reader), DAY, "1", size=1)
        next(chunks)
        written = subprocess.run(
            [sys.executable, "-c", TWICE, str(tmp_path / "log.db")], check=False, timeout=PATIENCE
        )

        assert written.returncode == 0
        assert len(list(chunks)) == 4  # the rest as it was when the reading began
        assert statistics_of(reader).rows == 10


def test_who_reads_cannot_write(tmp_path):
    url = f"sqlite:///{tmp_path}/log.db"
    refused = pytest.raises(Unreachable, match="readonly")
    with refused, reading(url) as engine, engine.connect() as connection:
        connection.execute(text("DELETE FROM predictions"))


def test_the_last_rows_of_a_version_are_a_window(tmp_path):
    with database(tmp_path) as engine:
        log(engine, people(10))
        log(engine, people(5), version="2", start=START + timedelta(hours=1))

        window = last_rows(of_model(engine), "1", 3, START + timedelta(days=2))

    assert window.start == START + timedelta(seconds=7)
    assert window.end == START + timedelta(days=2)


def test_when_there_are_fewer_rows_all_of_them_are_the_window(tmp_path):
    with database(tmp_path) as engine:
        log(engine, people(2))

        assert last_rows(of_model(engine), "1", 3, NOW).start == START
        nobody = last_rows(of_model(engine), "2", 3, NOW)
        assert nobody.start == nobody.end == NOW


def test_the_last_none_is_refused(tmp_path):
    with database(tmp_path) as engine, pytest.raises(BadInput, match="give 1 or more"):
        last_rows(of_model(engine), "1", 0, NOW)
