"""Arrow's batches have what the log has, whatever that is; what cannot be read is a sentence."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select, text

from insurance_predictor.base.errors import Unreachable
from insurance_predictor.log import arrow
from insurance_predictor.log.arrow import batches
from insurance_predictor.log.database import PREDICTIONS, database_errors, open_database, reading
from insurance_predictor.log.prediction_log import PredictionLog
from tests.predictions import PATIENCE, entries, log_in

COLUMNS = [PREDICTIONS.c[name] for name in ("id", "age", "bmi", "region", "stale")]
ROWS = select(*COLUMNS).select_from(PREDICTIONS).order_by(PREDICTIONS.c.id)


@pytest.fixture
def url(tmp_path: Path) -> str:
    settings = log_in(tmp_path / "a folder, 100% #1?")
    with PredictionLog(settings) as log:
        log.write(entries(7))
        assert log.flush(PATIENCE)
    return settings.prediction_log_url


def change(url: str, statement: str) -> None:
    engine = open_database(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def read(url: str, size: int = 100, chosen=ROWS) -> list[dict[str, object]]:
    with reading(url) as engine:
        return [row for batch in batches(engine, chosen, size) for row in batch.to_pylist()]


@pytest.mark.parametrize("size", [1, 2, 6, 7, 8, 100])
def test_every_row_is_there_once_in_order(url, size):
    with reading(url) as engine:
        pieces = list(batches(engine, ROWS, size))
        with engine.connect() as connection:
            expected = [tuple(row) for row in connection.execute(ROWS)]

    rows = [tuple(row.values()) for piece in pieces for row in piece.to_pylist()]
    assert rows == expected
    assert all(0 < piece.num_rows <= size for piece in pieces)


def test_types_do_not_depend_on_the_first_rows(url):
    first = "WHERE id IN (SELECT id FROM predictions ORDER BY id LIMIT 5)"
    change(url, f"UPDATE predictions SET bmi = NULL, region = NULL {first}")

    rows = read(url, size=2)

    assert [row["bmi"] is None for row in rows] == [True] * 5 + [False] * 2
    assert [row["region"] is None for row in rows] == [True] * 5 + [False] * 2


def test_what_is_no_number_is_infinite(url):
    change(url, "UPDATE predictions SET bmi = 'much', age = x'00'")

    assert {(row["bmi"], row["age"]) for row in read(url)} == {(float("inf"), float("inf"))}


@pytest.mark.parametrize(
    ("written", "found"),
    [("'a' || char(0) || 'b'", "a\0b"), ("x'00ff'", "X'00FF'"), ("7", "7"), ("''", "")],
)
def test_any_text_is_the_text_that_it_is(url, written, found):
    change(url, f"UPDATE predictions SET region = {written}")

    assert {row["region"] for row in read(url)} == {found}


def test_text_of_no_alphabet_is_passed_on(url):
    change(url, "UPDATE predictions SET region = CAST(x'ff41' AS TEXT)")

    with reading(url) as engine:
        (piece,) = batches(engine, ROWS)

    assert set(piece.column("region").cast("binary").to_pylist()) == {b"\xffA"}


@pytest.mark.parametrize("value", ["it's", 'a"b', "50%", ":name", "\\", "é\u2028", ""])
def test_a_value_is_never_part_of_the_statement(url, value):
    assert read(url, chosen=ROWS.where(PREDICTIONS.c.region == value)) == []
    assert len(read(url, chosen=ROWS.where(PREDICTIONS.c.region != value))) == 7


def test_a_value_with_a_zero_byte_is_found(url):
    change(url, "UPDATE predictions SET region = 'a' || char(0) || 'b' WHERE premium > 0")

    assert len(read(url, chosen=ROWS.where(PREDICTIONS.c.region == "a\0b"))) == 7


def test_reading_that_is_given_up_ends(url):
    with reading(url) as engine:
        found = batches(engine, ROWS, size=1)
        next(found)
        found.close()

    change(url, "DELETE FROM predictions")
    assert read(url) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "unable to open database file"),
        (b"", "no such table: predictions"),
        (b"junk" * 1000, "file is not a database"),
    ],
)
def test_a_file_that_is_no_log_is_a_sentence(tmp_path, content, reason):
    file = tmp_path / "log.db"
    if content is not None:
        file.write_bytes(content)
    engine = create_engine(f"sqlite:///{file}")

    with pytest.raises(Unreachable, match=reason), database_errors(str(engine.url)):
        list(batches(engine, ROWS))

    assert file.exists() == (content is not None)


def test_a_log_that_somebody_holds_for_himself_is_a_sentence(url, monkeypatch):
    monkeypatch.setattr(arrow, "PATIENCE", 1)
    file = create_engine(url).url.database
    hold = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "c.execute('PRAGMA locking_mode = EXCLUSIVE'); c.execute('BEGIN IMMEDIATE'); "
        "c.execute('DELETE FROM outcomes'); print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        with pytest.raises(Unreachable, match="database is locked"), database_errors(url):
            list(batches(create_engine(url), ROWS))
        other.communicate()
    assert len(read(url)) == 7
