"""A bounded pool of threads for calls that block, off the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from typing import TypeVar

from index_service.store import unavailable
from serving.errors import Reason, ServiceError
from serving.telemetry import deadline

T = TypeVar("T")
_GRACE = 1.0
_LOOK = 0.25


class Workers:
    """Runs blocking jobs, a few at a time, each with a deadline.

    A job sees its deadline through `serving.telemetry.remaining` and should end by it. One that
    does not keeps its thread, while its caller gets INDEX_UNAVAILABLE.
    """

    def __init__(
        self,
        threads: int,
        seconds: float,
        queue: int = 64,
        lost: Callable[[], ServiceError | None] = lambda: None,
    ) -> None:
        """Takes the bounds, and how to ask whether waiting makes sense.

        Args:
            threads: jobs at a time.
            seconds: longest wait for a job, queueing included.
            queue: jobs that may wait for a thread; more are INDEX_BUSY.
            lost: the error to end all waiting with, or None while there is hope.
        """
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="store")
        self._free = asyncio.Semaphore(threads)
        self._seconds = seconds
        self._queue = queue
        self._lost = lost
        self._waiting = 0

    async def run(self, job: Callable[..., T], *arguments: object) -> T:
        """Runs a job in a thread; raises what it raises."""
        due, call = time.monotonic() + self._seconds, deadline.get()
        context = copy_context()
        context.run(deadline.set, due if call is None else min(due, call))
        task = asyncio.ensure_future(self._submit(context, job, *arguments))
        try:
            while not task.done():
                if time.monotonic() > due + _GRACE:
                    raise unavailable(f"the store did not answer within {self._seconds:g} s")
                await asyncio.wait({task}, timeout=_LOOK)
                if not task.done() and (error := self._lost()):
                    raise error
            return task.result()
        finally:
            task.cancel()

    async def _submit(self, context: Context, job: Callable[..., T], *arguments: object) -> T:
        await self._place()
        loop = asyncio.get_running_loop()

        def release(_: Future[T]) -> None:
            loop.call_soon_threadsafe(self._free.release)

        future = self._executor.submit(context.run, job, *arguments)
        # The place is free when the thread is, which can be later than this coroutine's end.
        future.add_done_callback(release)
        return await asyncio.wrap_future(future)

    async def _place(self) -> None:
        if self._free.locked() and self._waiting >= self._queue:
            raise ServiceError(
                Reason.INDEX_BUSY,
                f"{self._waiting} calls wait for the store already; try again later",
            )
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Waits for the jobs that run."""
        await asyncio.to_thread(self._executor.shutdown)
