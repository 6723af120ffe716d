"""Imports: jobs in the catalog that this gateway claims and works on."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import uuid
from collections import deque
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import NamedTuple

import grpc
import structlog
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip, Failure
from audiosearch.catalog.v1.import_job_pb2 import (
    ClaimImportJobRequest,
    ClaimImportJobResponse,
    FileDuplicate,
    FileFailure,
    FinishImportJobRequest,
    ImportJob,
    ImportProgress,
    ReportImportProgressRequest,
)
from audiosearch.catalog.v1.library_pb2 import Library
from google.protobuf.duration_pb2 import Duration

from gateway.access.rights import quota
from gateway.claims import Claims
from gateway.clips.coalescing import ENOUGH
from gateway.clips.life import Clips
from gateway.imports.folder import hash_file, read_file, resolve_folder
from gateway.libraries.libraries import Libraries
from gateway.settings import GatewaySettings
from gateway.skip import stops_all
from gateway.upstream import Upstream, passing_over
from serving import limits
from serving.audio_files import Found, count, count_clip, walk
from serving.errors import Reason, ServiceError
from serving.monitoring import metrics
from serving.retry import Retry
from serving.telemetry import request_id

LEASE_SECONDS = 10
REPORT_SECONDS = 1.0
POLL_SECONDS = 1.0
BATCH = 256
LARGE_BYTES = 4 * 2**20
"""Bytes of a file from which on it may hold many minutes of audio."""
LARGE_AT_ONCE = 4
"""Large files worked on at a time: enough for the encoder, and few enough to end in time."""
MAX_FAILURES = 20
CONFLICTS = 8
"""Tries while another clip with the same bytes is being made or removed: 45 s in all."""

log = structlog.get_logger()


class Stopped(Exception):  # noqa: N818  it is no error
    """The job must not go on here: it is cancelled, over, or claimed by another gateway."""


class Imported(NamedTuple):
    """The clip of a file, and True if its bytes were new to the library."""

    clip: Clip
    created: bool


class Run:
    """One claimed import, from its cursor to its end."""

    def __init__(
        self,
        job: ImportJob,
        library: Library,
        clips: Clips,
        roots: Sequence[Path],
        width: int,
        large: asyncio.Semaphore,
    ) -> None:
        """Imports up to `width` files at a time from below `roots`, large ones by turns."""
        self.job = job
        self.progress = ImportProgress()
        self.progress.CopyFrom(job.progress)
        self.failures = list(job.failures)
        self.duplicates = list(job.duplicates)
        self._library = library
        self._clips = clips
        self._roots = roots
        self._folder = Path(job.folder)
        self._width = width
        self._large = large
        # With few files at a time no vector waits for others, or the encoder would be idle.
        self._hurry = width < 2 * ENOUGH
        self._stop = False
        self._exceeded: ServiceError | None = None

    def stop(self) -> None:
        """Finishes the files in progress and starts no more."""
        self._stop = True

    async def work(self) -> None:
        """Imports the remaining files.

        Raises:
            Stopped: `stop` was called before the end.
            ServiceError: PATH_NOT_FOUND, PATH_NOT_ALLOWED, QUOTA_EXCEEDED.
        """
        resolve_folder(self.job.folder, self._roots)
        if not self.progress.total:
            total, passed_over = await asyncio.to_thread(count, self._folder, roots=self._roots)
            self.progress.total = total
            self.progress.passed_over.update(passed_over)
        window: deque[tuple[Found, asyncio.Task[Imported]]] = deque()
        try:
            async for found in self._found():
                if self._stop or self._exceeded:
                    break
                if len(window) >= self._width:
                    await self._settle(*window.popleft())
                window.append((found, asyncio.create_task(self._one(found))))
            while window:
                await self._settle(*window.popleft())
        finally:
            for _, task in window:
                task.cancel()
        if self._exceeded:
            raise self._exceeded
        if self._stop:
            raise Stopped

    async def _found(self) -> AsyncIterator[Found]:
        entries = walk(self._folder, self.progress.cursor, roots=self._roots)
        while batch := await asyncio.to_thread(lambda: list(itertools.islice(entries, BATCH))):
            for found in batch:
                yield found

    async def _one(self, found: Found) -> Imported:
        """Imports one file."""
        if found.failure:
            raise found.failure
        name = Path(found.path).name
        clip = Clip(
            display_name=limits.cut(Clip, "display_name", name),
            label=self.job.label,
            source=found.path,
            import_job=self.job.name,
            channel=self.job.channel,
        )
        retry = Retry({Reason.STATE_CONFLICT}, CONFLICTS)
        while True:
            try:
                path = self._folder / found.path
                sha256, size = await hash_file(path, self._roots)
                async with self._large if size >= LARGE_BYTES else contextlib.nullcontext():
                    row, created = await self._clips.ingest(
                        self._library,
                        clip,
                        read_file(path, self._roots),
                        known=AudioObject(sha256=sha256, size_bytes=size),
                        hurry=self._hurry,
                    )
            except ServiceError as error:
                if self._stop:
                    raise
                await asyncio.sleep(retry.pause(error))
            else:
                # The clip may be from this very file, made before the last restart.
                made = row.import_job == self.job.name and row.source == found.path
                return Imported(row, created or made)

    async def _settle(self, found: Found, task: asyncio.Task[Imported]) -> None:
        """Counts a file, in the order of the walk, so that the cursor never skips one."""
        try:
            clip, created = await task
            count_clip(self.progress, clip, created=created)
            metrics.IMPORT_FILES.labels("imported" if created else "existing").inc()
            if not created:
                self._compare(found, clip)
        except ServiceError as error:
            if error.reason is Reason.QUOTA_EXCEEDED:  # others would fail too
                self._exceeded = self._exceeded or error
                return
            self._failed(found, error.reason, error.message)
        except (grpc.aio.AioRpcError, OSError) as error:
            log.exception("import.file_crashed", path=found.path)
            why = f"internal error ({type(error).__name__}); see the log"
            self._failed(found, Reason.INTERNAL, why)
        if not found.failure:
            self.progress.cursor = found.path

    def _compare(self, found: Found, clip: Clip) -> None:
        """Notes a file with the bytes of another one, and not one that was imported before."""
        name = limits.cut(Clip, "display_name", Path(found.path).name)
        same_import = clip.import_job == self.job.name
        if not same_import and clip.display_name == name:
            return
        if len(self.duplicates) < MAX_FAILURES:
            of = clip.source if same_import else clip.display_name
            self.duplicates.append(FileDuplicate(path=found.path, of=of, clip=clip.name))

    def _failed(self, found: Found, reason: Reason, message: str) -> None:
        self.progress.failed += 1
        metrics.IMPORT_FILES.labels("failed").inc()
        if len(self.failures) < MAX_FAILURES:
            failure = Failure(reason=reason.value, message=message)
            self.failures.append(FileFailure(path=found.path, failure=failure))


def _own_reason(error: Exception) -> ServiceError:
    """The typed error of a failure that nobody expected in an import."""
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return ServiceError(Reason.PATH_NOT_FOUND, "the folder, or a part of it, is gone")
    if isinstance(error, OSError):
        why = f"the folder can't be read: {error.strerror or type(error).__name__}"
        return ServiceError(Reason.PATH_NOT_ALLOWED, why)
    return ServiceError(Reason.INTERNAL, f"internal error ({type(error).__name__}); see the log")


class ImportWorker:
    """Claims import jobs of the catalog and works on a few at a time."""

    def __init__(
        self, upstream: Upstream, libraries: Libraries, clips: Clips, settings: GatewaySettings
    ) -> None:
        """Takes the limits and the readable folders from the settings."""
        self.roots = settings.roots()
        self._upstream = upstream
        self._libraries = libraries
        self._clips = clips
        self._width = settings.import_concurrency
        self._free = asyncio.Semaphore(settings.import_jobs)
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._claims = Claims(self._claim, POLL_SECONDS)
        self._worker = uuid.uuid4().hex
        self._tasks: set[asyncio.Task[None]] = set()
        metrics.IMPORTS_RUNNING.set_function(lambda: len(self._tasks))

    def wake(self) -> None:
        """Looks for a job at once instead of at the next poll."""
        self._claims.wake()

    async def run(self) -> None:
        """Claims and works until cancelled. Unfinished jobs are left to the next worker."""
        try:
            while True:
                await self._free.acquire()
                task = asyncio.create_task(self._work(await self._claims.next()))
                self._tasks.add(task)
                task.add_done_callback(self._done)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._free.release()

    async def _claim(self) -> ClaimImportJobResponse | None:
        request = ClaimImportJobRequest(worker=self._worker, lease=Duration(seconds=LEASE_SECONDS))
        answer = await self._upstream.import_jobs.ClaimImportJob(request)
        return answer if answer.HasField("import_job") else None

    async def _work(self, claimed: ClaimImportJobResponse) -> None:
        job = claimed.import_job
        quota.set(claimed.quota)
        request_id.set(job.name.removeprefix("importJobs/"))
        log.info(
            "import.started",
            job=job.name,
            library=job.library,
            folder=job.folder,
            cursor=job.progress.cursor,
        )
        with passing_over(Reason.IMPORT_JOB_NOT_FOUND):  # deleted with its library
            await self._carry_out(job)

    async def _carry_out(self, job: ImportJob) -> None:
        try:
            library = await self._libraries.open(job.library)
            run = Run(job, library, self._clips, self.roots, self._width, self._large)
            reporter = asyncio.create_task(self._keep_reporting(run))
            try:
                await run.work()
            except ServiceError as error:
                if error.reason is Reason.QUOTA_EXCEEDED:
                    await self._report(run)
                raise
            finally:
                reporter.cancel()
                await asyncio.gather(reporter, return_exceptions=True)
            await self._report(run)
            await self._finish(job, ImportJob.STATE_SUCCEEDED)
        except Stopped:
            await self._report(run)
            await self._finish(job, ImportJob.STATE_CANCELLED)
        except ServiceError as error:
            if stops_all(error) or error.reason is Reason.STATE_CONFLICT:
                # After its lease another worker goes on with it.
                log.warning("import.left", job=job.name, why=str(error))
                return
            await self._finish(job, ImportJob.STATE_FAILED, error)
        except Exception as error:  # a boundary: without it every worker would try the job forever
            log.exception("import.crashed", job=job.name, library=job.library)
            await self._finish(job, ImportJob.STATE_FAILED, _own_reason(error))

    async def _keep_reporting(self, run: Run) -> None:
        """Reports progress, renews the lease, and stops a run that is cancelled or lost."""
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            try:
                if (await self._report(run)).cancel_requested:
                    run.stop()
            except ServiceError as error:
                log.warning("import.report_failed", job=run.job.name, why=str(error))
                if not stops_all(error):
                    run.stop()

    async def _report(self, run: Run) -> ImportJob:
        return await self._upstream.import_jobs.ReportImportProgress(
            ReportImportProgressRequest(
                name=run.job.name,
                worker=self._worker,
                lease=Duration(seconds=LEASE_SECONDS),
                progress=run.progress,
                failures=run.failures,
                duplicates=run.duplicates,
            )
        )

    async def _finish(
        self, job: ImportJob, state: ImportJob.State.ValueType, error: ServiceError | None = None
    ) -> None:
        failure = Failure(reason=error.reason.value, message=error.message) if error else None
        done = await self._upstream.import_jobs.FinishImportJob(
            FinishImportJobRequest(name=job.name, state=state, failure=failure)
        )
        metrics.IMPORTS_ENDED.labels(ImportJob.State.Name(done.state)).inc()
        log.info(
            "import.ended",
            job=job.name,
            library=job.library,
            state=ImportJob.State.Name(done.state),
            reason=done.failure.reason,
            why=done.failure.message,
            imported=done.progress.imported,
            existing=done.progress.existing,
            failed=done.progress.failed,
        )
