"""The sizes of all indexes, for the metrics."""

from __future__ import annotations

from index_service.store import Stats, VectorStore
from serving.errors import Reason, ServiceError
from serving.monitoring import metrics
from serving.monitoring.sizes import look_again
from serving.threads import Threads

LEAST_SECONDS = 30.0


class Sizes:
    """Asks the store for the sizes of its indexes, one after the other."""

    def __init__(self, store: VectorStore, threads: Threads) -> None:
        """Takes the store and threads for it, so that no call waits for a look."""
        self._store = store
        self._threads = threads

    async def run(self) -> None:
        """Looks again and again, until cancelled."""
        await look_again(self.look, LEAST_SECONDS)

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
