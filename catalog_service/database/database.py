"""The database: transactions that are limited and repeated, and failures as typed errors."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import structlog
from alembic.util.exc import CommandError
from sqlalchemy import exc, text

from catalog_service.database.circuit import Circuit
from catalog_service.database.engines import Backend
from catalog_service.database.failures import is_conflict, translate
from catalog_service.database.migrate import LostCatalogError, migrate
from catalog_service.database.refusals import refusal
from catalog_service.database.transactions import Between, Last, Transactions, Work
from serving.compat import timeout
from serving.errors import Reason, ServiceError
from serving.monitoring.stages import stage

T = TypeVar("T")
SeenT = TypeVar("SeenT")
DoneT = TypeVar("DoneT")
log = structlog.get_logger()
_ATTEMPTS = 5
_RETRY_SECONDS = 1.0


class Database:
    """Runs work in transactions. It opens when the database answers, and recovers by itself.

    Work is a plain function of a connection. Reads, writes and the health check have connections
    and short queues of their own, so that none of them keeps the others waiting.
    """

    def __init__(self, backend: Backend, seconds: float, waiting: int) -> None:
        """Takes the backend, the longest time of a transaction, and how many calls may wait."""
        self._backend = backend
        self._lost = ""
        self.refusal = ""
        self._seconds = seconds
        self._reads = backend.reads(waiting)
        self._writes = backend.writes(waiting)
        self._checks = backend.checks()
        self._circuit = Circuit()
        self._migrated = False
        self._opening: asyncio.Task[None] | None = None
        self._tidying: asyncio.Task[None] | None = None

    @property
    def where(self) -> str:
        """The database's address, without the password."""
        return self._backend.where

    async def open(self, lost: str = "", refused: Callable[[], None] = lambda: None) -> None:
        """Brings the schema up to date; goes on trying in the background if that fails now.

        Args:
            lost: the sentence that ends the start if there is no library; empty if that is fine.
            refused: called when a later try has found that it can't be opened; `refusal` says why.

        Raises:
            SystemExit: it can't be opened later either.
        """
        self._lost = lost
        if not await self._try_to_migrate():
            self._opening = asyncio.create_task(self._keep_trying(refused))

    async def close(self) -> None:
        """Waits for what runs and closes all connections."""
        if self._opening:
            self._opening.cancel()
        if self._tidying:
            await self._tidying
        for transactions in (self._reads, self._writes, self._checks):
            await transactions.close()

    async def check(self) -> None:
        """Raises CATALOG_UNAVAILABLE while the database doesn't answer."""
        answered = False
        try:
            async with self._guarded():
                await self._checks.run(lambda connection: connection.scalar(text("SELECT 1")))
                await self._keep()
            answered = True
        finally:  # also when cancelled: the health check waits only so long
            if not answered:
                self._circuit.missed()
        self._circuit.answered()

    async def read(self, work: Work[T]) -> T:
        """Runs work that changes nothing. Each statement sees what is committed when it begins.

        Raises:
            ServiceError: CATALOG_UNAVAILABLE, CATALOG_BUSY.
        """
        self._circuit.require()
        async with self._guarded():
            with stage("database.read"):
                done = await self._reads.run(work)
        self._circuit.answered()
        return done

    async def write(self, work: Work[T]) -> T:
        """Runs work in one transaction, from the start again when another one was in its way.

        Raises:
            ServiceError: CATALOG_UNAVAILABLE, CATALOG_BUSY, STORAGE_FULL.
            IntegrityError: a row breaks a unique key; it is the caller's to say which.
        """
        return await self._repeat(lambda writes: writes.run(work))

    async def grow(self, work: Work[T]) -> T:
        """Runs work that adds rows as `write` does, unless the disk is nearly full."""
        if self._backend.room:
            await asyncio.to_thread(self._backend.room.require)
        return await self.write(work)

    async def free(self, work: Work[T]) -> T:
        """Runs work that leads to fewer rows as `write` does, with the room that is kept for it."""
        return await self._repeat(lambda writes: writes.run(work), frees=True)

    async def free_around(
        self, first: Work[SeenT], between: Between[SeenT, DoneT], last: Last[DoneT, T]
    ) -> T:
        """Runs work that leads to fewer rows as `write_around` does, with the room of `free`."""
        return await self._repeat(
            lambda writes: writes.run_around(first, between, last), frees=True
        )

    async def write_around(
        self, first: Work[SeenT], between: Between[SeenT, DoneT], last: Last[DoneT, T]
    ) -> T:
        """Runs work in two parts of one transaction, with something awaited between them.

        Rows that the first part locked stay locked for it: the audio of a clip is put in place and
        removed there. All three may be run more than once. The transaction waits for the middle,
        however long that takes.

        Raises:
            ServiceError: as `write`.
            IntegrityError: as `write`.
        """
        return await self._repeat(lambda writes: writes.run_around(first, between, last))

    async def write_new(self, work: Work[T]) -> T:
        """Runs work as `write` does, but from the start again when a row breaks a unique key.

        It is for work that makes a row unless it finds one: another call was faster, and its row is
        found now. A disk that is nearly full takes none, as by `grow`.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self.grow(work)
            except exc.IntegrityError:
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError

    async def _repeat(
        self, run: Callable[[Transactions], Awaitable[T]], *, frees: bool = False
    ) -> T:
        room = self._backend.room if frees else None
        if room is None:
            return await self._repeat_conflicts(run)
        await asyncio.to_thread(room.let_go)
        try:
            return await self._repeat_conflicts(run)
        except ServiceError as error:
            if error.reason is not Reason.STORAGE_FULL:
                raise
        await asyncio.to_thread(room.let_go, now=True)
        return await self._repeat_conflicts(run)

    async def _repeat_conflicts(self, run: Callable[[Transactions], Awaitable[T]]) -> T:
        for attempt in range(1, _ATTEMPTS + 1):
            self._circuit.require()
            try:
                async with self._guarded():
                    with stage("database.write"):
                        done = await run(self._writes)
            except exc.OperationalError:
                if attempt == _ATTEMPTS:
                    raise ServiceError(
                        Reason.CATALOG_UNAVAILABLE,
                        "others change the same rows all the time; try again",
                    ) from None
                await asyncio.sleep(random.uniform(0, 0.02 * attempt))  # noqa: S311
            else:
                self._circuit.answered()
                return done
        raise AssertionError

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

    async def _keep(self) -> None:
        """Keeps the room for deletions, and the log short while nobody else writes."""
        if await asyncio.to_thread(self._backend.keep) and not self._tidying:
            self._tidying = asyncio.create_task(self._tidy())

    async def _tidy(self) -> None:
        try:
            with contextlib.suppress(ServiceError):
                await self.write(lambda _connection: None)
        finally:
            self._tidying = None

    async def _try_to_migrate(self) -> bool:
        if self._backend.room:  # to open a database takes room too
            await asyncio.to_thread(self._backend.room.let_go)
        try:
            await asyncio.to_thread(migrate, self._backend, lost=self._lost)
        except (exc.SQLAlchemyError, OSError, CommandError, LostCatalogError) as error:
            if sentence := refusal(error, self._backend):
                raise SystemExit(sentence) from error
            log.warning("catalog.not_open", where=self._backend.where, why=str(error))
            return False
        await asyncio.to_thread(self._backend.keep)
        self._migrated = True
        log.info("catalog.open", where=self._backend.where)
        return True

    async def _keep_trying(self, refused: Callable[[], None]) -> None:
        await asyncio.sleep(_RETRY_SECONDS)
        try:
            while not await self._try_to_migrate():  # noqa: ASYNC110  nothing tells that a server is back
                await asyncio.sleep(_RETRY_SECONDS)
        except SystemExit as end:
            self.refusal = str(end)
            refused()
