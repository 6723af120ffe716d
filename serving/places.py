"""A bounded queue in front of anything that only a few may use at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from serving.errors import ServiceError


class Places:
    """Lets a few callers in at a time. A few more wait in order; the rest is refused at once."""

    def __init__(self, at_once: int, waiting: int, busy: Callable[[], ServiceError]) -> None:
        """Takes how many may be in, how many may wait, and the error for all others."""
        self._free = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._busy = busy
        self._taken = 0

    async def take(self) -> None:
        """Waits for a place. A caller that is cancelled meanwhile has none.

        Raises:
            ServiceError: the queue is full.
        """
        if self._taken >= self._most:
            raise self._busy()
        self._taken += 1
        try:
            await self._free.acquire()
        except BaseException:
            self._taken -= 1
            raise

    def give_back(self) -> None:
        """Frees a place that was taken. Belongs to the event loop's thread."""
        self._taken -= 1
        self._free.release()
