"""The database: connections, transactions, and its failures as typed errors."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import structlog
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.engines import Backend
from catalog_service.failures import is_conflict, translate
from catalog_service.migrate import migrate
from serving.errors import Reason, ServiceError

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:
    from async_timeout import timeout

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]
log = structlog.get_logger()
_ATTEMPTS = 5
_RETRY_SECONDS = 1.0


class Database:
    """Runs work in transactions. It opens when the database answers, and recovers by itself."""

    def __init__(self, backend: Backend, seconds: float) -> None:
        """Takes where the database is and the longest that one transaction may take."""
        self._backend = backend
        self._seconds = seconds
        self._engine = backend.engine()
        self._writers = asyncio.Semaphore(backend.writers)
        self._migrated = False
        self._opening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Brings the schema up to date; goes on trying in the background if that fails now."""
        if not await self._try_to_migrate():
            self._opening = asyncio.create_task(self._keep_trying())

    async def close(self) -> None:
        """Closes all connections."""
        if self._opening:
            self._opening.cancel()
        await self._engine.dispose()

    async def check(self) -> None:
        """Raises CATALOG_UNAVAILABLE while the database doesn't answer."""

        async def ask(connection: AsyncConnection) -> None:
            await connection.execute(text("SELECT 1"))

        await self.read(ask)

    async def read(self, work: Work[T]) -> T:
        """Runs work that changes nothing, in one transaction.

        Raises:
            ServiceError: CATALOG_UNAVAILABLE.
        """
        async with self._guarded(), self._engine.connect() as connection, connection.begin():
            return await work(connection)

    async def write(self, work: Work[T]) -> T:
        """Runs work in one transaction, from the start again when another one was in its way.

        Raises:
            ServiceError: CATALOG_UNAVAILABLE, STORAGE_FULL.
            IntegrityError: a row breaks a unique key; it is the caller's to say which.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with self._guarded(), self._writers:
                    return await self._write_once(work)
            except exc.OperationalError:
                if attempt == _ATTEMPTS:
                    raise ServiceError(
                        Reason.CATALOG_UNAVAILABLE,
                        "others change the same rows all the time; try again",
                    ) from None
                await asyncio.sleep(random.uniform(0, 0.02 * attempt))  # noqa: S311
        raise AssertionError

    async def _write_once(self, work: Work[T]) -> T:
        async with self._engine.connect() as connection:
            await connection.execution_options(writes=True)
            async with connection.begin():
                return await work(connection)

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
