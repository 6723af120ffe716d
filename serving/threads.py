"""Threads for blocking work, with a bounded queue in front of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import TypeVar

from serving.errors import ServiceError
from serving.places import Places
from serving.telemetry import deadline

T = TypeVar("T")
_GRACE = 1.0
_LOOK = 0.25


@dataclass(frozen=True)
class Patience:
    """The limit of waiting for a job."""

    seconds: float
    """The longest wait, queueing included. A job sees it through `serving.telemetry.remaining`."""
    late: Callable[[], ServiceError]
    """Makes the error for a caller that waited so long."""
    lost: Callable[[], ServiceError | None] = lambda: None
    """Gives the error that ends all waiting at once; None while there is hope."""


class Threads:
    """Runs blocking jobs in a few threads. A few more jobs wait; the rest is refused at once.

    A job that has begun always runs to its end and keeps its thread until then, even when its
    caller has stopped waiting. A job that still waits is dropped with its caller.
    """

    def __init__(
        self,
        name: str,
        threads: int,
        waiting: int,
        busy: Callable[[], ServiceError],
        patience: Patience | None = None,
    ) -> None:
        """Takes the bounds.

        Args:
            name: what the threads are called.
            threads: jobs at a time.
            waiting: jobs that may wait for a thread.
            busy: makes the error for all others.
            patience: how long callers wait; None leaves that to them.
        """
        self._executor = ThreadPoolExecutor(threads, name)
        self._places = Places(name, threads, waiting, busy)
        self._patience = patience

    async def run(self, job: Callable[..., T], *arguments: object) -> T:
        """Runs a job in a thread; raises what it raises, or what `busy` and `patience` say."""
        context = copy_context()
        if self._patience is None:
            return await self._submit(context, job, *arguments)
        call, due = deadline.get(), time.monotonic() + self._patience.seconds
        context.run(deadline.set, due if call is None else min(due, call))
        task = asyncio.ensure_future(self._submit(context, job, *arguments))
        try:
            while not task.done():
                if time.monotonic() > due + _GRACE:
                    raise self._patience.late()
                await asyncio.wait({task}, timeout=_LOOK)
                if not task.done() and (error := self._patience.lost()):
                    raise error
            return task.result()
        finally:
            task.cancel()

    async def close(self) -> None:
        """Waits for the jobs that run."""
        await asyncio.to_thread(self._executor.shutdown)

    async def _submit(self, context: Context, job: Callable[..., T], *arguments: object) -> T:
        await self._places.take()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def end(future: Future[T]) -> None:
            self._places.give_back()
            if answer.done():  # its caller has stopped waiting
                return
            if error := future.exception():
                answer.set_exception(error)
            else:
                answer.set_result(future.result())

        future = self._executor.submit(context.run, job, *arguments)
        # The loop is woken once, for the answer and for the place. That is free when the thread is,
        # which can be later than this coroutine's end.
        future.add_done_callback(lambda each: loop.call_soon_threadsafe(end, each))
        try:
            return await answer
        finally:
            future.cancel()
