"""Audio that is damaged or missing: it is told, never served as good, and mended by its bytes."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.store_pb2 import AudioCheck, GetStoreRequest

from catalog_service.settings import CatalogSettings
from serving.errors import Reason
from tests.conformance.catalog.conftest import AUDIO_STORES
from tools.servers.catalog import Catalog, refused, serving

LIMIT = 30.0
ON_ALL_STORES = pytest.mark.parametrize("settings", AUDIO_STORES, indirect=True)
LONG = bytes(range(256)) * 4000
GOOD, DAMAGED, MISSING = (
    AudioObject.CONDITION_UNSPECIFIED,
    AudioObject.CONDITION_DAMAGED,
    AudioObject.CONDITION_MISSING,
)


def quick(settings: CatalogSettings, **changes: object) -> CatalogSettings:
    """The settings with looks and passes that come at once."""
    return settings.model_copy(
        update={
            "audio_look_seconds": 0.2,
            "audio_hash_seconds": 0.2,
            "audio_hash_bytes": 2**30,
            **changes,
        }
    )


def unlooked(settings: CatalogSettings) -> CatalogSettings:
    """The settings without passes, and with one look, at the start."""
    return settings.model_copy(update={"audio_hash_bytes": 0, "max_audio_bytes": 2**24})


def file_of(catalog: Catalog, clip: Clip) -> Any:
    """The file of a clip's audio."""
    (path,) = (each for each in catalog.files() if each.name.startswith(clip.name.split("/")[3]))
    return path


def flip(path: Any) -> None:
    """Flips a bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


async def condition(catalog: Catalog, clip: Clip) -> AudioObject.Condition.ValueType:
    """The condition of a clip's audio as it is told."""
    return (await catalog.get(clip.name)).audio_object.condition


async def checked(catalog: Catalog) -> AudioCheck:
    """The summary of all audio."""
    return (await catalog.stubs.store.GetStore(GetStoreRequest())).audio


async def becomes(look: Callable[[], Awaitable[object]], wanted: object) -> None:
    """Waits until something is so."""
    limit = time.monotonic() + LIMIT
    while (seen := await look()) != wanted:
        assert time.monotonic() < limit, f"it stays {seen}"
        await asyncio.sleep(0.05)


@ON_ALL_STORES
async def test_the_checks_find_what_is_wrong(settings: CatalogSettings) -> None:
    """Flipped bytes, another size, a missing file: told of the clip, and counted."""
    async with serving(quick(settings)) as catalog:
        library = await catalog.library()
        clips = await catalog.clips(library, 5)
        flipped, cut, gone, *well = clips
        flip(file_of(catalog, flipped))
        path = file_of(catalog, cut)
        path.write_bytes(path.read_bytes()[:-1])
        file_of(catalog, gone).unlink()
        await becomes(lambda: condition(catalog, flipped), DAMAGED)
        await becomes(lambda: condition(catalog, cut), DAMAGED)
        await becomes(lambda: condition(catalog, gone), MISSING)
        for clip in well:
            assert await condition(catalog, clip) == GOOD
        told = await checked(catalog)
        assert (told.damaged_count, told.missing_count) == (2, 1)
        assert list(told.clips) == sorted(clip.name for clip in (flipped, cut, gone))
        for clip in (flipped, cut, gone):
            await catalog.begin_deletion(clip.name)
        await becomes(lambda: checked(catalog), await checked(catalog))
        told = await checked(catalog)
        assert (told.damaged_count, told.missing_count, list(told.clips)) == (0, 0, [])


async def test_a_pass_goes_on_after_a_restart(settings: CatalogSettings) -> None:
    """Half of the audio, then a restart, then the other half: the first is not read again."""
    async with serving(unlooked(settings)) as catalog:
        library = await catalog.library()
        clips = [await catalog.clip(library, LONG + bytes([number])) for number in range(8)]
    slow = quick(settings, audio_hash_bytes=len(LONG) // 2, audio_look_seconds=3600)
    flip(file_of(catalog, clips[1]))
    async with serving(slow) as catalog:
        await becomes(lambda: condition(catalog, clips[1]), DAMAGED)
        assert not (await checked(catalog)).HasField("hashed_since_time")
    flip(file_of(catalog, clips[0]))
    flip(file_of(catalog, clips[-1]))
    once = quick(settings, audio_look_seconds=3600, audio_hash_seconds=3600)
    async with serving(once) as catalog:
        limit = time.monotonic() + LIMIT
        while not (await checked(catalog)).HasField("hashed_since_time"):
            assert time.monotonic() < limit
            await asyncio.sleep(0.05)
        assert await condition(catalog, clips[-1]) == DAMAGED
        assert await condition(catalog, clips[0]) == GOOD, "it was read again"
    async with serving(quick(settings)) as catalog:
        await becomes(lambda: condition(catalog, clips[0]), DAMAGED)


@ON_ALL_STORES
async def test_flipped_bytes_are_never_served_as_good(settings: CatalogSettings) -> None:
    """A reader of all of it finds out, and is not given the end; from then on nobody is."""
    async with serving(unlooked(settings)) as catalog:
        library = await catalog.library()
        short, long = await catalog.clip(library, b"short"), await catalog.clip(library, LONG)
        for clip in (short, long):
            flip(file_of(catalog, clip))
            got = bytearray()
            async with refused(Reason.AUDIO_DAMAGED, clip=clip.name):
                stream = catalog.stubs.clips.GetAudio(clip_pb2.GetAudioRequest(name=clip.name))
                async for part in stream:
                    got += part.chunk
            assert len(got) < clip.audio_object.size_bytes
            assert await condition(catalog, clip) == DAMAGED
            async with refused(Reason.AUDIO_DAMAGED, clip=clip.name):
                await catalog.audio(clip.name, 1, 2)
        assert (await checked(catalog)).damaged_count == 2


@ON_ALL_STORES
async def test_missing_audio_that_comes_back(settings: CatalogSettings) -> None:
    """The file restored is served; another one of its size is not."""
    async with serving(unlooked(settings)) as catalog:
        library = await catalog.library()
        clip = await catalog.clip(library, b"audio")
        path = file_of(catalog, clip)
        path.unlink()
        async with refused(Reason.AUDIO_MISSING, clip=clip.name):
            await catalog.audio(clip.name, 1, 2)
        assert await condition(catalog, clip) == MISSING
        path.write_bytes(b"audio")
        assert (await catalog.audio(clip.name, 1, 2))[1] == b"ud"
        assert await condition(catalog, clip) == GOOD
        path.unlink()
        async with refused(Reason.AUDIO_MISSING):
            await catalog.audio(clip.name)
        path.write_bytes(b"video")
        async with refused(Reason.AUDIO_DAMAGED):
            await catalog.audio(clip.name, 0, 2)
    path.write_bytes(b"audio")
    async with serving(unlooked(settings)) as catalog:
        await becomes(lambda: condition(catalog, clip), GOOD)
        assert (await catalog.audio(clip.name))[1] == b"audio"


async def test_a_file_that_can_not_be_read_holds_up_no_other(
    settings: CatalogSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is damaged, whether the disk refuses its size or its bytes; the others are looked at."""
    async with serving(unlooked(settings)) as catalog:
        library = await catalog.library()
        looped, lost, gone = await catalog.clips(library, 3)
    path = file_of(catalog, looped)
    path.unlink()
    path.symlink_to(path.name)
    sector = file_of(catalog, lost).stat().st_ino
    file_of(catalog, gone).unlink()
    read = os.pread

    def pread(file: int, size: int, offset: int) -> bytes:
        if os.fstat(file).st_ino == sector:
            raise OSError(errno.EIO, "lost sector")
        return read(file, size, offset)

    monkeypatch.setattr(os, "pread", pread)
    async with serving(quick(settings)) as catalog:
        await becomes(lambda: condition(catalog, looped), DAMAGED)
        await becomes(lambda: condition(catalog, lost), DAMAGED)
        await becomes(lambda: condition(catalog, gone), MISSING)
        for clip in (looped, lost):
            async with refused(Reason.AUDIO_DAMAGED, clip=clip.name):
                await catalog.audio(clip.name)


async def test_a_reader_meets_a_lost_sector(
    settings: CatalogSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AUDIO_DAMAGED, and not that the catalog is away."""

    def pread(_file: int, _size: int, _offset: int) -> bytes:
        raise OSError(errno.EIO, "lost sector")

    async with serving(unlooked(settings)) as catalog:
        clip = await catalog.clip(await catalog.library())
        monkeypatch.setattr(os, "pread", pread)
        async with refused(Reason.AUDIO_DAMAGED, clip=clip.name):
            await catalog.audio(clip.name, 1, 2)
        assert await condition(catalog, clip) == DAMAGED


@ON_ALL_STORES
@pytest.mark.parametrize("known", [False, True])
async def test_the_same_bytes_mend(settings: CatalogSettings, known: bool) -> None:
    """Sent as another clip's, before anybody has noticed; or as the clip's own once noticed."""
    async with serving(unlooked(settings)) as catalog:
        library = await catalog.library()
        clip = await catalog.clip(library, LONG)
        flip(file_of(catalog, clip))
        if known:
            async with refused(Reason.AUDIO_DAMAGED):
                await catalog.audio(clip.name)
            async with refused(Reason.STATE_CONFLICT):
                await catalog.put(clip.name, b"other bytes")
            stored = await catalog.put(clip.name, LONG)
            assert stored.sha256 == hashlib.sha256(LONG).hexdigest()
        else:
            again = await catalog.creating(library)
            async with refused(Reason.CLIP_EXISTS, clip=clip.name):
                await catalog.put(again.name, LONG)
        assert await condition(catalog, clip) == GOOD
        assert (await catalog.audio(clip.name))[1] == LONG
        async with refused(Reason.STATE_CONFLICT):
            await catalog.put(clip.name, LONG)
        assert only_files(catalog, library) == 1


def only_files(catalog: Catalog, library: Library) -> int:
    """Number of the files of a library's audio and of unfinished uploads."""
    return sum(library.uid in str(path) or ".incoming" in str(path) for path in catalog.files())
