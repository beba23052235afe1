"""What is killed in the middle of a command, and what is left once it is back.

The tests follow one model from its training to its last quote, so their order counts.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.stack import Stack
from tests.integration.terminal import PATIENCE, Terminal
from tests.outcome import Outcome

RUNNING = (
    "SELECT 1 FROM runs JOIN experiments USING (experiment_id) "
    "WHERE experiments.name = %s AND runs.status = 'RUNNING'"
)
WRITTEN = "SELECT 1 FROM model_versions WHERE name = %s"


@pytest.fixture(scope="module")
def run(terminal_for) -> Terminal:
    return terminal_for("faults")


def test_a_training_whose_server_is_killed_says_so_and_the_next_one_succeeds(
    run: Terminal, server: Stack
):
    cut = killed(run, server, "train", lambda: server.postgres.ask(RUNNING, "faults_training"))
    away = run("register")
    server.start()
    assert (cut.code, away.code) == (4, 4)
    assert server.uri in cut.message
    assert away.message.startswith(f"No answer from {server.uri} within ")
    assert "has no finished training" in run("register").message
    run.good("train")


def test_a_registration_whose_server_is_killed_leaves_no_alias_and_the_next_one_succeeds(
    run: Terminal, server: Stack
):
    cut = killed(run, server, "register", lambda: server.postgres.ask(WRITTEN, "faults"))
    server.start()
    assert cut.code == 4
    assert server.uri in cut.message
    state = run.state()
    assert state["aliases"] == {}
    assert ["validacao_status" in version["tags"] for version in state["versions"]] == [False]
    assert run.good("register").startswith("Version 1 is approved and stands as 'desafio'.")
    run.good("promote")


def test_a_database_that_is_killed_loses_nothing_that_was_acknowledged(
    run: Terminal, server: Stack
):
    run.good("tag", "1", "looked_at", "yes")
    before = run.state()
    server.postgres.kill()
    away = run("status")
    server.postgres.start()
    assert away.code == 4
    assert server.uri in away.message
    assert run.state() == before
    assert before["versions"][0]["tags"]["looked_at"] == "yes"


def killed(run: Terminal, server: Stack, command: str, has_begun: Callable[[], object]) -> Outcome:
    """How a command ends whose server is killed once it `has_begun`."""
    with ThreadPoolExecutor(1) as person:
        outcome = person.submit(run, command)
        end = time.monotonic() + PATIENCE
        while not has_begun() and time.monotonic() < end:
            assert not outcome.done(), outcome.result()
            time.sleep(0.02)
        server.kill()
        return outcome.result()
