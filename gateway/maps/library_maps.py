"""Maps of libraries, made on demand and kept while there is room."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict

import structlog
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.gateway.v1.library_map_pb2 import GetLibraryMapRequest, LibraryMap

from gateway.libraries.libraries import Libraries
from gateway.maps.making import Maker, Map
from gateway.maps.sample import Samples
from gateway.upstream import Upstream
from serving.names import library_of_map
from serving.telemetry import deadline

KEPT = 4
"""Libraries whose maps are kept. A map takes some 60 MB at most."""
FIRST_SECONDS = 2.0
"""Longest wait for the first points."""
IDLE_SECONDS = 60.0
"""Time without requests after which work on a map ends."""
_TIDY_SECONDS = 5.0
log = structlog.get_logger()


class Maps:
    """The maps of all libraries. They are only in memory and are made again when needed."""

    def __init__(self, upstream: Upstream, libraries: Libraries) -> None:
        """Works on the services of `upstream`."""
        self._libraries = libraries
        self._maker = Maker(Samples(upstream))
        self._maps: OrderedDict[str, Map] = OrderedDict()
        self._work: dict[str, asyncio.Task[None]] = {}

    async def get(self, request: GetLibraryMapRequest) -> LibraryMap:
        """The map in its current state. Pending work on it continues after this call.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND, STATE_CONFLICT, FIELD_INVALID. If there are no points
                yet, also the error that prevented them.
        """
        library = await self._libraries.open(library_of_map(request.name))
        map_ = self._find(library)
        map_.asked = time.monotonic()
        if library.uid not in self._work and map_.due():
            self._begin(library, map_)
        await map_.shown(FIRST_SECONDS)
        return map_.answer(request)

    async def run(self) -> None:
        """Ends the work on maps that are not requested any more. A cancellation ends all work."""
        try:
            while True:
                await asyncio.sleep(_TIDY_SECONDS)
                latest = time.monotonic() - IDLE_SECONDS
                for uid in [uid for uid in self._work if self._maps[uid].asked < latest]:
                    self._end(uid)
        finally:
            tasks = list(self._work.values())
            for uid in list(self._work):
                self._end(uid)
            await asyncio.gather(*tasks, return_exceptions=True)

    def _find(self, library: Library) -> Map:
        """The map of a library. It becomes the last to be dropped."""
        map_ = self._maps.setdefault(library.uid, Map(library.name))
        self._maps.move_to_end(library.uid)
        if len(self._maps) > KEPT:
            uid = next(iter(self._maps))
            self._end(uid)
            del self._maps[uid]
        return map_

    def _begin(self, library: Library, map_: Map) -> None:
        async def work() -> None:
            deadline.set(None)  # the work continues after the call that started it
            await self._maker.work(library, map_)

        task = asyncio.create_task(work())
        self._work[library.uid] = task

        def ended(_: asyncio.Task[None]) -> None:
            if self._work.get(library.uid) is task:
                del self._work[library.uid]

        task.add_done_callback(ended)

    def _end(self, uid: str) -> None:
        if task := self._work.pop(uid, None):
            task.cancel()
            log.info("map.given_up", library=self._maps[uid].name)
