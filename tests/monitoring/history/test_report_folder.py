"""Reports make room for newer ones, and for nothing else that stands in their folder."""

import os
from pathlib import Path

import pytest

from insurance_predictor.base.errors import BadInput
from monitoring.history import report_folder
from monitoring.history.report_folder import KEPT, MARKER, PAGES, make


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "reports"


def made(place: Path, count: int) -> list[Path]:
    """The folders of `count` runs, each with its pages, the oldest first."""
    folders = [place / f"2026-01-01-00-version-{number}" for number in range(100, 100 + count)]
    for number, folder in enumerate(folders):
        make(folder)
        for page in PAGES:
            (folder / page).write_text("<!doctype html>")
        os.utime(folder / MARKER, (1e9 + number, 1e9 + number))
    return folders


def test_the_oldest_reports_make_room(place):
    folders = made(place, KEPT + 5)
    newest = place / "2026-02-01-00-version-1"
    make(newest)
    assert sorted(place.iterdir()) == [*folders[6:], newest]


def test_what_no_monitoring_run_made_stays(place):
    made(place, KEPT)
    (place / ".git" / "objects").mkdir(parents=True)
    (place / "1999-12-31-00-version-1").mkdir()
    (place / "1999-12-31-00-version-1" / "report.html").write_text("kept by hand")
    (place / "notes.txt").write_text("mine")
    for number in range(3):
        make(place / f"2026-02-0{number + 1}-00-version-1")
    assert (place / ".git" / "objects").is_dir()
    assert (place / "1999-12-31-00-version-1" / "report.html").read_text() == "kept by hand"
    assert (place / "notes.txt").read_text() == "mine"


def test_a_report_with_something_else_in_it_stays_whole(place):
    oldest, second, *_ = made(place, KEPT)
    (oldest / "what we did about it.md").write_text("we called them")
    for day in (1, 2):
        make(place / f"2026-02-0{day}-00-version-1")
    assert sorted(path.name for path in oldest.iterdir()) == sorted(
        [MARKER, *PAGES, "what we did about it.md"]
    )
    assert not second.exists()


def test_a_link_is_not_followed(place, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    [theirs] = made(elsewhere, 1)
    made(place, KEPT)
    (place / "1999-12-31-00-version-1").symlink_to(theirs)
    make(place / "2026-02-01-00-version-1")
    assert (theirs / "report.html").is_file()


def test_the_report_of_an_old_window_is_the_newest(place):
    made(place, KEPT)
    old = place / "2001-01-01-00-version-1"
    make(old)
    make(place / "2026-02-01-00-version-1")
    assert (old / MARKER).is_file()


def test_the_report_in_use_stays_where_the_clock_has_gone_back(place):
    for folder in made(place, KEPT):
        os.utime(folder / MARKER, (1e11, 1e11))
    ours = place / "2026-02-01-00-version-1"
    make(ours)
    assert (ours / MARKER).is_file()


def test_a_report_that_is_made_again_is_new_again(place):
    oldest, second, *_ = made(place, KEPT)
    make(oldest)
    make(place / "2026-02-01-00-version-1")
    assert oldest.is_dir()
    assert not second.exists()


def test_a_folder_that_was_there_is_used_and_never_deleted(place):
    ours = place / "2026-01-01-00-version-1"
    ours.mkdir(parents=True)
    make(ours)
    assert not (ours / MARKER).exists()
    made(place, KEPT + 3)
    assert ours.is_dir()


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="Set REPORT_FOLDER to another place"):
        make(tmp_path / "file" / "2026-01-01-00-version-1")


def test_the_marker_says_what_it_is_for(place):
    [folder] = made(place, 1)
    assert (folder / MARKER).read_text() == report_folder.WORDS
