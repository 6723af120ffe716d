"""Deleted clips that can be restored."""

from __future__ import annotations

import pytest
from audiosearch.catalog.v1 import clip_pb2 as pb
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip, ClipFilter, ClipTags, Failure, Quota
from audiosearch.catalog.v1.library_pb2 import (
    BeginLibraryDeletionRequest,
    DeleteLibraryRequest,
    GetLibraryRequest,
    Library,
)
from audiosearch.catalog.v1.speaker_pb2 import Speaker
from audiosearch.embedding.v1.embedding_pb2 import Tag

from serving.errors import Reason
from tests.conformance.catalog.speaker_calls import deletion
from tools.servers.catalog import HEARD, Catalog, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")
TAGS = ClipTags(tags=[Tag(name="Bell", score=0.5)])
GONE = pb.FailClipRequest(failure=Failure(reason="AUDIO_TOO_SHORT", message="too short"))


async def trash(catalog: Catalog, clip: Clip) -> Clip:
    """Moves a clip to the trash."""
    return await catalog.stubs.clips.TrashClip(pb.TrashClipRequest(name=clip.name))


async def restore(catalog: Catalog, clip: Clip) -> Clip:
    """Begins to restore a clip."""
    return await catalog.stubs.clips.RestoreClip(pb.RestoreClipRequest(name=clip.name))


async def activate(catalog: Catalog, clip: Clip) -> Clip:
    """Makes a clip ACTIVE, as the gateway does."""
    return await catalog.stubs.clips.ActivateClip(
        pb.ActivateClipRequest(name=clip.name, audio=HEARD, tags=TAGS)
    )


async def made(catalog: Catalog, library: Library, audio: bytes, request_id: str = "") -> Clip:
    """An ACTIVE clip with a tag, a label and these bytes."""
    creating = await catalog.stubs.clips.CreateClip(
        pb.CreateClipRequest(
            parent=library.name,
            clip=Clip(display_name="bell", label="bells", metadata={"a": "b"}),
            request_id=request_id,
        )
    )
    await catalog.put(creating.name, audio)
    return await activate(catalog, creating)


async def listed(catalog: Catalog, library: Library, state: Clip.State.ValueType) -> list[str]:
    """Names of the clips of a library in a state."""
    answer = await catalog.stubs.clips.ListClips(
        pb.ListClipsRequest(parent=library.name, filter=ClipFilter(state=state))
    )
    return [clip.name for clip in answer.clips]


async def tags(catalog: Catalog, library: Library) -> list[str]:
    """The tags that clips of a library have."""
    answer = await catalog.stubs.clips.ListTags(pb.ListTagsRequest(parent=library.name))
    return list(answer.names)


async def test_a_clip_in_the_trash_is_found_nowhere_and_comes_back_as_it_was(
    catalog: Catalog,
) -> None:
    """Name, words, audio and time of creation stay; a repeat of either call changes nothing."""
    library = await catalog.library()
    clip = await made(catalog, library, b"bytes")
    gone = await trash(catalog, clip)
    assert gone.state == Clip.STATE_TRASHED
    assert await trash(catalog, clip) == gone == await catalog.get(clip.name)
    assert await listed(catalog, library, Clip.STATE_ACTIVE) == []
    assert await listed(catalog, library, Clip.STATE_TRASHED) == [clip.name]
    assert await tags(catalog, library) == []
    looked = await catalog.stubs.clips.LookupClips(
        pb.LookupClipsRequest(parent=library.name, clip_ids=[clip.name.rpartition("/")[2]])
    )
    assert not looked.clips
    now = await catalog.stubs.libraries.GetLibrary(GetLibraryRequest(name=library.name))
    assert (now.clip_count, now.size_bytes) == (0, 0)
    assert (await catalog.audio(clip.name))[1] == b"bytes"
    async with refused(Reason.STATE_CONFLICT):
        await catalog.stubs.clips.UpdateClip(
            pb.UpdateClipRequest(clip=Clip(name=clip.name, label="x"))
        )
    async with refused(Reason.STATE_CONFLICT):
        await activate(catalog, clip)

    back = await restore(catalog, clip)
    assert back.state == Clip.STATE_CREATING
    assert await restore(catalog, clip) == back
    assert back.tags == clip.tags
    again = await activate(catalog, clip)
    assert await restore(catalog, clip) == again
    again.update_time.CopyFrom(clip.update_time)
    assert again == clip
    assert await tags(catalog, library) == ["Bell"]
    assert (await catalog.audio(clip.name))[1] == b"bytes"


async def test_only_active_clips_go_to_the_trash(catalog: Catalog) -> None:
    """One that is being made, has failed or is being removed has nothing to come back to."""
    library = await catalog.library()
    clip = await catalog.creating(library)
    async with refused(Reason.STATE_CONFLICT):
        await trash(catalog, clip)
    async with refused(Reason.STATE_CONFLICT):
        await restore(catalog, clip)
    await catalog.fail(clip.name)
    async with refused(Reason.STATE_CONFLICT):
        await trash(catalog, clip)
    await catalog.begin_deletion(clip.name)
    for call in (trash, restore):
        async with refused(Reason.STATE_CONFLICT):
            await call(catalog, clip)
    await catalog.stubs.clips.DeleteClip(pb.DeleteClipRequest(name=clip.name))
    for call in (trash, restore):
        async with refused(Reason.CLIP_NOT_FOUND):
            await call(catalog, clip)


async def test_the_same_bytes_can_come_again_meanwhile(catalog: Catalog) -> None:
    """Also by the same request. The clip in the trash comes back once the other one is gone."""
    library = await catalog.library()
    clip = await made(catalog, library, b"twice", "request")
    await trash(catalog, clip)
    other = await made(catalog, library, b"twice", "request")
    assert other.name != clip.name
    async with refused(Reason.CLIP_EXISTS, clip=other.name):
        await restore(catalog, clip)
    assert (await catalog.get(clip.name)).state == Clip.STATE_TRASHED
    await trash(catalog, other)  # the trash holds the same bytes twice
    await restore(catalog, clip)
    await activate(catalog, clip)
    async with refused(Reason.CLIP_EXISTS, clip=clip.name):
        await restore(catalog, other)


async def test_a_restoration_that_is_cut_off_loses_nothing(catalog: Catalog) -> None:
    """The undo of a new clip, and its failure, bring such a clip back to the trash."""
    library = await catalog.library()
    clip = await made(catalog, library, b"kept")
    only = pb.BeginClipDeletionRequest(name=clip.name, only_state=Clip.STATE_CREATING)
    failed = pb.FailClipRequest(name=clip.name, failure=GONE.failure)
    gone = await trash(catalog, clip)
    for undo in (
        lambda: catalog.stubs.clips.BeginClipDeletion(only),
        lambda: catalog.stubs.clips.FailClip(failed),
        lambda: trash(catalog, clip),
    ):
        await restore(catalog, clip)
        undone = await undo()
        assert undone.state == Clip.STATE_TRASHED
        undone.update_time.CopyFrom(gone.update_time)
        assert undone == gone
        async with refused(Reason.STATE_CONFLICT):
            await catalog.stubs.clips.DeleteClip(pb.DeleteClipRequest(name=clip.name))
    await restore(catalog, clip)
    async with refused(Reason.STATE_CONFLICT):
        await catalog.put(clip.name, b"other bytes")
    await catalog.put(clip.name, b"kept")
    await activate(catalog, clip)
    assert (await catalog.audio(clip.name)) == (clip.audio_object, b"kept")


async def test_a_restored_clip_that_has_lost_its_audio_is_active_again(catalog: Catalog) -> None:
    """As it would be without the deletion: the checks of all audio tell of it."""
    library = await catalog.library()
    clip = await made(catalog, library, b"lost")
    await trash(catalog, clip)
    (file,) = [each for each in catalog.files() if each.read_bytes() == b"lost"]
    file.unlink()
    await restore(catalog, clip)
    assert (await activate(catalog, clip)).state == Clip.STATE_ACTIVE
    async with refused(Reason.AUDIO_MISSING):
        await catalog.audio(clip.name)


async def test_what_is_deleted_for_good_gives_its_room_back(catalog: Catalog) -> None:
    """Out of the trash as elsewhere: row, audio, and all that is told about it."""
    library = await catalog.library()
    clip = await made(catalog, library, b"room")
    await trash(catalog, clip)
    await catalog.stubs.clips.BeginClipDeletion(
        pb.BeginClipDeletionRequest(name=clip.name, only_state=Clip.STATE_TRASHED)
    )
    await catalog.stubs.clips.DeleteClip(pb.DeleteClipRequest(name=clip.name))
    assert not [each for each in catalog.files() if each.read_bytes() == b"room"]
    async with refused(Reason.CLIP_NOT_FOUND):
        await catalog.get(clip.name)


async def test_a_library_goes_with_its_trash(catalog: Catalog) -> None:
    """What somebody has deleted keeps no library alive."""
    library = await catalog.library()
    clip = await made(catalog, library, b"with its library")
    await trash(catalog, clip)
    await catalog.stubs.libraries.BeginLibraryDeletion(
        BeginLibraryDeletionRequest(name=library.name)
    )
    async with refused(Reason.STATE_CONFLICT):
        await restore(catalog, clip)
    await catalog.stubs.libraries.DeleteLibrary(DeleteLibraryRequest(name=library.name))
    assert not [each for each in catalog.files() if each.read_bytes() == b"with its library"]


async def test_the_trash_counts_for_a_quota(catalog: Catalog) -> None:
    """Whoever deletes and uploads in turn fills the disk too, until the trash is emptied."""
    library = await catalog.library()
    its = Quota(owner=f"phone {library.uid}", max_clips=1)
    request = pb.CreateClipRequest(parent=library.name, quota=its)
    clip = await catalog.stubs.clips.CreateClip(request)
    await catalog.put(clip.name, b"of an owner")
    await trash(catalog, await activate(catalog, clip))
    async with refused(Reason.QUOTA_EXCEEDED, quota="clips"):
        await catalog.stubs.clips.CreateClip(request)
    await catalog.begin_deletion(clip.name)
    await catalog.stubs.clips.CreateClip(request)


async def test_an_enrollment_in_the_trash_is_none_any_more(catalog: Catalog) -> None:
    """Its speaker is counted anew, and it comes back as a clip like any other."""
    library = await catalog.library()
    clip, other = [await catalog.clip(library) for _ in range(2)]
    speaker = await catalog.record(await catalog.speaker(library, clip, other))
    gone = await trash(catalog, clip)
    assert gone.enrolled_speaker == speaker.name
    now = await catalog.get_speaker(speaker.name)
    assert (now.state, now.enrollment_count) == (Speaker.STATE_UPDATING, 1)
    await restore(catalog, clip)
    back = await catalog.activate(clip.name)
    assert (back.enrolled_speaker, back.revision) == ("", gone.revision + 1)
    assert (await catalog.get_speaker(speaker.name)).enrollment_count == 1


@pytest.mark.parametrize("with_clips", [True, False])
async def test_a_speaker_takes_its_trash_along(catalog: Catalog, *, with_clips: bool) -> None:
    """Whoever deletes a voice with its recordings wants none to stay; without them, all stay."""
    library = await catalog.library()
    clip, other = [await catalog.clip(library) for _ in range(2)]
    speaker = await catalog.speaker(library, clip, other)
    await trash(catalog, clip)
    await catalog.stubs.speakers.BeginSpeakerDeletion(deletion(speaker, delete_clips=with_clips))
    state = Clip.STATE_DELETING if with_clips else Clip.STATE_TRASHED
    assert (await catalog.get(clip.name)).state == state


async def test_audio_that_is_known_in_advance_is_not_that_of_the_trash(catalog: Catalog) -> None:
    """An import stores it anew."""
    library = await catalog.library()
    clip = await made(catalog, library, b"known")
    await trash(catalog, clip)
    known = AudioObject(sha256=clip.audio_object.sha256, size_bytes=len(b"known"))
    new = await catalog.stubs.clips.CreateClip(
        pb.CreateClipRequest(parent=library.name, audio_object=known)
    )
    assert (new.state, new.name != clip.name) == (Clip.STATE_CREATING, True)
