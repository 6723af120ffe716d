"""One call for what many ask for at the same time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from google.protobuf.message import Message

from serving.errors import ServiceError
from serving.telemetry import deadline

MOST = 256
"""Parts of one call."""
MOST_BYTES = 2**20
"""Of one call; a part that has more goes alone."""
ENOUGH = 4
"""Parts that end a pause: with so many, the call's own cost is small beside theirs."""

KeyT = TypeVar("KeyT")
PartT = TypeVar("PartT", bound=Message)
AnswerT = TypeVar("AnswerT")


class Gatherer(Generic[KeyT, PartT, AnswerT]):
    """Sends parts at once, and those that come while a call is under way together in the next.

    Without a pause nobody waits for others to come: alone, a part is a call of its own.
    """

    def __init__(
        self,
        send: Callable[[KeyT, list[PartT]], Awaitable[Sequence[AnswerT | ServiceError]]],
        pause: float = 0.0,
    ) -> None:
        """Takes what to call and how to pace it.

        Args:
            send: the call: what its parts have in common and the parts, an answer for each.
            pause: seconds after a call in which fewer than ENOUGH parts wait for more.
        """
        self._send = send
        self._pause = pause
        self._waiting: dict[KeyT, list[tuple[PartT, asyncio.Future[AnswerT]]]] = {}
        self._enough: dict[KeyT, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def add(self, key: KeyT, part: PartT) -> AnswerT:
        """The answer to a part, which goes with others of the same key.

        Raises:
            ServiceError: of the call, or of this part of it.
        """
        future: asyncio.Future[AnswerT] = asyncio.get_running_loop().create_future()
        if key in self._waiting:
            self._waiting[key].append((part, future))
            if len(self._waiting[key]) >= ENOUGH:
                self._enough[key].set()
        else:
            self._waiting[key] = [(part, future)]
            self._enough[key] = asyncio.Event()
            task = asyncio.create_task(self._work(key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def _work(self, key: KeyT) -> None:
        deadline.set(None)  # it works for others than the one who began it
        waiting = self._waiting[key]
        while waiting:
            size = _fitting([part for part, _ in waiting])
            batch, waiting[:] = waiting[:size], waiting[size:]
            await self._answer(key, [each for each in batch if not each[1].done()])
            if self._pause:
                await self._rest(key)
        del self._waiting[key], self._enough[key]

    async def _rest(self, key: KeyT) -> None:
        if len(self._waiting[key]) >= ENOUGH:
            return
        self._enough[key].clear()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._enough[key].wait(), self._pause)

    async def _answer(
        self, key: KeyT, batch: Sequence[tuple[PartT, asyncio.Future[AnswerT]]]
    ) -> None:
        if not batch:
            return
        try:
            outcomes = await self._send(key, [part for part, _ in batch])
            answers = list(zip(batch, outcomes, strict=True))
        except Exception as error:  # noqa: BLE001  it is raised where each answer is waited for
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), outcome in answers:
            if future.done():
                continue
            if isinstance(outcome, ServiceError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)


def _fitting(parts: Sequence[Message]) -> int:
    """How many of these, from the first on, fit into one call."""
    size = 0
    for number, part in enumerate(parts[:MOST]):
        size += part.ByteSize()
        if number and size > MOST_BYTES:
            return number
    return min(len(parts), MOST)
