"""A full disk: deletions pass and make room, all that needs more is refused, and it recovers."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip

from catalog_service.database.write_ahead_log import MOST_BYTES
from catalog_service.settings import CatalogSettings
from serving.errors import Reason
from tools.servers.catalog import refused, serving
from tools.servers.disk import fill, with_room

LIMIT = 30.0


async def test_clips_are_deleted_from_a_full_disk(disk_of_data: CatalogSettings) -> None:
    """Everything that adds is refused, also when another program has filled the disk."""
    async with serving(disk_of_data) as catalog:
        library = await catalog.library()
        clips = await catalog.clips(library, 100)
        speaker = await catalog.speaker(library, clips[0])
        filler = fill(disk_of_data.data_dir.parent)
        for grow in (
            lambda: catalog.creating(library),
            catalog.library,
            lambda: catalog.speaker(library),
            lambda: catalog.job(library),
        ):
            async with refused(Reason.STORAGE_FULL):
                for _ in range(1000):
                    await grow()
        for clip in clips:
            await catalog.begin_deletion(clip.name)
            await catalog.stubs.clips.DeleteClip(clip_pb2.DeleteClipRequest(name=clip.name))
            async with refused(Reason.CLIP_NOT_FOUND):
                await catalog.get(clip.name)
        assert (await catalog.get_speaker(speaker.name)).enrollment_count == 0
        filler.unlink()
        await with_room(lambda: catalog.clip(library))


async def test_a_library_is_deleted_from_a_full_disk(disk_of_data: CatalogSettings) -> None:
    """All of it, by a service that was started on the full disk."""
    async with serving(disk_of_data) as catalog:
        library, other = await catalog.library(), await catalog.library()
        await catalog.clips(library, 1000)
    filler = fill(disk_of_data.data_dir.parent)
    async with serving(disk_of_data) as catalog:
        async with refused(Reason.STORAGE_FULL):
            for _ in range(1000):
                await catalog.creating(library)
        await catalog.stubs.libraries.BeginLibraryDeletion(
            library_pb2.BeginLibraryDeletionRequest(name=library.name, force=True)
        )
        await catalog.stubs.libraries.DeleteLibrary(
            library_pb2.DeleteLibraryRequest(name=library.name)
        )
        assert not catalog.files()
        filler.unlink()
        await with_room(lambda: catalog.clip(other))


async def test_the_log_does_not_grow_behind_a_reader(tmp_path: Path) -> None:
    """A reader that stays long makes it grow; it is short again after the reader has ended."""
    settings = CatalogSettings(
        port=0, data_dir=tmp_path, drain_seconds=0, grace_seconds=0, mysql_host=None
    )
    file = settings.database_folder / "catalog.sqlite3"
    log = file.with_name(f"{file.name}-wal")
    async with serving(settings) as catalog:
        library = await catalog.library()
        with closing(sqlite3.connect(file, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM clips").fetchone()
            heavy = Clip(metadata={f"{number}": "x" * 1023 for number in range(32)})
            requests = [clip_pb2.CreateClipRequest(clip=heavy) for _ in range(100)]
            while log.stat().st_size <= MOST_BYTES:
                await catalog.stubs.clips.BatchCreateClips(
                    clip_pb2.BatchCreateClipsRequest(parent=library.name, requests=requests)
                )
        limit = time.monotonic() + LIMIT
        while log.stat().st_size > MOST_BYTES:
            assert time.monotonic() < limit, "the log stays as long as it was"
            await asyncio.sleep(0.1)
        await catalog.clip(library)


async def test_audio_is_refused_and_leaves_nothing(small_disk: CatalogSettings) -> None:
    """STORAGE_FULL; smaller audio is taken after that."""
    async with serving(small_disk) as catalog:
        library = await catalog.library()
        made = await catalog.creating(library)
        async with refused(Reason.STORAGE_FULL):
            await catalog.put(made.name, *[bytes(2**18)] * 4)
        assert not catalog.files()
        await catalog.put(made.name, b"small")
