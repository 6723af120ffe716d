"""A store of audio beside which some of the audio lies elsewhere, and is only read there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager

from catalog_service.audio.audio_store import AudioKey, AudioStore, Upload
from catalog_service.audio.references import References


class ReferringStore:
    """An AudioStore that reads keys with a reference from there, and all else from its own."""

    def __init__(self, own: AudioStore, references: References) -> None:
        """Takes the store of what is kept here, and the way to what lies elsewhere."""
        self._own = own
        self._references = references

    @property
    def where(self) -> str:
        """The place of the objects that are kept here."""
        return self._own.where

    async def open(self) -> None:
        """Opens its own store. Audio elsewhere may be away: only its clips are told so."""
        await self._own.open()

    async def count_libraries(self) -> int:
        """Number of libraries that have objects here; 0 while that is not known."""
        return await self._own.count_libraries()

    async def close(self) -> None:
        """Closes both."""
        await self._own.close()
        await self._references.close()

    async def check(self) -> None:
        """Raises CATALOG_UNAVAILABLE while nothing can be written."""
        await self._own.check()

    def upload(self) -> AbstractAsyncContextManager[Upload]:
        """An upload into its own store."""
        return self._own.upload()

    async def sizes(self, keys: Collection[AudioKey]) -> Mapping[AudioKey, int]:
        """The sizes of those that are there; -1 for one that is not what it was."""
        referring = {key: key.reference for key in keys if key.reference}
        own = [key for key in keys if not key.reference]
        found = dict(await self._own.sizes(own)) if own else {}
        sizes = await self._references.sizes(list(referring.values()))
        there = zip(referring, sizes, strict=True)
        return found | {key: size for key, size in there if size is not None}

    def read(
        self,
        key: AudioKey,
        offset: int,
        limit: int,
        chunk_bytes: int,
        heard: Callable[[bytes], object] = lambda _chunk: None,
    ) -> AsyncIterator[bytes]:
        """The bytes of a range; UnreadableError also if they are not what they were."""
        if key.reference:
            return self._references.read(key.reference, offset, limit, chunk_bytes, heard)
        return self._own.read(key, offset, limit, chunk_bytes, heard)

    async def link(self, key: AudioKey, seconds: int) -> str:
        """An address of the bytes; empty if there is none."""
        if key.reference:
            return await self._references.link(key.reference, seconds)
        return await self._own.link(key, seconds)

    async def remove(self, key: AudioKey) -> None:
        """Removes one object of its own store. Audio elsewhere is never touched."""
        if not key.reference:
            await self._own.remove(key)

    async def remove_clip(self, library_uid: str, clip_id: str) -> None:
        """Removes the objects of a clip in its own store."""
        await self._own.remove_clip(library_uid, clip_id)

    async def remove_library(self, library_uid: str) -> None:
        """Removes the objects of a library in its own store."""
        await self._own.remove_library(library_uid)
