"""One recording on its way into an object store."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from typing import TYPE_CHECKING, Protocol

from catalog_service.audio.audio_store import AudioKey
from catalog_service.audio.content_type import HEAD_BYTES, judge
from catalog_service.completion import to_the_end
from serving.errors import ServiceError
from serving.objects.stores import FAILURES

if TYPE_CHECKING:
    from obstore import AsyncWritableFile, Attributes

HELD_BYTES = 2**20
"""Audio of up to this size is kept in memory until its name is known."""
PART_BYTES = 5 * 2**20
"""The smallest part that S3 takes."""
PARTS_AT_ONCE = 2
"""Parts of one upload that are on their way, and in memory."""


class Bucket(Protocol):
    """The store, as its uploads see it."""

    def writer(self, path: str, attributes: Attributes) -> AsyncWritableFile:
        """Opens an object for writing."""

    def write(self) -> contextlib.AbstractAsyncContextManager[None]:
        """A block that writes, with typed errors."""

    async def put(self, key: AudioKey, content: bytes, attributes: Attributes) -> None:
        """Makes bytes an object."""

    async def copy(self, path: str, key: AudioKey) -> None:
        """Makes an unfinished upload's bytes an object."""

    async def drop(self, path: str) -> None:
        """Removes an unfinished upload's bytes."""


class ObjectUpload:
    """An Upload into an object store. One caller at a time.

    An object's name holds the hash of all its bytes. So short audio waits in memory for its name,
    and long audio is sent in parts under another one, which the store copies.
    """

    def __init__(self, bucket: Bucket, path: str, places: asyncio.Semaphore) -> None:
        """Takes the store, a path for long audio, and the places of what is sent in parts."""
        self._bucket = bucket
        self._path = path
        self._places = places
        self.size = 0
        self.head = b""
        self._hash = hashlib.sha256()
        self._held = bytearray()
        self._writer: AsyncWritableFile | None = None
        self._whole = False
        self._ended = False
        self._placed: set[AudioKey] = set()

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes so far, hexadecimal."""
        return self._hash.hexdigest()

    async def write(self, chunk: bytes) -> None:
        """Takes the next bytes, and sends a part when there are enough for one."""
        self.size += len(chunk)
        if len(self.head) < HEAD_BYTES:
            self.head += chunk[: HEAD_BYTES - len(self.head)]
        await asyncio.to_thread(self._hash.update, chunk)
        if self._writer is None:
            self._held += chunk
            if len(self._held) <= HELD_BYTES:
                return
            await self._places.acquire()  # each holds some parts in memory
            self._writer = self._bucket.writer(self._path, self._attributes)
            chunk, self._held = bytes(self._held), bytearray()
        await to_the_end(self._send(self._writer, chunk))

    async def _send(self, writer: AsyncWritableFile, chunk: bytes) -> None:
        self._ended = True  # after a failure nothing more is sent
        async with self._bucket.write():
            await writer.write(chunk)
        self._ended = False

    async def finish(self) -> None:
        """Makes sure that all bytes of long audio are in the store."""
        if self._writer is not None:
            await to_the_end(self._close(self._writer))

    async def _close(self, writer: AsyncWritableFile) -> None:
        self._ended = True
        async with self._bucket.write():
            await writer.close()
        self._whole = True

    async def place(self, key: AudioKey) -> bool:
        """Brings the bytes to the place of an object, which no row tells of yet."""
        if key not in self._placed:
            if self._writer is None:
                await self._bucket.put(key, bytes(self._held), self._attributes)
            else:
                await self._bucket.copy(self._path, key)
            self._placed.add(key)
        return True

    async def publish(self, key: AudioKey) -> None:
        """Makes the bytes an object; needs `finish` before."""
        await self.place(key)

    async def discard(self) -> None:
        """Removes what is not an object.

        A store may keep a part that arrives while its upload is called off, and lists no such
        parts. So an upload that was cut off is finished, and its object removed.
        """
        self._held = bytearray()
        if self._writer is None:
            return
        try:
            if not self._ended:
                with contextlib.suppress(ServiceError):
                    await self.finish()
            if self._whole:
                await self._bucket.drop(self._path)
            else:
                unfinished = asyncio.CancelledError()
                with contextlib.suppress(*FAILURES):
                    await self._writer.__aexit__(type(unfinished), unfinished, None)
        finally:
            self._writer = None
            self._places.release()

    @property
    def _attributes(self) -> Attributes:
        return {"Content-Type": judge(self.head)}
