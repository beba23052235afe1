"""Two people run the whole life cycle of one model at the same moment, each in a process."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.terminal import PATIENCE, Terminal
from tests.integration.test_life_cycle import trained_run
from tests.outcome import Outcome

SEEDS = (1, 2)


@pytest.fixture(scope="module")
def run(terminal_for) -> Terminal:
    return terminal_for("two_at_once")


@pytest.fixture(scope="module")
def cycles(run: Terminal) -> list[list[str]]:
    """Each person trains, registers and promotes; every step starts at the same moment."""
    barrier = threading.Barrier(len(SEEDS), timeout=PATIENCE)
    with ThreadPoolExecutor(len(SEEDS)) as people:
        return list(people.map(lambda seed: cycle(run, seed, barrier), SEEDS))


def cycle(run: Terminal, seed: int, barrier: threading.Barrier) -> list[str]:
    """What a person's commands printed; every one has to end well."""
    table = f"{seed}.csv"
    try:
        run.good("synthetic", "--output", table, "--rows", "1500", "--seed", str(seed))
        barrier.wait()
        trained = run.good("train", DATA=table)
        barrier.wait()
        registered = run.good("register", RUN_ID=trained_run(trained))
        barrier.wait()
        return [trained, registered, run.good("promote", VERSION=registered.split()[1])]
    except BaseException:
        barrier.abort()  # the other one need not wait
        raise


@pytest.fixture(scope="module")
def state(run: Terminal, cycles) -> Any:
    """The registry right after both have promoted."""
    return run.state()


def test_both_get_a_version_and_production_stands_on_one_of_them(run: Terminal, cycles, state):
    assert {version["number"] for version in state["versions"]} == {"1", "2"}
    assert {version["run_id"] for version in state["versions"]} == {
        trained_run(trained) for trained, _, _ in cycles
    }
    assert state["aliases"] in ({"producao": "1"}, {"producao": "2"})
    assert run.quote()["version"] == state["aliases"]["producao"]


def test_the_ledger_has_both_moves(state):
    assert {line["after"] for line in state["ledger"]} == {"1", "2"}
    assert all(line["finished"] for line in state["ledger"])


def test_whatever_was_left_is_said_and_the_next_promotion_settles_it(run: Terminal, state):
    for problem in state["problems"]:
        assert "two people moved it at once" in problem
    run.good("promote", VERSION=state["ledger"][-1]["after"])
    assert run.state()["problems"] == []


def test_two_who_name_no_run_and_no_version_break_nothing(run: Terminal, cycles):
    """Both reach for the same last training, and then for the same challenger."""
    outcomes = at_once(run, "register") + at_once(run, "promote")
    for outcome in outcomes:
        assert outcome.code == 0 or (outcome.code in (2, 3) and outcome.message), outcome
    state = run.state()
    numbers = {version["number"] for version in state["versions"]}
    assert set(state["aliases"].values()) <= numbers
    assert all(line["finished"] for line in state["ledger"])
    assert run.quote()["version"] == state["aliases"]["producao"]


def at_once(run: Terminal, command: str) -> list[Outcome]:
    with ThreadPoolExecutor(2) as people:
        return list(people.map(run, [command, command]))
