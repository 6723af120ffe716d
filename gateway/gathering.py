"""One call for what many ask for at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from audiosearch.catalog.v1.catalog_service_pb2 import ClipOutcome
from audiosearch.catalog.v1.clip_pb2 import Clip
from google.protobuf.message import Message

from serving.errors import Reason, ServiceError
from serving.telemetry import deadline

MOST = 256
"""Parts of one call."""
MOST_BYTES = 2**20
"""Of one call; a part that has more goes alone."""

PartT = TypeVar("PartT", bound=Message)


class Gatherer(Generic[PartT]):
    """Sends parts at once, and those that come while a call is under way together in the next.

    Nobody waits for others to come: alone, a part is a call of its own.
    """

    def __init__(
        self, send: Callable[[str, list[PartT]], Awaitable[Sequence[ClipOutcome]]]
    ) -> None:
        """Takes the call: a library's name and parts, answered by one outcome for each."""
        self._send = send
        self._waiting: dict[str, list[tuple[PartT, asyncio.Future[Clip]]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def add(self, library: str, part: PartT) -> Clip:
        """The clip that came of a part.

        Raises:
            ServiceError: of the call, or of this part of it.
        """
        future: asyncio.Future[Clip] = asyncio.get_running_loop().create_future()
        if library in self._waiting:
            self._waiting[library].append((part, future))
        else:
            self._waiting[library] = [(part, future)]
            task = asyncio.create_task(self._work(library))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def _work(self, library: str) -> None:
        deadline.set(None)  # it works for others than the one who began it
        waiting = self._waiting[library]
        while waiting:
            size = _fitting([part for part, _ in waiting])
            batch, waiting[:] = waiting[:size], waiting[size:]
            await self._answer(library, [each for each in batch if not each[1].done()])
        del self._waiting[library]

    async def _answer(
        self, library: str, batch: Sequence[tuple[PartT, asyncio.Future[Clip]]]
    ) -> None:
        if not batch:
            return
        try:
            outcomes = await self._send(library, [part for part, _ in batch])
            answers = list(zip(batch, outcomes, strict=True))
        except Exception as error:  # noqa: BLE001  it is raised where each answer is waited for
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), outcome in answers:
            if future.done():
                continue
            if outcome.HasField("failure"):
                future.set_exception(_error(outcome))
            else:
                future.set_result(outcome.clip)


def _fitting(parts: Sequence[Message]) -> int:
    """How many of these, from the first on, fit into one call."""
    size = 0
    for number, part in enumerate(parts[:MOST]):
        size += part.ByteSize()
        if number and size > MOST_BYTES:
            return number
    return min(len(parts), MOST)


def _error(outcome: ClipOutcome) -> ServiceError:
    reason = Reason.named(outcome.failure.reason) or Reason.INTERNAL
    return ServiceError(reason, outcome.failure.message, {"clip": outcome.clip.name})
