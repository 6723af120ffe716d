"""Coalescing: one call to a service for many requests at the same time."""

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
"""Requests in one call at most."""
MOST_BYTES = 2**20
"""Bytes in one call at most. A larger request has a call of its own."""
ENOUGH = 4
"""Waiting requests that end a pause. With so many, the cost of the call itself is small."""

KeyT = TypeVar("KeyT")
PartT = TypeVar("PartT", bound=Message)
AnswerT = TypeVar("AnswerT")


@dataclass
class _Queue(Generic[PartT, AnswerT]):
    """Requests that wait for the next call, and an event for enough of them to end a pause."""

    waiting: list[tuple[PartT, asyncio.Future[AnswerT]]] = field(default_factory=list)
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, part: PartT, future: asyncio.Future[AnswerT]) -> None:
        self.waiting.append((part, future))
        if len(self.waiting) >= ENOUGH:
            self.enough.set()

    def take(self) -> list[tuple[PartT, asyncio.Future[AnswerT]]]:
        """Takes as many requests as fit into one call."""
        size = _fitting([part for part, _ in self.waiting])
        batch, self.waiting = self.waiting[:size], self.waiting[size:]
        if len(self.waiting) < ENOUGH:
            self.enough.clear()
        return batch


class Coalescer(Generic[KeyT, PartT, AnswerT]):
    """Coalesces requests.

    The first is sent immediately. Those that arrive while it is in flight share the next call. With
    `pause=0` no request waits for others.
    """

    def __init__(
        self,
        send: Callable[[KeyT, list[PartT]], Awaitable[Sequence[AnswerT | ServiceError]]],
        pause: float = 0.0,
    ) -> None:
        """Sends by `send`.

        Args:
            send: makes the call for a key and its requests, and returns an answer for each.
            pause: seconds after a call in which fewer than ENOUGH requests wait for more.
        """
        self._send = send
        self._pause = pause
        self._queues: dict[KeyT, _Queue[PartT, AnswerT]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def add(self, key: KeyT, part: PartT) -> AnswerT:
        """The answer to a request, which shares a call with others of the same key.

        Raises:
            ServiceError: of the call, or of this request.
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
        deadline.set(None)  # the task also works for other calls than the one that started it
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
    """The number of requests, from the first on, that fit into one call."""
    size = 0
    for number, part in enumerate(parts[:MOST]):
        size += part.ByteSize()
        if number and size > MOST_BYTES:
            return number
    return min(len(parts), MOST)
