"""Audio that is being stored: what is short goes to the encoder at once, other audio comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from audiosearch.catalog.v1.clip_pb2 import GetAudioRequest, GetAudioResponse

from gateway.clips.source import KEPT_BYTES, Arriving
from serving.errors import Reason, ServiceError

pytestmark = pytest.mark.asyncio


class Store:
    """Keeps audio; the last step takes until `written` is set, and may fail."""

    def __init__(self) -> None:
        """Holds nothing."""
        self.held = b""
        self.written = asyncio.Event()
        self.error: ServiceError | None = None
        self.upstream: Any = SimpleNamespace(clips=self)

    async def put(self, chunks: AsyncIterator[bytes]) -> None:
        """Stores all chunks."""
        held = b"".join([chunk async for chunk in chunks])
        await self.written.wait()
        if self.error:
            raise self.error
        self.held = held

    async def GetAudio(self, _request: GetAudioRequest) -> AsyncIterator[GetAudioResponse]:
        """What is stored."""
        yield GetAudioResponse(chunk=self.held)


async def coming(*chunks: bytes) -> AsyncIterator[bytes]:
    """Chunks as they come."""
    for chunk in chunks:
        yield chunk


def arriving(store: Store, *chunks: bytes) -> Arriving:
    """Audio on its way into the store."""
    source = Arriving(store.upstream, "libraries/l/clips/c", coming(*chunks))
    source.storing = asyncio.create_task(store.put(source.chunks()))
    return source


async def heard(source: Arriving) -> bytes:
    """All that the encoder gets."""
    return b"".join([chunk async for chunk in await source.read()])


async def test_short_audio_does_not_wait_for_the_store() -> None:
    """It can be read twice, for two generations; no vector may be there before the audio."""
    store = Store()
    source = arriving(store, b"ab", b"c")
    assert await heard(source) == await heard(source) == b"abc"
    settled = asyncio.create_task(source.settled())
    await asyncio.sleep(0)
    assert not settled.done()
    store.written.set()
    await settled
    assert store.held == b"abc"


async def test_long_audio_is_read_from_the_store() -> None:
    """So that no more than so much is held in memory."""
    store, chunks = Store(), (b"a" * KEPT_BYTES, b"b")
    source = arriving(store, *chunks)
    reading = asyncio.create_task(heard(source))
    await asyncio.sleep(0.01)
    assert not reading.done()
    store.written.set()
    assert await reading == b"".join(chunks)


async def test_what_the_store_refuses_is_not_settled() -> None:
    """Its error comes from both, and to those who read long audio."""
    store = Store()
    store.error = ServiceError(Reason.CLIP_EXISTS, "there already")
    store.written.set()
    for chunks in ((b"a",), (b"a" * KEPT_BYTES, b"b")):
        source = arriving(store, *chunks)
        with pytest.raises(ServiceError):
            await source.settled()
    with pytest.raises(ServiceError):
        await source.read()
