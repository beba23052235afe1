"""A window is the same whether its quotes are in the log, in the archive, or some in each."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import Engine, select

from insurance_predictor.base.errors import BadInput
from insurance_predictor.base.settings import Settings
from insurance_predictor.log import archiving
from insurance_predictor.log.archiving import archive_log
from insurance_predictor.log.database import OUTCOMES, PREDICTIONS, reading
from insurance_predictor.log.outcomes import record_outcomes
from monitoring.checks.assess import assess
from monitoring.domain.assessment import Window
from monitoring.window.archived import merged
from monitoring.window.reader import ModelLog
from tests.databases import copy_database
from tests.monitoring.archived_windows import NOW, WINDOWS, fill, in_log, look, same
from tests.monitoring.windows import START, database, model


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with database(tmp_path) as opened:
        yield opened


@pytest.fixture
def settings(engine: Engine, tmp_path: Path) -> Settings:
    fill(engine)
    return Settings(
        prediction_log_url=str(engine.url),
        prediction_spool=tmp_path / "spool",
        archive=str(tmp_path / "archive"),
    )


@pytest.mark.parametrize("rows", [50, 200_000])
def test_an_assessment_is_the_same_before_and_after_the_archiving(settings, monkeypatch, rows):
    monkeypatch.setattr(archiving, "ROWS", rows)
    before = [look(settings, window) for window in WINDOWS]
    before.append(look(settings, incarnation="5"))
    assert in_log(settings) == (1300, 780)

    done = archive_log(settings, "40d", now=NOW)

    assert done.rows == 1160
    assert in_log(settings) == (140, 90)
    after = [look(settings, window) for window in WINDOWS]
    after.append(look(settings, incarnation="5"))
    for one, other in zip(before, after, strict=True):
        same(one, other)
    judged = before[0]["assessment"]
    assert judged["left_out"] == 25
    assert set(judged["other_versions"]) == {"2", "10"}
    assert judged["outcomes"] > 300


def test_outcomes_that_come_when_their_quotes_have_gone_are_judged_all_the_same(
    settings, engine, tmp_path
):
    chosen = select(PREDICTIONS.c.id, PREDICTIONS.c.premium).where(
        PREDICTIONS.c.version.in_(("1", "2")),
        PREDICTIONS.c.time < START + timedelta(days=10),
        PREDICTIONS.c.id.not_in(select(OUTCOMES.c.id)),
    )
    with engine.connect() as connection:
        quotes = connection.execute(chosen).all()
    table = tmp_path / "outcomes.csv"
    table.write_text("id,charges\n" + "".join(f"{name},{paid}\n" for name, paid in quotes))
    copy_database(tmp_path / "log.db", tmp_path / "whole.db")
    whole = settings.model_copy(
        update={"prediction_log_url": f"sqlite:///{tmp_path}/whole.db", "archive": None}
    )
    archive_log(settings, "40d", now=NOW)
    for one in (whole, settings):
        assert record_outcomes(one, table).recorded == len(quotes)
    now = datetime.now(UTC)
    today = Window(now - timedelta(hours=3), now + timedelta(hours=1), now)
    expected = look(whole, today)["assessment"]
    assert expected["outcomes"] > 300
    assert look(settings, today)["assessment"] == expected


@pytest.mark.parametrize("fault", ["gone", "damaged", "not set"])
def test_no_window_is_smaller_because_a_file_is_not_there(settings, tmp_path, fault):
    archive_log(settings, "40d", now=NOW)
    (path, *_) = sorted((tmp_path / "archive").rglob("predictions/**/*.parquet"))
    if fault == "gone":
        path.unlink()
    elif fault == "damaged":
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    else:
        settings = settings.model_copy(update={"archive": None})
    with pytest.raises(BadInput, match="ARCHIVE is not set" if fault == "not set" else path.name):
        look(settings)


def test_a_window_that_the_archive_has_nothing_of_does_not_ask_for_it(settings):
    archive_log(settings, "40d", now=NOW)
    away = settings.model_copy(update={"archive": None})
    reference = model()[1]
    with reading(away.prediction_log_url) as engine:
        found = ModelLog(engine, "insurance_predictor")
        assert assess(away, "1", reference, WINDOWS[-1], found).rows == 50


def test_quotes_are_counted_by_workers_as_by_one_machine(settings, monkeypatch):
    monkeypatch.setattr(archiving, "ROWS", 100)
    archive_log(settings, "40d", now=NOW)
    alone = look(settings)
    many = look(settings.model_copy(update={"scheduler": "local"}))
    same(alone, many)


def test_a_file_that_a_worker_cannot_read_is_named(settings, tmp_path):
    archive_log(settings, "40d", now=NOW)
    (path, *_) = sorted((tmp_path / "archive").rglob("predictions/**/*.parquet"))
    path.unlink()
    with pytest.raises(BadInput, match=path.name):
        look(settings.model_copy(update={"scheduler": "local"}))


def test_streams_are_merged_by_their_key():
    dice = np.random.default_rng(3)
    keys = [f"{number:04d}" for number in range(200)]
    whose = dice.integers(4, size=200)
    streams = []
    for stream in range(5):  # the last has nothing
        mine = [key for key, owner in zip(keys, whose, strict=True) if owner == stream]
        own = pa.table({"key": pa.array(mine, pa.string())})
        cuts = [0, *sorted(dice.integers(len(own) + 1, size=5)), len(own)]
        streams.append(iter([own.slice(start, end - start) for start, end in pairwise(cuts)]))
    found = [key for table in merged(streams) for key in table.column("key").to_pylist()]
    assert found == keys
