"""Audio that clips refer to, in buckets and folders that the operator allows. It is only read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from catalog_service.audio.audio_store import Reference
from catalog_service.audio.reference_readers import Listed, Reader, Version
from catalog_service.audio.reference_uris import FOLDERS, Allowed, Place, not_allowed
from catalog_service.audio.referred_bucket import ReferredBucket
from catalog_service.audio.referred_folders import ReferredFolders
from serving.audio_files import PassedOver
from serving.errors import Reason, ServiceError

_LOOKS = 16
"""Looks of one call at a time."""


class References:
    """Reads what clips refer to."""

    def __init__(self, prefixes: Sequence[Place], seconds: float, brief_seconds: float) -> None:
        """Takes the allowed places.

        Args:
            prefixes: the operator's list.
            seconds: longest wait for an answer of an object store.
            brief_seconds: longest time of a look while a transaction waits.

        Raises:
            SystemExit: variables that an object store needs are missing or wrong.
        """
        self.allowed = Allowed(prefixes)
        folders = [prefix.path for prefix in prefixes if prefix.root == FOLDERS]
        buckets = sorted({prefix.root for prefix in prefixes} - {FOLDERS})
        self._readers: Mapping[str, Reader] = {
            **{url: ReferredBucket(url, seconds, min(seconds, brief_seconds)) for url in buckets},
            **({FOLDERS: ReferredFolders(folders)} if folders else {}),
        }

    async def look(self, uri: str) -> Reference:
        """The present state of the audio at a URI.

        Raises:
            ServiceError: PATH_NOT_ALLOWED, CATALOG_UNAVAILABLE.
            FileNotFoundError: nothing is there.
        """
        place = self._place(uri)
        found = await self._readers[place.root].look(place.path)
        return Reference(uri, found.version, found.size_bytes)

    async def sizes(self, references: Sequence[Reference]) -> list[int | None]:
        """Their sizes; -1 for one that is not what it was, None if it is gone or may not be read.

        Raises:
            ServiceError: CATALOG_UNAVAILABLE. The looks that are left are given up then.
        """
        places = asyncio.Semaphore(_LOOKS)

        async def size(reference: Reference) -> int | None:
            async with places:
                return await self._size(reference)

        tasks = [asyncio.ensure_future(size(each)) for each in references]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _size(self, reference: Reference) -> int | None:
        try:
            now = await self.look(reference.uri)
        except FileNotFoundError:
            return None
        except ServiceError as error:
            if error.reason is not Reason.PATH_NOT_ALLOWED:
                raise
            return None
        return now.size_bytes if now == reference else -1

    async def read(
        self,
        reference: Reference,
        offset: int,
        limit: int,
        chunk_bytes: int,
        heard: Callable[[bytes], object] = lambda _chunk: None,
    ) -> AsyncIterator[bytes]:
        """A range of its bytes in order.

        Raises:
            FileNotFoundError: it is gone, or not allowed any more.
            UnreadableError: it is not what it was.
            ServiceError: CATALOG_UNAVAILABLE, PATH_NOT_ALLOWED.
        """
        if limit <= 0:
            return
        place = self._place(reference.uri)
        version = Version(reference.version, reference.size_bytes)
        reader = self._readers[place.root]
        async for chunk in reader.read(place.path, version, offset, limit, chunk_bytes, heard):
            yield chunk

    async def link(self, reference: Reference, seconds: int) -> str:
        """An address of its bytes that holds so many seconds; empty if it has none."""
        try:
            place = self._place(reference.uri)
        except FileNotFoundError:
            return ""
        return await self._readers[place.root].link(place.path, seconds)

    async def page(
        self, place: Place, after: str, most: int, passed_over: PassedOver
    ) -> tuple[Sequence[Listed], str]:
        """Some of the audio files below an allowed place, by name.

        Returns:
            At most so many files, and the path to go on behind; empty at the end.

        Raises:
            FileNotFoundError: nothing is there.
        """
        return await self._readers[place.root].page(place.path, after, most, passed_over)

    async def close(self) -> None:
        """Ends the threads."""
        for reader in self._readers.values():
            await reader.close()

    def _place(self, uri: str) -> Place:
        """The place of a clip's URI, which was allowed when the clip was made."""
        try:
            return self.allowed.place(uri, "clip.uri")
        except ServiceError as error:
            raise FileNotFoundError(not_allowed(uri).message) from error
