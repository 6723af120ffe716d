"""Work that a call leaves behind when it fails or is cancelled."""

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
    """Clean-ups under way; one that fails is left to the reconciler."""

    def __init__(self) -> None:
        """Has none."""
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, cleanup: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Cleans up behind the caller's back, within CLEANUP_SECONDS."""

        async def bounded() -> None:
            deadline.set(None)  # the call's own may be over; cleaning up has time of its own
            try:
                await asyncio.wait_for(cleanup, CLEANUP_SECONDS)
            except (ServiceError, asyncio.TimeoutError, grpc.aio.AioRpcError) as error:
                log.warning("cleanup.postponed", why=str(error), by="the reconciler")

        task = asyncio.create_task(bounded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish(self, cleanup: Coroutine[None, None, None]) -> None:
        """Cleans up to the end, even if the caller goes away meanwhile."""
        await asyncio.shield(self.start(cleanup))

    async def settle(self) -> None:
        """Waits for those under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
