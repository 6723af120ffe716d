"""`AsyncClient`: every call of `Client` for an event loop.

Each call runs in a thread, so nothing blocks the loop. gRPC's own client for event loops is not
used: it loses the answer of a gateway that refuses an upload before all of it was sent.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, Generic, TypeVar

from typing_extensions import ParamSpec, Self

from audiosearch_client.api.client import Client
from audiosearch_client.api.clips import Clips
from audiosearch_client.api.libraries import Libraries
from audiosearch_client.api.operations import Operations
from audiosearch_client.api.queries import Queries
from audiosearch_client.api.speakers import Speakers
from audiosearch_client.calls_under_way import CallsUnderWay, work_for

CALLS = 32
"""Calls that run at a time; more wait for their turn."""

P = ParamSpec("P")
T = TypeVar("T")
PartT = TypeVar("PartT")
_END: Any = object()


class _Threads:
    """Runs blocking calls of tasks."""

    def __init__(self, calls: int) -> None:
        self._pool = ThreadPoolExecutor(calls, "audiosearch")

    async def run(self, work: Callable[[], T], under_way: CallsUnderWay | None = None) -> T:
        """The result of a call, which ends with the task."""
        under_way = under_way or CallsUnderWay()
        context = contextvars.copy_context()
        context.run(work_for, under_way)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, context.run, work)
        except asyncio.CancelledError:
            under_way.cancel()
            raise

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


class _Part(Generic[PartT]):
    """Some calls of a client, behind threads."""

    def __init__(self, blocking: PartT, threads: _Threads) -> None:
        self._blocking = blocking
        self._threads = threads


def _awaited(
    method: Callable[Concatenate[PartT, P], T],
) -> Callable[Concatenate[_Part[PartT], P], Coroutine[Any, Any, T]]:
    """The same call for an event loop."""

    @functools.wraps(method)
    async def call(self: _Part[PartT], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._threads.run(functools.partial(method, self._blocking, *args, **kwargs))

    return call


def _iterated(
    method: Callable[Concatenate[PartT, P], Iterator[T]],
) -> Callable[Concatenate[_Part[PartT], P], AsyncIterator[T]]:
    """The same iterator for an event loop."""

    @functools.wraps(method)
    async def iterate(self: _Part[PartT], /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        threads, under_way = self._threads, CallsUnderWay()
        items = method(self._blocking, *args, **kwargs)
        try:
            while (item := await threads.run(lambda: next(items, _END), under_way)) is not _END:
                yield item
        finally:
            under_way.cancel()

    return iterate


class AsyncLibraries(_Part[Libraries]):
    """`client.libraries` of an `AsyncClient`."""

    create = _awaited(Libraries.create)
    get = _awaited(Libraries.get)
    list = _iterated(Libraries.list)
    update = _awaited(Libraries.update)
    delete = _awaited(Libraries.delete)
    map = _awaited(Libraries.map)


class AsyncClips(_Part[Clips]):
    """`client.clips` of an `AsyncClient`."""

    upload = _awaited(Clips.upload)
    refer = _awaited(Clips.refer)
    upload_folder = _awaited(Clips.upload_folder)
    get = _awaited(Clips.get)
    list = _iterated(Clips.list)
    count = _awaited(Clips.count)
    update = _awaited(Clips.update)
    delete = _awaited(Clips.delete)
    restore = _awaited(Clips.restore)
    trash = _iterated(Clips.trash)
    download = _awaited(Clips.download)
    audio = _awaited(Clips.audio)
    tags = _awaited(Clips.tags)


class AsyncSpeakers(_Part[Speakers]):
    """`client.speakers` of an `AsyncClient`."""

    enroll = _awaited(Speakers.enroll)
    verify = _awaited(Speakers.verify)
    identify = _awaited(Speakers.identify)
    get = _awaited(Speakers.get)
    list = _iterated(Speakers.list)
    enrollments = _iterated(Speakers.enrollments)
    remove_enrollments = _awaited(Speakers.remove_enrollments)
    delete = _awaited(Speakers.delete)


class AsyncOperations(_Part[Operations]):
    """`client.operations` of an `AsyncClient`."""

    start_import = _awaited(Operations.start_import)
    get = _awaited(Operations.get)
    list = _iterated(Operations.list)
    watch = _iterated(Operations.watch)
    wait = _awaited(Operations.wait)
    cancel = _awaited(Operations.cancel)


class AsyncQueries(_Part[Queries]):
    """`client.queries` of an `AsyncClient`."""

    create = _awaited(Queries.create)
    get = _awaited(Queries.get)
    audio = _awaited(Queries.audio)


class AsyncClient(_Part[Client]):
    """Calls one gateway from an event loop. Use it as an asynchronous context manager, or close it.

    It has the calls of `Client`, each awaited, and lists to iterate with `async for`. A call whose
    task is cancelled is cancelled at the gateway too. `progress` functions are called in a thread.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        key: str | None = None,
        ca: str | Path | None = None,
        timeout: float = 60.0,
        calls: int = CALLS,
    ) -> None:
        """Connects on the first call.

        Args:
            target: as in `Client`, like `key`, `ca` and `timeout`.
            key: see there.
            ca: see there.
            timeout: see there.
            calls: calls that run at a time; more wait for their turn.
        """
        super().__init__(Client(target, key=key, ca=ca, timeout=timeout), _Threads(calls))
        self.libraries = AsyncLibraries(self._blocking.libraries, self._threads)
        self.clips = AsyncClips(self._blocking.clips, self._threads)
        self.speakers = AsyncSpeakers(self._blocking.speakers, self._threads)
        self.operations = AsyncOperations(self._blocking.operations, self._threads)
        self.queries = AsyncQueries(self._blocking.queries, self._threads)

    search = _awaited(Client.search)
    search_words = _awaited(Client.search_words)
    embed = _awaited(Client.embed)
    models = _awaited(Client.models)

    async def __aenter__(self) -> Self:
        """Returns the client."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the connection."""
        await self.close()

    async def close(self) -> None:
        """Closes the connection. Calls under way end."""
        self._threads.close()
        await asyncio.to_thread(self._blocking.close)
