"""One call for what many ask for at the same time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
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


@dataclass
class _Queue(Generic[PartT, AnswerT]):
    """Parts that the next call takes, and whether they are enough to end a pause."""

    waiting: list[tuple[PartT, asyncio.Future[AnswerT]]] = field(default_factory=list)
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, part: PartT, future: asyncio.Future[AnswerT]) -> None:
        self.waiting.append((part, future))
        if len(self.waiting) >= ENOUGH:
            self.enough.set()

    def take(self) -> list[tuple[PartT, asyncio.Future[AnswerT]]]:
        """As many as fit into one call."""
        size = _fitting([part for part, _ in self.waiting])
        batch, self.waiting = self.waiting[:size], self.waiting[size:]
        if len(self.waiting) < ENOUGH:
            self.enough.clear()
        return batch


class Coalescer(Generic[KeyT, PartT, AnswerT]):
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
        self._queues: dict[KeyT, _Queue[PartT, AnswerT]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def add(self, key: KeyT, part: PartT) -> AnswerT:
        """The answer to a part, which goes with others of the same key.

        Raises:
            ServiceError: of the call, or of this part of it.
        """
        future: asyncio.Future[AnswerT] = asyncio.get_running_loop().create_future()
        if key not in self._queues:
            self._queues[key] = _Queue()
            task = asyncio.create_task(self._work(key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._queues[key].put(part, future)
        return await future

    async def _work(self, key: KeyT) -> None:
        deadline.set(None)  # it works for others than the one who began it
        queue = self._queues[key]
        while queue.waiting:
            await self._answer(key, [each for each in queue.take() if not each[1].done()])
            if self._pause:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(queue.enough.wait(), self._pause)
        del self._queues[key]

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
