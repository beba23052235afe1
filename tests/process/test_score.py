"""`score` as a command: killed on the way, with a process lost, and what it prints."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from insurance_predictor.base.errors import InvalidTable
from insurance_predictor.base.settings import Settings
from insurance_predictor.scoring.order import Order
from insurance_predictor.scoring.portfolio import survey
from insurance_predictor.scoring.workers import Processes
from insurance_predictor.store.versions import Version
from insurance_predictor.table.storage import find_files
from insurance_predictor.table.synthetic import make_table
from tests.outcome import Outcome
from tests.servers import Quiet, host

FILES, ROWS = 20, 20_000


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files that together are too many for one process."""
    folder = tmp_path_factory.mktemp("portfolio")
    people = make_table(ROWS, 3).drop(columns="charges")
    for number in range(FILES):
        people.assign(policy=range(number * ROWS, (number + 1) * ROWS)).to_parquet(
            folder / f"{number:02d}.parquet"
        )
    return folder


@pytest.fixture
def variables(settings: Settings, production: Version) -> Mapping[str, str]:
    return {
        "MLFLOW_TRACKING_URI": settings.mlflow_tracking_uri,
        "MODEL_NAME": settings.model_name,
        "N_JOBS": "2",
    }


def _begin(variables: Mapping[str, str], source: Path, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "insurance_predictor", "score", str(source), str(out)],
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _score(variables: Mapping[str, str], source: Path, out: Path) -> Outcome:
    with _begin(variables, source, out) as process:
        said, wrong = process.communicate()
    return Outcome(process.returncode, said, wrong)


def _parts(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("part-*")}


def _in_session(session: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[3]) == session and words[0] != "Z":
            found.append(int(folder.name))
    return found


def _wait_for_a_part(out: Path, process: subprocess.Popen[str]) -> None:
    while not any((out / "_unfinished").glob("part-*")):
        assert process.poll() is None
        time.sleep(0.01)


def test_killed_and_run_again_it_is_what_it_would_have_been(
    variables: Mapping[str, str], source: Path, tmp_path: Path
):
    undisturbed = _score(variables, source, tmp_path / "whole")
    assert (undisturbed.code, undisturbed.err) == (0, "")
    assert "400,000 people quoted by version 1" in undisturbed.out

    out = tmp_path / "out"
    with _begin(variables, source, out) as process:
        _wait_for_a_part(out, process)
        os.kill(process.pid, signal.SIGKILL)
    assert not (out / "_manifest.json").exists()
    assert not _parts(out)
    while _in_session(process.pid):  # whoever worked for it ends by itself
        time.sleep(0.05)
    there = len(list((out / "_unfinished").glob("part-*")))
    again = _score(variables, source, out)
    assert (again.code, again.err) == (0, "")
    assert f"{(FILES - there) * ROWS:,} of them now in" in again.out
    assert _parts(out) == _parts(tmp_path / "whole")
    assert not (out / "_unfinished").exists()

    # Ctrl-C ends all of them at once, without a word from any.
    out = tmp_path / "stopped"
    with _begin(variables, source, out) as process:
        _wait_for_a_part(out, process)
        os.killpg(process.pid, signal.SIGINT)
        _, wrong = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in wrong
    assert not _in_session(process.pid)
    assert _score(variables, source, out).code == 0
    assert _parts(out) == _parts(tmp_path / "whole")

    # A process that is lost on the way costs nothing, either.
    out = tmp_path / "lost"
    with _begin(variables, source, out) as process:
        _wait_for_a_part(out, process)
        worker = next(pid for pid in _workers(process.pid))
        os.kill(worker, signal.SIGKILL)
        _, wrong = process.communicate()
    assert process.returncode == 2
    assert "A process that scores was ended from outside" in wrong
    assert "Traceback" not in wrong
    assert _score(variables, source, out).code == 0
    assert _parts(out) == _parts(tmp_path / "whole")


def test_processes_have_the_variables_of_when_they_are_asked(
    settings: Settings, production: Version, source: Path, monkeypatch: pytest.MonkeyPatch
):
    """Although the first of a program are copied from one that is there for all of them."""
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "made up")
    files = find_files(str(source))[:1]
    asked: list[str] = []

    class Handler(Quiet):
        def do_HEAD(self) -> None:  # noqa: N802 (the name is the server's)
            asked.append(self.path)
            self.send_error(404)

    for _ in range(2):
        with host(Handler) as port:
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
            with Processes(settings, None, 1) as processes:
                kit = processes.kit()
                found = survey(files, kit.columns)
                there = replace(found.pieces[0], url="s3://policies/2026.parquet")
                order = Order(0, there, found.layouts[files[0].url], "", False, kit.identity)
                [(_, became)] = processes.score([order])
            assert isinstance(became, InvalidTable)
            assert set(asked) == {"/policies/2026.parquet"}
            asked.clear()


def _workers(session: int) -> list[int]:
    """The processes that score: copies that the fork server has made of itself."""
    servers = [
        pid
        for pid in _in_session(session)
        if b"forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    return [pid for pid in servers if _parent(pid) in servers]


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
