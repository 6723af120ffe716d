"""Threads for blocking work, with a bounded queue in front of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from serving.errors import Reason, ServiceError

T = TypeVar("T")


class Lane:
    """Runs so many pieces of work at a time; a few more wait, and the rest is turned away."""

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        """Takes how many run and how many may wait."""
        self._threads = ThreadPoolExecutor(threads, name)
        self._places = threading.BoundedSemaphore(threads + waiting)

    async def run(self, work: Callable[[], T]) -> T:
        """Awaits work done in a thread.

        Work that a cancelled caller has left is dropped while it waits; once begun it goes on, and
        has its place, to its end.

        Raises:
            ServiceError: CATALOG_BUSY when no place is free.
        """
        if not self._places.acquire(blocking=False):
            raise ServiceError(
                Reason.CATALOG_BUSY, "too many calls wait for the catalog's database; try again"
            )
        future = self._threads.submit(work)
        future.add_done_callback(self._leave)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Drops what waits. Blocks until what was begun is over."""
        self._threads.shutdown(cancel_futures=True)

    def _leave(self, _future: Future[Any]) -> None:
        self._places.release()
