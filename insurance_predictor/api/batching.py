"""Requests that arrive together are answered together: a prediction hardly depends on its rows."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from insurance_predictor.api.problems import Problem, busy

MOMENT, A_WHILE = 0.002, 0.01  # seconds

Request = TypeVar("Request")
Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class _Waiting(Generic[Request, Answer]):
    request: Request
    size: int
    answer: "asyncio.Future[Answer]"


class Batches(Generic[Request, Answer]):
    """Hands requests to `work`, in a thread of its own: all that wait when it is free.

    The first waits a MOMENT for those who come at the same instant. Who comes while others are
    answered goes with the next, which waits A_WHILE for those who were answered to ask again: so a
    crowd stays one batch. `work` says an answer or a Problem for each, in their order, or raises
    what all of them get. Requests of `most_size` together go at once, unless one alone is larger,
    and `most_waiting` wait.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Request]], Sequence[Answer | Problem]],
        most_size: int,
        most_waiting: int,
    ) -> None:
        self._work = work
        self._most_size = most_size
        self._most_waiting = most_waiting
        self._waiting: deque[_Waiting[Request, Answer]] = deque()
        self._thread = ThreadPoolExecutor(1, "quotes")
        self._task: asyncio.Task[None] | None = None
        self._expected = 0
        self._all_are_there = asyncio.Event()

    async def answer(self, request: Request, size: int) -> Answer:
        """The answer to one request. Raises Problem, 503 when too many wait."""
        if len(self._waiting) >= self._most_waiting:
            raise busy(f"{self._most_waiting} requests wait already. Ask again in a moment.")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(request, size, answer))
        if len(self._waiting) >= self._expected:
            self._all_are_there.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._go_on())
        return await answer

    def close(self) -> None:
        """Return when what was begun has ended."""
        self._thread.shutdown()

    async def _go_on(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(MOMENT)
        while batch := self._next():
            requests = [one.request for one in batch]
            answers: Sequence[Answer | Exception]
            try:
                answers = await loop.run_in_executor(self._thread, self._work, requests)
            except Exception as error:  # each who waits hears of it
                answers = [error] * len(batch)
            for one, answer in zip(batch, answers, strict=True):
                if one.answer.done():  # nobody waits for it any more
                    continue
                if isinstance(answer, Exception):
                    one.answer.set_exception(answer)
                else:
                    one.answer.set_result(answer)
            await self._wait_for(len(self._waiting) + len(batch))

    async def _wait_for(self, expected: int) -> None:
        """Return when so many wait, or after A_WHILE."""
        self._expected = expected
        self._all_are_there.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._all_are_there.wait(), A_WHILE)

    def _next(self) -> list[_Waiting[Request, Answer]]:
        """Those who have waited longest; who has given up is left out."""
        batch: list[_Waiting[Request, Answer]] = []
        size = 0
        while self._waiting and (not batch or size + self._waiting[0].size <= self._most_size):
            one = self._waiting.popleft()
            if not one.answer.done():
                batch.append(one)
                size += one.size
        return batch
