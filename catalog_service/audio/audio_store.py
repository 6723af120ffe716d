"""Where audio is kept: the interface, whatever keeps it.

An object is known by its library's uid, its clip's id and the hash of its bytes. All three are
made here, so no name that a user gave is ever part of a path. Objects never change: other bytes
are another object.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol, TypeVar

T = TypeVar("T")


class AudioKey(NamedTuple):
    """What one stored object is known by."""

    library_uid: str
    clip_id: str
    sha256: str


class Upload(Protocol):
    """Bytes on their way into the store. They become an object by `publish`, or nothing."""

    size: int
    head: bytes

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes so far, hexadecimal."""

    async def write(self, chunk: bytes) -> None:
        """Takes the next bytes."""

    async def finish(self) -> None:
        """Makes sure that all bytes are on the disk."""

    def publish(self, key: AudioKey) -> None:
        """Makes the bytes an object, at once and whole. Blocks."""


class AudioStore(Protocol):
    """Keeps objects. Failures are ServiceErrors: STORAGE_FULL, CATALOG_UNAVAILABLE.

    What must happen inside a transaction blocks, as transactions run in threads; elsewhere it is
    called through `run`.
    """

    async def open(self) -> None:
        """Makes ready and removes what uploads of dead processes left."""

    async def close(self) -> None:
        """Removes what unfinished uploads left."""

    async def check(self) -> None:
        """Raises CATALOG_UNAVAILABLE while nothing can be written."""

    def upload(self) -> AbstractAsyncContextManager[Upload]:
        """An upload; what it wrote and did not publish is gone when the block is left."""

    async def run(self, work: Callable[[], T]) -> T:
        """Runs work that blocks in a thread of the store."""

    def has(self, key: AudioKey, size: int) -> bool:
        """Whether the object is there with all its bytes. Blocks."""

    def read(
        self, key: AudioKey, offset: int, limit: int, chunk_bytes: int
    ) -> AsyncIterator[bytes]:
        """The bytes of a range in order; FileNotFoundError when there is no such object."""

    async def remove(self, key: AudioKey) -> None:
        """Removes one object; none is fine."""

    def remove_clip(self, library_uid: str, clip_id: str) -> None:
        """Removes all objects of a clip; none is fine. Blocks."""

    async def remove_library(self, library_uid: str) -> None:
        """Removes all objects of a library; none is fine."""
