"""The finding of duplicates: none yet, then ready, and found anew when the library changes."""

from __future__ import annotations

import asyncio
import time

import structlog
from audiosearch.catalog.v1.clip_pb2 import Failure
from audiosearch.catalog.v1.library_pb2 import LIBRARY_VIEW_FULL, GetLibraryRequest, Library
from audiosearch.gateway.v1.duplicates_pb2 import (
    DuplicateGroup,
    Duplicates,
    GetDuplicatesRequest,
)

from gateway.byte_pages import Pages
from gateway.duplicates.report import described
from gateway.duplicates.walk import Walk, clips
from gateway.on_demand import Made
from gateway.upstream import Upstream
from scoring.duplicate_groups import groups
from serving.errors import Reason, ServiceError

log = structlog.get_logger()


class Found(Made):
    """The duplicates of one library in their current state."""

    def __init__(self, library: str) -> None:
        """Starts the duplicates of `libraries/{library}` without groups."""
        super().__init__(f"{library}/duplicates")
        self.digest = ""
        self._pages = Pages[DuplicateGroup]([])
        self._answer = Duplicates(name=self.name)

    def show(self, pages: Pages[DuplicateGroup], answer: Duplicates, digest: str) -> None:
        """Sets the groups of the answers from now on, and the rest of the answer."""
        self._pages, self._answer, self.digest = pages, answer, digest
        self.came()

    def answer(self, request: GetDuplicatesRequest) -> Duplicates:
        """The answer to a request. Without groups it raises the error that prevented them."""
        if not self.there:
            if self.error:
                raise self.error
            state = Duplicates.STATE_PENDING
            return Duplicates(name=self.name, state=state, progress=self.progress)
        answer = Duplicates(
            state=Duplicates.STATE_STALE if self.stale else Duplicates.STATE_READY,
            progress=self.progress,
            etag=self._pages.etag,
        )
        answer.MergeFrom(self._answer)
        if self.error:
            failure = Failure(reason=self.error.reason.value, message=self.error.message)
            answer.failure.CopyFrom(failure)
        if request.page_token or request.etag != self._pages.etag:
            page, answer.next_page_token = self._pages.page(request.page_token, "the groups have")
            answer.groups.extend(page)
        return answer


class Finder:
    """Finds duplicates, in one library at a time."""

    def __init__(self, upstream: Upstream) -> None:
        """Reads from the services of `upstream`."""
        self._upstream = upstream
        self._busy = asyncio.Semaphore(1)

    async def work(self, library: Library, found: Found) -> None:
        """Does the pending work. A failure is kept in `found`."""
        found.begin()
        try:
            if found.there:
                digest = await Walk(self._upstream, library).digest()
                found.stale = found.stale or digest != found.digest
                found.progress = 0.0 if found.stale else 1.0
                if not found.stale or time.monotonic() < found.rest_until:
                    return
            async with self._busy:
                await self._find(library, found)
        except ServiceError as error:
            found.fail(error)
        except Exception:  # the boundary: no caller waits for this task
            log.exception("duplicates.crashed", name=found.name)
            failed = "the duplicates could not be found; see the log"
            found.fail(ServiceError(Reason.INTERNAL, failed))

    async def _find(self, library: Library, found: Found) -> None:
        def report(share: float) -> None:
            found.progress = min(share, 0.99)

        start, answer = time.monotonic(), Duplicates(name=found.name)
        answer.create_time.GetCurrentTime()
        request = GetLibraryRequest(name=library.name, view=LIBRARY_VIEW_FULL)
        answer.clip_count = (await self._upstream.libraries.GetLibrary(request)).clip_count
        walk = Walk(self._upstream, library)
        digest = await walk.digest()
        await walk.run(report)
        grouped = await asyncio.to_thread(groups, walk.links, walk.lengths)
        rows = await clips(self._upstream, library, list(walk.lengths))
        messages = await asyncio.to_thread(described, grouped, rows)
        answer.group_count, answer.truncated = len(messages), walk.truncated
        found.show(await asyncio.to_thread(Pages[DuplicateGroup], messages), answer, digest)
        found.stale, found.progress = False, 1.0
        found.looked = time.monotonic()
        # Half of the time stays free, even for a library that changes all the time.
        took = found.looked - start
        found.rest_until = found.looked + took
        log.info("duplicates.found", name=found.name, groups=len(messages), seconds=round(took, 2))
