"""In a container a prediction log of the team's is taken, one of this machine's is the stack's."""

import os
import subprocess
import sys

import pytest

from infra.app.start import is_elsewhere
from tests.repository import ROOT

STACK = "postgresql://predictions:p@postgres:5432/predictions"  # pragma: allowlist secret
SHOW = "import os; print(os.environ['PREDICTION_LOG_URL'], 'TEAM_PREDICTION_LOG_URL' in os.environ)"


@pytest.mark.parametrize(
    ("url", "elsewhere"),
    [
        ("", False),
        ("sqlite:///prediction_log.db", False),
        ("sqlite:////srv/log.db", False),
        ("postgresql://predictions:a@127.0.0.1:5432/predictions", False),
        ("postgresql://predictions:a@127.0.0.1/predictions?sslmode=require", False),
        ("postgresql+psycopg://predictions:a@localhost:5433/predictions", False),
        ("postgresql://predictions:a@LOCALHOST/predictions", False),
        ("postgresql://predictions:a@[::1]:5432/predictions", False),
        ("postgresql:///predictions", False),
        ("postgresql:///predictions?host=/var/run/postgresql", False),
        ("postgresql:///predictions?host=127.0.0.1", False),
        ("postgresql://ana:a@db.example.org/predictions", True),
        ("postgresql://ana:a@db.example.org:6432/predictions?sslmode=require", True),
        ("postgresql+psycopg2://ana:a%40b@10.0.0.7/predictions", True),  # pragma: allowlist secret
        ("postgresql://ana:a@[fd00::7]:5432/predictions", True),
        ("postgresql:///predictions?host=db.example.org", True),
        ("postgresql://ana:a@one.example.org,two.example.org:5432/predictions", True),
        ("postgresql://localhost:a@db.example.org/localhost", True),
        ("postgresql://ana:a@[no/predictions", True),
    ],
)
def test_a_host_that_is_not_this_machine_is_elsewhere(url, elsewhere):
    assert is_elsewhere(url) is elsewhere


@pytest.mark.process
@pytest.mark.parametrize(
    ("written", "taken"),
    [
        (None, STACK),
        ("", STACK),
        ("postgresql://predictions:p@127.0.0.1:5432/predictions", STACK),
        (
            "postgresql://ana:a@db.example.org/predictions",  # pragma: allowlist secret
            "postgresql://ana:a@db.example.org/predictions",  # pragma: allowlist secret
        ),
    ],
)
def test_the_command_is_started_with_the_log_that_is_meant(written, taken):
    environment = {"PREDICTION_LOG_URL": STACK}
    if written is not None:
        environment["TEAM_PREDICTION_LOG_URL"] = written
    done = subprocess.run(
        [sys.executable, "-m", "infra.app.start", sys.executable, "-c", SHOW],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == f"{taken} False\n"
