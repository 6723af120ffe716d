"""Results about libraries that are made on demand, and kept while there is room."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog
from audiosearch.catalog.v1.library_pb2 import Library

from gateway.libraries.libraries import Libraries
from serving.errors import ServiceError
from serving.telemetry import deadline

KEPT = 4
"""Libraries whose results are kept. A map takes some 60 MB at most."""
FIRST_SECONDS = 2.0
"""Longest wait for the first result."""
IDLE_SECONDS = 60.0
"""Time without requests after which work ends."""
LOOK_SECONDS = 15.0
"""Time between two checks of a result against its library, while it is requested."""
AGAIN_SECONDS = 60.0
"""Time between a failure and the next try."""
_TIDY_SECONDS = 5.0
log = structlog.get_logger()


class Made:
    """A result about one library in its current state."""

    def __init__(self, name: str) -> None:
        """Starts without a result."""
        self.name = name
        self.asked = time.monotonic()
        self.progress = 0.0
        self.stale = False
        self.looked = self.rest_until = 0.0
        self.there = False
        """True if there is a result, even if it is not the last one."""
        self.error: ServiceError | None = None
        self._shown = asyncio.Event()

    def due(self) -> bool:
        """True if there is work to do."""
        pause = AGAIN_SECONDS if self.error else LOOK_SECONDS
        return not self.there or time.monotonic() >= self.looked + pause

    def begin(self) -> None:
        """Forgets the last failure."""
        self.error = None
        self.looked = time.monotonic()
        if not self.there:
            self._shown.clear()

    def came(self) -> None:
        """Tells those who wait that there is a result."""
        self.there = True
        self._shown.set()

    def fail(self, error: ServiceError) -> None:
        """Keeps the reason why there is no better result."""
        self.error, self.progress = error, 0.0
        self._shown.set()

    async def shown(self, seconds: float) -> None:
        """Waits for a result or a failure, up to so many seconds."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._shown.wait(), seconds)


Result = TypeVar("Result", bound=Made)


class OnDemand(Generic[Result]):
    """The results about all libraries. They are only in memory and are made again when needed."""

    def __init__(
        self,
        libraries: Libraries,
        empty: Callable[[Library], Result],
        work: Callable[[Library, Result], Awaitable[None]],
    ) -> None:
        """Makes results by `work`, which begins with `empty` ones."""
        self._libraries = libraries
        self._empty = empty
        self._make = work
        self._made: OrderedDict[str, Result] = OrderedDict()
        self._work: dict[str, asyncio.Task[None]] = {}

    async def get(self, library_name: str) -> Result:
        """The result in its current state. Pending work on it continues after this call.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND, STATE_CONFLICT.
        """
        library = await self._libraries.open(library_name)
        made = self._find(library)
        made.asked = time.monotonic()
        if library.uid not in self._work and made.due():
            self._begin(library, made)
        await made.shown(FIRST_SECONDS)
        return made

    async def run(self) -> None:
        """Ends the work on what is not requested any more. A cancellation ends all work."""
        try:
            while True:
                await asyncio.sleep(_TIDY_SECONDS)
                latest = time.monotonic() - IDLE_SECONDS
                for uid in [uid for uid in self._work if self._made[uid].asked < latest]:
                    self._end(uid)
        finally:
            tasks = list(self._work.values())
            for uid in list(self._work):
                self._end(uid)
            await asyncio.gather(*tasks, return_exceptions=True)

    def _find(self, library: Library) -> Result:
        """The result about a library. It becomes the last to be dropped."""
        if library.uid not in self._made:
            self._made[library.uid] = self._empty(library)
        self._made.move_to_end(library.uid)
        if len(self._made) > KEPT:
            uid = next(iter(self._made))
            self._end(uid)
            del self._made[uid]
        return self._made[library.uid]

    def _begin(self, library: Library, made: Result) -> None:
        async def work() -> None:
            deadline.set(None)  # the work continues after the call that started it
            await self._make(library, made)

        task = asyncio.create_task(work())
        self._work[library.uid] = task

        def ended(_: asyncio.Task[None]) -> None:
            if self._work.get(library.uid) is task:
                del self._work[library.uid]

        task.add_done_callback(ended)

    def _end(self, uid: str) -> None:
        if task := self._work.pop(uid, None):
            task.cancel()
            log.info("on_demand.given_up", name=self._made[uid].name)
