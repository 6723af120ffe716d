"""Work that the catalog gives to one gateway at a time, for the time of a lease."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import grpc
import structlog

from serving.errors import ServiceError
from serving.telemetry import request_id

T = TypeVar("T")
log = structlog.get_logger()


class Claims(Generic[T]):
    """Asks the catalog for work until there is some."""

    def __init__(self, ask: Callable[[], Awaitable[T | None]], poll: float) -> None:
        """Asks by `ask`, which gives None if there is no work, every `poll` seconds."""
        self._ask = ask
        self._poll = poll
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Asks at once instead of at the next poll."""
        self._wake.set()

    async def next(self) -> T:
        """Waits for work. A catalog that is away is asked again."""
        request_id.set("")  # that of the last work is over
        while True:
            self._wake.clear()
            try:
                if (work := await self._ask()) is not None:
                    return work
            except (ServiceError, grpc.aio.AioRpcError) as error:
                log.debug("claim.failed", why=str(error))
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._poll)
