"""Two processes that move production at the same moment lose nothing and break nothing."""

import multiprocessing
import time
from functools import partial

from insurance_predictor.base.errors import InsurancePredictorError
from insurance_predictor.release.promotion import promote
from insurance_predictor.store import versions
from insurance_predictor.store.ledger import read_lines
from insurance_predictor.store.status import read_state
from insurance_predictor.store.tracking import connect
from insurance_predictor.store.versions import aliases
from tests.planting import write_version

PROMOTION_ROUNDS = 3
DELETION_ROUNDS = 5
PATIENCE = 120  # seconds for a process to start; no test measures time by it


def serving(client, settings):
    return aliases(client, settings).get(settings.production_alias)


def other_person(settings, barrier, errors, promotions, deletions):
    """Promotes its versions, then deletes those that the other person promotes."""
    client = connect(settings)
    for number in promotions:
        act(barrier, errors, partial(promote, client, settings, number))
    for place, number in enumerate(deletions):
        act(barrier, errors, partial(delete_later, client, settings, number, place / 20))


def delete_later(client, settings, number, seconds):
    """The deletion meets another step of the promotion in each round."""
    time.sleep(seconds)
    client.delete_model_version(settings.model_name, number)


def act(barrier, errors, deed):
    """Wait for the other person, act, wait again; what goes wrong is told."""
    barrier.wait(PATIENCE)
    try:
        deed()
    except InsurancePredictorError as error:
        errors.put(f"{type(error).__name__}: {error}")
    except Exception as error:
        errors.put(f"a bug: {type(error).__name__}: {error}")
    barrier.wait(PATIENCE)


def told(errors):
    found = []
    while not errors.empty():
        found.append(errors.get())
    return found


def test_two_processes_at_once_lose_no_line_and_leave_no_alias_dangling(client, settings, trained):
    total = 2 * PROMOTION_ROUNDS + DELETION_ROUNDS
    numbers = [write_version(client, settings, trained.run_id).number for _ in range(total)]
    ours, theirs = numbers[:PROMOTION_ROUNDS], numbers[PROMOTION_ROUNDS : 2 * PROMOTION_ROUNDS]
    contested = numbers[2 * PROMOTION_ROUNDS :]
    context = multiprocessing.get_context("spawn")
    barrier, errors = context.Barrier(2), context.SimpleQueue()
    process = context.Process(
        target=other_person, args=(settings, barrier, errors, theirs, contested)
    )
    process.start()
    try:
        for mine, other in zip(ours, theirs, strict=True):
            before = len(read_lines(client, settings))
            act(barrier, errors, partial(promote, client, settings, mine))
            assert told(errors) == []
            lines = read_lines(client, settings)
            assert {line.after for line in lines[before:]} == {mine, other}
            assert all(line.finished for line in lines)
            assert serving(client, settings) in {mine, other}
        for number in contested:
            act(barrier, errors, partial(promote, client, settings, number))
            existing = {version.number for version in versions.versions(client, settings)}
            assert number not in existing
            assert serving(client, settings) in {*existing, None}
            problems = read_state(client, settings).problems
            assert not any("dangles" in problem for problem in problems)
            for error in told(errors):
                assert error.startswith("NotFound: "), error
                assert "`make status`" in error
    finally:
        process.join(PATIENCE)
    assert process.exitcode == 0
