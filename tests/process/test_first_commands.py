"""Two people who begin on a new store at the same moment both get what they asked for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PATIENCE = 300  # seconds; no test measures time by it
ROUNDS = 3
TOGETHER = 4
LOG = """
import sys
from insurance_predictor.log.database import opened
from monitoring.history.tables import MIGRATIONS
with opened(sys.argv[1], MIGRATIONS) as engine:
    engine.connect().close()
"""


def together(command: list[str], folder: Path) -> list[tuple[int, str]]:
    """Exit code and words of processes of `command` that were started together in `folder`."""
    processes = [
        subprocess.Popen(
            command,
            cwd=folder,
            env=dict(os.environ),
            text=True,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        for _ in range(TOGETHER)
    ]
    words = [process.communicate(timeout=PATIENCE)[1] for process in processes]
    return [(process.returncode, said) for process, said in zip(processes, words, strict=True)]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_first_commands_at_once_on_a_new_store_all_work(number: int, tmp_path: Path):
    command = [sys.executable, "-m", "insurance_predictor", "status"]
    ended = together(command, tmp_path)
    assert [code for code, _ in ended] == [0] * TOGETHER, ended


@pytest.mark.parametrize("number", range(ROUNDS))
def test_first_users_at_once_of_a_new_prediction_log_all_work(number: int, tmp_path: Path):
    command = [sys.executable, "-c", LOG, f"sqlite:///{tmp_path}/log.db"]
    ended = together(command, tmp_path)
    assert [code for code, _ in ended] == [0] * TOGETHER, ended
