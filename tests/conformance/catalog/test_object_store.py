"""Audio in an object store that is slow, full or gone, or refuses the key; and what is special.

The other tests of audio run on it as on a folder.
"""

from __future__ import annotations

import asyncio
import os
import time
import urllib.request
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.library_pb2 import Library

from catalog_service.__main__ import audio_store
from catalog_service.audio import object_store
from catalog_service.settings import CatalogSettings
from serving.errors import Reason
from tests.conformance.catalog.conftest import settings_for
from tests.conformance.catalog.test_outages import NOT_SERVING, SERVING, becomes, health, works
from tools.servers.catalog import Catalog, objects, refused, serving, until
from tools.servers.seaweedfs import READER, READER_SECRET, SeaweedFS, variables
from tools.servers.tcp_proxy import TcpProxy, proxy

pytestmark = pytest.mark.server
LONG = os.urandom(12 * 2**20 + 1)
CHUNK = 2**18


@pytest.fixture
def settings(tmp_path: Path, request: pytest.FixtureRequest) -> CatalogSettings:
    """Settings of a service whose audio goes to a bucket of its own."""
    return settings_for("s3", tmp_path, request, max_audio_bytes=2**25)


@pytest.fixture
async def way(seaweedfs: SeaweedFS) -> AsyncIterator[TcpProxy]:
    """The way to the store, for services that start after it."""
    async with proxy(seaweedfs.port) as made:
        with variables(seaweedfs.environment(port=made.port)):
            yield made


def url(settings: CatalogSettings) -> str:
    """The URL of the audio."""
    return settings.object_store_url


def bucket(settings: CatalogSettings) -> str:
    """The bucket of the audio."""
    return urlsplit(url(settings)).netloc


def pieces(audio: bytes) -> list[bytes]:
    """The audio in chunks."""
    return [audio[first : first + CHUNK] for first in range(0, len(audio), CHUNK)]


async def long_clip(catalog: Catalog, library: Library) -> Clip:
    """Creates an ACTIVE clip with long audio."""
    made = await catalog.creating(library)
    await catalog.put(made.name, *pieces(LONG))
    return await catalog.activate(made.name)


async def test_long_audio_goes_in_parts(settings: CatalogSettings, seaweedfs: SeaweedFS) -> None:
    """It comes back whole and in ranges; nothing else is left, also of one that is cut off."""
    async with serving(settings) as catalog:
        library = await catalog.library()
        made = await catalog.creating(library)
        stored = await catalog.put(made.name, *pieces(LONG))
        await catalog.activate(made.name)
        assert (await catalog.audio(made.name)) == (stored, LONG)
        middle = 5 * 2**20 - 3
        assert (await catalog.audio(made.name, middle, 7))[1] == LONG[middle : middle + 7]
        again = await catalog.creating(library)
        async with refused(Reason.CLIP_EXISTS, clip=made.name):
            await catalog.put(again.name, *pieces(LONG))

        async def endless() -> AsyncIterator[clip_pb2.PutAudioRequest]:
            yield clip_pb2.PutAudioRequest(name=again.name)
            for piece in pieces(LONG):
                yield clip_pb2.PutAudioRequest(chunk=piece)
            await asyncio.sleep(60)

        call = catalog.stubs.clips.PutAudio(endless())
        await until(lambda: seaweedfs.parts(bucket(settings)))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await until(lambda: not seaweedfs.parts(bucket(settings)) and len(catalog.files()) == 1)


@pytest.mark.parametrize("around", [5, 0])
async def test_a_library_with_all_its_audio(
    settings: CatalogSettings, monkeypatch: pytest.MonkeyPatch, around: int
) -> None:
    """Sizes are listed, or looked up where others are between them; all goes with the library."""
    monkeypatch.setattr(object_store, "_AROUND", around)
    monkeypatch.setattr(object_store, "_PAGE", 20)
    async with serving(settings) as catalog:
        library, other = await catalog.library(), await catalog.library()
        await catalog.clip(other)
        clips = await catalog.clips(library, 50)
        assert all(clip.state == Clip.STATE_ACTIVE for clip in clips)
        assert len(catalog.files()) == 51
        await catalog.begin_deletion(clips[0].name)
        await catalog.stubs.clips.DeleteClip(clip_pb2.DeleteClipRequest(name=clips[0].name))
        assert len(catalog.files()) == 50
        await catalog.stubs.libraries.BeginLibraryDeletion(
            library_pb2.BeginLibraryDeletionRequest(name=library.name, force=True)
        )
        await catalog.stubs.libraries.DeleteLibrary(
            library_pb2.DeleteLibraryRequest(name=library.name)
        )
        assert [other.uid in str(each) for each in catalog.files()] == [True]


async def test_a_link_gives_the_audio(settings: CatalogSettings) -> None:
    """To whoever has it, ranges too. Audio that is gone has none."""
    async with serving(settings) as catalog:
        clip = await catalog.clip(await catalog.library(), b"fLaC and more")
        asked = clip_pb2.GetAudioRequest(name=clip.name, link_seconds=60)
        described, linked = [each async for each in catalog.stubs.clips.GetAudio(asked)]
        assert described.audio_object.size_bytes == len(b"fLaC and more")
        request = urllib.request.Request(linked.link, headers={"range": "bytes=5-7"})  # noqa: S310
        with await asyncio.to_thread(urllib.request.urlopen, request, timeout=10) as answer:
            assert (answer.status, answer.read()) == (206, b"and")
            assert answer.headers["content-type"] == "audio/flac"
        catalog.files()[0].unlink()
        async with refused(Reason.AUDIO_MISSING):
            assert not [each async for each in catalog.stubs.clips.GetAudio(asked)]


async def test_a_store_that_goes_and_comes_back(settings: CatalogSettings, way: TcpProxy) -> None:
    """Calls that need it are told, others go on, and the health says it; nothing is lost."""
    async with serving(settings) as catalog:
        library = await catalog.library()
        clip, made = await long_clip(catalog, library), await catalog.creating(library)
        await becomes(catalog, SERVING)
        stream = catalog.stubs.clips.GetAudio(clip_pb2.GetAudioRequest(name=clip.name))
        way.slow(0.05)
        await stream.read()
        await way.cut()
        async with refused(Reason.CATALOG_UNAVAILABLE):
            while await stream.read():
                pass
        way.slow(0)
        for call in (
            lambda: catalog.put(made.name, b"audio"),
            lambda: catalog.put(made.name, *pieces(LONG)),
            lambda: catalog.audio(clip.name),
            lambda: catalog.fail(made.name),
        ):
            async with refused(Reason.CATALOG_UNAVAILABLE) as errors:
                await call()
            assert "object store" in errors[0].message
        assert (await catalog.get(clip.name)).audio_object.condition == 0
        await becomes(catalog, NOT_SERVING)
        await way.start()
        await becomes(catalog, SERVING)
        await catalog.put(made.name, b"audio")
        assert (await catalog.audio(clip.name))[1] == LONG


async def test_a_store_that_is_slow_and_then_hangs(
    settings: CatalogSettings, way: TcpProxy
) -> None:
    """Slow is fine. One that says nothing is given up in time, and holds up no other call."""
    settings = settings.model_copy(update={"audio_store_seconds": 3})
    async with serving(settings) as catalog:
        library = await catalog.library()
        way.slow(0.2)
        clip = await catalog.clip(library, b"slow")
        assert (await catalog.audio(clip.name))[1] == b"slow"
        way.slow(0)
        made = await catalog.creating(library)
        way.hold()
        begin = time.monotonic()
        waiting = [
            asyncio.ensure_future(call)
            for call in (
                catalog.put(made.name, b"audio"),
                catalog.audio(clip.name),
                catalog.put((await catalog.creating(library)).name, *pieces(LONG)),
            )
        ]
        await asyncio.wait_for(catalog.creating(library), settings.audio_store_seconds)
        for call in waiting:
            async with refused(Reason.CATALOG_UNAVAILABLE) as errors:
                await call
            assert "object store" in errors[0].message
        assert time.monotonic() - begin < 10 * settings.audio_store_seconds
        way.release()
        await works(lambda: catalog.put(made.name, b"audio"))


async def test_a_store_that_is_full(settings: CatalogSettings, seaweedfs: SeaweedFS) -> None:
    """Audio is refused as on a full disk. Reads and deletions go on, and the health is good."""
    async with serving(settings) as catalog:
        library = await catalog.library()
        clip, other = await long_clip(catalog, library), await catalog.clip(library)
        made = await catalog.creating(library)
        seaweedfs.fill(bucket(settings))
        for audio in (b"audio", LONG[1:]):
            async with refused(Reason.STORAGE_FULL) as errors:
                await catalog.put(made.name, *pieces(audio))
            assert "object store" in errors[0].message
        assert (await catalog.audio(clip.name))[1] == LONG
        await catalog.begin_deletion(other.name)
        await catalog.stubs.clips.DeleteClip(clip_pb2.DeleteClipRequest(name=other.name))
        assert await health(catalog) == SERVING
        seaweedfs.empty(bucket(settings))
        await catalog.put(made.name, b"audio")


async def refusal(settings: CatalogSettings) -> str:
    """The sentence that ends a start."""
    with pytest.raises(SystemExit) as end:
        await audio_store(settings).open()
    return str(end.value)


async def test_starts_that_can_not_succeed(settings: CatalogSettings, seaweedfs: SeaweedFS) -> None:
    """A wrong secret or key, one without rights, no bucket, no key at all: each in a sentence."""
    for key, secret, code in (
        ("audiosearch", "wrong", "SignatureDoesNotMatch"),
        ("nobody", "wrong", "InvalidAccessKeyId"),
        (READER, READER_SECRET, "AccessDenied"),
    ):
        with variables(seaweedfs.environment(key, secret)):
            told = await refusal(settings)
        assert f"refuses the key of the catalog ({code}): set AWS_ACCESS_KEY_ID" in told
    nowhere = settings.model_copy(update={"audio_url": "s3://no/where"})
    assert "there is no bucket 'no' for s3://no/where" in await refusal(nowhere)


async def test_a_store_that_comes_after_the_service(
    settings: CatalogSettings, way: TcpProxy
) -> None:
    """The service waits for it, and is not healthy until then."""
    await way.cut()
    async with serving(settings) as catalog:
        library = await catalog.library()
        assert await health(catalog) == NOT_SERVING
        await way.start()
        await becomes(catalog, SERVING)
        await catalog.clip(library)


async def test_what_is_left_of_the_dead_and_the_lost(
    settings: CatalogSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old uploads go at a start. Libraries of a lost catalog are counted."""
    async with serving(settings) as catalog:
        await catalog.clip(await catalog.library())
        (left,) = catalog.files()
        left.write_bytes(b"whole")
        type(left)(left._store, ".incoming/dead").write_bytes(b"half")
    monkeypatch.setattr(object_store, "_STALE", timedelta(seconds=-1))
    store = audio_store(settings)
    await store.open()
    assert await store.count_libraries() == 1
    assert objects(url(settings)) == [left]
