"""Enrollments: the clips of speakers, the counts of a speaker, and the changes of both."""

from __future__ import annotations

import pytest
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1 import speaker_pb2 as spk
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.speaker_pb2 import Speaker
from audiosearch.embedding.v1.embedding_pb2 import AudioProperties
from google.protobuf.duration_pb2 import Duration

from serving.errors import Reason
from tests.conformance.catalog.speaker_calls import enrolled
from tools.servers.catalog import Catalog, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def heard(catalog: Catalog, library: Library, active: Duration) -> Clip:
    """A new ACTIVE clip with so much speech."""
    made = await catalog.creating(library)
    await catalog.put(made.name, made.name.encode())
    audio = AudioProperties(duration=active, active_duration=active)
    return await catalog.stubs.clips.ActivateClip(
        clip_pb2.ActivateClipRequest(name=made.name, audio=audio)
    )


async def test_clips_become_enrollments(catalog: Catalog) -> None:
    """Clips name their speaker; it counts them and their speech, and what would still help."""
    library = await catalog.library()
    first = await heard(catalog, library, Duration(seconds=3, nanos=700_000_001))
    second = await heard(catalog, library, Duration(seconds=15))
    third = await heard(catalog, library, Duration(seconds=9))
    speaker = await catalog.speaker(library, first, second)
    assert (speaker.enrollment_count, speaker.revision) == (2, 1)
    assert speaker.speech_duration == Duration(seconds=18, nanos=700_000_001)
    assert speaker.wanted_speech_duration == Duration(seconds=1, nanos=299_999_999)
    clip = await catalog.get(first.name)
    assert clip.enrolled_speaker == speaker.name
    assert clip.update_time.ToNanoseconds() > first.update_time.ToNanoseconds()
    assert await enrolled(catalog, library, speaker.name) == [first.name, second.name]
    speaker = await catalog.enroll(speaker.name, third)
    assert (speaker.enrollment_count, speaker.revision) == (3, 2)
    assert speaker.wanted_speech_duration == Duration()
    speaker = await catalog.remove(speaker.name, second)
    assert (speaker.enrollment_count, speaker.revision) == (2, 3)
    assert speaker.speech_duration == Duration(seconds=12, nanos=700_000_001)
    assert (await catalog.get(second.name)).enrolled_speaker == ""
    assert await enrolled(catalog, library, speaker.name) == [first.name, third.name]
    looked_up = await catalog.stubs.clips.LookupClips(
        clip_pb2.LookupClipsRequest(parent=library.name, clip_ids=[third.name.rpartition("/")[2]])
    )
    assert [clip.enrolled_speaker for clip in looked_up.clips.values()] == [speaker.name]


async def test_what_is_so_already_changes_nothing(catalog: Catalog) -> None:
    """A repeat returns the present speaker, even an ACTIVE one, also with the old revision."""
    library = await catalog.library()
    clips = await catalog.clips(library, 3)
    speaker = await catalog.speaker(library)
    speaker = await catalog.enroll(speaker.name, *clips, clips[0], revision=0)
    assert speaker.enrollment_count == 3
    active = await catalog.record(speaker)
    for again in (clips, clips[:1], [clips[2], clips[2]]):
        assert await catalog.enroll(speaker.name, *again, revision=0) == active
        assert await catalog.enroll(speaker.name, *again) == active
    less = await catalog.remove(speaker.name, clips[0], clips[0])
    assert (less.enrollment_count, less.revision, less.state) == (2, 2, Speaker.STATE_UPDATING)
    active = await catalog.record(less)
    assert await catalog.remove(speaker.name, clips[0]) == active
    more = await catalog.enroll(speaker.name, *clips)
    assert (more.enrollment_count, more.revision) == (3, 3)


async def test_removing_passes_over_what_is_no_enrollment(catalog: Catalog) -> None:
    """Clips of others, free and missing ones are ignored. Enrollments among them are removed."""
    library = await catalog.library()
    mine, theirs, free = await catalog.clips(library, 3)
    speaker, other = await catalog.speaker(library, mine), await catalog.speaker(library, theirs)
    missing = Clip(name=f"{library.name}/clips/nothing")
    assert await catalog.remove(speaker.name, theirs, free, missing) == speaker
    assert await catalog.get_speaker(other.name) == other
    left = await catalog.remove(speaker.name, theirs, mine, missing)
    assert (left.enrollment_count, left.revision) == (0, 2)
    assert await catalog.get_speaker(other.name) == other


async def test_the_last_enrollment_can_be_removed(catalog: Catalog) -> None:
    """The speaker stays, known by nothing: its voiceprint is revision 0 once that is recorded."""
    library = await catalog.library()
    clip = await catalog.clip(library)
    await catalog.record(await catalog.speaker(library, clip))
    (speaker,) = (
        await catalog.stubs.speakers.ListSpeakers(spk.ListSpeakersRequest(parent=library.name))
    ).speakers
    left = await catalog.remove(speaker.name, clip)
    assert (left.enrollment_count, left.revision, left.voiceprint_revision) == (0, 2, 1)
    assert (left.state, left.speech_duration) == (Speaker.STATE_UPDATING, Duration())
    for _ in range(2):
        nobody = await catalog.record(left)
        assert (nobody.state, nobody.revision) == (Speaker.STATE_ACTIVE, 2)
        assert nobody.voiceprint_revision == 0
    back = await catalog.record(await catalog.enroll(speaker.name, clip))
    assert (back.enrollment_count, back.voiceprint_revision) == (1, 3)


async def test_all_clips_or_none(catalog: Catalog) -> None:
    """One that is missing, not ACTIVE or another speaker's: none is enrolled, and it is named."""
    library, elsewhere = await catalog.library(), await catalog.library()
    good, theirs, gone = await catalog.clips(library, 3)
    other = await catalog.speaker(library, theirs)
    speaker = await catalog.speaker(library)
    strange = await catalog.clip(elsewhere)
    missing = Clip(name=f"{library.name}/clips/{strange.name.rpartition('/')[2]}")
    async with refused(Reason.CLIP_NOT_FOUND, clip=missing.name):
        await catalog.enroll(speaker.name, good, missing)
    async with refused(Reason.FIELD_INVALID, field="clips", value=strange.name):
        await catalog.enroll(speaker.name, good, strange)
    async with refused(Reason.CLIP_ENROLLED, clip=theirs.name, speaker=other.name):
        await catalog.enroll(speaker.name, good, theirs)
    failed = await catalog.fail((await catalog.creating(library)).name)
    await catalog.begin_deletion(gone.name)
    for clip, state in (
        (await catalog.creating(library), "CREATING"),
        (failed, "FAILED"),
        (gone, "DELETING"),
    ):
        async with refused(Reason.STATE_CONFLICT, clip=clip.name, state=state):
            await catalog.enroll(speaker.name, good, clip)
    assert await catalog.get_speaker(speaker.name) == speaker
    assert (await catalog.get(good.name)).enrolled_speaker == ""


async def test_a_speaker_that_goes_has_no_new_enrollments(catalog: Catalog) -> None:
    """None is added or removed: those that it has go with the speaker."""
    library = await catalog.library()
    mine, free = await catalog.clips(library, 2)
    speaker = await catalog.speaker(library, mine)
    await catalog.stubs.speakers.BeginSpeakerDeletion(
        spk.BeginSpeakerDeletionRequest(name=speaker.name)
    )
    for call in (catalog.enroll, catalog.remove):
        for clip in (mine, free):
            async with refused(Reason.STATE_CONFLICT, speaker=speaker.name, state="DELETING"):
                await call(speaker.name, clip)


async def test_a_revision_that_is_over_is_refused(catalog: Catalog) -> None:
    """A caller that judged clips by other enrollments must judge again. Nothing is changed."""
    library = await catalog.library()
    first, second, third = await catalog.clips(library, 3)
    speaker = await catalog.speaker(library, first)
    for revision in (0, 2):
        async with refused(Reason.STATE_CONFLICT, speaker=speaker.name, revision="1"):
            await catalog.enroll(speaker.name, second, revision=revision)
    assert await catalog.get_speaker(speaker.name) == speaker
    assert (await catalog.enroll(speaker.name, second, revision=1)).revision == 2
    assert (await catalog.enroll(speaker.name, third)).revision == 3


async def test_a_clip_that_is_deleted_is_no_enrollment(catalog: Catalog) -> None:
    """Its speaker is UPDATING with the next revision at once, and a repeat changes nothing."""
    library = await catalog.library()
    first, second = await catalog.clips(library, 2)
    active = await catalog.record(await catalog.speaker(library, first, second))
    for _ in range(2):
        await catalog.begin_deletion(first.name)
        speaker = await catalog.get_speaker(active.name)
        assert (speaker.state, speaker.revision) == (Speaker.STATE_UPDATING, 2)
        assert (speaker.enrollment_count, speaker.voiceprint_revision) == (1, 1)
        assert speaker.speech_duration == second.audio.active_duration
    assert await enrolled(catalog, library, active.name) == [second.name]
    assert await enrolled(catalog, library, active.name, state=Clip.STATE_DELETING) == [first.name]
    assert await catalog.remove(active.name, first) == speaker
    await catalog.stubs.clips.DeleteClip(clip_pb2.DeleteClipRequest(name=first.name))
    assert await catalog.get_speaker(active.name) == speaker
    await catalog.stubs.speakers.BeginSpeakerDeletion(
        spk.BeginSpeakerDeletionRequest(name=active.name)
    )
    await catalog.begin_deletion(second.name)
    gone = await catalog.get_speaker(active.name)
    assert (gone.state, gone.enrollment_count) == (Speaker.STATE_DELETING, 0)


async def test_a_clip_that_is_not_deleted_stays_an_enrollment(catalog: Catalog) -> None:
    """A deletion that was refused has changed no speaker."""
    library = await catalog.library()
    clip = await catalog.clip(library)
    speaker = await catalog.speaker(library, clip)
    request = clip_pb2.BeginClipDeletionRequest(name=clip.name, only_state=Clip.STATE_CREATING)
    async with refused(Reason.STATE_CONFLICT, clip=clip.name, state="ACTIVE"):
        await catalog.stubs.clips.BeginClipDeletion(request)
    assert await catalog.get_speaker(speaker.name) == speaker


async def test_another_speakers_enrollment_is_not_undone(catalog: Catalog) -> None:
    """An undo names the recording's speaker. A free clip goes, and so does the speaker's own."""
    library = await catalog.library()
    taken, free, own = await catalog.clips(library, 3)
    bob = await catalog.speaker(library, taken)
    ann = await catalog.speaker(library, own)

    def begin(clip: Clip, speaker: str = ann.name) -> clip_pb2.BeginClipDeletionRequest:
        return clip_pb2.BeginClipDeletionRequest(
            name=clip.name, only_state=Clip.STATE_ACTIVE, only_speaker=speaker
        )

    for nobody in ("x", library.name, "libraries/elsewhere/speakers/x"):
        async with refused(Reason.FIELD_INVALID, field="only_speaker"):
            await catalog.stubs.clips.BeginClipDeletion(begin(free, nobody))
    async with refused(Reason.CLIP_ENROLLED, clip=taken.name, speaker=bob.name):
        await catalog.stubs.clips.BeginClipDeletion(begin(taken))
    assert await catalog.get_speaker(bob.name) == bob
    assert (await catalog.get(taken.name)).state == Clip.STATE_ACTIVE
    for clip in (free, own):
        answer = await catalog.stubs.clips.BeginClipDeletion(begin(clip))
        assert answer.state == Clip.STATE_DELETING
    assert (await catalog.get_speaker(ann.name)).enrollment_count == 0


async def test_clips_join_the_speaker_that_is_meant(catalog: Catalog) -> None:
    """Not the next one of the name."""
    library = await catalog.library()
    clip = await catalog.clip(library)
    first = await catalog.speaker(library)
    await catalog.stubs.speakers.BeginSpeakerDeletion(
        spk.BeginSpeakerDeletionRequest(name=first.name)
    )
    await catalog.stubs.speakers.DeleteSpeaker(spk.DeleteSpeakerRequest(name=first.name))
    second = await catalog.stubs.speakers.CreateSpeaker(
        spk.CreateSpeakerRequest(parent=library.name, speaker_id=first.name.rpartition("/")[2])
    )
    assert second.name == first.name
    async with refused(Reason.SPEAKER_NOT_FOUND, speaker=first.name):
        await catalog.enroll(first.name, clip, revision=0, uid=first.uid)
    assert (await catalog.enroll(first.name, clip, uid=second.uid)).enrollment_count == 1


async def test_more_clips_than_are_let_go_at_once(catalog: Catalog) -> None:
    """1,000 of one speaker: enrolled, counted, and let go of to the last."""
    library = await catalog.library()
    clips = [clip for _ in range(2) for clip in await catalog.clips(library, 500)]
    speaker = await catalog.speaker(library, *clips[:900])
    speaker = await catalog.enroll(speaker.name, *clips[900:], revision=1)
    assert (speaker.enrollment_count, speaker.speech_duration.seconds) == (1000, 1000)
    pages, token = [], ""
    for _ in range(2):
        page = await catalog.stubs.clips.ListClips(
            clip_pb2.ListClipsRequest(
                parent=library.name,
                page_size=600,
                page_token=token,
                filter=ClipFilter(enrolled_speaker=speaker.name),
            )
        )
        pages += [clip.name for clip in page.clips]
        token = page.next_page_token
    assert (pages, token) == ([clip.name for clip in clips], "")
    await catalog.stubs.speakers.BeginSpeakerDeletion(
        spk.BeginSpeakerDeletionRequest(name=speaker.name)
    )
    await catalog.stubs.speakers.DeleteSpeaker(spk.DeleteSpeakerRequest(name=speaker.name))
    assert (await catalog.get(clips[0].name)).enrolled_speaker == ""
    again = await catalog.speaker(library, *clips[20:])
    again = await catalog.enroll(again.name, *clips[:20])
    gone = await catalog.stubs.speakers.BeginSpeakerDeletion(
        spk.BeginSpeakerDeletionRequest(name=again.name, delete_clips=True)
    )
    assert (gone.enrollment_count, gone.revision) == (0, 3)
    assert (await catalog.get(clips[-1].name)).state == Clip.STATE_DELETING


async def test_enrollments_are_listed_among_other_filters(catalog: Catalog) -> None:
    """A speaker of the library itself, ACTIVE clips unless said otherwise; nobody is no filter."""
    library, other = await catalog.library(), await catalog.library()
    first = await catalog.clip(library, label="a", display_name="n1")
    second = await catalog.clip(library, label="b", display_name="n2")
    third = await catalog.clip(library, label="a", display_name="n3")
    speaker = await catalog.speaker(library, first, second)
    name = speaker.name
    assert await enrolled(catalog, library, name, label="a") == [first.name]
    assert await enrolled(catalog, library, name, display_name_prefix="n2") == [second.name]
    assert await enrolled(catalog, library, name, state=Clip.STATE_FAILED) == []
    assert await enrolled(catalog, library, name[:-1]) == []
    assert await enrolled(catalog, library, "") == [it.name for it in (first, second, third)]
    strange = await catalog.speaker(other)
    for bad in (strange.name, "x", first.name, speaker.uid):
        async with refused(Reason.FIELD_INVALID, field="filter.enrolled_speaker"):
            await enrolled(catalog, library, bad)


async def test_a_speaker_has_so_many_enrollments_and_no_more(catalog: Catalog) -> None:
    """1,000; what is there stays, and there is room again when some are removed."""
    library = await catalog.library()
    clips = await catalog.clips(library, 1000)
    (other,) = await catalog.clips(library, 1)
    speaker = await catalog.speaker(library, *clips)
    async with refused(Reason.QUOTA_EXCEEDED, speaker=speaker.name, limit="1000"):
        await catalog.enroll(speaker.name, other)
    assert (await catalog.enroll(speaker.name, *clips)).revision == 1
    await catalog.remove(speaker.name, *clips[:2])
    assert (await catalog.enroll(speaker.name, other)).enrollment_count == 999
