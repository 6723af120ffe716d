"""Ways to run a transaction: in a thread, or on the event loop.

The work of a transaction is a plain function of a connection. It may not touch the disk, wait for
anything else or compute at length: on the event loop that would stop the whole service. Anything
of that kind is awaited between two such functions, by `Transactions.run_around`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from catalog_service.completion import to_the_end
from serving.compat import timeout
from serving.errors import Reason, ServiceError
from serving.places import Places
from serving.threads import Threads

T = TypeVar("T")
SeenT = TypeVar("SeenT")
DoneT = TypeVar("DoneT")
Work = Callable[[Connection], T]
Between = Callable[[SeenT], Awaitable[DoneT]]
Last = Callable[[Connection, DoneT], T]


class Transactions(Protocol):
    """Transactions of one kind, a few at a time. A few more wait; the rest is CATALOG_BUSY.

    A transaction that has begun goes on to its end, or to the limit of its time, even when its
    caller has stopped waiting. One that still waits is dropped with its caller.
    """

    async def run(self, work: Work[T]) -> T:
        """Runs work in a transaction."""
        ...

    async def run_around(
        self, first: Work[SeenT], between: Between[SeenT, DoneT], last: Last[DoneT, T]
    ) -> T:
        """Runs work in two parts of one transaction, with something awaited between them.

        The middle gets the result of the first part, and the last part gets that of the middle.
        """
        ...

    async def close(self) -> None:
        """Waits for what runs and closes all connections."""
        ...


def busy() -> ServiceError:
    """The error for a call that finds the queue in front of the database full."""
    return ServiceError(
        Reason.CATALOG_BUSY, "too many calls wait for the catalog's database; try again"
    )


class InThreads:
    """Transactions in threads, for a driver that blocks: one hop for each transaction."""

    def __init__(
        self,
        name: str,
        engine: Engine,
        at_once: int,
        waiting: int,
        after: Callable[[Engine], None] = lambda _engine: None,
        *,
        commits: bool,
    ) -> None:
        """Takes where connections come from and the bounds.

        Args:
            name: what the threads are called.
            engine: where connections come from.
            at_once: transactions at a time.
            waiting: callers that may wait for their turn.
            after: called in the thread after each transaction that passed.
            commits: False for reads, whose connections commit each statement by themselves.
        """
        self._connect = engine.begin if commits else engine.connect
        self._engine = engine
        self._after = after
        self._threads = Threads(name, at_once, waiting, busy)

    async def run(self, work: Work[T]) -> T:
        """See Transactions."""

        def whole() -> T:
            with self._connect() as connection:
                done = work(connection)
            self._after(self._engine)
            return done

        return await self._threads.run(whole)

    async def run_around(
        self, first: Work[SeenT], between: Between[SeenT, DoneT], last: Last[DoneT, T]
    ) -> T:
        """See Transactions. The thread waits while the event loop does what is between."""
        loop = asyncio.get_running_loop()

        async def meanwhile(seen: SeenT) -> DoneT:
            return await between(seen)

        def whole() -> T:
            with self._connect() as connection:
                seen = first(connection)
                done = asyncio.run_coroutine_threadsafe(meanwhile(seen), loop).result()
                result = last(connection, done)
            self._after(self._engine)
            return result

        return await self._threads.run(whole)

    async def close(self) -> None:
        """See Transactions."""
        await self._threads.close()
        self._engine.dispose()


class OnLoop:
    """Transactions on the event loop, for a driver of asyncio.

    Each is a task of its own, so that a caller that is cancelled does not cut a connection in the
    middle of an answer. The driver has no limits of time: a transaction that reaches its own is cut
    off, and its connection is thrown away.
    """

    def __init__(
        self,
        name: str,
        engine: AsyncEngine,
        at_once: int,
        waiting: int,
        seconds: float,
        *,
        commits: bool,
    ) -> None:
        """Takes where connections come from and the bounds.

        Args:
            name: for the metrics.
            engine: where connections come from.
            at_once: transactions at a time.
            waiting: callers that may wait for their turn.
            seconds: longest time of a transaction, the wait for its turn included.
            commits: False for reads, whose connections commit each statement by themselves.
        """
        self._engine = engine
        self._commits = commits
        self._places = Places(name, at_once, waiting, busy)
        self._seconds = seconds
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, work: Work[T]) -> T:
        """See Transactions."""

        def whole(connection: Connection) -> T:
            with connection.begin():
                return work(connection)

        step = whole if self._commits else work
        return await self._begin(lambda connection: connection.run_sync(step))

    async def run_around(
        self, first: Work[SeenT], between: Between[SeenT, DoneT], last: Last[DoneT, T]
    ) -> T:
        """See Transactions."""

        def end(connection: Connection, done: DoneT) -> T:
            result = last(connection, done)
            connection.commit()
            return result

        async def whole(connection: AsyncConnection) -> T:
            try:
                seen = await connection.run_sync(first)
                done = await to_the_end(between(seen))
                return await connection.run_sync(end, done)
            except asyncio.CancelledError:
                # The time is over, and a server that hangs would never answer a ROLLBACK.
                await connection.invalidate()
                raise
            except Exception:
                await connection.rollback()
                raise

        return await self._begin(whole)

    async def close(self) -> None:
        """See Transactions."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._engine.dispose()

    async def _begin(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        due = asyncio.get_running_loop().time() + self._seconds
        await self._places.take()
        task = asyncio.create_task(self._run(work, due))
        self._tasks.add(task)
        task.add_done_callback(self._end)
        return await asyncio.shield(task)

    async def _run(self, work: Callable[[AsyncConnection], Awaitable[T]], due: float) -> T:
        left = due - asyncio.get_running_loop().time()
        async with timeout(left), self._engine.connect() as connection:
            return await work(connection)

    def _end(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._places.give_back()
        if not task.cancelled():
            task.exception()  # looked at, so that nobody warns of it when the caller is gone
