"""Migrations: libraries whose next indexes this gateway fills from their stored audio.

Nothing is lost, whichever gateway works and whenever it ends:

- The indexes are made first. From then on every gateway writes new clips to both generations and
  deletes clips from both, because each reads the library anew after it has embedded a clip and
  before it deletes one. A clip that was stored before is ACTIVE, or becomes so, and the list of
  ACTIVE clips leads to it. A change of a clip goes to both, or comes before the row is read.
- The cursor never passes over a clip that is not dealt with, and each step can be repeated. So
  after a crash another worker goes on, and does at most the last few clips again.
- A sweep compares the new generation with the rows before the switch. A second one does so after
  it, for a call that began on a gateway that saw the library before the migration began.
- Voiceprints are vectors of the library's model. If the migration changes it, all are made from the
  enrollments in the new generation before the switch, and once more after it.
- A migration with `review` is left by its worker when the answers of both generations are compared.
  It is claimed again when it is told to go on, and swept once more before the switch.
- A migration with `keep` turns the two generations around at the switch: the old one waits from
  then on, as one that waits for a review does, but rows have the numbers and the tags of the
  present one. To go back it is claimed. Its clips are there: rows are given what they had, and a
  sweep fills what is missing of the vectors that the catalog keeps.
- Indexes that nobody keeps are dropped some seconds after the switch, by this worker, or by the
  next sweep of any gateway. Nobody writes to them alone by then: a call that finds them gone reads
  the library again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import grpc
import structlog
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter, ListClipsRequest
from audiosearch.catalog.v1.library_pb2 import (
    LIBRARY_VIEW_FULL,
    ClaimMigrationRequest,
    FinishMigrationRequest,
    GetLibraryRequest,
    Library,
    Migration,
    MigrationFailure,
    ReportMigrationRequest,
)
from google.protobuf.duration_pb2 import Duration

from gateway.claims import Claims
from gateway.clips.life import Clips
from gateway.libraries import indexes
from gateway.libraries.indexes import Generation
from gateway.libraries.libraries import Libraries
from gateway.skip import stops_all
from gateway.speakers.upkeep import Upkeep
from gateway.upkeep.comparing import compare
from gateway.upkeep.returning import note_tags, take_back
from gateway.upkeep.sweeping import Sweep
from gateway.upstream import Upstream
from serving import limits
from serving.errors import Reason, ServiceError
from serving.names import split_clip
from serving.retry import MAX_PAUSE_SECONDS, TOTAL_SECONDS
from serving.telemetry import request_id

LEASE_SECONDS = 10
REPORT_SECONDS = 1.0
POLL_SECONDS = 2.0
DROP_SECONDS = 10.0
"""Time between the switch and the end of the old indexes, for searches that began on these."""
AT_ONCE = 4
"""Clips that are embedded at a time; few, because users come first."""
AHEAD = 64
"""Clips that may be done behind one that takes long, such as a recording of hours."""
PAGE = 1000
MOST_FAILURES = limits.of(Migration, "failures").max_items
_ENDED = {Reason.LIBRARY_NOT_FOUND, Reason.STATE_CONFLICT}
"""Reasons that mean that the migration is over, or another gateway's."""
_STOPS = {Reason.LIBRARY_NOT_FOUND, Reason.MODEL_MISMATCH, Reason.MODEL_NOT_FOUND}
"""Reasons for which no other clip would fare better; others' migrations are worked on meanwhile."""
log = structlog.get_logger()
T = TypeVar("T")


class Run:
    """One claimed migration, from its cursor to the switch."""

    def __init__(
        self,
        library: Library,
        upstream: Upstream,
        libraries: Libraries,
        clips: Clips,
        sweep: Sweep,
        speakers: Upkeep,
    ) -> None:
        """Goes on where the last worker has stopped."""
        self.library = library
        self.progress = Migration()
        self.progress.CopyFrom(library.migration)
        self._upstream = upstream
        self._libraries = libraries
        self._clips = clips
        self._sweep = sweep
        self._speakers = speakers
        # Without embedding, many clips share the calls to the catalog and the index.
        self._free = asyncio.Semaphore(AHEAD if library.migration.kept else AT_ONCE)
        self._embedding = asyncio.Semaphore(AT_ONCE)

    async def work(self) -> None:
        """Fills the next generation of indexes and compares it with the rows.

        Services that are away are waited for.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND if the library is being deleted, MODEL_MISMATCH or
                MODEL_NOT_FOUND if the embedding service runs another model by now.
        """
        generation = await self._make_indexes()
        window: deque[tuple[Clip, asyncio.Task[bool]]] = deque()
        try:
            async for clip in self._left():
                while window and (len(window) >= AHEAD or window[0][1].done()):
                    await self._settle(*window.popleft())
                await self._free.acquire()
                task = asyncio.create_task(self._one(generation, clip))
                task.add_done_callback(lambda _: self._free.release())
                window.append((clip, task))
            while window:
                await self._settle(*window.popleft())
        finally:
            for _, task in window:
                task.cancel()
        await self._patiently(lambda: self._sweep.sweep(self.library, indexes.coming))
        await self._patiently(lambda: self._speakers.fill_coming(self.library))
        await self._count()

    async def compare(self) -> None:
        """Compares the answers of the new indexes with those of the present ones."""
        count = self.progress.clip_count
        found = await self._patiently(lambda: compare(self._upstream, self.library, count))
        self.progress.comparison.CopyFrom(found)

    async def _count(self) -> None:
        """Counts the clips that are there."""
        request = GetLibraryRequest(name=self.library.name, view=LIBRARY_VIEW_FULL)
        now = await self._patiently(lambda: self._upstream.libraries.GetLibrary(request))
        self.progress.clip_count = now.clip_count

    async def _make_indexes(self) -> Generation:
        now = await self._patiently(lambda: self._libraries.restore_indexes(self.library))
        generation = indexes.coming(now) if now else None
        if generation is None:
            raise ServiceError(
                Reason.LIBRARY_NOT_FOUND, f"{self.library.name} is no longer in a migration"
            )
        return generation

    async def _left(self) -> AsyncIterator[Clip]:
        """The ACTIVE clips behind the cursor, by id."""
        after = self.progress.cursor
        request = ListClipsRequest(
            parent=self.library.name, page_size=PAGE, filter=ClipFilter(state=Clip.STATE_ACTIVE)
        )
        while True:
            await self._count()
            page = await self._patiently(lambda: self._upstream.clips.ListClips(request))
            for clip in page.clips:
                if split_clip(clip.name)[1] > after:
                    yield clip
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return

    async def _one(self, generation: Generation, clip: Clip) -> bool:
        """Brings a clip into the new indexes; False if it was deleted meanwhile."""

        async def try_it() -> bool:
            try:
                return await self._bring(generation, clip)
            except ServiceError as error:
                if error.reason is not Reason.INDEX_NOT_FOUND:
                    raise
                await self._make_indexes()
                raise ServiceError(
                    Reason.INDEX_UNAVAILABLE, "the store has lost an index, which is made anew"
                ) from error

        return await self._patiently(try_it, time.monotonic() + TOTAL_SECONDS)

    async def _bring(self, generation: Generation, clip: Clip) -> bool:
        if self.library.migration.kept:
            done = await take_back(self._clips, self.library, generation, clip)
            if done is not None:
                return done
            async with self._embedding:
                return await self._clips.embed_again(self.library, generation, clip)
        if self.library.migration.keep and clip.tags:
            await note_tags(self._clips.vectors.keeping, self.library, clip)
        if not clip.window_count:
            return await self._clips.embed_again(self.library, generation, clip)
        # It may be there: it came after the begin, or an earlier worker ended right behind it.
        lacking = await self._sweep.lacking(self.library, generation, split_clip(clip.name)[1])
        if lacking is None:
            return True
        return await self._clips.embed_again(self.library, generation, lacking)

    async def _settle(self, clip: Clip, task: asyncio.Task[bool]) -> None:
        """Counts a clip, in the order of ids, so that the cursor never skips one."""
        try:
            self.progress.done_count += await task
        except ServiceError as error:
            if error.reason in _STOPS:
                raise
            self._failed(clip, error.reason, error.message)
        except grpc.aio.AioRpcError as error:
            log.exception("migration.clip_crashed", clip=clip.name)
            self._failed(clip, Reason.INTERNAL, f"internal error ({error.code()}); see the log")
        self.progress.cursor = split_clip(clip.name)[1]

    def _failed(self, clip: Clip, reason: Reason, message: str) -> None:
        self.progress.failed_count += 1
        log.warning("migration.clip_failed", clip=clip.name, reason=reason.value, why=message)
        if len(self.progress.failures) < MOST_FAILURES:
            message = limits.cut(MigrationFailure, "message", message)
            self.progress.failures.append(
                MigrationFailure(clip=clip.name, reason=reason.value, message=message)
            )

    async def _patiently(self, call: Callable[[], Awaitable[T]], until: float | None = None) -> T:
        """The result of a call, which is repeated while a service is away or busy.

        Args:
            call: to be made.
            until: time from which on a failure counts as the call's own, if all services are well.
        """
        pause = 1.0
        while True:
            try:
                return await call()
            except ServiceError as error:
                late = until is not None and time.monotonic() > until
                if not stops_all(error):
                    raise
                if late and error.code is grpc.StatusCode.UNAVAILABLE and await self._all_well():
                    raise
                log.info("migration.waits", library=self.library.name, why=str(error))
            await asyncio.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE_SECONDS)

    async def _all_well(self) -> bool:
        with contextlib.suppress(ServiceError):
            await self._upstream.check()
            return True
        return False


class MigrationWorker:
    """Claims migrations of the catalog and works on one at a time."""

    def __init__(
        self, upstream: Upstream, libraries: Libraries, clips: Clips, speakers: Upkeep
    ) -> None:
        """Works on the services of `upstream`."""
        self._upstream = upstream
        self._libraries = libraries
        self._clips = clips
        self._speakers = speakers
        self._sweep = Sweep(upstream, libraries, clips)
        self._claims = Claims(self._claim, POLL_SECONDS)
        self._worker = uuid.uuid4().hex
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Looks for a migration at once instead of at the next poll."""
        self._claims.wake()

    async def run(self) -> None:
        """Claims and works until cancelled. Unfinished migrations are left to the next worker."""
        try:
            while True:
                library = await self._claims.next()
                try:
                    await self._work(library)
                except Exception:  # a boundary: after its lease it is tried again
                    log.exception("migration.crashed", library=library.name)
                    await asyncio.sleep(LEASE_SECONDS)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _claim(self) -> Library | None:
        request = ClaimMigrationRequest(worker=self._worker, lease=Duration(seconds=LEASE_SECONDS))
        answer = await self._upstream.libraries.ClaimMigration(request)
        return answer.library if answer.HasField("library") else None

    async def _work(self, library: Library) -> None:
        request_id.set(uuid.uuid4().hex)
        log.info(
            "migration.started",
            library=library.name,
            generation=library.migration.generation,
            cursor=library.migration.cursor,
        )
        run = Run(
            library, self._upstream, self._libraries, self._clips, self._sweep, self._speakers
        )
        work = asyncio.create_task(run.work())
        reporter = asyncio.create_task(self._keep_reporting(run))
        try:
            await asyncio.wait({work, reporter}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                log.info("migration.left", library=library.name)
                return
            work.result()
            if (await self._report(run)).migration.review:
                await run.compare()
                if (await self._report(run)).migration.review:
                    log.info("migration.waits_for_review", library=library.name)
                    return
            reporter.cancel()
            await asyncio.sleep(REPORT_SECONDS)  # so that those who watch see the last report
            await self._finish(run)
        except ServiceError as error:
            # If it is not over, and no other gateway's, it is tried again after its lease.
            log.warning("migration.left", library=library.name, why=str(error))
        finally:
            work.cancel()
            reporter.cancel()
            await asyncio.gather(work, reporter, return_exceptions=True)

    async def _keep_reporting(self, run: Run) -> None:
        """Reports progress and renews the lease, until the migration is over or another's."""
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            try:
                await self._report(run)
            except ServiceError as error:
                if error.reason in _ENDED:
                    return
                log.warning("migration.report_failed", library=run.library.name, why=str(error))

    async def _report(self, run: Run) -> Library:
        return await self._upstream.libraries.ReportMigration(
            ReportMigrationRequest(
                name=run.library.name,
                worker=self._worker,
                lease=Duration(seconds=LEASE_SECONDS),
                migration=run.progress,
            )
        )

    async def _finish(self, run: Run) -> None:
        done = await self._upstream.libraries.FinishMigration(
            FinishMigrationRequest(
                name=run.library.name,
                worker=self._worker,
                generation=run.progress.generation,
            )
        )
        log.info(
            "migration.ended",
            library=done.name,
            generation=done.generation,
            done=run.progress.done_count,
            failed=run.progress.failed_count,
        )
        task = asyncio.create_task(self._clean_up(done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _clean_up(self, library: Library) -> None:
        """Sweeps the library once more and drops its old indexes. Another sweep does so too."""
        await asyncio.sleep(DROP_SECONDS)
        try:
            now = await self._libraries.now(library)
            if now is None or now.generation != library.generation:
                return  # it has gone back, and is swept after that
            await self._sweep.sweep(now)
            if now.model_generation == now.generation:
                await self._speakers.renew(now)
        except ServiceError as error:
            log.info("migration.clean_up_postponed", library=library.name, why=str(error))
