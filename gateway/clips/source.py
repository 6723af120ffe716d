"""The audio of a clip for the encoder: from the store, or on its way there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator

from audiosearch.catalog.v1.clip_pb2 import ReferAudioRequest
from audiosearch.embedding.v1.embedding_service_pb2 import (
    EmbedWindowsConfig,
    EmbedWindowsResponse,
)

from gateway.clips.audio import embed_windows, stored
from gateway.upstream import Upstream

KEPT_BYTES = 2**20
"""Audio up to this size is kept while it is stored, so that it need not be read again."""


class Source:
    """The stored audio of a clip."""

    def __init__(self, upstream: Upstream, clip: str) -> None:
        """Reads the audio of the clip of this name."""
        self._upstream = upstream
        self._clip = clip

    async def read(self) -> AsyncIterable[bytes]:
        """The audio in chunks, from the first on."""
        return stored(self._upstream, self._clip)

    async def windows(self, config: EmbedWindowsConfig) -> AsyncIterator[EmbedWindowsResponse]:
        """Its windows and their summary, as `embed_windows`."""
        async for response in embed_windows(self._upstream, config, await self.read()):
            yield response

    async def settled(self) -> None:
        """Waits until the audio is stored; no vector may be before that."""


class Arriving(Source):
    """Audio that is being stored.

    Short audio goes to the encoder as soon as the last of it has come, while the store still
    writes it. Longer audio is read from the store once it is there: an encoder that is busy would
    hold up the store otherwise, and a slow caller the encoder.
    """

    def __init__(self, upstream: Upstream, clip: str, chunks: AsyncIterable[bytes]) -> None:
        """Takes the audio as it comes. `storing` is to be set to the task that stores `chunks`."""
        super().__init__(upstream, clip)
        self._coming = chunks
        self._kept: list[bytes] | None = []
        self._size = 0
        self._ended = asyncio.get_running_loop().create_future()
        self.storing: asyncio.Task[None] | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The audio for the store."""
        async for chunk in self._coming:
            self._size += len(chunk)
            if self._size > KEPT_BYTES:
                self._kept = None
            if self._kept is not None:
                self._kept.append(chunk)
            yield chunk
        if not self._ended.done():
            self._ended.set_result(None)

    async def read(self) -> AsyncIterable[bytes]:
        """See Source. Raises the error of the task that stores the audio."""
        if self.storing:  # which may end before it has read all
            await asyncio.wait({self.storing, self._ended}, return_when=asyncio.FIRST_COMPLETED)
        if self._ended.done() and self._kept is not None:
            return _each(self._kept)
        await self.settled()
        return await super().read()

    async def settled(self) -> None:
        """See Source. Raises the error of the task that stores the audio."""
        if self.storing:
            await asyncio.shield(self.storing)


class Referred(Source):
    """Audio that a new clip refers to.

    It is read once: the catalog makes its hash on the way to the encoder, which takes all of it
    before it answers.
    """

    def __init__(self, upstream: Upstream, clip: str) -> None:
        """Reads what the clip of this name refers to."""
        super().__init__(upstream, clip)
        self._kept = asyncio.Event()

    async def read(self) -> AsyncIterable[bytes]:
        """See Source."""
        return await super().read() if self._kept.is_set() else self._first()

    async def settled(self) -> None:
        """Waits until the catalog has kept the hash."""
        await self._kept.wait()

    async def _first(self) -> AsyncIterator[bytes]:
        async for message in self._upstream.clips.ReferAudio(ReferAudioRequest(name=self._clip)):
            if message.WhichOneof("response") == "chunk":
                yield message.chunk
        self._kept.set()


async def _each(chunks: list[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
