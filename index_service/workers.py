"""A bounded pool of threads for calls that block, off the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from typing import TypeVar

from index_service.store import unavailable
from serving.telemetry import deadline

T = TypeVar("T")
_GRACE = 1.0


class Workers:
    """Runs blocking jobs, a few at a time, each with a deadline.

    A job sees its deadline through `serving.telemetry.remaining` and should end by it. One that
    does not keeps its thread, while its caller gets INDEX_UNAVAILABLE.
    """

    def __init__(self, threads: int, seconds: float) -> None:
        """Takes the number of jobs at a time and the longest wait for one, queueing included."""
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="store")
        self._free = asyncio.Semaphore(threads)
        self._seconds = seconds

    async def run(self, job: Callable[..., T], *arguments: object) -> T:
        """Runs a job in a thread; raises what it raises."""
        due, call = time.monotonic() + self._seconds, deadline.get()
        context = copy_context()
        context.run(deadline.set, due if call is None else min(due, call))
        try:
            return await asyncio.wait_for(
                self._submit(context, job, *arguments), self._seconds + _GRACE
            )
        except (TimeoutError, asyncio.TimeoutError):
            raise unavailable(f"the store did not answer within {self._seconds:g} s") from None

    async def _submit(self, context: Context, job: Callable[..., T], *arguments: object) -> T:
        await self._free.acquire()
        loop = asyncio.get_running_loop()

        def release(_: Future[T]) -> None:
            loop.call_soon_threadsafe(self._free.release)

        future = self._executor.submit(context.run, job, *arguments)
        # The place is free when the thread is, which can be later than this coroutine's end.
        future.add_done_callback(release)
        return await asyncio.wrap_future(future)

    async def close(self) -> None:
        """Waits for the jobs that run."""
        await asyncio.to_thread(self._executor.shutdown)
