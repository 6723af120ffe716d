"""Quotas: the clips that an owner may have in all libraries, and the bytes of their audio."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import uuid
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from audiosearch.catalog.v1 import clip_pb2, import_job_pb2
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip, CountOwnedRequest, Quota
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.catalog.v1.library_pb2 import (
    BeginLibraryDeletionRequest,
    DeleteLibraryRequest,
    Library,
)

from serving.errors import Reason, from_rpc_error
from tools.servers.catalog import Catalog, messages, refused, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


def quota(**most: int) -> Quota:
    """The quota of an owner of its own."""
    return Quota(owner=f"phone {uuid.uuid4().hex}", **most)


def known(size: int) -> AudioObject:
    """Audio of so many bytes, as it is known before it is sent."""
    return AudioObject(sha256=hashlib.sha256(uuid.uuid4().bytes).hexdigest(), size_bytes=size)


async def make(catalog: Catalog, library: Library, its: Quota, **fields: Any) -> Clip:
    """Creates a clip that counts for a quota."""
    return await catalog.stubs.clips.CreateClip(
        clip_pb2.CreateClipRequest(parent=library.name, quota=its, **fields)
    )


async def put(catalog: Catalog, clip: Clip, its: Quota, size: int) -> AudioObject:
    """Stores so many bytes as the audio of a clip."""
    stream: Iterator[clip_pb2.PutAudioRequest] = itertools.chain(
        [clip_pb2.PutAudioRequest(name=clip.name, quota=its)],
        itertools.islice(messages(clip.name, uuid.uuid4().bytes * (size // 16)), 1, None),
    )
    return await catalog.send(stream)


async def used(catalog: Catalog, its: Quota) -> tuple[int, int]:
    """The clips and bytes of an owner."""
    answer = await catalog.stubs.clips.CountOwned(CountOwnedRequest(owners=[its.owner]))
    return answer.usages[its.owner].clip_count, answer.usages[its.owner].size_bytes


async def test_no_more_clips_than_the_quota_in_all_libraries(catalog: Catalog) -> None:
    """The error tells what there is; what is deleted, failed or made before takes no room."""
    one, other, its = await catalog.library(), await catalog.library(), quota(max_clips=2)
    first = await make(catalog, one, its, request_id="first")
    second = await make(catalog, other, its, audio_object=known(16))
    async with refused(Reason.QUOTA_EXCEEDED, quota="clips") as refusals:
        await make(catalog, one, its)
    assert its.owner in refusals[0].message
    assert "2 of 2 clips" in refusals[0].message
    assert await make(catalog, one, its, request_id="first") == first
    assert await used(catalog, its) == (2, 16)
    await catalog.begin_deletion(first.name)
    third = await make(catalog, one, its)
    await catalog.fail(second.name)
    fourth = await make(catalog, other, its)
    await catalog.begin_deletion(third.name)
    await catalog.begin_deletion(fourth.name)
    assert await used(catalog, its) == (0, 0)


async def test_owners_have_quotas_of_their_own(catalog: Catalog) -> None:
    """Clips without an owner, and those of others, count for nobody else."""
    library, its, others = await catalog.library(), quota(max_clips=1), quota(max_clips=1)
    await make(catalog, library, its)
    await make(catalog, library, others)
    await catalog.clips(library, 3)
    free = quota()
    for _ in range(3):
        await make(catalog, library, free)
    assert await used(catalog, free) == (3, 0)
    async with refused(Reason.QUOTA_EXCEEDED, quota="clips"):
        await make(catalog, library, Quota(owner=free.owner, max_clips=3))


async def test_a_batch_is_taken_up_to_the_quota(catalog: Catalog) -> None:
    """In its order, each with its own outcome; a clip that is there counts once."""
    library, its, other = await catalog.library(), quota(max_clips=3, max_bytes=100), quota()
    same = known(60)
    parts: list[dict[str, Any]] = [
        {"audio_object": same, "quota": its},
        {"audio_object": same, "quota": its},
        {"audio_object": known(50), "quota": its},
        {"audio_object": known(40), "quota": its},
        {"audio_object": known(0), "quota": its},
        {"audio_object": known(0), "quota": its},
        {"audio_object": known(1000), "quota": other},
    ]
    answer = await catalog.stubs.clips.BatchCreateClips(
        clip_pb2.BatchCreateClipsRequest(
            parent=library.name, requests=[clip_pb2.CreateClipRequest(**part) for part in parts]
        )
    )
    beyond = Reason.QUOTA_EXCEEDED.value
    reasons = [outcome.failure.reason for outcome in answer.outcomes]
    assert reasons == ["", Reason.CLIP_EXISTS.value, beyond, "", "", beyond, ""]
    assert await used(catalog, its) == (3, 100)


async def test_audio_of_unknown_size_fits_into_the_quota_or_is_not_kept(catalog: Catalog) -> None:
    """Its bytes count when they are there; those sent again take the place of the earlier ones."""
    library, its = await catalog.library(), quota(max_bytes=160)
    first, second = await make(catalog, library, its), await make(catalog, library, its)
    await put(catalog, first, its, 96)
    files = len(catalog.files())
    async with refused(Reason.QUOTA_EXCEEDED, quota="bytes") as refusals:
        await put(catalog, second, its, 80)
    assert "96 of 160 bytes" in refusals[0].message
    assert "80 more" in refusals[0].message
    assert len(catalog.files()) == files
    await put(catalog, second, its, 64)
    await put(catalog, first, its, 96)
    assert await used(catalog, its) == (2, 160)
    await put(catalog, second, its, 16)
    assert await used(catalog, its) == (2, 112)


async def test_calls_at_once_on_two_replicas_stay_within_the_quota(catalog: Catalog) -> None:
    """However they meet, no more get in than may; none is refused while there is room."""
    library, its = await catalog.library(), quota(max_clips=7)

    async def one(replica: Catalog) -> Reason | None:
        try:
            await make(replica, library, its)
        except grpc.aio.AioRpcError as error:
            found = from_rpc_error(error)
            return found.reason if found else Reason.INTERNAL
        return None

    async with contextlib.AsyncExitStack() as stack:
        replica = catalog
        if catalog.settings.mysql_host:
            replica = await stack.enter_async_context(serving(catalog.settings))
        ends = await asyncio.gather(*(one(each) for each in [catalog, replica] * 8))
    assert sorted(str(end) for end in ends) == sorted(
        ["None"] * 7 + [str(Reason.QUOTA_EXCEEDED)] * 9
    )
    assert await used(catalog, its) == (7, 0)


async def test_a_deleted_library_gives_its_room_back(catalog: Catalog) -> None:
    """All of it, once the library is gone."""
    library, its = await catalog.library(), quota(max_clips=1)
    await make(catalog, library, its)
    await catalog.stubs.libraries.BeginLibraryDeletion(
        BeginLibraryDeletionRequest(name=library.name, force=True)
    )
    await catalog.stubs.libraries.DeleteLibrary(DeleteLibraryRequest(name=library.name))
    assert await used(catalog, its) == (0, 0)


async def test_an_import_has_the_quota_of_its_caller(catalog: Catalog) -> None:
    """Whichever gateway works on it is told."""
    library, its = await catalog.library(), quota(max_clips=3, max_bytes=2**40)
    await catalog.stubs.import_jobs.CreateImportJob(
        import_job_pb2.CreateImportJobRequest(
            import_job=ImportJob(library=library.name, folder="/sounds"), quota=its
        )
    )
    claim = import_job_pb2.ClaimImportJobRequest(worker="one")
    assert (await catalog.stubs.import_jobs.ClaimImportJob(claim)).quota == its
    await catalog.job(library)
    assert not (await catalog.stubs.import_jobs.ClaimImportJob(claim)).HasField("quota")


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("quota.owner", Quota(owner="x" * 64)),
        ("quota.owner", Quota(owner="a\nb")),
        ("quota.max_clips", Quota(owner="a", max_clips=-1)),
        ("quota.max_bytes", Quota(owner="a", max_bytes=-1)),
    ],
)
async def test_a_bad_quota_is_named(catalog: Catalog, field: str, bad: Quota) -> None:
    """By its field."""
    library = await catalog.library()
    async with refused(Reason.FIELD_INVALID, field=field):
        await make(catalog, library, bad)
