"""Compares the indexes of libraries with their rows, and fills those that lack vectors.

Only numbers are compared, which is cheap. Every vector of an ACTIVE clip is in the index, so an
index has at least as many as the rows tell. Clips come and go between two counts, so fewer are
believed only if the rows tell the same number before and after, and in two looks. Then, or once a
search has met an index that is gone, a sweep finds out what is missing and writes it again.

One gateway at a time looks at a library, by a claim of the catalog, which is also the pause until
the next look. While it fills an index it renews the claim and reports the progress, and all
gateways tell of it.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import NamedTuple

import structlog
from audiosearch.catalog.v1.library_pb2 import (
    ClaimIndexChecksRequest,
    CountVectorsRequest,
    IndexState,
    Library,
    ReportIndexStateRequest,
    VectorCounts,
)
from audiosearch.index.v1.index_service_pb2 import GetIndexStatsRequest
from google.protobuf.duration_pb2 import Duration

from gateway.claims import Claims
from gateway.clips.life import Clips
from gateway.libraries import indexes
from gateway.libraries.libraries import Libraries
from gateway.settings import GatewaySettings
from gateway.speakers.upkeep import Upkeep
from gateway.upkeep.sweeping import Sweep
from gateway.upstream import Upstream, passing_over
from serving.errors import Reason, ServiceError
from serving.telemetry import request_id

POLL_SECONDS = 2.0
AT_ONCE = 50
"""Libraries that are claimed at a time."""
SHARE = 4
"""The pause after some comparisons takes so many times as long as they did, if not longer."""
REPORT_SECONDS = 1.0
SETTLE_SECONDS = 1.0
"""Time between two looks that have to find the same."""
LOOKS = 5
AGAIN_SECONDS = 600.0
"""Time after which vectors that could not be restored are tried again."""
_ENDED = {Reason.LIBRARY_NOT_FOUND, Reason.STATE_CONFLICT}
log = structlog.get_logger()


class _Look(NamedTuple):
    """The numbers of vectors of a library at one time."""

    indexed: int
    """In the index that is searched."""
    expected: int
    missing: int
    """In all of its indexes."""

    @property
    def state(self) -> IndexState | None:
        """The state of an index that lacks vectors; None if it has all."""
        if self.indexed >= self.expected:
            return None
        return IndexState(indexed_count=self.indexed, expected_count=self.expected)


class _There(NamedTuple):
    """Vectors in the indexes of a library."""

    windows: int
    wholes: int
    voiceprints: int


class _Left(NamedTuple):
    """Vectors that could not be restored."""

    missing: int
    again: float


class IndexWatch:
    """Watches the indexes of all libraries."""

    def __init__(
        self,
        upstream: Upstream,
        libraries: Libraries,
        clips: Clips,
        upkeep: Upkeep,
        settings: GatewaySettings,
    ) -> None:
        """Works on the services of `upstream`."""
        self._upstream = upstream
        self._sweep = Sweep(upstream, libraries, clips)
        self._speakers = upkeep
        self._lease = Duration()
        self._lease.FromNanoseconds(int(settings.compare_seconds * 1e9))
        self._worker = uuid.uuid4().hex
        self._claims = Claims(self._claim, POLL_SECONDS)
        self._left: dict[str, _Left] = {}

    async def run(self) -> None:
        """Claims and compares until cancelled."""
        while True:
            claimed = await self._claims.next()
            begin = time.monotonic()
            for library in claimed:
                try:
                    await self.check(library)
                except ServiceError as error:
                    if error.reason not in _ENDED:
                        log.info("index_watch.postponed", library=library.name, why=str(error))
                except Exception:  # a boundary: others are still looked at
                    log.exception("index_watch.crashed", library=library.name)
            await asyncio.sleep(min(60.0, SHARE * (time.monotonic() - begin)))

    async def _claim(self) -> list[Library] | None:
        request = ClaimIndexChecksRequest(worker=self._worker, lease=self._lease, limit=AT_ONCE)
        answer = await self._upstream.libraries.ClaimIndexChecks(request)
        return list(answer.libraries) or None

    async def check(self, library: Library) -> None:
        """Compares a claimed library, and fills its indexes if they lack vectors.

        Raises:
            ServiceError: of the services. The library is looked at again after its lease.
        """
        found = await self._certain(library)
        if not found.missing:
            self._left.pop(library.uid, None)
            if library.HasField("index_state"):
                await self._report(library, None)
            return
        left = self._left.get(library.uid)
        if left and left.missing == found.missing and time.monotonic() < left.again:
            await self._report(library, found.state)
            return
        request_id.set(uuid.uuid4().hex)
        log.warning("index_watch.lacks", library=library.name, **found._asdict())
        await self._fill(library, found)
        found = await self._certain(library)
        await self._report(library, found.state)
        if found.missing:
            again = time.monotonic() + AGAIN_SECONDS
            self._left[library.uid] = _Left(found.missing, again)
        log.warning("index_watch.filled", library=library.name, **found._asdict())

    async def _fill(self, library: Library, found: _Look) -> None:
        """Restores what is missing, and tells how far it is meanwhile."""
        await self._report(library, found.state)
        work = asyncio.create_task(self._restore(library))
        reporter = asyncio.create_task(self._keep_reporting(library))
        try:
            await asyncio.wait({work, reporter}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
            else:
                reporter.result()
        finally:
            work.cancel()
            reporter.cancel()
            await asyncio.gather(work, reporter, return_exceptions=True)

    async def _restore(self, library: Library) -> None:
        await self._sweep.sweep(library)
        await self._speakers.sweep(library)

    async def _keep_reporting(self, library: Library) -> None:
        """Reports until the claim is another's, which raises an error."""
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            try:
                await self._report(library, (await self._compared(library))[0].state)
            except ServiceError as error:
                if error.reason in _ENDED:
                    raise
                log.info("index_watch.report_failed", library=library.name, why=str(error))

    async def _report(self, library: Library, state: IndexState | None) -> None:
        await self._upstream.libraries.ReportIndexState(
            ReportIndexStateRequest(
                name=library.name, worker=self._worker, lease=self._lease, index_state=state
            )
        )

    async def _certain(self, library: Library) -> _Look:
        """A look that finds nothing missing, or the second one that does."""
        missed = False
        for number in range(LOOKS):
            if number:
                await asyncio.sleep(SETTLE_SECONDS)
            found, quiet = await self._compared(library)
            if not found.missing or (missed and quiet):
                return found
            missed |= quiet
        return found  # the sweep finds out

    async def _compared(self, library: Library) -> tuple[_Look, bool]:
        """The numbers, and True if no clip came or went meanwhile."""
        request = CountVectorsRequest(name=library.name)
        before = await self._upstream.libraries.CountVectors(request)
        there = await self._counts(library, before)
        found = _look(library, before, there)
        if not found.missing:
            return found, True
        after = await self._upstream.libraries.CountVectors(request)
        least = VectorCounts(
            clip_count=min(before.clip_count, after.clip_count),
            window_count=min(before.window_count, after.window_count),
            several_count=min(before.several_count, after.several_count),
            voiceprint_count=min(before.voiceprint_count, after.voiceprint_count),
        )
        return _look(library, least, there), before == after

    async def _counts(self, library: Library, expected: VectorCounts) -> _There:
        """The numbers of vectors in the indexes of a library that should have some."""
        generation = indexes.present(library)
        return _There(
            windows=await self._count(generation.windows),
            wholes=await self._count(generation.wholes)
            if generation.wholes is not None and expected.several_count
            else 0,
            voiceprints=await self._count(indexes.voiceprints(library))
            if expected.voiceprint_count
            else 0,
        )

    async def _count(self, index_id: str) -> int:
        """The vectors of an index; none if it is lost."""
        with passing_over(Reason.INDEX_NOT_FOUND):
            request = GetIndexStatsRequest(index_id=index_id)
            return (await self._upstream.index.GetIndexStats(request)).vector_count
        return 0


def _look(library: Library, expected: VectorCounts, there: _There) -> _Look:
    """Compares the numbers that the rows tell with those of the indexes."""
    # While it is migrated, rows have the numbers of windows of either generation.
    counted = bool(library.generation) and (indexes.counted(library) == indexes.present(library))
    windows = expected.window_count if counted else expected.clip_count
    missing = max(0, windows - there.windows)
    if counted:
        missing += max(0, expected.several_count - there.wholes)
    missing += max(0, expected.voiceprint_count - there.voiceprints)
    return _Look(min(there.windows, windows), windows, missing)
