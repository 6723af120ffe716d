"""The interface of a store of audio.

An object is known by its library's uid, its clip's id and the hash of its bytes. All three are
made by the catalog, so no name that a user gave is ever part of a path. Objects never change: other
bytes are another object. Only audio that a clip refers to lies elsewhere, and is only read.

All methods that touch the store are coroutines. A transaction's work is a plain function and can't
await them, so no file is ever touched on the event loop while a transaction is open; what belongs
between the statements of a transaction goes through `Database.write_around`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol


class Reference(NamedTuple):
    """Audio that lies elsewhere, as it was when a clip was made to refer to it."""

    uri: str
    version: str
    """Etag of the object, or time of change of the file; empty before it was read."""
    size_bytes: int


class AudioKey(NamedTuple):
    """The name of one stored object."""

    library_uid: str
    clip_id: str
    sha256: str
    reference: Reference | None = None
    """The place of its bytes if they are not in the store but elsewhere."""


class UnreadableError(Exception):
    """The store does not give the bytes of one object, though it works."""


class Upload(Protocol):
    """Bytes on their way into the store. They become an object by `publish`, or are removed."""

    size: int
    head: bytes

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes so far, hexadecimal."""

    async def write(self, chunk: bytes) -> None:
        """Takes the next bytes."""

    async def finish(self) -> None:
        """Makes sure that all bytes are in the store; nothing is written after it."""

    async def place(self, key: AudioKey) -> bool:
        """Does before a transaction what would take long in it: `publish` is quick afterwards.

        Returns True if the object is there from now on. Then whoever does not publish it has to
        remove it.
        """

    async def publish(self, key: AudioKey) -> None:
        """Makes the bytes an object, at once and whole; again, with the same key, is fine."""


class AudioStore(Protocol):
    """Keeps objects. Failures are ServiceErrors: STORAGE_FULL, CATALOG_UNAVAILABLE."""

    @property
    def where(self) -> str:
        """The place of the objects, for people."""

    async def open(self) -> None:
        """Makes ready and removes what uploads of dead processes left.

        Raises:
            SystemExit: that will not be possible later either.
        """

    async def count_libraries(self) -> int:
        """Number of libraries that have objects; 0 while that is not known."""

    async def close(self) -> None:
        """Removes what unfinished uploads left."""

    async def check(self) -> None:
        """Raises CATALOG_UNAVAILABLE while nothing can be written."""

    def upload(self) -> AbstractAsyncContextManager[Upload]:
        """An upload; what it wrote and did not publish is gone when the block is left."""

    async def sizes(self, keys: Collection[AudioKey]) -> Mapping[AudioKey, int]:
        """The sizes of those of the objects that are there; -1 for one that can't be looked at."""

    def read(
        self,
        key: AudioKey,
        offset: int,
        limit: int,
        chunk_bytes: int,
        heard: Callable[[bytes], object] = lambda _chunk: None,
    ) -> AsyncIterator[bytes]:
        """The bytes of a range in order; FileNotFoundError when there is no such object.

        `heard` gets each chunk in a thread. UnreadableError is raised when the store
        has lost some of the bytes.
        """

    async def link(self, key: AudioKey, seconds: int) -> str:
        """An address that gives the object to whoever has it, for so many seconds; or none: empty.

        It says nothing about the object being there.
        """

    async def remove(self, key: AudioKey) -> None:
        """Removes one object; none is fine."""

    async def remove_clip(self, library_uid: str, clip_id: str) -> None:
        """Removes all objects of a clip; none is fine."""

    async def remove_library(self, library_uid: str) -> None:
        """Removes all objects of a library; none is fine."""
