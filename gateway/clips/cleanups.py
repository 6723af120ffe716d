"""Clean-ups after calls that failed or were cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import grpc
import structlog

from serving.errors import ServiceError
from serving.telemetry import deadline

CLEANUP_SECONDS = 30.0
log = structlog.get_logger()


class Cleanups:
    """Running clean-ups. A failed one is left to the reconciler."""

    def __init__(self) -> None:
        """Starts without any."""
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, cleanup: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Cleans up in the background, within CLEANUP_SECONDS."""

        async def bounded() -> None:
            deadline.set(None)  # the call's deadline may be over; CLEANUP_SECONDS is the limit
            try:
                await asyncio.wait_for(cleanup, CLEANUP_SECONDS)
            except (ServiceError, asyncio.TimeoutError, grpc.aio.AioRpcError) as error:
                log.warning("cleanup.postponed", why=str(error), by="the reconciler")

        task = asyncio.create_task(bounded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish(self, cleanup: Coroutine[None, None, None]) -> None:
        """Cleans up completely, even if the caller goes away in the meantime."""
        await asyncio.shield(self.start(cleanup))

    async def settle(self) -> None:
        """Waits for all running clean-ups."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
