"""Sounds that are searched with, kept for links."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from audiosearch.catalog.v1 import library_pb2
from audiosearch.catalog.v1.clip_pb2 import ListClipsRequest
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.query_pb2 import (
    CreateQueryConfig,
    CreateQueryRequest,
    DownloadQueryRequest,
    GetQueryRequest,
    Query,
)

from catalog_service.queries import queries
from serving.errors import Reason
from tools.servers.catalog import Catalog, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def create(catalog: Catalog, library: Library, audio: bytes, **fields: object) -> Query:
    """Keeps a query."""

    async def requests() -> AsyncIterator[CreateQueryRequest]:
        config = CreateQueryConfig(parent=library.name, query=Query(**fields))
        yield CreateQueryRequest(config=config)
        yield CreateQueryRequest(audio_chunk=audio[:3])
        yield CreateQueryRequest(audio_chunk=audio[3:])

    return await catalog.stubs.queries.CreateQuery(requests())


async def read(catalog: Catalog, name: str) -> bytes:
    """The audio of a query."""
    call = catalog.stubs.queries.DownloadQuery(DownloadQueryRequest(name=name))
    answers = [it async for it in call]
    assert answers[0].HasField("audio_object")
    return b"".join(it.chunk for it in answers)


async def test_a_query_is_kept_and_is_no_clip(catalog: Catalog) -> None:
    """Its bytes come back; the same bytes are the same query; its library takes it along."""
    library = await catalog.library()
    made = await create(catalog, library, b"RIFF a sound", display_name="a", channel=2)
    assert (made.display_name, made.channel) == ("a", 2)
    assert made.audio_object.size_bytes == 12
    assert await catalog.stubs.queries.GetQuery(GetQueryRequest(name=made.name)) == made
    assert await read(catalog, made.name) == b"RIFF a sound"
    again = await create(catalog, library, b"RIFF a sound", display_name="b", channel=2)
    assert (again.name, again.display_name) == (made.name, "a")
    assert again.expire_time.ToNanoseconds() > made.expire_time.ToNanoseconds()
    assert (await create(catalog, library, b"RIFF a sound")).name != made.name
    listed = await catalog.stubs.clips.ListClips(ListClipsRequest(parent=library.name))
    assert not listed.clips
    other = await catalog.library()
    async with refused(Reason.QUERY_NOT_FOUND):
        name = made.name.replace(library.name, other.name)
        await catalog.stubs.queries.GetQuery(GetQueryRequest(name=name))
    async with refused(Reason.AUDIO_UNDECODABLE):
        await create(catalog, library, b"")
    await catalog.stubs.libraries.BeginLibraryDeletion(
        library_pb2.BeginLibraryDeletionRequest(name=library.name, force=True)
    )
    async with refused(Reason.STATE_CONFLICT):
        await create(catalog, library, b"another")
    await catalog.stubs.libraries.DeleteLibrary(library_pb2.DeleteLibraryRequest(name=library.name))
    async with refused(Reason.QUERY_NOT_FOUND):
        await catalog.stubs.queries.GetQuery(GetQueryRequest(name=made.name))


async def test_queries_go_when_there_are_many(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library keeps its newest ones; those before go with their audio."""
    monkeypatch.setattr(queries, "KEPT", 2)
    library = await catalog.library()
    made = [await create(catalog, library, f"sound {number}".encode()) for number in range(4)]
    for query in made[:2]:
        async with refused(Reason.QUERY_NOT_FOUND):
            await read(catalog, query.name)
    assert [await read(catalog, query.name) for query in made[2:]] == [b"sound 2", b"sound 3"]
    folder = catalog.settings.audio_folder / library.uid
    assert len([path for path in folder.rglob("*") if path.is_file()]) == 2
