"""Every quote is kept once, whatever happens to the database, and nobody waits for it."""

import json
import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from insurance_predictor.base.settings import Settings
from insurance_predictor.log.database import FAILURES, LATE_DELIVERIES
from insurance_predictor.log.prediction_log import PredictionLog, _line
from insurance_predictor.log.spool import ASIDE, QUEUE, Spool
from insurance_predictor.log.writer import DatabaseWriter
from tests.predictions import (
    ANA,
    DAMAGED_LINES,
    FAILURE_LINE,
    MOST,
    OPEN_AT_ONCE,
    PATIENCE,
    QUOTE_LINE,
    at_once,
    away,
    entries,
    entry,
    failure,
    ids,
    kept,
    kept_ids,
    kill,
    log_in,
    process,
    typical_wait,
    wait_until,
)
from tests.servers import free_port, silent_host

HEAVY = ("mlflow", "sklearn", "pandas", "numpy", "requests", "sqlalchemy", "alembic")

# The entry is written out: tests.predictions loads the database's libraries by itself.
LOADED = f"""
from insurance_predictor.log.prediction_log import Entry, PredictionLog
def loaded():
    print(*sorted(set(sys.argv[3:]) & set(sys.modules)))
log = PredictionLog(log_settings)
log.write([])
assert log.flush(60)
loaded()
log.write([Entry(version="3", person={ANA}, premium=1.0, low=0.5, high=2.0, latency_ms=1.0,
                 source="app")])
assert log.flush(60)
loaded()
"""
# Prints the ids of what it wrote, once a line has told it to go on.
WRITE_AND_DELIVER = """
from insurance_predictor.log.prediction_log import PredictionLog
from tests.predictions import entries
print("ready", flush=True)
sys.stdin.readline()
with PredictionLog(log_settings) as log:
    for _ in range(20):
        written = entries(100)
        log.write(written)
        print(*(one.id for one in written), flush=True)
    assert log.flush(60)
"""
WRITE_FOR_EVER = """
from insurance_predictor.log.prediction_log import PredictionLog
from tests.predictions import entry
log = PredictionLog(log_settings)
while True:
    one = entry()
    if log.write([one]):
        print(one.id, flush=True)
"""
LEAVE = """
from insurance_predictor.log.prediction_log import PredictionLog
from tests.predictions import entries
written = entries(20_000)
PredictionLog(log_settings).write(written)
print(*(one.id for one in written))
"""
NO_ROOM = """
import resource, time
from insurance_predictor.log.prediction_log import PredictionLog
from tests.predictions import entry, entries
log = PredictionLog(log_settings)
def write_until_safe():
    count = 1
    while not log.write([entry()]):
        count += 1
    return count
before = write_until_safe()
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
assert not log.write(entries(10))
while not log.lost:
    time.sleep(0.01)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
after = write_until_safe()
log.close()
print(log.lost, log.backlog() - before - after)
"""

# A line as release 0.1 wrote it.
LAST_RELEASE = (
    '{"id": "of-the-last-release", "time": "2026-01-31T15:00:00+00:00", "version": "3", '
    '"premium": 8123.45, "low": 6000.0, "high": 11000.5, "latency_ms": 4.25, "source": "app", '
    '"stale": false, "age": 40, "sex": "female", "bmi": 27.5, "children": 2, "smoker": "no", '
    '"region": "southeast"}\n'
)


@pytest.fixture
def log_settings(tmp_path: Path) -> Settings:
    return log_in(tmp_path)


@pytest.fixture
def log(log_settings: Settings) -> Iterator[PredictionLog]:
    with PredictionLog(log_settings) as running:
        yield running


@pytest.fixture
def rows(log_settings: Settings, log: PredictionLog):
    """The rows in the database once everything has been delivered."""

    def delivered() -> list[dict]:
        assert log.flush(PATIENCE)
        return kept(log_settings.prediction_log_url)

    return delivered


def connect(settings: Settings) -> sqlite3.Connection:
    """Past our own code, as another program would."""
    path = settings.prediction_log_url.removeprefix("sqlite:///")
    return sqlite3.connect(path, isolation_level=None)


def test_a_quote_is_kept_as_it_was_given(log_settings, log, rows):
    given = entry(stale=True, source="command", incarnation="1769871600000")
    log.write([given])
    facts = {name: getattr(given, name) for name in ("id", "time", "version", "premium", "low")}
    facts |= {"high": 11000.5, "latency_ms": 4.25, "source": "command", "stale": True}
    facts |= {"model": log_settings.model_name, "incarnation": "1769871600000"}
    assert rows() == [facts | ANA]


def test_a_failure_is_kept_as_it_was_given(log_settings, log, rows):
    given = [failure(incarnation="111"), failure(version=None, source="batch", latency_ms=None)]
    log.write([*given, entry()])
    assert len(rows()) == 1
    names = ("id", "time", "version", "source", "error", "latency_ms", "incarnation")
    written = [{name: getattr(one, name) for name in names} for one in given]
    written = [row | {"model": log_settings.model_name} for row in written]
    assert kept(log_settings.prediction_log_url, FAILURES) == written


def test_the_text_of_an_error_is_not_kept(log_settings, log, rows, caplog):
    assert not log.write([failure(error="KeyError: 'Ana Souza'")])
    assert log.lost == 1
    log.write([entry()])
    assert len(rows()) == 1
    assert kept(log_settings.prediction_log_url, FAILURES) == []
    assert "Souza" not in caplog.text


def test_failures_wait_in_the_spool_as_quotes_do_and_arrive_once(tmp_path, log_settings):
    left = [failure() for _ in range(300)]
    with away(log_settings), PredictionLog(log_settings) as log:
        log.write([*left, *left, entry()])
    with PredictionLog(log_settings) as log:
        wait_until(lambda: not log.backlog())
    assert {row["id"] for row in kept(log_settings.prediction_log_url, FAILURES)} == {
        one.id for one in left
    }
    assert len(kept(log_settings.prediction_log_url)) == 1


def test_a_spool_of_the_last_release_is_delivered(log_settings, tmp_path):
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "12-5cc69db0.jsonl").write_text(LAST_RELEASE)
    with PredictionLog(log_settings) as log:
        wait_until(lambda: not log.backlog())
    (row,) = kept(log_settings.prediction_log_url)
    assert (row["id"], row["premium"], row["smoker"]) == ("of-the-last-release", 8123.45, "no")
    assert (row["model"], row["incarnation"]) == (None, None)


def test_what_waited_long_for_the_database_is_reported_there_once(log_settings):
    hours_ago = datetime.now(UTC) - timedelta(hours=2)
    with away(log_settings), PredictionLog(log_settings) as log:
        log.write([entry(time=hours_ago, incarnation="1") for _ in range(3)])
        log.write([entry(time=hours_ago, incarnation="2"), failure(time=hours_ago), entry()])
    spool = Spool(log_settings.prediction_spool, log_settings.prediction_log_url)
    lines: list[bytes] = []

    def look(waiting: list[bytes]) -> None:
        lines.extend(waiting)
        raise OSError("broken off")

    with pytest.raises(OSError, match="broken off"):
        spool.deliver(look)
    PredictionLog(log_settings).close()
    spool.append(lines)  # as after a process that died before they were gone from the queue
    PredictionLog(log_settings).close()
    reports = kept(log_settings.prediction_log_url, LATE_DELIVERIES)
    found = {report["incarnation"]: report["quotes"] for report in reports}
    assert (len(reports), found) == (2, {"1": 3, "2": 1})
    assert {report["model"] for report in reports} == {log_settings.model_name}
    assert all(7190 < report["longest_seconds"] < 7200 + PATIENCE for report in reports)


def test_what_arrives_at_once_is_no_late_delivery(log_settings, log, rows):
    log.write(entries(500))
    assert log.flush(PATIENCE)
    assert kept(log_settings.prediction_log_url, LATE_DELIVERIES) == []


def test_a_time_is_kept_in_utc_wherever_it_comes_from(log, rows):
    noon = datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=-3)))
    log.write([entry(time=noon)])
    (row,) = rows()
    assert row["time"] == datetime(2026, 1, 31, 15, tzinfo=UTC)
    assert row["time"].tzinfo == UTC


def test_numbers_of_numpy_are_numbers(log, rows):
    person = ANA | {"age": np.int64(51), "bmi": np.float64(30.5)}
    log.write([entry(person=person, premium=np.float32(2.5), stale=np.bool_(True))])
    (row,) = rows()
    assert (row["age"], row["bmi"], row["premium"], row["stale"]) == (51, 30.5, 2.5, True)


def test_what_says_who_somebody_is_reaches_neither_the_disk_nor_the_database(
    log_settings, log, tmp_path
):
    with connect(log_settings) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN EXCLUSIVE")
        log.write([entry(person=ANA | {"name": "Ana Souza", "session": "8f2c"})])
        files = [path.read_bytes() for path in (tmp_path / "spool").iterdir()]
        other.execute("ROLLBACK")
    assert log.flush(PATIENCE)
    files += [path.read_bytes() for path in tmp_path.glob("log.db*")]
    assert b"southeast" in b"".join(files)
    assert not any(secret in content for content in files for secret in (b"Souza", b"8f2c"))


def test_opening_makes_nothing_and_asks_nobody(tmp_path):
    settings = log_in(tmp_path, f"postgresql://ana:hush@127.0.0.1:{free_port()}/log")
    with PredictionLog(settings) as log:
        assert log.flush(PATIENCE)
        assert (log.backlog(), log.lost) == (0, 0)
    assert list(tmp_path.iterdir()) == []


def test_what_waits_is_delivered_only_to_the_database_it_was_written_for(
    tmp_path, log_settings, caplog
):
    other = log_in(tmp_path, f"sqlite:///{tmp_path}/other.db")
    theirs, ours = entries(3), entries(2)
    with away(other), PredictionLog(other) as log:
        log.write(theirs)
    caplog.clear()
    with PredictionLog(log_settings) as log:
        for one in ours:
            log.write([one])
            assert log.flush(PATIENCE)
            assert log.backlog() == 0
    assert set(kept_ids(log_settings.prediction_log_url)) == ids(ours)
    (record,) = caplog.records
    assert record.message == (
        f"In the spool 3 rows wait for sqlite:///{tmp_path}/other.db: start something with that "
        "PREDICTION_LOG_URL, and they are delivered there"
    )
    PredictionLog(other).close()
    assert set(kept_ids(other.prediction_log_url)) == ids(theirs)


def test_what_a_program_left_that_knew_one_database_only_arrives_in_the_configured_one(
    tmp_path, log_settings
):
    left = entries(2)
    (tmp_path / "spool").mkdir()
    with closing(sqlite3.connect(tmp_path / "spool" / QUEUE)) as former, former:
        former.execute("CREATE TABLE waiting (number INTEGER PRIMARY KEY AUTOINCREMENT, line BLOB)")
        former.execute("INSERT INTO waiting (line) VALUES (?)", [_line(left[0], "m")])
    new = entry()
    with PredictionLog(log_settings) as log:
        log.write([new])
        assert log.flush(PATIENCE)
        # One that is still running goes on as it did.
        with closing(sqlite3.connect(tmp_path / "spool" / QUEUE)) as former, former:
            former.execute("INSERT INTO waiting (line) VALUES (?)", [_line(left[1], "m")])
        wait_until(lambda: not log.backlog())
    assert set(kept_ids(log_settings.prediction_log_url)) == ids([*left, new])


@pytest.mark.process
def test_nothing_heavy_is_loaded_before_there_is_a_quote_and_mlflow_never(log_settings):
    said, _ = process(LOADED, log_settings, *HEAVY).communicate(timeout=PATIENCE)
    assert said == "\nalembic sqlalchemy\n"


def test_readers_and_writers_of_the_sqlite_file_do_not_stop_each_other(log_settings, log, rows):
    log.write([entry()])
    rows()
    with connect(log_settings) as reader:
        assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM predictions").fetchone() == (1,)
        log.write([entry()])
        assert len(rows()) == 2
        assert reader.execute("SELECT count(*) FROM predictions").fetchone() == (1,)


@pytest.mark.parametrize("is_new", [True, False], ids=["new file", "file with rows"])
def test_a_locked_database_costs_nobody_time_and_gets_its_rows_later(
    is_new, log_settings, log, rows
):
    if not is_new:
        log.write([entry()])
        rows()
    with connect(log_settings) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN EXCLUSIVE")
        assert typical_wait(log, entries(21)) < MOST
        assert not log.flush(0.1)
        assert log.backlog() == 21
        other.execute("ROLLBACK")
    assert len(rows()) == (21 if is_new else 22)
    assert log.backlog() == 0


def test_a_host_that_never_answers_costs_nobody_time(tmp_path):
    with silent_host() as port:
        silent = log_in(tmp_path, f"postgresql://ana:hush@127.0.0.1:{port}/log")
        with PredictionLog(silent) as log:
            assert typical_wait(log, entries(21)) < MOST
            assert not log.flush(0.1)
            assert log.backlog() == 21
    assert Spool(tmp_path / "spool", silent.prediction_log_url).waiting() == 21
    # The host is gone, which its last attempt still has to hear.
    wait_until(lambda: "prediction log" not in {thread.name for thread in threading.enumerate()})


def test_a_database_that_is_away_is_told_once_without_its_password(tmp_path, caplog):
    port = free_port()
    settings = log_in(tmp_path, f"postgresql://ana:hush@127.0.0.1:{port}/log")
    with caplog.at_level(logging.INFO, "insurance_predictor"), PredictionLog(settings) as log:
        for _ in range(3):
            log.write([entry()])
            assert not log.flush(0.2)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert f"postgresql://ana:***@127.0.0.1:{port}/log did not do its part: " in record.message
    assert "hush" not in caplog.text
    assert "southeast" not in caplog.text


def test_a_database_of_a_newer_schema_is_left_alone_and_told_once(log_settings, log, rows, caplog):
    log.write([entry()])
    rows()
    log.close()
    with connect(log_settings) as other:
        other.execute("UPDATE alembic_version SET version_num = '0999'")
    with PredictionLog(log_settings) as newer:
        newer.write([entry()])
        assert not newer.flush(0.5)
        assert newer.backlog() == 1
    (record,) = caplog.records
    assert "are at revision '0999', newer than this program or " in record.message
    assert len(kept(log_settings.prediction_log_url)) == 1


def test_a_database_file_that_is_deleted_is_made_anew(log_settings, log, rows, tmp_path):
    log.write([entry()])
    rows()
    for file in tmp_path.glob("log.db*"):
        file.unlink()
    second = entry()
    log.write([second])
    assert [row["id"] for row in rows()] == [second.id]


def test_the_same_quote_written_twice_is_one(log, rows, caplog):
    once = entry()
    log.write([once])
    log.write([once, once])
    assert len(rows()) == 1
    assert caplog.records == []


def test_a_row_that_the_database_refuses_is_set_aside_and_holds_up_no_other(
    log_settings, caplog, tmp_path
):
    spool = tmp_path / "spool"
    with away(log_settings), PredictionLog(log_settings) as log:
        good = entries(20)
        log.write(good[:10])
    line = json.loads(LAST_RELEASE)
    null = json.dumps(line | {"id": "null", "premium": None}) + "\n"
    naive = json.dumps(line | {"id": "naive", "time": "2026-01-31"}) + "\n"
    nan = json.dumps(line | {"id": "nan", "premium": float("nan")}) + "\n"
    del line["latency_ms"]
    unknown = json.dumps(line | {"id": "unknown"}) + "\n"
    bad = ["{damaged\n", null, naive, "[1]\n", unknown, nan]
    queue = Spool(spool)
    queue.append([row.encode() for row in bad])
    queue.close()
    caplog.clear()
    with PredictionLog(log_settings) as log:
        log.write(good[10:])
        wait_until(lambda: not log.backlog())
    assert set(kept_ids(log_settings.prediction_log_url)) == ids(good)
    aside = spool / ASIDE
    assert len(aside.read_text().splitlines()) == len(bad)
    (record,) = caplog.records
    assert record.message == f"6 predictions cannot be stored; they are in {aside}"


def test_lines_that_no_database_keeps_are_set_aside_and_hold_up_no_other(log_settings, tmp_path):
    good, lines = entries(len(DAMAGED_LINES)), []
    for damaged, sound in zip(DAMAGED_LINES, good, strict=True):
        lines += [damaged, _line(sound, "m")]
    queue = Spool(tmp_path / "spool")
    queue.append(lines)
    queue.close()
    with PredictionLog(log_settings) as log:
        wait_until(lambda: not log.backlog())
    assert set(kept_ids(log_settings.prediction_log_url)) == ids(good)
    assert kept(log_settings.prediction_log_url, FAILURES) == []
    aside = (tmp_path / "spool" / ASIDE).read_bytes()
    assert aside.count(b"\n") == len(DAMAGED_LINES)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_a_line_holds_those_behind_it_arrive(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    line = data.draw(st.sampled_from([QUOTE_LINE, FAILURE_LINE]))
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
        max_leaves=4,
    )
    changes = data.draw(st.dictionaries(st.sampled_from([*line]), anything, min_size=1))
    good = entries(2)
    queue = Spool(folder / "spool")
    queue.append([_line(good[0], "m"), json.dumps(line | changes).encode(), _line(good[1], "m")])
    DatabaseWriter(queue, log_in(folder).prediction_log_url).attempt()
    assert queue.waiting() == 0
    queue.close()
    assert ids(good) <= set(kept_ids(log_in(folder).prediction_log_url))


@pytest.mark.parametrize("foreign", [None, 5, "text \0 and more", b"\xff"])
def test_a_row_of_the_queue_that_another_program_wrote_is_set_aside(
    foreign, log_settings, tmp_path
):
    good = entries(2)
    queue = Spool(tmp_path / "spool")
    queue.append([_line(good[0], "m")])
    with closing(sqlite3.connect(tmp_path / "spool" / QUEUE)) as other, other:
        other.execute("INSERT INTO queue (line) VALUES (?)", [foreign])
        other.execute("INSERT INTO queue (line) VALUES (CAST(x'c328' AS TEXT))")
    queue.append([_line(good[1], "m")])
    queue.close()
    with PredictionLog(log_settings) as log:
        wait_until(lambda: not log.backlog())
    assert set(kept_ids(log_settings.prediction_log_url)) == ids(good)
    assert (tmp_path / "spool" / ASIDE).read_bytes().count(b"\n") == 2


def test_a_database_that_takes_no_row_keeps_all_of_them_waiting(log_settings, log, rows, tmp_path):
    log.write([entry()])
    rows()
    with connect(log_settings) as other:
        other.execute("ALTER TABLE predictions RENAME TO elsewhere")
        log.write(entries(3))
        assert not log.flush(0.2)
        assert log.backlog() == 3
        other.execute("ALTER TABLE elsewhere RENAME TO predictions")
    assert len(rows()) == 4
    assert not (tmp_path / "spool" / ASIDE).exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"premium": float("nan")},
        {"time": datetime(2026, 1, 31)},
        {"person": {"age": 40}},
    ],
    ids=["no number", "no zone", "no person"],
)
def test_a_quote_that_makes_no_row_is_a_counted_loss_and_takes_no_other_with_it(
    wrong, log, rows, caplog
):
    good = entry()
    assert not log.write([entry(**wrong), good])
    assert log.lost == 1
    assert [row["id"] for row in rows()] == [good.id]
    (record,) = caplog.records
    assert (record.levelname, record.args[0]) == ("ERROR", 1)


def test_a_spool_that_cannot_be_written_loses_the_row_and_says_so(tmp_path, caplog):
    (tmp_path / "spool").write_text("a file")
    with PredictionLog(log_in(tmp_path)) as log:
        assert not log.write(entries(3))
        assert log.lost == 3
    assert caplog.records[0].levelname == "ERROR"
    assert caplog.records[0].message.startswith("3 predictions are lost to the prediction log: ")


@pytest.mark.process
def test_a_full_disk_loses_what_did_not_fit_and_nothing_else(tmp_path):
    away = log_in(tmp_path, f"postgresql://127.0.0.1:{free_port()}/log")
    said, _ = process(NO_ROOM, away).communicate(timeout=PATIENCE)
    assert said == "10 0\n"


def test_what_is_written_after_the_end_is_a_counted_loss(log, caplog):
    log.close()
    assert not log.write(entries(2))
    assert log.lost == 2
    assert caplog.records[0].message.endswith(": the prediction log is closed")


def test_a_large_batch_makes_nobody_wait_and_lets_others_pass(log, rows):
    batch = entries(20_000)
    assert not log.write(batch)  # it did not wait until all of it was on the disk
    assert typical_wait(log, entries(21)) < MOST
    assert len(rows()) == 20_021
    assert log.lost == 0


@pytest.mark.process
def test_a_process_that_just_ends_puts_what_it_holds_on_the_disk_first(log_settings):
    ended = process(LEAVE, log_settings)
    said, _ = ended.communicate(timeout=PATIENCE)
    with PredictionLog(log_settings) as log:
        wait_until(lambda: not log.backlog())
    assert sorted(kept_ids(log_settings.prediction_log_url)) == sorted(said.split())


@pytest.mark.process
def test_a_process_killed_at_any_moment_has_lost_no_quote_that_was_safe(log_settings):
    safe = set()
    for lines in (1, 20, 200):
        writing = process(WRITE_FOR_EVER, log_settings)
        safe |= {writing.stdout.readline().strip() for _ in range(lines)}
        safe |= set(kill(writing).split())
    with PredictionLog(log_settings) as log:
        wait_until(lambda: not log.backlog())
    found = kept_ids(log_settings.prediction_log_url)
    assert safe <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.process
def test_a_process_killed_while_it_delivers_doubles_nothing(tmp_path, log_settings):
    written = entries(10_000)
    with away(log_settings), PredictionLog(log_settings) as log:
        log.write(written)
    delivering = process(WRITE_FOR_EVER, log_settings)
    wait_until(lambda: has_rows(log_settings))
    safe = set(kill(delivering).split())
    with PredictionLog(log_settings) as log:
        wait_until(lambda: not log.backlog())
    found = kept_ids(log_settings.prediction_log_url)
    assert len(found) == len(set(found))
    assert ids(written) | safe <= set(found)


@pytest.mark.process
def test_processes_that_open_a_new_database_at_once_make_its_tables_once(log_settings):
    both = [process(OPEN_AT_ONCE, log_settings) for _ in range(2)]
    assert at_once(both) == ["sqlite\n", "sqlite\n"]


@pytest.mark.process
def test_processes_that_deliver_at_once_deliver_everything_once(tmp_path, log_settings):
    left = entries(3000)
    for part in range(6):
        with away(log_settings), PredictionLog(log_settings) as log:
            log.write(left[part::6])
    both = [process(WRITE_AND_DELIVER, log_settings) for _ in range(2)]
    written = " ".join(at_once(both)).split()
    with PredictionLog(log_settings) as log:
        wait_until(lambda: not log.backlog())
    found = kept_ids(log_settings.prediction_log_url)
    assert len(written) == 2 * 20 * 100
    assert sorted(found) == sorted([*written, *ids(left)])
    assert Spool(tmp_path / "spool", log_settings.prediction_log_url).waiting() == 0


def has_rows(settings: Settings) -> bool:
    """Whether another process has delivered something."""
    try:
        with connect(settings) as other:
            return other.execute("SELECT count(*) FROM predictions").fetchone() != (0,)
    except sqlite3.OperationalError:  # no tables yet
        return False
