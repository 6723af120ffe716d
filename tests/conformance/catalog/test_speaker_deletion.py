"""The deletion of speakers, alone or with their clips or library, and its traces."""

from __future__ import annotations

import pytest
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1 import speaker_pb2 as spk
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.speaker_pb2 import Speaker
from google.protobuf.duration_pb2 import Duration

from serving.errors import Reason
from tests.conformance.catalog.speaker_calls import creation, deletion, listed
from tools.servers.catalog import MODEL, Catalog, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

METADATA = {"mic": "a\nb", "take": ""}


async def test_deletion_lets_the_clips_stay(catalog: Catalog) -> None:
    """The clips become free. The name is free only after the speaker is gone."""
    library = await catalog.library()
    clips = [await catalog.clip(library) for _ in range(3)]
    speaker = await catalog.record(await catalog.speaker(library, *clips))
    speaker_id = speaker.name.rpartition("/")[2]
    async with refused(Reason.STATE_CONFLICT, speaker=speaker.name, state="ACTIVE"):
        await catalog.stubs.speakers.DeleteSpeaker(spk.DeleteSpeakerRequest(name=speaker.name))
    for _ in range(2):
        gone = await catalog.stubs.speakers.BeginSpeakerDeletion(deletion(speaker))
        assert (gone.state, gone.enrollment_count) == (Speaker.STATE_DELETING, 3)
    async with refused(Reason.SPEAKER_EXISTS, speaker=speaker.name) as errors:
        await catalog.stubs.speakers.CreateSpeaker(creation(library, speaker_id))
    assert "try again in a moment" in errors[0].message
    for _ in range(2):
        await catalog.stubs.speakers.DeleteSpeaker(spk.DeleteSpeakerRequest(name=speaker.name))
    async with refused(Reason.SPEAKER_NOT_FOUND, speaker=speaker.name):
        await catalog.get_speaker(speaker.name)
    again = await catalog.stubs.speakers.CreateSpeaker(creation(library, speaker_id))
    assert again.uid != speaker.uid
    for clip in clips:
        left = await catalog.get(clip.name)
        assert (left.state, left.enrolled_speaker) == (clip.state, "")
    assert (await catalog.enroll(again.name, *clips)).enrollment_count == 3


async def test_deletion_can_take_the_clips_along(catalog: Catalog) -> None:
    """They are DELETING with the speaker, found by its name until it is gone; others stay."""
    library = await catalog.library()
    clips = [await catalog.clip(library) for _ in range(3)]
    other = await catalog.clip(library)
    kept = await catalog.speaker(library, other)
    speaker = await catalog.speaker(library, *clips)
    await catalog.remove(speaker.name, clips[2])
    for _ in range(2):
        gone = await catalog.stubs.speakers.BeginSpeakerDeletion(
            deletion(speaker, delete_clips=True)
        )
        assert (gone.state, gone.enrollment_count) == (Speaker.STATE_DELETING, 0)
        assert (gone.revision, gone.speech_duration) == (3, Duration())
    found = await catalog.stubs.clips.ListClips(
        clip_pb2.ListClipsRequest(
            parent=library.name, filter={"state": 4, "enrolled_speaker": speaker.name}
        )
    )
    assert [clip.name for clip in found.clips] == [clip.name for clip in clips[:2]]
    await catalog.stubs.speakers.DeleteSpeaker(spk.DeleteSpeakerRequest(name=speaker.name))
    assert [(await catalog.get(clip.name)).state for clip in [*clips, other]] == [4, 4, 2, 2]
    assert (await catalog.get(clips[0].name)).enrolled_speaker == ""
    assert await catalog.get_speaker(kept.name) == kept


async def test_a_deletion_that_began_can_still_take_the_clips_along(catalog: Catalog) -> None:
    """A later request for it is granted, as long as the speaker exists."""
    library = await catalog.library()
    clip = await catalog.clip(library)
    speaker = await catalog.speaker(library, clip)
    await catalog.stubs.speakers.BeginSpeakerDeletion(deletion(speaker))
    assert (await catalog.get(clip.name)).state == 2
    await catalog.stubs.speakers.BeginSpeakerDeletion(deletion(speaker, delete_clips=True))
    assert (await catalog.get(clip.name)).state == 4


async def test_a_deletion_can_ask_for_a_state(catalog: Catalog) -> None:
    """A caller that undoes a speaker leaves one that others enrolled alone. A repeat is fine."""
    library = await catalog.library()
    clip = await catalog.clip(library)
    creating, enrolled = await catalog.speaker(library), await catalog.speaker(library, clip)
    only = {"only_state": Speaker.STATE_CREATING, "delete_clips": True}
    async with refused(Reason.STATE_CONFLICT, speaker=enrolled.name, state="UPDATING"):
        await catalog.stubs.speakers.BeginSpeakerDeletion(deletion(enrolled, **only))
    assert await catalog.get_speaker(enrolled.name) == enrolled
    assert (await catalog.get(clip.name)).state == 2
    for _ in range(2):
        answer = await catalog.stubs.speakers.BeginSpeakerDeletion(deletion(creating, **only))
        assert answer.state == Speaker.STATE_DELETING


async def test_a_library_goes_with_its_speakers(catalog: Catalog) -> None:
    """By force with clips that are enrolled; nothing of them is in the next one of the name."""
    library = await catalog.library()
    speaker = await catalog.speaker(library, await catalog.clip(library))
    await catalog.speaker(library)
    async with refused(Reason.LIBRARY_NOT_EMPTY):
        await catalog.stubs.libraries.BeginLibraryDeletion(
            library_pb2.BeginLibraryDeletionRequest(name=library.name)
        )
    await catalog.stubs.libraries.BeginLibraryDeletion(
        library_pb2.BeginLibraryDeletionRequest(name=library.name, force=True)
    )
    await catalog.stubs.libraries.DeleteLibrary(library_pb2.DeleteLibraryRequest(name=library.name))
    async with refused(Reason.SPEAKER_NOT_FOUND):
        await catalog.get_speaker(speaker.name)
    again = await catalog.stubs.libraries.CreateLibrary(
        library_pb2.CreateLibraryRequest(
            library_id=library.name.removeprefix("libraries/"), library=Library(model=MODEL)
        )
    )
    assert await listed(catalog, again) == await listed(catalog, again, state=1) == []
