"""Sizes that only the metrics need, looked up again and again beside the calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from serving.errors import ServiceError

SHARE = 20
"""The pause after a look takes so many times as long as the look did, if not longer."""
log = structlog.get_logger()


async def look_again(look: Callable[[], Awaitable[None]], least_seconds: float) -> None:
    """Looks until cancelled. A look that fails is followed by the next.

    Args:
        look: Raises ServiceError if a store does not answer.
        least_seconds: Shortest pause between two looks.
    """
    while True:
        begun = time.monotonic()
        try:
            await look()
        except ServiceError as error:
            log.info("sizes.postponed", why=str(error))
        except Exception:  # a boundary: the next look must come after any failure
            log.exception("sizes.crashed")
        await asyncio.sleep(max(least_seconds, SHARE * (time.monotonic() - begun)))
