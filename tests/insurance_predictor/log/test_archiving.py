"""Old rows go to the archive, each exactly once, whatever is killed, damaged or in the way."""

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from insurance_predictor import cli
from insurance_predictor.base.errors import BadInput, InvalidSettings, InvalidTable
from insurance_predictor.base.settings import Settings
from insurance_predictor.log import archiving
from insurance_predictor.log.archive import RECORDED, archived_files, read_archived
from insurance_predictor.log.archiving import archive_log, cutoff
from insurance_predictor.log.database import ARCHIVED, opened
from insurance_predictor.log.prediction_log import PredictionLog
from tests.archives import (
    AT_ONCE,
    CUTOFF,
    KILLED,
    NOW,
    OLD,
    STEPS,
    archived,
    archiving_to,
    everything,
    filled,
    in_log,
    log_outcomes,
    log_quotes,
    old_quotes,
    raw,
)
from tests.predictions import PATIENCE, at_once, away, entry, kept_ids, log_in, process

DAY = timedelta(days=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return archiving_to(log_in(tmp_path), tmp_path / "archive")


@pytest.fixture
def url(settings: Settings) -> str:
    return settings.prediction_log_url


def run(settings: Settings, **options):
    return archive_log(settings, "400d", now=NOW, **options)


def test_old_quotes_go_with_their_outcomes_and_all_others_stay(settings, url):
    before = filled(settings)
    done = run(settings)
    assert everything(settings) == before
    stay = [
        row
        for row in before
        if row["time"] >= CUTOFF or (row[RECORDED] is not None and row[RECORDED] >= CUTOFF)
    ]
    assert in_log(url) == stay
    assert (done.rows, done.outcomes, done.late) == (37, 14, 3)
    assert done.versions == {"3": 18, "4": 10, "a/../b %": 9}
    assert done.days == (OLD.date(), date(2025, 1, 11))
    recorded = archived(settings, "outcomes")
    went = [row for row in before if row[RECORDED] is not None and row[RECORDED] < CUTOFF]
    by_id = sorted(recorded, key=lambda row: row["id"])
    assert by_id == sorted(went, key=lambda row: row["id"])


def test_the_archive_is_a_tree_of_days_and_versions(settings, tmp_path):
    filled(settings)
    done = run(settings)
    there = {str(path.relative_to(tmp_path / "archive")) for path in _files(tmp_path / "archive")}
    assert there == set(done.files)
    assert sum(path.stat().st_size for path in _files(tmp_path / "archive")) == done.bytes
    assert {path.rpartition("/")[0] for path in there} >= {
        "predictions/day=2025-01-03/version=3",
        "predictions/day=2025-01-03/version=a%2F..%2Fb%20%25",
        f"outcomes/day={(CUTOFF - DAY).date()}/version=4",
    }


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_pieces_of_any_size_are_the_same_rows(settings, url, monkeypatch):
    quotes = [replace(one, time=OLD) for one in old_quotes(30)]  # all at one moment
    log_quotes(url, [*quotes, *old_quotes(20)])
    before = everything(settings)
    monkeypatch.setattr(archiving, "ROWS", 7)
    monkeypatch.setattr(archiving, "FETCHED", 3)
    assert run(settings).rows == 50
    assert everything(settings) == before
    assert kept_ids(url) == []


def test_a_second_time_there_is_nothing_to_do(settings, tmp_path):
    before = filled(settings)
    run(settings)
    files = {path: path.read_bytes() for path in _files(tmp_path / "archive")}
    done = run(settings)
    assert (done.rows, done.files, done.late) == (0, [], 3)
    assert everything(settings) == before
    assert {path: path.read_bytes() for path in _files(tmp_path / "archive")} == files


def test_what_has_become_old_since_goes_to_files_beside_the_others(settings):
    before = filled(settings)
    run(settings)
    assert archive_log(settings, "90d", now=NOW).rows == 3  # their outcomes are old by now
    assert everything(settings) == before


def test_columns_that_the_schema_does_not_know_go_too(settings, url):
    quotes = old_quotes(3)
    log_quotes(url, quotes)
    with opened(url) as engine, engine.begin() as connection:
        connection.execute(text("ALTER TABLE predictions ADD COLUMN plan VARCHAR"))
        connection.execute(text("ALTER TABLE predictions ADD COLUMN visits INTEGER"))
        connection.execute(text("UPDATE predictions SET plan = 'gold', visits = 3"))
    run(settings)
    assert {(row["plan"], row["visits"]) for row in archived(settings)} == {("gold", 3)}


def test_a_value_of_another_kind_than_its_column_stays_and_is_counted(settings, url):
    quotes = old_quotes(6)
    log_quotes(url, quotes)
    strange = {"age": "'many'", "bmi": "x'00ff'", "children": "1.5", "sex": "x'ff'"}
    with closing(sqlite3.connect(url[10:])) as connection, connection:
        for one, (name, value) in zip(quotes, strange.items(), strict=False):
            connection.execute(f"UPDATE predictions SET {name} = {value} WHERE id = '{one.id}'")
        connection.execute(f"UPDATE predictions SET time = 'then' WHERE id = '{quotes[4].id}'")
    done = run(settings)
    assert (done.rows, done.strange) == (1, 4)  # 'then' sorts behind every moment
    assert [row["id"] for row in archived(settings)] == [quotes[5].id]
    assert len(raw(url, text("id FROM predictions"))) == 5


def test_nothing_and_infinity_are_kept_as_they_are(settings, url):
    quotes = [replace(one, premium=float("inf")) for one in old_quotes(2)]
    log_quotes(url, quotes)
    with opened(url) as engine, engine.begin() as connection:
        connection.execute(text("UPDATE predictions SET age = NULL, sex = NULL, bmi = NULL"))
    before = everything(settings)
    run(settings)
    assert everything(settings) == before
    assert kept_ids(url) == []


def test_moments_without_a_fraction_are_moments_too(settings, url):
    log_quotes(url, old_quotes(2))
    with closing(sqlite3.connect(url[10:])) as connection, connection:
        connection.execute("UPDATE predictions SET time = '2025-01-04 12:00:00'")
    assert run(settings).rows == 2
    assert {row["time"] for row in archived(settings)} == {datetime(2025, 1, 4, 12, tzinfo=UTC)}


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
    assert (done.rows, done.changed, done.files) == (0, 5, [])
    assert len(in_log(url)) == 5
    assert (again := run(settings)).rows == 4
    assert again.late == 1
    assert len(everything(settings)) == 5


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b""), Path.unlink])
def test_a_file_that_is_not_as_it_was_written_costs_no_row(settings, url, monkeypatch, damage):
    before = filled(settings)
    with monkeypatch.context() as patch:
        patch.setattr(archiving, "settle", lambda place: damage(Path(place)))
        with pytest.raises(BadInput, match=r"is not what was written|does not exist"):
            run(settings)
    assert in_log(url) == before
    run(settings)
    assert everything(settings) == before


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


def test_quotes_that_come_into_the_log_again_are_in_the_archive_once(settings, url):
    quotes = old_quotes(8)
    log_quotes(url, quotes)
    run(settings)
    before = raw(url, ARCHIVED)
    log_quotes(url, quotes)
    run(settings)
    assert raw(url, ARCHIVED) == before
    assert sorted(row["id"] for row in everything(settings)) == sorted(one.id for one in quotes)


def test_a_preview_says_what_would_go_and_moves_nothing(settings, url, tmp_path):
    before = filled(settings)
    seen = run(settings, is_preview=True)
    assert in_log(url) == before
    assert not (tmp_path / "archive").exists()
    done = run(settings)
    names = ("rows", "outcomes", "versions", "days", "late", "strange", "changed", "before")
    assert [getattr(seen, name) for name in names] == [getattr(done, name) for name in names]
    assert seen.files == []


def test_what_waits_in_the_spool_is_archived_too(settings):
    with away(settings):
        log = PredictionLog(settings)
        log.write(old_quotes(4), patience=PATIENCE)
        log.close()
    assert run(settings).rows == 4


def test_files_of_others_in_the_archive_are_left_alone(settings, tmp_path):
    filled(settings)
    folder = tmp_path / "archive" / "predictions" / "day=2025-01-03" / "version=3"
    folder.mkdir(parents=True)
    theirs = [tmp_path / "archive" / "notes.txt", folder / "0123.parquet", folder / "x.txt"]
    for path in theirs:
        path.write_text("theirs")
    run(settings)
    assert [path.read_text() for path in theirs] == ["theirs"] * 3


def test_without_an_archive_it_says_what_to_set(settings):
    with pytest.raises(InvalidSettings, match="ARCHIVE is not set"):
        run(settings.model_copy(update={"archive": None}))


@pytest.mark.parametrize("archive", ["gs://bucket/x", "s3://bucket", "ftp://x/y"])
def test_an_archive_that_cannot_be_one_is_refused(settings, archive):
    with pytest.raises(BadInput, match="ARCHIVE="):
        run(archiving_to(settings, archive))


def test_an_archive_that_is_no_folder_costs_no_row(settings, url, tmp_path):
    before = filled(settings)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be used: Not a directory"):
        run(archiving_to(settings, tmp_path / "file"))
    assert in_log(url) == before


@pytest.mark.parametrize(
    ("older", "said"),
    [
        ("", "is no length of time"),
        ("400", "is no length of time"),
        ("12h", "is no length of time"),
        ("-5d", "is no length of time"),
        ("29d", "less than 30 days"),
        ("4w", "less than 30 days"),
        ("999999d", "before the calendar begins"),
    ],
)
def test_an_age_that_cannot_be_used_is_refused_in_a_sentence(older, said):
    with pytest.raises(BadInput, match=said):
        cutoff(older, NOW)


def test_the_cutoff_is_a_whole_day_in_utc():
    assert cutoff("400d", NOW) == CUTOFF
    assert cutoff("5w", NOW.astimezone()) == datetime(2026, 3, 30, tzinfo=UTC)


def test_another_place_than_before_is_refused(settings, tmp_path):
    filled(settings)
    run(settings)
    with pytest.raises(BadInput, match="does not have that file"):
        archive_log(archiving_to(settings, tmp_path / "other"), "90d", now=NOW)
    assert not (tmp_path / "other").exists()
    (tmp_path / "archive").rename(tmp_path / "other")
    assert archive_log(archiving_to(settings, tmp_path / "other"), "90d", now=NOW).rows == 3


@pytest.mark.parametrize("fault", ["gone", "damaged", "not set"])
def test_a_file_that_is_not_there_as_it_was_written_is_named(settings, url, tmp_path, fault):
    filled(settings)
    run(settings)
    with opened(url) as engine:
        file = archived_files(engine, "predictions")[0]
    path = tmp_path / "archive" / file.path
    if fault == "gone":
        path.unlink()
    elif fault == "damaged":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    archive = None if fault == "not set" else settings.archive
    named = "ARCHIVE is not set" if fault == "not set" else f"{file.path} is {fault}"
    with pytest.raises((InvalidTable, InvalidSettings), match=named):
        read_archived(archive, file)


def test_files_are_found_by_their_day(settings, url):
    log_quotes(url, old_quotes(40))
    run(settings)
    with opened(url) as engine:
        days = [file.day for file in archived_files(engine, "predictions")]
        some = archived_files(engine, "predictions", days[1], days[2])
    assert [file.day for file in some] == days[1:3]


def test_the_command_says_what_went_and_what_stays(settings, url, monkeypatch, capsys):
    quotes = old_quotes(8)
    log_quotes(url, [*quotes, entry()])
    log_outcomes(url, quotes[:1], datetime.now(UTC))
    monkeypatch.setattr(cli, "_settings", lambda: settings)
    cli.archive(older="400d", dry_run=True)
    assert capsys.readouterr().out.startswith(
        "7 quotes of 2025-01-03 to 2025-01-04, 0 of them with their outcome, would go to "
    )
    cli.archive(older="400d", as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["late"], told["days"]) == (7, 1, ["2025-01-03", "2025-01-04"])
    cli.archive(older="400d")
    said = capsys.readouterr().out
    assert said.startswith("No quote of before ")
    assert "1 stay: as old, and their outcome was recorded since" in said


def test_the_process_ends_with_2_and_a_sentence(settings, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "insurance_predictor", "archive"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ARCHIVE is not set.")


def test_what_the_log_names_beyond_the_archive_is_not_read(settings, tmp_path):
    filled(settings)
    run(settings)
    with opened(settings.prediction_log_url) as engine:
        file = archived_files(engine, "predictions")[0]
    (tmp_path / "beyond").write_bytes((tmp_path / "archive" / file.path).read_bytes())
    with pytest.raises(InvalidTable, match="not below ARCHIVE"):
        read_archived(settings.archive, replace(file, path="../beyond"))
