"""Vectors that are kept beside their clips, and what the indexes of libraries lack."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from audiosearch.catalog.v1 import kept_vectors_pb2 as pb
from audiosearch.catalog.v1.clip_pb2 import ActivateClipRequest, Clip, DeleteClipRequest
from audiosearch.catalog.v1.kept_vectors_pb2 import KeptVectors
from audiosearch.catalog.v1.library_pb2 import (
    BeginLibraryDeletionRequest,
    ClaimIndexChecksRequest,
    CountVectorsRequest,
    DeleteLibraryRequest,
    GetLibraryRequest,
    IndexState,
    Library,
    ListLibrariesRequest,
    ReportIndexStateRequest,
)
from google.protobuf.duration_pb2 import Duration

from serving.errors import Reason
from tools.servers.catalog import HEARD, MODEL, Catalog, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


def part(
    clip: Clip, number: int = 0, count: int = 1, vectors: int = 1, generation: int = 1
) -> KeptVectors:
    """A part of a clip's vectors."""
    values = np.full((vectors, 192), number + generation, "<f4")
    return KeptVectors(
        clip=clip.name,
        generation=generation,
        model=MODEL,
        part=number,
        part_count=count,
        starts_ms=range(vectors),
        values=values.tobytes(),
    )


async def keep(catalog: Catalog, library: Library, *parts: KeptVectors) -> Sequence[str]:
    """Keeps parts, and returns the clips that are gone."""
    answer = await catalog.stubs.vectors.KeepVectors(
        pb.KeepVectorsRequest(parent=library.name, vectors=parts)
    )
    return list(answer.clip_ids_gone)


async def kept(
    catalog: Catalog, library: Library, *clips: Clip, generation: int = 1
) -> list[KeptVectors]:
    """Reads what is kept of clips, and checks that the look-up tells of the same ones."""
    ids = [clip.name.rpartition("/")[2] for clip in clips]
    stream = catalog.stubs.vectors.ReadKeptVectors(
        pb.ReadKeptVectorsRequest(parent=library.name, generation=generation, clip_ids=ids)
    )
    found = [each.vectors async for each in stream]
    told = await catalog.stubs.vectors.LookupKeptVectors(
        pb.LookupKeptVectorsRequest(parent=library.name, generation=generation, clip_ids=ids)
    )
    assert sorted({each.clip.rpartition("/")[2] for each in found}) == list(told.clip_ids)
    return found


async def test_vectors_are_kept_with_the_activation(catalog: Catalog) -> None:
    """An activation keeps the vectors of its clip; one that is refused keeps nothing."""
    library = await catalog.library()
    clip = await catalog.creating(library)
    wanted = ActivateClipRequest(
        name=clip.name, audio=HEARD, window_count=1, vectors=[part(clip, vectors=3)]
    )
    async with refused(Reason.STATE_CONFLICT):
        await catalog.stubs.clips.ActivateClip(wanted)  # it has no audio yet
    assert await kept(catalog, library, clip) == []
    await catalog.put(clip.name, b"sound")
    await catalog.stubs.clips.ActivateClip(wanted)
    assert await kept(catalog, library, clip) == [part(clip, vectors=3)]


async def test_parts_are_read_once_the_last_is_there(catalog: Catalog) -> None:
    """Parts come in order and by clip, replace those before, and the last one ends the set."""
    library = await catalog.library()
    clips = await catalog.clips(library, 3)
    long = [part(clips[1], number, 4 * (number == 3), 1000) for number in range(4)]
    assert await keep(catalog, library, *long[:3]) == []
    assert await kept(catalog, library, *clips) == []
    await keep(catalog, library, part(clips[0]), long[3], part(clips[2]))
    assert await kept(catalog, library, *clips) == [part(clips[0]), *long, part(clips[2])]
    shorter = [part(clips[1], 0, 0, 7), part(clips[1], 1, 2, 7)]
    await keep(catalog, library, *shorter)
    assert await kept(catalog, library, clips[1]) == shorter
    assert await kept(catalog, library, clips[1], generation=2) == []


async def test_nothing_is_kept_of_clips_that_go(catalog: Catalog) -> None:
    """Deleted, failed and missing clips keep nothing, nor do deleted libraries."""
    library = await catalog.library()
    gone, failed = await catalog.clip(library), await catalog.creating(library)
    await keep(catalog, library, part(gone), part(failed))
    await catalog.fail(failed.name)
    await catalog.begin_deletion(gone.name)
    ids = [clip.name.rpartition("/")[2] for clip in (gone, failed)]
    assert await keep(catalog, library, part(gone, 1, 2), part(failed)) == sorted(ids)
    await catalog.stubs.clips.DeleteClip(DeleteClipRequest(name=gone.name))
    assert await kept(catalog, library, gone, failed) == []
    assert await keep(catalog, library, part(gone)) == ids[:1]
    await keep(catalog, library, part(await catalog.clip(library)))
    begin = BeginLibraryDeletionRequest(name=library.name, force=True)
    await catalog.stubs.libraries.BeginLibraryDeletion(begin)
    await catalog.stubs.libraries.DeleteLibrary(DeleteLibraryRequest(name=library.name))
    async with refused(Reason.LIBRARY_NOT_FOUND):
        await kept(catalog, library, gone)


async def test_earlier_generations_are_dropped(catalog: Catalog) -> None:
    """A migration ends with one generation kept."""
    library = await catalog.library()
    clips = await catalog.clips(library, 2)
    await keep(catalog, library, *(part(clip, generation=g) for clip in clips for g in (0, 1, 2)))
    await catalog.stubs.vectors.DropKeptVectors(
        pb.DropKeptVectorsRequest(parent=library.name, before_generation=2)
    )
    assert await kept(catalog, library, *clips, generation=0) == []
    assert await kept(catalog, library, *clips, generation=1) == []
    assert await kept(catalog, library, *clips, generation=2) == [
        part(clip, generation=2) for clip in clips
    ]


async def test_bad_parts_are_refused(catalog: Catalog) -> None:
    """Parts of another library, with broken vectors or with a wrong number name the field."""
    library, other = await catalog.library(), await catalog.library()
    clip, stranger = await catalog.clip(library), await catalog.clip(other)
    async with refused(Reason.FIELD_INVALID, field="vectors[0].clip"):
        await keep(catalog, library, part(stranger))
    broken = part(clip)
    broken.values += b"1"
    async with refused(Reason.FIELD_INVALID, field="vectors[1].values"):
        await keep(catalog, library, part(clip, 1, 2), broken)
    async with refused(Reason.FIELD_INVALID, field="vectors[0].part_count"):
        await keep(catalog, library, part(clip, 1, 5))
    async with refused(Reason.FIELD_INVALID, field="vectors"):
        await keep(catalog, library)
    assert await kept(catalog, library, clip) == []


async def test_the_vectors_of_a_library_are_counted(catalog: Catalog) -> None:
    """Windows of ACTIVE clips count, those of clips that come or go do not."""
    library = await catalog.library()
    clips = await catalog.clips(library, 3)
    for clip, windows in zip(clips, (1, 5, 3), strict=True):
        await catalog.stubs.clips.ActivateClip(
            ActivateClipRequest(name=clip.name, audio=HEARD, window_count=windows)
        )
    await catalog.begin_deletion(clips[2].name)
    await catalog.creating(library)
    await catalog.record(await catalog.speaker(library, clips[0]))
    counts = await catalog.stubs.libraries.CountVectors(CountVectorsRequest(name=library.name))
    assert (counts.clip_count, counts.window_count) == (2, 6)
    assert (counts.several_count, counts.voiceprint_count) == (1, 1)


async def claim(catalog: Catalog, worker: str, limit: int = 100, seconds: int = 60) -> set[str]:
    """Claims libraries that are due, and returns their names."""
    request = ClaimIndexChecksRequest(worker=worker, lease=Duration(seconds=seconds), limit=limit)
    answer = await catalog.stubs.libraries.ClaimIndexChecks(request)
    return {library.name for library in answer.libraries}


async def report(
    catalog: Catalog, library: Library, worker: str, indexed: int | None, seconds: int = 60
) -> Library:
    """Reports that the indexes have so many of ten vectors, or lack nothing."""
    state = None if indexed is None else IndexState(indexed_count=indexed, expected_count=10)
    lease = Duration(seconds=seconds) if worker else None
    return await catalog.stubs.libraries.ReportIndexState(
        ReportIndexStateRequest(name=library.name, worker=worker, lease=lease, index_state=state)
    )


async def test_each_due_library_is_claimed_once(catalog: Catalog) -> None:
    """Workers that claim at the same time share the libraries, and each has its own."""
    libraries = {(await catalog.library()).name for _ in range(9)}
    shares = await asyncio.gather(*(claim(catalog, f"worker-{n}") for n in range(4)))
    taken = [name for share in shares for name in share if name in libraries]
    assert sorted(taken) == sorted(libraries)
    assert not (await claim(catalog, "later")) & libraries


async def test_a_library_tells_what_its_indexes_lack(catalog: Catalog) -> None:
    """The worker that has claimed it reports; others are refused; the end clears it."""
    library = await catalog.library()
    await claim(catalog, "one")
    told = await report(catalog, library, "one", 3)
    assert (told.index_state.indexed_count, told.index_state.expected_count) == (3, 10)
    assert told.update_time == library.update_time
    async with refused(Reason.STATE_CONFLICT):
        await report(catalog, library, "another", 5)
    again = await report(catalog, library, "one", 7)
    assert again.index_state.begin_time == told.index_state.begin_time
    read = await catalog.stubs.libraries.GetLibrary(GetLibraryRequest(name=library.name))
    assert read.index_state == again.index_state
    listed = await catalog.stubs.libraries.ListLibraries(ListLibrariesRequest(incomplete=True))
    assert library.name in {each.name for each in listed.libraries}
    assert not (await report(catalog, library, "one", None)).HasField("index_state")
    listed = await catalog.stubs.libraries.ListLibraries(ListLibrariesRequest(incomplete=True))
    assert library.name not in {each.name for each in listed.libraries}


async def test_a_loss_makes_a_library_due_at_once(catalog: Catalog) -> None:
    """Told twice, it is due once: the worker that fills the indexes goes on."""
    library = await catalog.library()
    await claim(catalog, "one")
    assert (await report(catalog, library, "", 0)).index_state.expected_count == 10
    async with refused(Reason.STATE_CONFLICT):
        await report(catalog, library, "one", None)  # it compared before the loss
    assert library.name in await claim(catalog, "two")
    await report(catalog, library, "", 0)
    assert library.name not in await claim(catalog, "three")
    assert (await report(catalog, library, "two", 4)).index_state.indexed_count == 4


async def test_a_claim_that_ran_out_is_anothers(catalog: Catalog) -> None:
    """A worker that dies leaves the library to the next after its lease."""
    library = await catalog.library()
    await claim(catalog, "one", seconds=1)
    await report(catalog, library, "one", 2, seconds=1)
    while library.name not in await claim(catalog, "two"):
        await asyncio.sleep(0.05)
    async with refused(Reason.STATE_CONFLICT):
        await report(catalog, library, "one", 3)
    assert (await report(catalog, library, "two", 3)).index_state.indexed_count == 3
