"""Enrollments that several callers change at the same time: their counts stay true."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import grpc
import pytest
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1 import speaker_pb2 as spk
from audiosearch.catalog.v1.clip_pb2 import ClipFilter
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.speaker_pb2 import Speaker

from serving.errors import Reason, from_rpc_error
from tests.conformance.catalog.speaker_calls import enrolled
from tools.servers.catalog import Catalog, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def require_true(catalog: Catalog, library: Library, speaker: Speaker) -> None:
    """Checks that the counts of a speaker are those of its clips."""
    clips = await enrolled(catalog, library, speaker.name)
    assert speaker.enrollment_count == len(clips)
    speech = [(await catalog.get(clip)).audio.active_duration.ToNanoseconds() for clip in clips]
    assert speaker.speech_duration.ToNanoseconds() == sum(speech)


async def outcome(call: Awaitable[object]) -> Reason | None:
    """Why a call failed; None if it passed."""
    (error,) = await asyncio.gather(call, return_exceptions=True)
    if not isinstance(error, grpc.RpcError):
        return None
    failure = from_rpc_error(error)
    assert failure is not None, error
    return failure.reason


async def test_one_of_many_with_the_same_revision_wins(catalog: Catalog) -> None:
    """All others have to judge again; one after the other gets in."""
    library = await catalog.library()
    clips = await catalog.clips(library, 8)
    speaker = await catalog.speaker(library)
    for revision in range(3):
        left = await catalog.stubs.clips.ListClips(
            clip_pb2.ListClipsRequest(parent=library.name, filter=ClipFilter())
        )
        waiting = [clip for clip in left.clips if not clip.enrolled_speaker]
        outcomes = await asyncio.gather(
            *(outcome(catalog.enroll(speaker.name, it, revision=revision)) for it in waiting)
        )
        assert outcomes.count(None) == 1
        assert outcomes.count(Reason.STATE_CONFLICT) == len(waiting) - 1
    speaker = await catalog.get_speaker(speaker.name)
    assert (speaker.revision, speaker.enrollment_count) == (3, 3)
    await require_true(catalog, library, speaker)
    assert len(clips) == 8


async def test_a_clip_is_of_one_speaker_at_most(catalog: Catalog) -> None:
    """Many speakers that want the same clips together: one has all of them, the others none."""
    library = await catalog.library()
    clips = await catalog.clips(library, 6)
    speakers = [await catalog.speaker(library) for _ in range(6)]
    outcomes = await asyncio.gather(
        *(
            outcome(catalog.enroll(speaker.name, *clips[number:], *clips[:number]))
            for number, speaker in enumerate(speakers)
        )
    )
    assert outcomes.count(None) == 1
    assert outcomes.count(Reason.CLIP_ENROLLED) == 5
    winner = speakers[outcomes.index(None)].name
    assert {(await catalog.get(clip.name)).enrolled_speaker for clip in clips} == {winner}
    for speaker in speakers:
        await require_true(catalog, library, await catalog.get_speaker(speaker.name))


async def test_deleting_clips_while_they_are_enrolled(catalog: Catalog) -> None:
    """In any order, no call blocks another for ever, and the counts of the speaker are right."""
    library = await catalog.library()
    speaker = await catalog.speaker(library)
    for _ in range(6):
        clips = await catalog.clips(library, 8)
        outcomes = await asyncio.gather(
            outcome(catalog.enroll(speaker.name, *clips)),
            *(outcome(catalog.begin_deletion(clip.name)) for clip in clips[::2]),
            outcome(catalog.enroll(speaker.name, *clips[::-1])),
            *(outcome(catalog.begin_deletion(clip.name)) for clip in clips[3::4]),
            outcome(catalog.remove(speaker.name, *clips[1:3])),
        )
        assert set(outcomes) <= {None, Reason.STATE_CONFLICT}
        assert outcomes[1:5] + outcomes[6:8] == [None] * 6
        now = await catalog.get_speaker(speaker.name)
        await require_true(catalog, library, now)
        gone = {clip.name for clip in [*clips[::2], *clips[3::4]]}
        assert not gone & set(await enrolled(catalog, library, speaker.name))


async def test_a_speaker_that_goes_while_clips_come_and_go(catalog: Catalog) -> None:
    """After its removal no clip names it, with any other call at the same time."""
    library = await catalog.library()
    for _ in range(4):
        clips = await catalog.clips(library, 6)
        speaker = await catalog.speaker(library, *clips[:3])

        async def end(name: str = speaker.name) -> None:
            await catalog.stubs.speakers.BeginSpeakerDeletion(
                spk.BeginSpeakerDeletionRequest(name=name)
            )
            await catalog.stubs.speakers.DeleteSpeaker(spk.DeleteSpeakerRequest(name=name))

        outcomes = await asyncio.gather(
            outcome(end()),
            outcome(end()),
            *(outcome(catalog.enroll(speaker.name, clip)) for clip in clips[3:]),
            outcome(catalog.begin_deletion(clips[0].name)),
            outcome(catalog.remove(speaker.name, clips[1])),
        )
        allowed = {None, Reason.STATE_CONFLICT, Reason.SPEAKER_NOT_FOUND}
        assert set(outcomes) <= allowed
        async with refused(Reason.SPEAKER_NOT_FOUND):
            await catalog.get_speaker(speaker.name)
        assert [(await catalog.get(clip.name)).enrolled_speaker for clip in clips] == [""] * 6
