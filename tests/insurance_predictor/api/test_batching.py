"""Who comes while others are answered goes with the next, and too many are told to come again."""

import asyncio
from threading import Event

import pytest

from insurance_predictor.api.batching import Batches
from insurance_predictor.api.problems import Problem

PATIENCE = 60  # seconds


class Work:
    """Doubles numbers, once it may; has no answer for 7 and breaks over 13."""

    def __init__(self) -> None:
        self.may_go_on = Event()
        self.batches: list[list[int]] = []

    def __call__(self, numbers):
        self.batches.append(list(numbers))
        assert self.may_go_on.wait(PATIENCE)
        if 13 in numbers:
            raise ArithmeticError
        return [Problem(422, "Seven.") if number == 7 else 2 * number for number in numbers]


@pytest.fixture
def work():
    return Work()


async def started(work: Work, batches: Batches, *numbers: int) -> list[asyncio.Task]:
    """The first is begun alone; the others wait for it."""
    tasks = [asyncio.create_task(batches.answer(numbers[0], 1))]
    while not work.batches:
        await asyncio.sleep(0.001)
    tasks += [asyncio.create_task(batches.answer(number, 1)) for number in numbers[1:]]
    await asyncio.sleep(0)  # all of them ask
    return tasks


def test_those_who_wait_go_together_and_each_gets_an_own_answer(work):
    async def run():
        batches = Batches(work, most_size=3, most_waiting=10)
        tasks = await started(work, batches, 1, 2, 7, 3, 4)
        work.may_go_on.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        batches.close()
        return found

    found = asyncio.run(run())
    assert work.batches == [[1], [2, 7, 3], [4]]
    assert [found[0], found[1], found[3], found[4]] == [2, 4, 6, 8]
    assert isinstance(found[2], Problem)


def test_too_many_are_told_to_come_again(work):
    async def run():
        batches = Batches(work, most_size=9, most_waiting=2)
        tasks = await started(work, batches, 1, 2, 3)
        with pytest.raises(Problem) as refused:
            await batches.answer(4, 1)
        work.may_go_on.set()
        await asyncio.gather(*tasks)
        batches.close()
        return refused.value

    problem = asyncio.run(run())
    assert problem.status == 503
    assert problem.headers == {"Retry-After": "1"}


def test_who_has_given_up_is_left_out(work):
    async def run():
        batches = Batches(work, most_size=9, most_waiting=9)
        tasks = await started(work, batches, 1, 2, 3)
        tasks[1].cancel()
        work.may_go_on.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        batches.close()
        return found

    assert asyncio.run(run())[2] == 6
    assert work.batches == [[1], [3]]


def test_what_breaks_is_heard_by_those_who_went_together_and_by_nobody_later(work):
    async def run():
        batches = Batches(work, most_size=9, most_waiting=9)
        tasks = await started(work, batches, 1, 13, 3)
        work.may_go_on.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        later = await batches.answer(5, 1)
        batches.close()
        return found, later

    (first, *others), later = asyncio.run(run())
    assert (first, later) == (2, 10)
    assert all(isinstance(one, ArithmeticError) for one in others)


def test_who_comes_at_the_same_instant_or_asks_again_at_once_stays_together(work):
    work.may_go_on.set()

    async def run():
        batches = Batches(work, most_size=99, most_waiting=99)

        async def twice(number):
            await batches.answer(number, 1)
            return await batches.answer(number, 1)

        found = await asyncio.gather(*map(twice, range(1, 4)))
        batches.close()
        return found

    assert asyncio.run(run()) == [2, 4, 6]
    assert work.batches == [[1, 2, 3], [1, 2, 3]]
