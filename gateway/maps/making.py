"""The making of one map: none, rough, then ready, and its updates after that."""

from __future__ import annotations

import asyncio
import contextlib
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
from serving.errors import Reason, ServiceError

LOOK_SECONDS = 15.0
"""Time between two checks of a map against the rows, while it is requested."""
AGAIN_SECONDS = 60.0
"""Time between a failure and the next try."""
_READ_SHARE = 0.1
"""Share of the work that is reading vectors and making the rough layout."""
log = structlog.get_logger()


@dataclass(frozen=True)
class Layout:
    """Ids of clips, their places in the same order, and the number of vectors at the start."""

    ids: Sequence[str]
    places: Places
    count: int
    state: LibraryMap.State.ValueType
    missing: frozenset[str] = frozenset()
    """Clips that were not ACTIVE when they were first shown."""
    begun: Timestamp = field(default_factory=Timestamp)


class Map:
    """One library's map in its current state."""

    def __init__(self, library: str) -> None:
        """Starts the map of `libraries/{library}` without points."""
        self.name = f"{library}/map"
        self.asked = time.monotonic()
        self.progress = 0.0
        self.stale = False
        self.layout: Layout | None = None
        self.looked = self.rest_until = 0.0
        self._points: Points | None = None
        self._error: ServiceError | None = None
        self._shown = asyncio.Event()

    def due(self) -> bool:
        """True if there is work to do."""
        if not self.layout:
            return True
        pause = AGAIN_SECONDS if self._error else LOOK_SECONDS
        unfinished = self.layout.state != LibraryMap.STATE_READY and not self._error
        return unfinished or time.monotonic() >= self.looked + pause

    def begin(self) -> None:
        """Forgets the last failure."""
        self._error = None
        self.looked = time.monotonic()
        if not self._points:
            self._shown.clear()

    def show(self, layout: Layout, points: Points) -> None:
        """Sets the points of the answers from now on."""
        self.layout, self._points = layout, points
        self._shown.set()

    def fail(self, error: ServiceError) -> None:
        """Keeps the reason why there is no better map."""
        self._error, self.progress = error, 0.0
        self._shown.set()

    async def shown(self, seconds: float) -> None:
        """Waits for points or a failure, up to so many seconds."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._shown.wait(), seconds)

    def answer(self, request: GetLibraryMapRequest) -> LibraryMap:
        """The answer to a request. Without points it raises the error that prevented them."""
        if not (self.layout and self._points):
            if self._error:
                raise self._error
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
        if self._error:
            answer.failure.CopyFrom(
                Failure(reason=self._error.reason.value, message=self._error.message)
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
        map_.stale = map_.stale or bool(gone) or count != layout.count
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
            layout = Layout(sample.ids, places, sample.count, state, begun=begun)
            await self._show(library, map_, layout)
        if not last:
            places = await self._refine(sample, places, map_)
            if before and before.state == LibraryMap.STATE_READY:
                places = await asyncio.to_thread(_turned_like, before, sample.ids, places)
            ready = LibraryMap.STATE_READY
            layout = Layout(sample.ids, places, sample.count, ready, begun=begun)
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
