"""Old rows of a log in PostgreSQL go to S3, each once, also when either goes away half-way."""

import signal
from pathlib import Path
from threading import Timer

import psycopg
import pytest
from sqlalchemy import text

from insurance_predictor.base.errors import BadInput, InvalidSettings, Unreachable
from insurance_predictor.base.settings import Settings
from insurance_predictor.log import archiving
from insurance_predictor.log.archiving import ArchiveReport, archive_log
from insurance_predictor.log.database import opened
from insurance_predictor.log.outcomes import record_outcomes
from insurance_predictor.table import storage
from tests.archives import (
    AT_ONCE,
    KILLED,
    NOW,
    STEPS,
    archived,
    archiving_to,
    everything,
    filled,
    in_log,
    log_outcomes,
    log_quotes,
    old_quotes,
)
from tests.integration.line import carrying
from tests.integration.storage import Storage
from tests.monitoring import archived_windows
from tests.monitoring.archived_windows import WINDOWS, fill, look, same
from tests.predictions import PATIENCE, at_once, log_in, process


@pytest.fixture
def settings(url: str, bucket: str, tmp_path: Path) -> Settings:
    return archiving_to(log_in(tmp_path, url), f"{bucket}/archive")


def run(settings: Settings) -> ArchiveReport:
    return archive_log(settings, "400d", now=NOW)


def test_every_row_is_in_the_log_or_in_the_archive_and_as_it_was(settings, monkeypatch):
    monkeypatch.setattr(archiving, "ROWS", 7)
    before = filled(settings)
    done = run(settings)
    assert (done.rows, done.outcomes, done.late) == (37, 14, 3)
    assert everything(settings) == before
    assert len(in_log(settings.prediction_log_url)) == 6
    assert run(settings).rows == 0


def test_columns_of_every_kind_go_and_one_that_cannot_is_named(settings, url):
    log_quotes(url, old_quotes(3))
    change = "ALTER TABLE predictions ADD COLUMN"
    with opened(url) as engine, engine.begin() as connection:
        connection.execute(text(f"{change} plan VARCHAR DEFAULT 'gold'"))
        connection.execute(text(f"{change} visits BIGINT DEFAULT 9007199254740993"))
        connection.execute(text(f"{change} risk DOUBLE PRECISION DEFAULT 'NaN'"))
        connection.execute(text(f"{change} other JSON"))
    with pytest.raises(InvalidSettings, match="a column other of the kind JSON"):
        run(settings)
    with opened(url) as engine, engine.begin() as connection:
        connection.execute(text("ALTER TABLE predictions DROP COLUMN other"))
    run(settings)
    found = {(row["plan"], row["visits"], str(row["risk"])) for row in archived(settings)}
    assert found == {("gold", 9007199254740993, "nan")}


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_every_row_is_there_once(settings, step):
    before = filled(settings)
    killed = process(KILLED, settings, step, settings.archive)
    killed.communicate(timeout=PATIENCE)
    assert killed.returncode == -signal.SIGKILL
    assert everything(settings) == before
    run(settings)
    assert everything(settings) == before
    assert len(in_log(settings.prediction_log_url)) == 6


def test_two_at_once_move_every_row_once(settings):
    before = filled(settings)
    moved = at_once([process(AT_ONCE, settings, settings.archive) for _ in range(2)])
    assert sum(map(int, moved)) + 3 + run(settings).rows == 40
    assert everything(settings) == before


def test_an_outcome_that_comes_meanwhile_keeps_its_quote_in_the_log(settings, url, monkeypatch):
    quotes = old_quotes(5)
    log_quotes(url, quotes)
    settle = archiving.settle

    def while_it_is_written(place: str) -> None:
        settle(place)
        log_outcomes(url, quotes[:1], NOW)

    with monkeypatch.context() as patch:
        patch.setattr(archiving, "settle", while_it_is_written)
        done = run(settings)
    assert (done.rows, done.changed) == (0, 5)
    assert run(settings).rows == 4


def test_an_outcome_that_somebody_is_recording_keeps_its_quote_in_the_log(
    settings, url, monkeypatch
):
    quotes = old_quotes(5)
    log_quotes(url, quotes)
    settle = archiving.settle
    insert = "INSERT INTO outcomes (id, charges, time, recorded) VALUES (%s, 9000, now(), now())"
    with psycopg.connect(url) as other, monkeypatch.context() as patch:
        commit = Timer(3.0, other.commit)  # while the rows are about to go

        def while_it_is_written(place: str) -> None:
            settle(place)
            if commit.ident is None:
                other.execute(insert, (quotes[0].id,))
                commit.start()

        patch.setattr(archiving, "settle", while_it_is_written)
        done = run(settings)
        commit.join()
    assert (done.rows, done.changed) == (0, 5)
    assert run(settings).rows == 4
    assert [row["id"] for row in in_log(url)] == [quotes[0].id]


def test_a_bucket_that_goes_away_half_way_costs_no_row(
    settings, object_store: Storage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(archiving, "ROWS", 5)
    before = filled(settings)
    with carrying(object_store.endpoint) as line:
        monkeypatch.setenv("AWS_ENDPOINT_URL", line.url)
        stops = []
        for more in (4, 8, 16, 32, 64, 10**9):  # requests, until everything has got through
            storage._s3.cache_clear()
            line.left = more
            try:
                run(settings)
            except Unreachable as error:
                stops.append(str(error))
            else:
                break
    storage._s3.cache_clear()
    monkeypatch.setenv("AWS_ENDPOINT_URL", object_store.endpoint)
    assert stops
    assert all("it goes on where it stopped" in each for each in stops)
    assert everything(settings) == before
    assert len(in_log(settings.prediction_log_url)) == 6


def test_what_cannot_be_written_is_said_and_costs_no_row(settings, monkeypatch):
    before = filled(settings)
    with pytest.raises(BadInput, match="s3://no-such-bucket-anywhere/archive"):
        run(archiving_to(settings, "s3://no-such-bucket-anywhere/archive"))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    storage._s3.cache_clear()
    with pytest.raises(BadInput, match="was refused"):
        run(settings)
    assert in_log(settings.prediction_log_url) == before


def test_late_outcomes_of_archived_quotes_are_recorded_in_the_archive(settings, url, tmp_path):
    quotes = old_quotes(2)
    log_quotes(url, quotes)
    run(settings)
    table = tmp_path / "outcomes.csv"
    table.write_text(f"id,charges\n{quotes[0].id},9000\nnobody,9000\n")
    done = record_outcomes(settings, table)
    assert (done.recorded, done.unknown) == (1, ("nobody",))
    assert [row["id"] for row in archived(settings, "outcomes")] == [quotes[0].id]
    again = record_outcomes(settings, table)
    assert (again.recorded, again.repeated) == (0, 1)


def test_an_assessment_is_the_same_before_and_after_the_archiving(settings, url, monkeypatch):
    monkeypatch.setattr(archiving, "ROWS", 150)
    with opened(url) as engine:
        fill(engine)
    before = [look(settings, window) for window in WINDOWS]
    assert archive_log(settings, "40d", now=archived_windows.NOW).rows == 1160
    assert archived_windows.in_log(settings) == (140, 90)
    for window, one in zip(WINDOWS, before, strict=True):
        same(one, look(settings, window))
    same(before[0], look(settings.model_copy(update={"scheduler": "local"})))
