"""Keeps audio in S3, GCS or Azure: {library uid}/{clip id}/{hash}, below the prefix of the URL.

An object is there whole or not at all, as these stores promise. Long audio is sent in parts to
.incoming/{a ULID}, and copied from there by the store itself. All is asynchronous, in bounded time
and memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import obstore
import structlog
from ulid import ULID

from catalog_service.audio.audio_store import AudioKey, UnreadableError
from catalog_service.audio.object_client import begin, chunks, connect
from catalog_service.audio.object_failures import Store
from catalog_service.audio.object_upload import PART_BYTES, PARTS_AT_ONCE, ObjectUpload
from catalog_service.completion import to_the_end
from catalog_service.names import is_ulid
from serving.compat import timeout
from serving.errors import Reason, ServiceError
from serving.objects.stores import FAILURES, Told

if TYPE_CHECKING:
    from obstore import AsyncWritableFile, Attributes

log = structlog.get_logger()
T = TypeVar("T")
_INCOMING = ".incoming"
_PROBE = f"{_INCOMING}/check"
_PROBE_SECONDS = 60.0
"""Between two tries to write. Each look at the health reads; writes cost ten times as much."""
_STALE = timedelta(hours=24)
"""Age of an upload whose process is dead: none takes so long."""
_LONG_UPLOADS = 16
_LOOKS = 16
_FEW = 20
"""From so many objects of a library on, a list takes fewer requests than a look at each."""
_AROUND = 5
"""Objects that a list may pass by for each that is looked for."""
_PAGE = 1000
"""Objects of one answer to a list, and of one deletion."""
_COPY_SECONDS = 600.0
_NAMES_IN_ORDER = ("s3", "gs")
"""Stores that begin a list behind a name. Others send all names before it too."""


class ObjectStore:
    """An AudioStore in a bucket of S3, GCS or Azure."""

    def __init__(self, url: str, seconds: float, brief_seconds: float) -> None:
        """Takes the place and the times.

        Args:
            url: the bucket and a prefix in it.
            seconds: longest wait for an answer.
            brief_seconds: longest time of what is done while a transaction waits.

        Raises:
            SystemExit: variables that such a store needs are missing or wrong.
        """
        self._told = Store(url)
        self._bucket = connect(url, seconds)
        self._patient = connect(url, _COPY_SECONDS)
        self._seconds = seconds
        self._brief = min(seconds, brief_seconds)
        self._lists = url.partition(":")[0] in _NAMES_IN_ORDER
        self._places = asyncio.Semaphore(_LONG_UPLOADS)
        self._looks = asyncio.Semaphore(_LOOKS)
        self._next_write = 0.0

    @property
    def where(self) -> str:
        """The URL."""
        return self._told.url

    async def open(self) -> None:
        """Makes sure that it can be written, and removes what uploads of dead processes left.

        When that can't be done now, each `check` tries to write again.

        Raises:
            SystemExit: it refuses the key, or has no such bucket.
        """
        try:
            await self._touch()
            await self._tidy()
        except ServiceError as error:  # the log has it, and `check` will say it
            cause = error.__cause__
            if cause is not None and (sentence := self._told.hopeless(cause)):
                raise SystemExit(sentence) from error

    async def count_libraries(self) -> int:
        """Number of libraries that have objects; 0 while that is not known."""
        try:
            found = await self._within(
                self._seconds, obstore.list_with_delimiter_async(self._bucket)
            )
        except ServiceError:
            return 0
        return sum(is_ulid(prefix.rpartition("/")[2]) for prefix in found["common_prefixes"])

    async def close(self) -> None:
        """Does nothing: unfinished uploads end with their calls."""

    async def check(self) -> None:
        """Raises CATALOG_UNAVAILABLE while nothing can be read, or written."""
        if time.monotonic() < self._next_write:
            with self._told.typed(), contextlib.suppress(FileNotFoundError):
                await obstore.head_async(self._bucket, _PROBE)
                return
        await self._touch()

    @contextlib.asynccontextmanager
    async def upload(self) -> AsyncIterator[ObjectUpload]:
        """An upload; what it wrote and did not publish is gone when the block is left."""
        upload = ObjectUpload(self, f"{_INCOMING}/{ULID()}", self._places)
        try:
            yield upload
        finally:
            await to_the_end(upload.discard())

    async def sizes(self, keys: Collection[AudioKey]) -> Mapping[AudioKey, int]:
        """The sizes of those of the objects that are there."""
        libraries: dict[str, list[AudioKey]] = {}
        for key in keys:
            libraries.setdefault(key.library_uid, []).append(key)
        found: dict[AudioKey, int] = {}
        for of_library in libraries.values():
            rest: Collection[AudioKey] = of_library
            if self._lists and len(of_library) >= _FEW:
                listed, rest = await self._listed(of_library)
                found |= listed
            sizes = await asyncio.gather(*map(self._size, rest))
            found |= {key: size for key, size in zip(rest, sizes, strict=True) if size >= 0}
        if len(found) < len(keys):
            await self.check()  # or is the whole bucket away?
        return found

    async def read(
        self,
        key: AudioKey,
        offset: int,
        limit: int,
        chunk_bytes: int,
        heard: Callable[[bytes], object] = lambda _chunk: None,
    ) -> AsyncIterator[bytes]:
        """The bytes of a range in order; FileNotFoundError when there is no such object.

        `heard` gets each chunk in a thread. UnreadableError is raised when the store answers, but
        not with these bytes.
        """
        if limit <= 0:
            return
        try:
            found = await begin(self._bucket, _path(key), offset, limit)
            async for chunk in chunks(found, chunk_bytes, heard):
                yield chunk
        except FileNotFoundError:
            await self.check()
            raise
        except FAILURES as error:
            await self.check()
            if Told.by(error).broken:
                raise UnreadableError(Told.by(error).text) from error
            raise self._told.translate(error) from error

    async def link(self, key: AudioKey, seconds: int) -> str:
        """An address that gives the object to whoever has it, for so many seconds."""
        with self._told.typed():
            return await obstore.sign_async(
                self._bucket, "GET", _path(key), timedelta(seconds=seconds)
            )

    async def remove(self, key: AudioKey) -> None:
        """Removes one object; none is fine."""
        await self._within(self._brief, self._remove([_path(key)]))

    async def remove_clip(self, library_uid: str, clip_id: str) -> None:
        """Removes all objects of a clip; none is fine."""
        await self._within(self._brief, self._remove_below(f"{library_uid}/{clip_id}"))

    async def remove_library(self, library_uid: str) -> None:
        """Removes all objects of a library; none is fine."""
        with self._told.typed():
            await self._remove_below(library_uid)

    def writer(self, path: str, attributes: Attributes) -> AsyncWritableFile:
        """Opens an unfinished upload."""
        return obstore.open_writer_async(
            self._bucket,
            path,
            attributes=attributes,
            buffer_size=PART_BYTES,
            max_concurrency=PARTS_AT_ONCE,
        )

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[None]:
        """A block that writes. A store that reads, but fails at writes, is full."""
        try:
            yield
        except FAILURES as error:
            self._next_write = 0.0  # the health is to be known soon
            told = Told.by(error)
            if told.broken and await self._reads():
                raise self._told.full(told) from error
            raise self._told.translate(error) from error

    async def put(self, key: AudioKey, content: bytes, attributes: Attributes) -> None:
        """Makes bytes an object."""
        async with self.write():
            await obstore.put_async(
                self._bucket, _path(key), content, attributes=attributes, use_multipart=False
            )

    async def copy(self, path: str, key: AudioKey) -> None:
        """Makes the bytes of an upload an object."""
        async with self.write():
            await obstore.copy_async(self._patient, path, _path(key))

    async def drop(self, path: str) -> None:
        """Removes the bytes of an upload. They go at a later start if that fails."""
        with contextlib.suppress(ServiceError):
            await self._within(self._seconds, self._remove([path]))

    async def _touch(self) -> None:
        """Writes a little. A store that is full has its health: it still reads and deletes."""
        try:
            async with self.write():
                await obstore.put_async(self._bucket, _PROBE, b"", use_multipart=False)
        except ServiceError as error:
            if error.reason is not Reason.STORAGE_FULL:
                raise
        self._next_write = time.monotonic() + _PROBE_SECONDS

    async def _reads(self) -> bool:
        try:
            await obstore.head_async(self._bucket, _PROBE)
        except FileNotFoundError:
            return True
        except FAILURES:
            return False
        return True

    async def _tidy(self) -> None:
        """Removes old uploads. Their age is told by the clock of the store alone."""
        with self._told.typed():
            left = [each async for page in obstore.list(self._bucket, _INCOMING) for each in page]
            newest = max((each["last_modified"] for each in left), default=None)
            stale = [
                each["path"] for each in left if newest and newest - each["last_modified"] > _STALE
            ]
            await self._remove(stale)

    async def _size(self, key: AudioKey) -> int:
        async with self._looks:
            try:
                found = await self._within(
                    self._brief, obstore.head_async(self._bucket, _path(key)), FileNotFoundError
                )
            except FileNotFoundError:
                return -1
        return found["size"]

    async def _listed(
        self, keys: list[AudioKey]
    ) -> tuple[Mapping[AudioKey, int], Collection[AudioKey]]:
        """The sizes of objects of one library, and the keys that the list did not come to.

        Most clips that are asked for together are beside each other. The list ends when there are
        too many others between them.
        """
        wanted = {_path(key): key for key in keys}
        library, first = min(keys)[:2]
        # SeaweedFS leaves out a whole clip by whose name a list begins: so one sign less.
        before = f"{library}/{first[:-1]}"
        last, left = max(wanted), _AROUND * len(keys)
        found: dict[AudioKey, int] = {}
        with self._told.typed():
            pages = obstore.list(self._bucket, library, offset=before, chunk_size=_PAGE)
            async for page in pages:
                found |= {wanted[m["path"]]: m["size"] for m in page if m["path"] in wanted}
                left -= len(page)
                end = page[-1]["path"] if page else ""
                if end >= last:
                    break
                if left < 0:
                    return found, [key for path, key in wanted.items() if path > end]
        return found, ()

    async def _remove_below(self, prefix: str) -> None:
        async for page in obstore.list(self._bucket, prefix, chunk_size=_PAGE):
            await self._remove([each["path"] for each in page])

    async def _remove(self, paths: list[str]) -> None:
        if not paths:
            return
        try:
            await obstore.delete_async(self._bucket, paths)
        except FileNotFoundError as error:
            if Told.by(error).code == "NoSuchBucket":
                raise
            for path in paths:  # GCS and Azure miss what is gone already, and stop there
                with contextlib.suppress(FileNotFoundError):
                    await obstore.delete_async(self._bucket, path)

    async def _within(
        self, seconds: float, work: Awaitable[T], passes: type[Exception] | tuple[()] = ()
    ) -> T:
        """Awaits work with typed errors, for so long at most; one kind of error stays as it is."""
        try:
            async with timeout(seconds):
                return await work
        except passes:
            raise
        except (*FAILURES, asyncio.TimeoutError) as error:
            raise self._told.translate(error) from error


def _path(key: AudioKey) -> str:
    return f"{key.library_uid}/{key.clip_id}/{key.sha256}"
