"""A folder that processes share, fill up and are killed over always holds one whole version."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import isnan
from pathlib import Path

import pytest

from insurance_predictor.base.settings import DEFAULT_TRACKING_URI, Settings
from insurance_predictor.model.manifest import Digests, folder_sha256
from insurance_predictor.serving import version_cache
from insurance_predictor.serving.version_cache import (
    LOCK,
    PREFIX,
    RECORD,
    find,
    keep,
    note,
    own_folder,
)
from insurance_predictor.store.ledger import Line
from insurance_predictor.store.version_facts import Previous, VersionFacts

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATIENCE = 60  # seconds
LINE = Line("l1", "promote", "1", "2", "ana", NOON, "better", False, True, {"r2": 0.75})

# Switches between two versions for ever; a large file makes it likely to be met while it copies.
SWITCHING = """
import sys
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from insurance_predictor.serving.version_cache import keep
from tests.insurance_predictor.serving.test_version_cache import facts_of, settings_of
settings = settings_of(Path(sys.argv[1]))
for number in cycle("12"):
    keep(settings, Path(sys.argv[2]) / number, facts_of(number), datetime.now(UTC))
"""
# The kernel itself refuses to write more than so many bytes to one file, as on a full disk.
WITHOUT_SPACE = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from insurance_predictor.serving.version_cache import keep
from tests.insurance_predictor.serving.test_version_cache import facts_of, settings_of
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
settings = settings_of(Path(sys.argv[1]))
try:
    keep(settings, Path(sys.argv[2]), facts_of("2"), datetime.now(UTC))
except OSError as error:
    print(type(error).__name__)
"""


def settings_of(folder: Path) -> Settings:
    return Settings(mlflow_tracking_uri=DEFAULT_TRACKING_URI, model_cache=folder)


def facts_of(number: str, **changes) -> VersionFacts:
    facts = VersionFacts(
        version=number,
        run_id=f"run{number}",
        model_name="insurance_predictor",
        alias="producao",
        created=NOON,
        trained_at=NOON - timedelta(hours=1),
        dataset="v2.1",
        rows_train=1070,
        description="Ridge, 12.000 rows",
        metrics={"holdout.rmse": 4600.5, "holdout.r2": 1 / 3},
        parameters={"alpha": "3.0"},
        ledger=(LINE,),
        previous=Previous("1", {"holdout.rmse": 4700.0}),
        digests=Digests(number * 64, "b" * 64),
    )
    return replace(facts, **changes)


def files_of(folder: Path, number: str, size: int = 1000) -> Path:
    """The files of a version, which all say its number."""
    files = folder / number
    for name in ("model/model.skops", "model/MLmodel", "preprocessing/preprocessor.joblib"):
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        (files / name).write_text(number * size)
    return files


@pytest.fixture
def settings(tmp_path) -> Settings:
    return settings_of(tmp_path / "deep" / "cache")


@pytest.fixture
def kept(settings, tmp_path) -> Settings:
    """Settings of a folder that keeps version 1 since noon."""
    keep(settings, files_of(tmp_path, "1"), facts_of("1"), NOON)
    return settings


def copies(settings) -> list[str]:
    return sorted(path.name for path in own_folder(settings).glob(f"{PREFIX}*"))


def whole(settings) -> str:
    """The number of the version that is kept, all of whose files have been compared."""
    found = find(settings)
    assert found is not None
    folder = settings.model_cache / found.folder
    assert folder_sha256(folder) == found.sha256
    assert set((folder / "model" / "MLmodel").read_text()) == {found.facts.version}
    return found.facts.version


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)], text=True, stdout=subprocess.PIPE
    )


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=PATIENCE)


def test_what_is_kept_is_found_with_everything_known_of_it(kept):
    found = find(kept)
    assert found.checked == NOON
    assert found.facts == facts_of("1")
    assert whole(kept) == "1"


def test_a_metric_that_was_not_a_number_is_kept_as_such(kept):
    line = replace(LINE, metrics={"r2": float("nan"), "rmse": float("inf")})
    note(kept, facts_of("1", ledger=(line,)), NOON + timedelta(minutes=1))
    found = find(kept).facts.ledger[0].metrics
    assert isnan(found["r2"])
    assert found["rmse"] == float("inf")


def test_nothing_is_found_where_nothing_was_kept(settings):
    assert find(settings) is None
    assert not settings.model_cache.exists()


def test_another_version_takes_the_place_of_the_one_before(kept, tmp_path):
    keep(kept, files_of(tmp_path, "2"), facts_of("2"), NOON + timedelta(minutes=1))
    assert whole(kept) == "2"
    assert len(copies(kept)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"model_name": "another"},
        {"production_alias": "canary"},
        {"mlflow_tracking_uri": "http://127.0.0.1:5000"},
    ],
)
def test_what_was_kept_for_other_settings_is_not_found(kept, changes):
    assert find(kept.model_copy(update=changes)) is None


def test_a_new_password_changes_nothing_and_no_password_is_written(settings, tmp_path):
    uri = "postgresql://mlflow:{}@127.0.0.1/mlflow"
    ours = settings.model_copy(update={"mlflow_tracking_uri": uri.format("secret-word")})
    keep(ours, files_of(tmp_path, "1"), facts_of("1"), NOON)
    assert "secret-word" not in (own_folder(ours) / RECORD).read_text()
    assert find(settings.model_copy(update={"mlflow_tracking_uri": uri.format("other")}))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"format": 3', '"format": 1'),
        lambda text: text.replace('"rows_train"', '"rows"'),
        lambda text: text.replace('"run1"', "1"),
        lambda text: "[]",
        lambda text: "\x00" * len(text),
    ],
    ids=["empty", "half", "older format", "another field", "another type", "no facts", "zeros"],
)
def test_facts_that_cannot_be_read_are_as_good_as_none(kept, spoil):
    record = own_folder(kept) / RECORD
    text = record.read_text()
    record.write_text(spoil(text))
    assert find(kept) is None
    record.write_text(text)
    assert whole(kept) == "1"


def test_whoever_asked_the_registry_earlier_does_not_undo_the_later_answer(kept, tmp_path):
    keep(kept, files_of(tmp_path, "2"), facts_of("2"), NOON - timedelta(seconds=1))
    assert whole(kept) == "1"


def test_a_clock_that_was_ahead_does_not_block_the_folder(settings, tmp_path):
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    keep(settings, files_of(tmp_path, "1"), facts_of("1"), tomorrow)
    keep(settings, files_of(tmp_path, "2"), facts_of("2"), datetime.now(UTC))
    assert whole(settings) == "2"


def test_news_of_the_version_are_noted_beside_the_same_files(kept):
    before = find(kept)
    news = facts_of("1", description="Another word")
    later = NOON + timedelta(minutes=1)
    note(kept, news, later)
    assert find(kept) == replace(before, facts=news, checked=later)
    assert whole(kept) == "1"


@pytest.mark.parametrize(
    "other",
    [
        facts_of("2"),
        facts_of("1", run_id="another"),
        facts_of("1", digests=Digests("d" * 64, "b" * 64)),
    ],
    ids=["number", "run", "files"],
)
def test_news_of_another_version_are_not_noted(kept, other):
    note(kept, other, NOON + timedelta(minutes=1))
    assert find(kept).checked == NOON
    assert find(kept).facts == facts_of("1")


def test_older_news_are_not_noted(kept):
    note(kept, facts_of("1", description="Old"), NOON - timedelta(minutes=1))
    assert find(kept).facts.description == facts_of("1").description


def test_news_without_anything_kept_make_no_folder(settings):
    note(settings, facts_of("1"), NOON)
    assert not settings.model_cache.exists()


def test_a_file_where_the_folder_should_be_is_an_error_of_the_disk(settings, tmp_path):
    settings.model_cache.parent.mkdir()
    settings.model_cache.write_text("in the way")
    with pytest.raises(OSError, match="cache"):
        keep(settings, files_of(tmp_path, "1"), facts_of("1"), NOON)
    assert find(settings) is None
    assert settings.model_cache.read_text() == "in the way"


@pytest.mark.process
def test_a_full_disk_leaves_the_version_before_and_no_half_copy(kept, tmp_path):
    before = copies(kept)
    full = start(WITHOUT_SPACE, kept.model_cache, files_of(tmp_path, "2", size=50_000))
    assert full.communicate(timeout=PATIENCE)[0].strip() in ("OSError", "Error")
    assert full.returncode == 0
    assert copies(kept) == before
    assert whole(kept) == "1"


def test_only_folders_of_versions_are_swept_away(kept, tmp_path):
    (own_folder(kept) / "photographs").mkdir()
    (own_folder(kept) / "notes.txt").write_text("mine")
    (own_folder(kept) / f"{PREFIX}0-left").mkdir()
    keep(kept, files_of(tmp_path, "2"), facts_of("2"), datetime.now(UTC))
    assert (own_folder(kept) / "photographs").is_dir()
    assert (own_folder(kept) / "notes.txt").read_text() == "mine"
    assert len(copies(kept)) == 1


def test_a_process_that_never_lets_go_is_given_up_on(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(version_cache, "LOCK_PATIENCE", 0.1)
    handle = os.open(own_folder(kept) / LOCK, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(TimeoutError, match=f"{LOCK}' could not be acquired"):
            keep(kept, files_of(tmp_path, "2"), facts_of("2"), datetime.now(UTC))
        assert whole(kept) == "1"  # reading needs no lock
    finally:
        os.close(handle)
    keep(kept, files_of(tmp_path, "2"), facts_of("2"), datetime.now(UTC))
    assert whole(kept) == "2"


def test_people_who_share_the_folder_share_its_lock(kept):
    assert (own_folder(kept) / LOCK).stat().st_mode & 0o777 == 0o666


@pytest.mark.process
def test_a_process_killed_in_the_middle_of_a_switch_leaves_a_whole_version(kept, tmp_path):
    for number in "12":
        files_of(tmp_path, number, size=20_000_000)
    for _ in range(20):
        process = start(SWITCHING, kept.model_cache, tmp_path)
        wait_for_two_copies(kept, process)
        end(process)
        assert whole(kept) in ("1", "2")
        if len(copies(kept)) == 2:  # it was met in the middle
            break
    assert len(copies(kept)) == 2
    keep(kept, files_of(tmp_path, "1"), facts_of("1"), datetime.now(UTC))
    assert whole(kept) == "1"
    assert len(copies(kept)) == 1


def wait_for_two_copies(settings, process) -> None:
    end_of_patience = time.monotonic() + PATIENCE
    while len(copies(settings)) < 2:
        assert process.poll() is None
        assert time.monotonic() < end_of_patience


@pytest.mark.process
def test_two_processes_that_switch_all_the_time_never_show_half_a_version(kept, tmp_path):
    for number in "12":
        files_of(tmp_path, number)
    processes = [start(SWITCHING, kept.model_cache, tmp_path) for _ in range(2)]
    seen: set[str] = set()
    try:
        end_of_patience = time.monotonic() + PATIENCE
        while len(seen) < 100 and time.monotonic() < end_of_patience:
            found = find(kept)
            assert found is not None
            seen.add(found.folder)
        assert [process.poll() for process in processes] == [None, None]
    finally:
        for process in processes:
            end(process)
    assert len(seen) == 100
    assert whole(kept) in ("1", "2")


def test_the_facts_are_json_that_a_person_can_read(kept):
    facts = json.loads((own_folder(kept) / RECORD).read_text())
    assert facts["store"] == DEFAULT_TRACKING_URI
    assert facts["facts"]["ledger"][0]["who"] == "ana"
    assert facts["checked"] == "2026-03-01T12:00:00Z"


@pytest.mark.parametrize(
    "change",
    [
        {"model_name": "another model"},
        {"production_alias": "staging"},
        {"mlflow_tracking_uri": "http://elsewhere:5000"},
    ],
)
def test_models_aliases_and_stores_that_share_a_cache_take_nothing_from_each_other(
    change, kept, tmp_path
):
    other = kept.model_copy(update=change)
    assert find(other) is None
    facts = facts_of("2", model_name=other.model_name, alias=other.production_alias)
    keep(other, files_of(tmp_path, "2"), facts, NOON)
    assert (whole(kept), whole(other)) == ("1", "2")
    keep(kept, files_of(tmp_path, "3"), facts_of("3"), NOON + timedelta(hours=1))
    assert (whole(kept), whole(other)) == ("3", "2")
    assert (len(copies(kept)), len(copies(other))) == (1, 1)


def as_kept_before(settings: Settings) -> None:
    """Put what is kept where an earlier release, which had one place for all, would have."""
    root, folder = settings.model_cache, find(settings).folder
    record = (own_folder(settings) / RECORD).read_text()
    (root / folder).rename(root / Path(folder).name)
    (root / RECORD).write_text(record.replace(folder, Path(folder).name))
    shutil.rmtree(own_folder(settings))


def test_a_cache_that_an_earlier_release_made_is_taken_over(kept, tmp_path):
    as_kept_before(kept)
    assert whole(kept) == "1"
    other = kept.model_copy(update={"production_alias": "staging"})
    assert find(other) is None
    keep(other, files_of(tmp_path, "2"), facts_of("2", alias="staging"), NOON)
    note(kept, facts_of("1", description="Looked at again"), NOON + timedelta(hours=1))
    assert (whole(kept), whole(other)) == ("1", "2")
    assert find(kept).facts.description == "Looked at again"
    (kept.model_cache / "version-control").mkdir()  # somebody else's
    keep(kept, files_of(tmp_path, "3"), facts_of("3"), NOON + timedelta(hours=2))
    assert (whole(kept), whole(other)) == ("3", "2")
    left = {path.name for path in kept.model_cache.iterdir()}
    assert left == {own_folder(kept).name, own_folder(other).name, "version-control"}
