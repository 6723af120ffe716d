"""Finishes or undoes interrupted work, so that no clip stays incomplete.

At start and on a timer it looks for abandoned rows. At start and on a slower timer it compares the
vectors with the rows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import grpc
import structlog
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter, ListClipsRequest
from audiosearch.catalog.v1.library_pb2 import LIBRARY_VIEW_BASIC, Library, ListLibrariesRequest
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.clips.life import Clips
from gateway.clips.mirror import Mirror
from gateway.libraries.libraries import Libraries
from gateway.listing import pages
from gateway.settings import GatewaySettings
from gateway.skip import skip
from gateway.speakers.upkeep import Upkeep
from gateway.upkeep.sweeping import Sweep
from gateway.upstream import Upstream
from serving.errors import Reason, ServiceError
from serving.monitoring import metrics
from serving.monitoring.stages import upkeep_run

KEEP_FAILED_SECONDS = 30 * 24 * 3600.0
PAGE = 200
log = structlog.get_logger()


class Reconciler:
    """Looks through the catalog for abandoned work."""

    def __init__(
        self,
        upstream: Upstream,
        libraries: Libraries,
        clips: Clips,
        upkeep: Upkeep,
        mirror: Mirror,
        settings: GatewaySettings,
    ) -> None:
        """Takes intervals and ages from the settings."""
        self._upstream = upstream
        self._libraries = libraries
        self._clips = clips
        self._interval = settings.reconcile_seconds
        self._stale = settings.stale_seconds
        self._deletion = settings.deletion_seconds
        self._trash = settings.trash_seconds
        self._sweep = Sweep(upstream, libraries, clips)
        self._speakers = upkeep
        self._mirror = mirror
        self._sweep_interval = settings.sweep_seconds

    async def run(self) -> None:
        """Looks at once and then on a timer, until cancelled."""
        next_sweep = time.monotonic()
        while True:
            try:
                with upkeep_run("reconcile"):
                    await self.reconcile()
                if self._sweep_interval and time.monotonic() >= next_sweep:
                    with upkeep_run("sweep"):
                        await self.sweep()
                    next_sweep = time.monotonic() + self._sweep_interval
            except (ServiceError, grpc.aio.AioRpcError) as error:
                log.info("reconcile.postponed", why=str(error))
            except Exception:  # a boundary: the next look must come after any failure
                log.exception("reconcile.crashed")
            await asyncio.sleep(self._interval)

    async def sweep(self) -> None:
        """Compares the vectors with the rows, once through all libraries."""
        async for library in self._libraries_in(Library.STATE_ACTIVE):
            with skip(library.name):
                await self._sweep.sweep(library)
                await self._speakers.sweep(library)

    async def reconcile(self) -> None:
        """Looks once through all libraries."""
        await self._mirror.repair()
        async for library in self._libraries_in(Library.STATE_CREATING):
            with skip(library.name):
                await self._libraries.finish_creation(library)
        async for library in self._libraries_in(Library.STATE_DELETING):
            if time.time() - library.update_time.ToSeconds() > self._deletion:
                with skip(library.name):
                    await self._libraries.finish_deletion(library)
        async for library in self._libraries_in(Library.STATE_ACTIVE):
            with skip(library.name):
                await self._reconcile_clips(library)
                await self._speakers.reconcile(library)

    async def _reconcile_clips(self, library: Library) -> None:
        async for clip in self._clips_in(library, Clip.STATE_CREATING, self._stale):
            with skip(clip.name):
                await self._finish(library, clip)
        for state, age in (
            (Clip.STATE_DELETING, self._deletion),
            (Clip.STATE_FAILED, KEEP_FAILED_SECONDS),
            (Clip.STATE_TRASHED, self._trash),
        ):
            async for clip in self._clips_in(library, state, age):
                with skip(clip.name):
                    await self._clips.discard(library, clip.name, state)
                    metrics.RECONCILED.labels("removed").inc()
                    log.info("reconcile.removed", clip=clip.name, state=Clip.State.Name(clip.state))

    async def _finish(self, library: Library, clip: Clip) -> None:
        """Makes a clip searchable if its audio is stored; removes it if not."""
        try:
            await self._clips.make_searchable(library, clip)
            metrics.RECONCILED.labels("finished").inc()
            log.info("reconcile.finished", clip=clip.name)
        except ServiceError as error:
            if error.code is grpc.StatusCode.INVALID_ARGUMENT:
                await self._clips.fail(library, clip.name, error)
                metrics.RECONCILED.labels("failed").inc()
            elif error.reason is Reason.AUDIO_NOT_FOUND:
                await self._clips.discard(library, clip.name, Clip.STATE_CREATING)
                metrics.RECONCILED.labels("undone").inc()
                log.info("reconcile.undone", clip=clip.name)
            else:
                raise

    async def _libraries_in(self, state: Library.State.ValueType) -> AsyncIterator[Library]:
        request = ListLibrariesRequest(page_size=PAGE, state=state, view=LIBRARY_VIEW_BASIC)
        async for page in pages(self._upstream.libraries.ListLibraries, request):
            for library in page.libraries:
                yield library

    async def _clips_in(
        self, library: Library, state: Clip.State.ValueType, age: float
    ) -> AsyncIterator[Clip]:
        before = Timestamp()
        before.FromNanoseconds(int((time.time() - age) * 1e9))
        fit = ClipFilter(state=state, update_time_before=before)
        request = ListClipsRequest(parent=library.name, page_size=PAGE, filter=fit)
        async for page in pages(self._upstream.clips.ListClips, request):
            for clip in page.clips:
                yield clip
