"""The making of one map: none, rough, then ready, and its updates after that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import structlog
from audiosearch.catalog.v1.clip_pb2 import Failure
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.gateway.v1.library_map_pb2 import GetLibraryMapRequest, LibraryMap
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.maps.points import Points, join
from gateway.maps.projection import FEW, Places, rough, turned
from gateway.maps.runner import run
from gateway.maps.sample import Sample, Samples
from gateway.on_demand import Made
from serving.errors import Reason, ServiceError

_READ_SHARE = 0.1
"""Share of the work that is reading vectors and making the rough layout."""
log = structlog.get_logger()


@dataclass(frozen=True)
class Layout:
    """Ids of clips, their places in the same order, number of vectors and model at the start."""

    ids: Sequence[str]
    places: Places
    count: int
    model: str
    state: LibraryMap.State.ValueType
    missing: frozenset[str] = frozenset()
    """Clips that were not ACTIVE when they were first shown."""
    begun: Timestamp = field(default_factory=Timestamp)


class Map(Made):
    """One library's map in its current state."""

    def __init__(self, library: str) -> None:
        """Starts the map of `libraries/{library}` without points."""
        super().__init__(f"{library}/map")
        self.layout: Layout | None = None
        self._points: Points | None = None

    def due(self) -> bool:
        """True if there is work to do."""
        rough = self.layout and self.layout.state != LibraryMap.STATE_READY
        return super().due() or (bool(rough) and not self.error)

    def show(self, layout: Layout, points: Points) -> None:
        """Sets the points of the answers from now on."""
        self.layout, self._points = layout, points
        self.came()

    def answer(self, request: GetLibraryMapRequest) -> LibraryMap:
        """The answer to a request. Without points it raises the error that prevented them."""
        if not (self.layout and self._points):
            if self.error:
                raise self.error
            return LibraryMap(
                name=self.name, state=LibraryMap.STATE_PENDING, progress=self.progress
            )
        answer = LibraryMap(
            name=self.name,
            state=LibraryMap.STATE_STALE if self.stale else self.layout.state,
            progress=self.progress,
            clip_count=self.layout.count,
            sampled_count=len(self.layout.ids),
            etag=self._points.etag,
            create_time=self.layout.begun,
        )
        if self.error:
            answer.failure.CopyFrom(
                Failure(reason=self.error.reason.value, message=self.error.message)
            )
        if request.page_token or request.etag != self._points.etag:
            self._points.add_page(answer, request.page_token)
        return answer


class Maker:
    """Works on maps. It reads one at a time and refines one at a time."""

    def __init__(self, samples: Samples) -> None:
        """Reads from `samples`."""
        self._samples = samples
        self._reading = asyncio.Semaphore(1)
        self._refining = asyncio.Semaphore(1)

    async def work(self, library: Library, map_: Map) -> None:
        """Does the pending work on a map. A failure is kept in the map."""
        map_.begin()
        try:
            if map_.layout and map_.layout.state == LibraryMap.STATE_READY:
                await self._look(library, map_, map_.layout)
                if not map_.stale or time.monotonic() < map_.rest_until:
                    return
            await self._make(library, map_)
        except ServiceError as error:
            map_.fail(error)
        except Exception:  # the boundary: no caller waits for this task
            log.exception("map.crashed", map=map_.name)
            map_.fail(ServiceError(Reason.INTERNAL, "the map could not be made; see the log"))

    async def _look(self, library: Library, map_: Map, layout: Layout) -> None:
        """Reads the rows again, and marks the map as stale if clips were added or removed."""
        count = await self._samples.count(library)
        gone = await self._show(library, map_, layout) - layout.missing
        map_.stale = map_.stale or (
            bool(gone) or count != layout.count or library.model != layout.model
        )
        map_.progress = 0.0 if map_.stale else 1.0

    async def _make(self, library: Library, map_: Map) -> None:
        start = time.monotonic()
        begun = Timestamp()
        begun.GetCurrentTime()
        sample = await self._read(library, map_)
        places, state = await asyncio.to_thread(rough, sample.vectors), LibraryMap.STATE_ROUGH
        before, last = map_.layout, len(sample.ids) <= FEW
        if not before or before.state == LibraryMap.STATE_ROUGH or last:
            state = LibraryMap.STATE_READY if last else LibraryMap.STATE_ROUGH
            layout = Layout(sample.ids, places, sample.count, library.model, state, begun=begun)
            await self._show(library, map_, layout)
        if not last:
            places = await self._refine(sample, places, map_)
            if before and before.state == LibraryMap.STATE_READY:
                places = await asyncio.to_thread(_turned_like, before, sample.ids, places)
            ready = LibraryMap.STATE_READY
            layout = Layout(sample.ids, places, sample.count, library.model, ready, begun=begun)
            await self._show(library, map_, layout)
        map_.stale, map_.progress = False, 1.0
        took = time.monotonic() - start
        map_.looked = time.monotonic()
        # Half of the time stays free, even for a library that changes all the time.
        map_.rest_until = map_.looked + took
        log.info("map.made", map=map_.name, clips=len(sample.ids), seconds=round(took, 2))

    async def _read(self, library: Library, map_: Map) -> Sample:
        def report(share: float) -> None:
            map_.progress = _READ_SHARE * share

        async with self._reading:
            return await self._samples.read(library, report)

    async def _refine(self, sample: Sample, places: Places, map_: Map) -> Places:
        def report(share: float) -> None:
            map_.progress = _READ_SHARE + (1 - _READ_SHARE) * min(share, 0.99)

        async with self._refining:
            refined = await run(sample.vectors, places, report)
        return await asyncio.to_thread(turned, refined, slice(None), places)

    async def _show(self, library: Library, map_: Map, layout: Layout) -> frozenset[str]:
        """Shows a layout with the current rows. Returns the clips that are not ACTIVE."""
        clips = await self._samples.clips(library, layout.ids)
        missing = frozenset(set(layout.ids) - clips.keys())
        points = await asyncio.to_thread(join, layout.ids, layout.places, clips)
        if layout is not map_.layout:
            layout = replace(layout, missing=missing)
        map_.show(layout, points)
        return missing


def _turned_like(before: Layout, ids: Sequence[str], places: Places) -> Places:
    """The places, turned so that clips of the map before stay in place as far as possible."""
    rows = {id_: row for row, id_ in enumerate(ids)}
    both = [(rows[id_], old) for old, id_ in enumerate(before.ids) if id_ in rows]
    if len(both) < FEW:
        return places
    now, then = np.array(both).T
    return turned(places, now, before.places[then])
