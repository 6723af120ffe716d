"""A bounded queue in front of anything that only a few may use at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from serving.errors import ServiceError
from serving.monitoring import metrics


class Places:
    """Lets a few callers in at a time. A few more wait in order; the rest is refused at once."""

    def __init__(
        self, name: str, at_once: int, waiting: int, busy: Callable[[], ServiceError]
    ) -> None:
        """Takes a name, how many may be in, how many may wait, and the error for all others."""
        self._free = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._busy = busy
        self._taken = 0
        metrics.watch_queue(name, self._most, lambda: self._taken)
        self._refusals = metrics.QUEUE_REFUSALS.labels(name)
        self._waits = metrics.QUEUE_SECONDS.labels(name)

    async def take(self) -> None:
        """Waits for a place. A caller that is cancelled meanwhile has none.

        Raises:
            ServiceError: the queue is full.
        """
        if self._taken >= self._most:
            self._refusals.inc()
            raise self._busy()
        self._taken += 1
        begun = time.perf_counter()
        try:
            await self._free.acquire()
        except BaseException:
            self._taken -= 1
            raise
        self._waits.observe(time.perf_counter() - begun)

    def give_back(self) -> None:
        """Frees a place that was taken. Belongs to the event loop's thread."""
        self._taken -= 1
        self._free.release()
