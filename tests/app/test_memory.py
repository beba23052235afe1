"""What many visitors' tables leave behind in the memory of one server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository import ROOT
from tests.upload_shapes import GOOD, HEADER

VISITORS = 10
ROWS = 60_000
# Each visitor has a thread, and an upload in memory that is let go of before the turn comes.
MEASURE = """
import sys
from pathlib import Path
from threading import Barrier, Event, Thread

# Before a page of ours runs, the server has threads, and with them settled how many arenas it has.
began = Event()
Thread(target=lambda: (b"x" * 2**16, began.set())).start()
began.wait()
from app import memory
memory.return_what_is_freed()
import pyarrow
from app.table_upload import read_upload
from insurance_predictor.base.settings import BatchLimits
from app.turn import turn

source, visitors = Path(sys.argv[1]), int(sys.argv[2])
all_came, all_read = Barrier(visitors), Barrier(visitors + 1)

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 2**20

def visit():
    content = b'x' * 16_000_000
    all_came.wait()
    del content
    with turn(lambda before: None):
        read()
    all_read.wait()

def read():
    read_upload("people.csv", source, BatchLimits())
    memory.return_what_threads_freed()

read()
first = resident()
for _ in range(visitors):
    Thread(target=visit, daemon=True).start()
all_read.wait()
print(first, resident(), pyarrow.default_memory_pool().backend_name)
"""


@pytest.mark.process
def test_ten_visitors_leave_little_more_than_one(tmp_path: Path):
    source = tmp_path / "people.csv"
    source.write_text(HEADER + GOOD * ROWS)
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(source), str(VISITORS)],
        capture_output=True, text=True, check=True, cwd=ROOT, env=ours,
    )  # fmt: skip
    first, last, pool = done.stdout.split()
    assert pool == "system"
    assert int(last) - int(first) < 30
