"""The database: transactions in threads, and its failures as typed errors."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import structlog
from sqlalchemy import Connection, exc, text

from catalog_service.database.circuit import Pulse
from catalog_service.database.engines import Backend
from catalog_service.database.failures import is_conflict, translate
from catalog_service.database.migrate import migrate
from serving.errors import Reason, ServiceError
from serving.threads import Lane

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:
    from async_timeout import timeout

T = TypeVar("T")
Work = Callable[[Connection], T]
log = structlog.get_logger()
_ATTEMPTS = 5
_RETRY_SECONDS = 1.0


class Database:
    """Runs work in transactions. It opens when the database answers, and recovers by itself.

    Work is a plain function: one hop into a thread for a transaction, however many statements.
    Readers, writers and the health check have threads and connections of their own, so that none
    of them keeps the others waiting.
    """

    def __init__(self, backend: Backend, seconds: float, waiting: int) -> None:
        """Takes where the database is, the longest a transaction may take, and who may wait."""
        self._backend = backend
        self._seconds = seconds
        self._reading = backend.reading_engine()
        self._writing = backend.writing_engine()
        self._readers = Lane("reader", backend.readers, waiting)
        self._writers = Lane("writer", backend.writers, waiting)
        self._checker = Lane("checker", 1, 0)
        self._pulse = Pulse()
        self._migrated = False
        self._opening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Brings the schema up to date; goes on trying in the background if that fails now."""
        if not await self._try_to_migrate():
            self._opening = asyncio.create_task(self._keep_trying())

    async def close(self) -> None:
        """Ends what runs and closes all connections."""
        if self._opening:
            self._opening.cancel()
        await asyncio.to_thread(self._close)

    async def check(self) -> None:
        """Raises CATALOG_UNAVAILABLE while the database doesn't answer."""
        answered = False
        try:
            async with self._guarded():
                await self._checker.run(lambda: self._read(lambda c: c.scalar(text("SELECT 1"))))
            answered = True
        finally:  # also when cancelled: who checks waits only so long
            if not answered:
                self._pulse.missed()
        self._pulse.answered()

    async def read(self, work: Work[T]) -> T:
        """Runs work that changes nothing. Each statement sees what is committed when it begins.

        Raises:
            ServiceError: CATALOG_UNAVAILABLE, CATALOG_BUSY.
        """
        self._pulse.require()
        async with self._guarded():
            done = await self._readers.run(lambda: self._read(work))
        self._pulse.answered()
        return done

    async def write(self, work: Work[T]) -> T:
        """Runs work in one transaction, from the start again when another one was in its way.

        Raises:
            ServiceError: CATALOG_UNAVAILABLE, CATALOG_BUSY, STORAGE_FULL.
            IntegrityError: a row breaks a unique key; it is the caller's to say which.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            self._pulse.require()
            try:
                async with self._guarded():
                    done = await self._writers.run(lambda: self._write(work))
            except exc.OperationalError:
                if attempt == _ATTEMPTS:
                    raise ServiceError(
                        Reason.CATALOG_UNAVAILABLE,
                        "others change the same rows all the time; try again",
                    ) from None
                await asyncio.sleep(random.uniform(0, 0.02 * attempt))  # noqa: S311
            else:
                self._pulse.answered()
                return done
        raise AssertionError

    async def write_new(self, work: Work[T]) -> T:
        """As `write`, for work that makes what it does not find.

        From the start again when a row breaks a unique key: somebody was faster, and what they made
        is found now.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self.write(work)
            except exc.IntegrityError:
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError

    def _read(self, work: Work[T]) -> T:
        with self._reading.connect() as connection:
            return work(connection)

    def _write(self, work: Work[T]) -> T:
        with self._writing.begin() as connection:
            return work(connection)

    def _close(self) -> None:
        for lane in (self._readers, self._writers, self._checker):
            lane.close()
        self._reading.dispose()
        self._writing.dispose()

    @contextlib.asynccontextmanager
    async def _guarded(self) -> AsyncIterator[None]:
        """Limits the time and makes the driver's errors ours, but for two that callers handle."""
        if not self._migrated:
            raise ServiceError(
                Reason.CATALOG_UNAVAILABLE, "the catalog's database has not answered yet; try again"
            )
        try:
            async with timeout(self._seconds):
                yield
        except exc.IntegrityError:
            raise
        except (exc.SQLAlchemyError, TimeoutError, asyncio.TimeoutError, ConnectionError) as error:
            if is_conflict(error):
                raise
            raise translate(error, self._seconds) from error

    async def _try_to_migrate(self) -> bool:
        try:
            await asyncio.to_thread(migrate, self._backend)
        except (exc.SQLAlchemyError, OSError) as error:
            log.warning("catalog.not_open", where=self._backend.where, why=str(error))
            return False
        self._migrated = True
        log.info("catalog.open", where=self._backend.where)
        return True

    async def _keep_trying(self) -> None:
        await asyncio.sleep(_RETRY_SECONDS)
        while not await self._try_to_migrate():  # noqa: ASYNC110  nothing tells that a server is back
            await asyncio.sleep(_RETRY_SECONDS)
