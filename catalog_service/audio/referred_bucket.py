"""Objects that clips refer to, in one bucket of S3, GCS or Azure."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore

from catalog_service.audio.audio_store import UnreadableError
from catalog_service.audio.object_client import begin, chunks, connect
from catalog_service.audio.object_failures import Store
from catalog_service.audio.reference_readers import Listed, Version
from catalog_service.audio.reference_uris import SETTING
from serving.audio_files import HIDDEN, PassedOver, is_hidden, kind_by_name
from serving.audio_signs import has_ending
from serving.compat import timeout
from serving.objects.stores import FAILURES

if TYPE_CHECKING:
    from obstore import ObjectMeta

_PAGE = 1000
_PASSED = 10_000
"""Objects that are no audio on one page at most."""


class ReferredBucket:
    """A Reader of objects."""

    def __init__(self, url: str, seconds: float, brief_seconds: float) -> None:
        """Takes the URL of the bucket, and the longest waits for an answer and for a look.

        Raises:
            SystemExit: variables that such a store needs are missing or wrong.
        """
        self._told = Store(url, "has audio of clips", "read and list", SETTING)
        self._bucket = connect(url, seconds)
        self._brief = brief_seconds

    async def look(self, path: str) -> Version:
        """The present state; FileNotFoundError if there is nothing."""
        with self._typed():
            try:
                async with timeout(self._brief):
                    return _version(await obstore.head_async(self._bucket, path))
            except FileNotFoundError:
                await self._check()
                raise

    async def read(
        self,
        path: str,
        version: Version,
        offset: int,
        limit: int,
        chunk_bytes: int,
        heard: Callable[[bytes], object],
    ) -> AsyncIterator[bytes]:
        """A range of the bytes; FileNotFoundError, or UnreadableError if they are others."""
        with self._typed():
            try:
                found = await begin(self._bucket, path, offset, limit)
            except FileNotFoundError:
                await self._check()
                raise
            if _version(found.meta) != version:
                raise UnreadableError(f"{self._told.url}/{path} was changed")
            async for chunk in chunks(found, chunk_bytes, heard):
                yield chunk

    async def link(self, path: str, seconds: int) -> str:
        """An address of the bytes."""
        with self._told.typed():
            return await obstore.sign_async(self._bucket, "GET", path, timedelta(seconds=seconds))

    async def page(
        self, prefix: str, after: str, most: int, passed_over: PassedOver
    ) -> tuple[Sequence[Listed], str]:
        """Audio by the endings of keys below a prefix, and the last path; empty at the end."""
        found: list[Listed] = []
        met = 0
        last = _key(prefix, after) if after else None
        with self._typed():
            async for page in obstore.list(
                self._bucket, prefix or None, offset=last, chunk_size=_PAGE
            ):
                for each in page:
                    path = each["path"].removeprefix(f"{prefix}/") if prefix else each["path"]
                    met += 1
                    if kind := _kind(path):
                        passed_over.add(kind)
                    else:
                        found.append(Listed(path, *_version(each)))
                    if len(found) == most or met == _PASSED:
                        return found, path
            if not met and not after:
                if not prefix:
                    raise FileNotFoundError(self._told.url)
                return [Listed("", *await self.look(prefix))], ""
        return found, ""

    async def close(self) -> None:
        """Does nothing: it has no threads."""

    async def _check(self) -> None:
        """Raises the failure of the whole bucket, if it is that which is away."""
        async with timeout(self._brief):
            async for _ in obstore.list(self._bucket, chunk_size=1):
                return

    @contextlib.contextmanager
    def _typed(self) -> Iterator[None]:
        """Makes a failure of the block a typed error, but for that of a missing object."""
        try:
            yield
        except (FileNotFoundError, UnreadableError):
            raise
        except (*FAILURES, asyncio.TimeoutError) as error:
            raise self._told.translate(error) from error


def _version(found: ObjectMeta) -> Version:
    return Version(found["e_tag"] or found["last_modified"].isoformat(), found["size"])


def _key(prefix: str, path: str) -> str:
    return f"{prefix}/{path}" if prefix else path


def _kind(path: str) -> str:
    """The kind of an object that is passed over; empty for audio."""
    if any(map(is_hidden, path.split("/"))):
        return HIDDEN
    name = path.rpartition("/")[2]
    return "" if has_ending(name) else kind_by_name(name)
