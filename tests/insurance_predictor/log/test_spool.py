"""Rows that are on the disk survive kill -9 and full disks, and are handed over."""

import fcntl
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from insurance_predictor.log.spool import ASIDE, PIECE, QUEUE, Spool
from tests.predictions import PATIENCE, kill, wait_until

APPEND_FOR_EVER = """
import sys
from itertools import count
from pathlib import Path
from insurance_predictor.log.spool import Spool
spool = Spool(Path(sys.argv[1]))
for number in count():
    spool.append([b"%d %s\\n" % (number, b"x" * int(sys.argv[2]))])
    print(number, flush=True)
"""
DELIVER_FOR_EVER = """
import sys
from pathlib import Path
from insurance_predictor.log.spool import Spool
def take(lines):
    with open(sys.argv[2], "ab") as taken:
        taken.writelines(lines)
    print(len(lines), flush=True)
    sys.stdin.readline()
Spool(Path(sys.argv[1])).deliver(take)
"""
APPEND_AS = """
import sys
from itertools import count
from pathlib import Path
from insurance_predictor.log.spool import Spool
spool = Spool(Path(sys.argv[1]))
for number in count():
    row = f"{sys.argv[2]}-{number}"
    spool.append([f"{row}\\n".encode()])
    print(row, flush=True)
"""
WRITERS, KILLS = 8, 100
FILL_THE_DISK = """
import resource, sys
from pathlib import Path
from insurance_predictor.log.spool import Spool
spool = Spool(Path(sys.argv[1]))
spool.append([b"before\\n"])
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    spool.append([b"too much\\n"] * 1000)
except OSError as error:
    print(type(error).__name__)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
spool.append([b"after\\n"])
"""


class Taken(list[bytes]):
    """What has been handed over; refuses after `limit` rows, when there is one."""

    def __init__(self, limit: int | None = None) -> None:
        super().__init__()
        self.limit = limit

    def __call__(self, lines: list[bytes]) -> None:
        if self.limit is not None and len(self) >= self.limit:
            raise ConnectionError
        self.extend(lines)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def child(code: str, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def size(folder: Path) -> int:
    """Bytes of the queue and of what is written ahead of it."""
    return sum(
        file.stat().st_size for file in folder.glob(f"{QUEUE}*") if not file.name.endswith("-shm")
    )


def test_a_spool_that_nothing_was_put_in_makes_nothing(folder):
    spool = Spool(folder)
    spool.append([])
    spool.deliver(Taken())
    spool.close()
    assert (spool.waiting(), spool.is_settled()) == (0, True)
    assert not folder.exists()


def test_rows_are_handed_over_once_and_in_order(folder):
    spool, taken = Spool(folder), Taken()
    spool.append([b"1\n", b"2\n"])
    spool.append([b"3\n"])
    assert (spool.waiting(), spool.is_settled()) == (3, False)
    spool.deliver(taken)
    spool.append([b"4\n"])
    spool.deliver(taken)
    spool.deliver(taken)
    assert taken == [b"1\n", b"2\n", b"3\n", b"4\n"]
    assert (spool.waiting(), spool.is_settled()) == (0, True)
    spool.close()
    assert Spool(folder).waiting() == 0


def test_what_has_been_taken_takes_no_room(folder):
    spool = Spool(folder)
    spool.append([b"1\n"])
    spool.deliver(Taken())
    before = size(folder)
    spool.append([b"x" * 1_000_000 + b"\n"])
    assert size(folder) > 1_000_000
    spool.deliver(Taken())
    assert size(folder) == before


def test_what_waits_is_for_its_owner_only(folder):
    spool = Spool(folder)
    spool.append([b"1\n"])
    spool.set_aside([b"2\n"])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_rows_stay_until_somebody_has_taken_them(folder):
    spool, refused = Spool(folder), Taken(limit=0)
    spool.append([b"1\n", b"2\n"])
    with pytest.raises(ConnectionError):
        spool.deliver(refused)
    assert spool.waiting() == 2
    spool.deliver(taken := Taken())
    assert taken == [b"1\n", b"2\n"]


def test_what_was_taken_before_a_refusal_is_not_handed_over_again(folder):
    long = b"x" * (PIECE // 2 - 10) + b"\n"
    spool, cut = Spool(folder), Taken(limit=2)
    spool.append([long] * 4 + [b"last\n"])
    with pytest.raises(ConnectionError):
        spool.deliver(cut)
    spool.deliver(rest := Taken())
    assert [*cut, *rest] == [long] * 4 + [b"last\n"]


def test_a_row_longer_than_a_piece_is_still_a_row(folder):
    spool, taken = Spool(folder), Taken()
    long = b"x" * (3 * PIECE) + b"\n"
    spool.append([b"1\n", long, b"2\n"])
    spool.deliver(taken)
    assert taken == [b"1\n", long, b"2\n"]


def test_rows_of_a_living_process_are_delivered_by_whoever_comes_first(folder):
    ours, theirs, taken = Spool(folder), Spool(folder), Taken()
    theirs.append([b"theirs\n"])
    assert (ours.waiting(), theirs.is_settled()) == (1, False)
    ours.deliver(taken)
    assert taken == [b"theirs\n"]
    assert theirs.is_settled()
    theirs.append([b"more\n"])
    theirs.deliver(taken)
    assert taken == [b"theirs\n", b"more\n"]


def test_a_folder_that_is_wiped_takes_no_row_from_a_living_process(folder):
    spool, taken = Spool(folder), Taken()
    spool.append([b"1\n"])
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    spool.append([b"2\n"])
    spool.deliver(taken)
    spool.close()
    assert taken == [b"1\n", b"2\n"]


@pytest.mark.parametrize("torn", [b"", b"tor", b"torn but never acknow\0\0\0"])
def test_a_last_row_without_its_end_was_never_acknowledged_and_is_dropped(folder, torn):
    folder.mkdir()
    (folder / "1-0000dead.jsonl").write_bytes(b"whole\n" + torn)
    spool, taken = Spool(folder), Taken()
    assert spool.waiting() == 1
    spool.deliver(taken)
    assert taken == [b"whole\n"]
    assert list(folder.glob("*.jsonl")) == []


def test_a_file_that_a_process_of_release_0_1_still_writes_is_left_to_it(folder):
    folder.mkdir()
    path = folder / "1-00a11fe0.jsonl"
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(b"theirs\n")
        file.flush()
        Spool(folder).deliver(taken := Taken())
        assert (taken, Spool(folder).waiting()) == ([], 1)
    Spool(folder).deliver(taken)
    assert taken == [b"theirs\n"]


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to(os.devnull)])
def test_what_is_no_file_holds_up_no_other(folder, caplog, make):
    folder.mkdir()
    make(folder / "1-000ddba1.jsonl")
    (folder / "2-0000dead.jsonl").write_bytes(b"whole\n")
    spool, taken = Spool(folder), Taken()
    assert spool.waiting() == 1
    for _ in range(2):
        spool.deliver(taken)
    assert taken == [b"whole\n"]
    (record,) = caplog.records
    assert "1-000ddba1.jsonl stays there" in record.message


def test_files_of_somebody_else_beside_the_queue_are_left_alone(folder):
    folder.mkdir()
    theirs = [folder / "notes.jsonl", folder / "2026-01-31.jsonl"]
    for path in theirs:
        path.write_bytes(b"theirs\n")
    spool, taken = Spool(folder), Taken()
    spool.append([b"ours\n"])
    assert spool.waiting() == 1
    spool.deliver(taken)
    assert taken == [b"ours\n"]
    assert [path.read_bytes() for path in theirs] == [b"theirs\n"] * 2


@pytest.mark.process
@pytest.mark.parametrize("length", [10, 5_000_000])
def test_a_process_killed_while_it_appends_has_lost_nothing_that_it_acknowledged(folder, length):
    process = child(APPEND_FOR_EVER, folder, length)
    acknowledged = [int(process.stdout.readline()) for _ in range(5)]
    acknowledged += [int(number) for number in kill(process).split()]
    Spool(folder).deliver(taken := Taken())
    numbers = [int(line.split()[0]) for line in taken]
    assert all(len(line.split()[1]) == length for line in taken)
    # The row after the last one acknowledged may have got through too.
    assert numbers in (acknowledged, [*acknowledged, len(acknowledged)])


@pytest.mark.process
def test_a_process_killed_while_it_delivers_leaves_what_was_not_taken(folder, tmp_path):
    long = b"%d " + b"x" * (PIECE // 2) + b"\n"
    rows = [long % number for number in range(6)]
    left = Spool(folder)
    left.append(rows)
    left.close()
    process = child(DELIVER_FOR_EVER, folder, tmp_path / "taken")
    process.stdout.readline()  # the first piece is taken, and the process waits for us
    kill(process)
    seen = (tmp_path / "taken").read_bytes().splitlines(keepends=True)
    assert 0 < len(seen) < len(rows)
    Spool(folder).deliver(taken := Taken())
    assert set(seen) | set(taken) == set(rows)
    assert Spool(folder).waiting() == 0


@pytest.mark.process
def test_one_process_delivers_at_a_time(folder, tmp_path):
    left = Spool(folder)
    left.append([b"1\n"])
    left.close()
    process = child(DELIVER_FOR_EVER, folder, tmp_path / "taken")
    process.stdout.readline()
    Spool(folder).deliver(taken := Taken())
    assert taken == []
    process.communicate("go on\n", timeout=PATIENCE)
    assert process.returncode == 0
    assert Spool(folder).waiting() == 0


def test_of_an_append_that_does_not_fit_on_the_disk_nothing_stays(folder):
    done = child(FILL_THE_DISK, folder)
    said, _ = done.communicate(timeout=PATIENCE)
    assert (done.returncode, said) == (0, "OSError\n")
    Spool(folder).deliver(taken := Taken())
    assert taken == [b"before\n", b"after\n"]


def test_a_folder_that_cannot_be_one_is_an_error_of_the_append(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Spool(tmp_path / "file" / "spool").append([b"1\n"])


def test_what_is_set_aside_is_kept_and_not_delivered(folder):
    spool, taken = Spool(folder), Taken()
    spool.append([b"good\n"])
    spool.set_aside([b"bad\n"])
    path = spool.set_aside([b"worse\n"])
    spool.deliver(taken)
    assert taken == [b"good\n"]
    spool.close()
    assert path == folder / ASIDE
    assert path.read_bytes() == b"bad\nworse\n"


def test_nothing_is_set_aside_where_there_is_no_file(folder):
    folder.mkdir()
    os.mkfifo(folder / ASIDE)
    with pytest.raises(OSError, match=ASIDE):
        Spool(folder).set_aside([b"bad\n"])


def test_no_row_is_lost_between_those_who_come_and_go_and_those_who_deliver(folder):
    taken = Taken()
    is_over = Event()

    def deliver() -> None:
        while not is_over.is_set():
            Spool(folder).deliver(taken)

    with ThreadPoolExecutor(2) as others:
        done = [others.submit(deliver) for _ in range(2)]
        for number in range(500):
            spool = Spool(folder)
            spool.append([b"%d\n" % number])
            spool.close()
        is_over.set()
        for one in done:
            one.result(PATIENCE)
    Spool(folder).deliver(taken)
    assert sorted(taken) == sorted(b"%d\n" % number for number in range(500))


@pytest.mark.process
def test_eight_writers_that_are_killed_a_hundred_times_lose_and_double_nothing(folder, tmp_path):
    taken, is_over = Taken(), Event()

    def start(number: int) -> tuple["subprocess.Popen[bytes]", Path]:
        said = tmp_path / f"{number}.txt"
        command = [sys.executable, "-c", APPEND_AS, str(folder), str(number)]
        with said.open("wb") as file:
            return subprocess.Popen(command, stdout=file), said

    def deliver() -> None:
        while not is_over.is_set():
            Spool(folder).deliver(taken)

    writers = [start(number) for number in range(WRITERS)]
    with ThreadPoolExecutor(1) as beside:
        delivering = beside.submit(deliver)
        for number in range(WRITERS, WRITERS + KILLS):
            oldest, said = writers.pop(0)
            wait_until(lambda said=said: said.stat().st_size)
            oldest.kill()
            oldest.wait()
            writers.append(start(number))
        for writer, _ in writers:
            writer.kill()
            writer.wait()
        is_over.set()
        delivering.result(PATIENCE)
    Spool(folder).deliver(taken)
    safe = [
        line
        for said in tmp_path.glob("*.txt")
        for line in said.read_bytes().splitlines(keepends=True)
        if line.endswith(b"\n")
    ]
    assert len(safe) >= KILLS
    assert set(safe) <= set(taken)
    assert len(taken) == len(set(taken))


def test_a_queue_that_is_damaged_is_put_aside_and_begun_anew(folder, caplog):
    folder.mkdir()
    (folder / QUEUE).write_bytes(b"this is no database, whatever its name says" * 50)
    spool, taken = Spool(folder), Taken()
    spool.append([b"1\n"])
    spool.deliver(taken)
    assert taken == [b"1\n"]
    assert len(list(folder.glob("damaged-*.db"))) == 1
    assert "is begun anew" in caplog.text
