"""What is left of the memory of a machine, a container and a process, read as Linux says it."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from insurance_predictor.base.memory import available_memory

GIB = 2**30
MEMINFO = f"MemTotal: {32 * 2**20} kB\nMemFree: 100 kB\nMemAvailable:    {8 * 2**20} kB\n"


def machine(folder: Path, group: str) -> Path:
    process = folder / "proc"
    (process / "self").mkdir(parents=True)
    (process / "meminfo").write_text(MEMINFO)
    (process / "self" / "cgroup").write_text(group)
    (process / "self" / "statm").write_text(f"{GIB // resource.getpagesize()} 1 1 1 0 1 0\n")
    return process


def limited(folder: Path, names: tuple[str, str, str], most: str, used: int, files: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{most}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{names[2]} {files}\n")


V2 = ("memory.max", "memory.current", "inactive_file")
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def test_without_limits_it_is_what_the_machine_has_available(tmp_path: Path):
    assert available_memory(machine(tmp_path, "0::/\n"), tmp_path) == 8 * GIB


def test_a_container_leaves_what_its_limit_does_and_files_can_be_let_go_of(tmp_path: Path):
    process = machine(tmp_path, "0::/\n")
    limited(tmp_path, V2, str(2 * GIB), GIB, GIB // 4)
    assert available_memory(process, tmp_path) == GIB + GIB // 4


def test_the_narrowest_of_the_groups_around_a_process_counts(tmp_path: Path):
    process = machine(tmp_path, "0::/user/session\n")
    limited(tmp_path / "user" / "session", V2, "max", 1, 0)
    limited(tmp_path / "user", V2, str(3 * GIB), 0, 0)
    assert available_memory(process, tmp_path) == 3 * GIB


@pytest.mark.parametrize("path", ["/docker/ab12", "/"])
def test_groups_of_the_first_version_count_inside_a_container_and_outside(tmp_path: Path, path):
    process = machine(tmp_path, f"5:cpu,cpuacct:/x\n4:memory:{path}\n")
    limited(tmp_path / "memory", V1, str(2 * GIB), GIB, 0)
    assert available_memory(process, tmp_path) == GIB


def test_a_limit_that_no_machine_reaches_is_none(tmp_path: Path):
    process = machine(tmp_path, "4:memory:/\n")
    limited(tmp_path / "memory", V1, "9223372036854771712", GIB, 0)
    assert available_memory(process, tmp_path) == 8 * GIB


def test_more_used_than_allowed_leaves_nothing(tmp_path: Path):
    process = machine(tmp_path, "0::/\n")
    limited(tmp_path, V2, str(GIB), 2 * GIB, 0)
    assert available_memory(process, tmp_path) == 0


def test_where_nothing_says_how_much_there_is_it_is_not_known(tmp_path: Path):
    assert available_memory(tmp_path / "proc", tmp_path / "groups") is None


def test_the_limit_of_the_process_counts_on_this_machine():
    code = (
        "import resource; from insurance_predictor.base.memory import available_memory;"
        "resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33)); print(available_memory())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout) < 2**33


def test_a_command_whose_memory_is_used_up_says_so_without_a_traceback():
    code = (
        "import resource; from insurance_predictor.base.command_line import run;"
        "resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33)); run(lambda: bytearray(2**34))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: The memory that this process may take is used up.")


def test_what_was_freed_goes_back_although_something_behind_it_is_still_used():
    code = """
import re
from pathlib import Path
from insurance_predictor.base.memory import return_freed_memory

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

return_freed_memory()
before = resident()
large = [bytes(2_000) for _ in range(50_000)]
behind = bytes(2_000)
del large
kept = resident() - before
return_freed_memory()
print(kept, resident() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kept, after = map(int, done.stdout.split())
    assert kept > 50_000_000
    assert after < 20_000_000
