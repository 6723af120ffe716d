"""Which maps are worked on and kept, and when that ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from audiosearch.catalog.v1.clip_pb2 import Clip, LookupClipsResponse
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.gateway.v1.library_map_pb2 import GetLibraryMapRequest, LibraryMap
from audiosearch.index.v1.index_pb2 import Vector
from audiosearch.index.v1.index_service_pb2 import GetVectorsResponse, ListVectorsResponse

from gateway import on_demand
from gateway.maps.library_maps import Maps
from gateway.on_demand import KEPT
from serving.errors import Reason, ServiceError


class Slow:
    """An index with one clip that answers only when it is told to."""

    def __init__(self) -> None:
        """Waits."""
        self.go = asyncio.Event()
        self.begun = self.ended = 0

    async def GetLibrary(self, request: Any) -> Library:
        """Counts, once it may."""
        self.begun += 1
        try:
            await self.go.wait()
        finally:
            self.ended += 1
        return Library(clip_count=1)

    async def ListVectors(self, request: Any) -> ListVectorsResponse:
        """The one."""
        return ListVectorsResponse(ids=["c"])

    async def GetVectors(self, request: Any) -> GetVectorsResponse:
        """The one."""
        return GetVectorsResponse(vectors=[Vector(id="c", values=[1, 0])])

    async def LookupClips(self, request: Any) -> LookupClipsResponse:
        """The one."""
        return LookupClipsResponse(clips={"c": Clip(name=f"{request.parent}/clips/c")})


class Shelf:
    """Libraries, all there but one."""

    async def open(self, name: str) -> Library:
        """See Libraries."""
        if name == "libraries/gone":
            raise ServiceError(Reason.LIBRARY_NOT_FOUND, "gone")
        return Library(name=name, uid=name)


@pytest.fixture
async def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    """The index; calls wait only a moment for the first points."""
    monkeypatch.setattr(on_demand, "FIRST_SECONDS", 0.05)
    monkeypatch.setattr(on_demand, "_TIDY_SECONDS", 0.02)
    return Slow()


@pytest.fixture
async def kept(slow: Slow) -> AsyncIterator[Maps]:
    """Maps, with their housekeeping at work."""
    made = Maps(SimpleNamespace(index=slow, clips=slow, libraries=slow), Shelf())  # type: ignore[arg-type]
    keeping = asyncio.create_task(made.run())
    yield made
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def ask(of: Maps, library: str) -> LibraryMap:
    """The map as it is now."""
    return await of.answer(GetLibraryMapRequest(name=f"libraries/{library}/map"))


async def test_a_call_does_not_wait_for_ever(kept: Maps, slow: Slow) -> None:
    """Without points it is PENDING; work goes on behind it, once for all who ask."""
    first, second = await asyncio.gather(ask(kept, "a"), ask(kept, "a"))
    assert first.state == second.state == LibraryMap.STATE_PENDING
    assert slow.begun == 1
    slow.go.set()
    while (await ask(kept, "a")).state != LibraryMap.STATE_READY:
        await asyncio.sleep(0.01)


async def test_work_that_nobody_waits_for_ends(
    kept: Maps, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And begins again when somebody asks."""
    monkeypatch.setattr(on_demand, "IDLE_SECONDS", 0.1)
    await ask(kept, "a")
    while not slow.ended:
        await asyncio.sleep(0.01)
    await ask(kept, "a")
    assert slow.begun == 2


async def test_only_a_few_are_kept(kept: Maps, slow: Slow) -> None:
    """The one that was asked for longest ago gives way, with the work on it."""
    for number in range(KEPT + 1):
        await ask(kept, f"l{number}")
    await asyncio.sleep(0)
    # One is read at a time: the first had begun, and gave its turn to the second.
    assert (slow.begun, slow.ended) == (2, 1)
    assert len(kept._made) == KEPT


async def test_all_work_ends_with_the_gateway(slow: Slow) -> None:
    """Nothing is left behind."""
    made = Maps(SimpleNamespace(index=slow, clips=slow, libraries=slow), Shelf())  # type: ignore[arg-type]
    keeping = asyncio.create_task(made.run())
    await ask(made, "a")
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert slow.begun == slow.ended == 1


async def test_a_library_that_is_gone_has_no_map(kept: Maps) -> None:
    """This holds even if points of it are kept."""
    with pytest.raises(ServiceError) as raised:
        await ask(kept, "gone")
    assert raised.value.reason is Reason.LIBRARY_NOT_FOUND
