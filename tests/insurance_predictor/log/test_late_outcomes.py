"""Outcomes that come when their quotes are in the archive: recorded there, each exactly once."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from insurance_predictor.base.errors import Unreachable
from insurance_predictor.base.settings import Settings
from insurance_predictor.log.archive import CHARGES, KNOWN, RECORDED
from insurance_predictor.log.archiving import archive_log
from insurance_predictor.log.outcomes import Conflict, record_outcomes
from tests.archives import (
    CUTOFF,
    DAY,
    NOW,
    archived,
    archiving_to,
    in_log,
    log_outcomes,
    log_quotes,
    old_quotes,
    versioned,
)
from tests.predictions import entry, log_in

QUOTES = [*old_quotes(6), *versioned(old_quotes(2), "4")]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A log with one quote, and seven in its archive; of the first the outcome is known."""
    settings = archiving_to(log_in(tmp_path), tmp_path / "archive")
    url = settings.prediction_log_url
    log_quotes(url, [*QUOTES, entry(id="recent")])
    log_outcomes(url, QUOTES[:1], CUTOFF - DAY)
    assert archive_log(settings, "400d", now=NOW).rows == len(QUOTES)
    return settings


def given(folder: Path, *outcomes: tuple[str, float]) -> Path:
    table = folder / "outcomes.csv"
    table.write_text("id,charges\n" + "".join(f"{name},{charges}\n" for name, charges in outcomes))
    return table


def late(settings: Settings) -> dict[str, float]:
    """The charges of the archive's files of outcomes; fails where one is there twice."""
    rows = archived(settings, "outcomes")
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row[CHARGES] for row in rows}


def test_they_are_recorded_in_the_archive_and_those_of_others_in_the_log(settings, tmp_path):
    names = [QUOTES[1].id, "recent", "nobody", QUOTES[3].id, QUOTES[7].id]
    before = datetime.now(UTC)
    done = record_outcomes(settings, given(tmp_path, *((name, 9000) for name in names)))
    assert (done.recorded, done.repeated, done.unknown) == (4, 0, ("nobody",))
    assert (done.conflicts, done.notices) == ((), ())
    assert [row["id"] for row in in_log(settings.prediction_log_url) if row[CHARGES]] == ["recent"]
    rows = {row["id"]: row for row in archived(settings, "outcomes")}
    assert rows.keys() == {QUOTES[each].id for each in (0, 1, 3, 7)}
    quotes = {row["id"]: row for row in archived(settings)}
    for name in (QUOTES[1].id, QUOTES[3].id, QUOTES[7].id):
        outcome = {each: rows[name][each] for each in (CHARGES, KNOWN, RECORDED)}
        assert rows[name] == quotes[name] | outcome
        assert outcome[CHARGES] == 9000
        assert before <= outcome[KNOWN] <= outcome[RECORDED] <= datetime.now(UTC)


def test_a_file_that_is_recorded_again_changes_nothing(settings, tmp_path):
    table = given(tmp_path, (QUOTES[0].id, QUOTES[0].premium + 0.3), (QUOTES[1].id, 9000))
    assert record_outcomes(settings, table).recorded == 1
    before = late(settings)
    done = record_outcomes(settings, table)
    assert (done.recorded, done.repeated, done.unknown) == (0, 2, ())
    assert late(settings) == before


def test_a_contradiction_is_told_and_what_was_recorded_stays(settings, tmp_path):
    record_outcomes(settings, given(tmp_path, (QUOTES[1].id, 9000)))
    before = late(settings)
    first = QUOTES[0].premium + 0.3
    table = given(
        tmp_path, (QUOTES[0].id, 1), (QUOTES[1].id, 2), (QUOTES[2].id, 3), (QUOTES[2].id, 4)
    )
    done = record_outcomes(settings, table)
    assert (done.recorded, done.repeated) == (1, 0)
    assert done.conflicts == (
        Conflict(QUOTES[0].id, first, 1),
        Conflict(QUOTES[1].id, 9000, 2),
        Conflict(QUOTES[2].id, 3, 4),
    )
    assert late(settings) == before | {QUOTES[2].id: 3}


def test_without_the_archive_they_are_unknown_and_that_is_said(settings, tmp_path):
    table = given(tmp_path, (QUOTES[1].id, 9000), ("recent", 9000), ("nobody", 9000))
    lost = record_outcomes(settings.model_copy(update={"archive": None}), table)
    assert (lost.recorded, lost.unknown) == (1, (QUOTES[1].id, "nobody"))
    assert "ARCHIVE is not set" in lost.notices[-1]
    assert record_outcomes(settings, table).recorded == 1


def test_an_archive_that_takes_nothing_is_said_and_costs_no_other_outcome(settings, tmp_path):
    folder, aside = tmp_path / "archive" / "outcomes", tmp_path / "aside"
    folder.rename(aside)
    folder.write_text("in the way")
    table = given(tmp_path, (QUOTES[7].id, 9000), ("recent", 9000))
    done = record_outcomes(settings, table)
    assert (done.recorded, done.unknown) == (1, (QUOTES[7].id,))
    assert "was recorded: " in done.notices[-1]
    folder.unlink()
    aside.rename(folder)
    again = record_outcomes(settings, table)
    assert (again.recorded, again.repeated, again.unknown) == (1, 1, ())


def test_two_who_record_the_same_at_once_record_it_once(settings, tmp_path):
    table = given(tmp_path, (QUOTES[1].id, 9000), (QUOTES[2].id, 9000))
    seen, others = [], []

    def record_between(_: object, __: object, statement: str, given: object, *___: object) -> None:
        if statement == "BEGIN IMMEDIATE" and seen and not others:
            others.append(None)  # the other one begins, when this one has read the archive
            others[0] = record_outcomes(settings, table)
        if statement.startswith("SELECT archived") and "outcomes" in given:
            seen.append(given)

    event.listen(Engine, "before_cursor_execute", record_between)
    try:
        done = record_outcomes(settings, table)
    finally:
        event.remove(Engine, "before_cursor_execute", record_between)
    assert (others[0].recorded, others[0].repeated) == (2, 0)
    assert (done.recorded, done.repeated) == (0, 2)
    assert len(late(settings)) == 3


def test_all_are_recorded_or_none(settings, tmp_path):
    table = given(tmp_path, (QUOTES[1].id, 9000), (QUOTES[7].id, 9000))  # of two versions
    before = late(settings)
    path = settings.prediction_log_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON archived WHEN NEW.version = '4' "
            "BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
        with pytest.raises(Unreachable, match="no room"):
            record_outcomes(settings, table)
        assert late(settings) == before
        database.execute("DROP TRIGGER full")
    assert record_outcomes(settings, table).recorded == 2
