"""The sizes of all indexes, for the metrics."""

from __future__ import annotations

import asyncio
import time

import structlog

from index_service.store import Stats, VectorStore
from serving.errors import Reason, ServiceError
from serving.monitoring import metrics
from serving.threads import Threads

LEAST_SECONDS = 30.0
SHARE = 20
"""The pause after a look takes so many times as long as the look did, if not longer."""
log = structlog.get_logger()


class Sizes:
    """Asks the store for the sizes of its indexes, one after the other."""

    def __init__(self, store: VectorStore, threads: Threads) -> None:
        """Takes the store and threads for it, so that no call waits for a look."""
        self._store = store
        self._threads = threads

    async def run(self) -> None:
        """Looks again and again, until cancelled."""
        while True:
            begun = time.monotonic()
            try:
                await self.look()
            except ServiceError as error:
                log.info("sizes.postponed", why=str(error))
            except Exception:  # a boundary: the next look must come after any failure
                log.exception("sizes.crashed")
            await asyncio.sleep(max(LEAST_SECONDS, SHARE * (time.monotonic() - begun)))

    async def look(self) -> None:
        """Looks once, and exports the sums. Raises ServiceError if the store does not answer."""
        found: list[Stats] = []
        for index_id in await self._threads.run(self._store.ids):
            try:
                found.append(await self._threads.run(self._store.stats, index_id))
            except ServiceError as error:
                if error.reason is not Reason.INDEX_NOT_FOUND:
                    raise
        metrics.INDEXES.set(len(found))
        metrics.INDEX_VECTORS.set(sum(each.count for each in found))
        metrics.INDEX_PENDING.set(sum(each.pending for each in found))
        metrics.INDEX_MEMORY.set(sum(each.memory_bytes for each in found))
        metrics.INDEX_TIME.set_to_current_time()
