"""Speakers: their fields, their life, and the lists of them."""

from __future__ import annotations

import asyncio

import pytest
from audiosearch.catalog.v1 import catalog_service_pb2 as pb
from audiosearch.catalog.v1 import speaker_pb2 as spk
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.speaker_pb2 import Speaker
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from serving.errors import Reason
from tests.conformance.catalog.client import MODEL, Catalog, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

METADATA = {"mic": "a\nb", "take": ""}


def creation(library: Library, speaker: str, request: str = "", **fields: object) -> object:
    """A request for a new speaker."""
    return spk.CreateSpeakerRequest(
        parent=library.name, speaker_id=speaker, request_id=request, speaker=Speaker(**fields)
    )


def deletion(speaker: Speaker, **fields: object) -> spk.BeginSpeakerDeletionRequest:
    """A request that makes a speaker DELETING."""
    return spk.BeginSpeakerDeletionRequest(name=speaker.name, **fields)


async def listed(catalog: Catalog, library: Library, **fields: object) -> list[str]:
    """The {speaker} parts of all speakers of a list, read two by two."""
    found: list[str] = []
    request = spk.ListSpeakersRequest(parent=library.name, page_size=2, **fields)
    while True:
        page = await catalog.stub.ListSpeakers(request)
        assert len(page.speakers) <= 2
        found += [speaker.name.rpartition("/")[2] for speaker in page.speakers]
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def test_a_new_speaker_keeps_what_was_told(catalog: Catalog) -> None:
    """CREATING with a uid, no enrollments and no voiceprint; 20 s of speech would help."""
    library = await catalog.library()
    made = await catalog.stub.CreateSpeaker(
        creation(library, "id00_8-0", display_name="Änn 刀", metadata=METADATA)
    )
    assert made.name == f"{library.name}/speakers/id00_8-0"
    assert (made.display_name, dict(made.metadata)) == ("Änn 刀", METADATA)
    assert made.state == Speaker.STATE_CREATING
    assert len(made.uid) == 26
    assert (made.enrollment_count, made.revision, made.voiceprint_revision) == (0, 0, 0)
    assert made.speech_duration == Duration()
    assert made.wanted_speech_duration == Duration(seconds=20)
    assert made.create_time == made.update_time
    assert await catalog.get_speaker(made.name) == made
    plain = await catalog.stub.CreateSpeaker(creation(library, "x" * 63))
    assert plain.display_name == "x" * 63


async def test_a_speaker_becomes_active_with_its_voiceprint(catalog: Catalog) -> None:
    """CREATING, UPDATING once it has enrollments, ACTIVE once their voiceprint is recorded."""
    library = await catalog.library()
    speaker = await catalog.speaker(library, await catalog.clip(library))
    assert (speaker.state, speaker.revision) == (Speaker.STATE_UPDATING, 1)
    active = await catalog.record(speaker)
    assert (active.state, active.voiceprint_revision) == (Speaker.STATE_ACTIVE, 1)
    assert active.update_time.ToNanoseconds() > speaker.update_time.ToNanoseconds()
    assert await catalog.record(speaker) == active
    changed = await catalog.enroll(speaker.name, await catalog.clip(library))
    assert (changed.state, changed.revision) == (Speaker.STATE_UPDATING, 2)
    assert changed.voiceprint_revision == 1
    assert (await catalog.record(changed)).voiceprint_revision == 2


async def test_a_voiceprint_is_of_one_revision_of_one_speaker(catalog: Catalog) -> None:
    """Late, early, of a speaker without any, or of one who had the name before: refused."""
    library = await catalog.library()
    creating = await catalog.speaker(library)
    async with refused(Reason.STATE_CONFLICT, speaker=creating.name, state="CREATING"):
        await catalog.record(creating)
    before = await catalog.enroll(creating.name, await catalog.clip(library))
    now = await catalog.enroll(creating.name, await catalog.clip(library))
    for other in (before, Speaker(name=now.name, uid=now.uid, revision=3)):
        async with refused(Reason.STATE_CONFLICT, speaker=now.name, revision="2"):
            await catalog.record(other)
    strange = Speaker(name=now.name, uid=library.uid, revision=2)
    async with refused(Reason.SPEAKER_NOT_FOUND, speaker=now.name):
        await catalog.record(strange)
    assert await catalog.get_speaker(now.name) == now
    await catalog.stub.BeginSpeakerDeletion(deletion(now))
    async with refused(Reason.STATE_CONFLICT, state="DELETING"):
        await catalog.record(now)


async def test_the_same_request_answers_the_same_speaker(catalog: Catalog) -> None:
    """Whatever became of it, also when requests come together; any other creation is refused."""
    library, other = await catalog.library(), await catalog.library()
    make = catalog.stub.CreateSpeaker
    made = await asyncio.gather(*(make(creation(library, "ann", "r")) for _ in range(8)))
    assert len({speaker.uid for speaker in made}) == 1
    name = made[0].name
    enrolled = await catalog.enroll(name, await catalog.clip(library))
    assert await make(creation(library, "ann", "r", display_name="x")) == enrolled
    for request in ("", "r2"):
        async with refused(Reason.SPEAKER_EXISTS, speaker=name):
            await make(creation(library, "ann", request))
    async with refused(Reason.FIELD_INVALID, field="request_id", value="r") as errors:
        await make(creation(library, "bob", "r"))
    assert name in errors[0].message
    assert (await make(creation(other, "ann", "r"))).uid != made[0].uid
    await catalog.stub.BeginLibraryDeletion(
        pb.BeginLibraryDeletionRequest(name=library.name, force=True)
    )
    assert await make(creation(library, "ann", "r")) == enrolled


async def test_one_of_many_gets_a_name(catalog: Catalog) -> None:
    """Eight who come together for it, each with a request of its own: one has it, none fails."""
    library = await catalog.library()

    async def make(number: int) -> str:
        try:
            made = await catalog.stub.CreateSpeaker(creation(library, "ann", f"r{number}"))
        except Exception:
            async with refused(Reason.SPEAKER_EXISTS, speaker=f"{library.name}/speakers/ann"):
                raise
            return ""
        return str(made.uid)

    made = await asyncio.gather(*map(make, range(8)))
    assert [uid for uid in made if uid] == [
        (await catalog.get_speaker(f"{library.name}/speakers/ann")).uid
    ]


async def test_upper_and_lower_case_are_two_speakers(catalog: Catalog) -> None:
    """Names are compared exactly, and sorted by code point."""
    library = await catalog.library()
    for speaker in ("b", "a", "B", "a-", "a_", "A", "a1"):
        made = await catalog.stub.CreateSpeaker(creation(library, speaker))
        assert (await catalog.get_speaker(made.name)).uid == made.uid
    found = await listed(catalog, library, state=Speaker.STATE_CREATING)
    assert found == ["A", "B", "a", "a-", "a1", "a_", "b"]


async def test_speakers_are_listed_by_name_and_state(catalog: Catalog) -> None:
    """Without a state those that can be found: ACTIVE and UPDATING."""
    library, empty = await catalog.library(), await catalog.library()
    for speaker in ("e", "a", "d", "b", "c", "f"):
        made = await catalog.stub.CreateSpeaker(creation(library, speaker))
        if speaker != "f":
            made = await catalog.enroll(made.name, await catalog.clip(library))
        if speaker in "ace":
            await catalog.record(made)
        if speaker == "e":
            gone = await catalog.stub.BeginSpeakerDeletion(deletion(made))
            assert gone.state == Speaker.STATE_DELETING
    assert await listed(catalog, library) == ["a", "b", "c", "d"]
    for state, names in (
        (Speaker.STATE_CREATING, ["f"]),
        (Speaker.STATE_ACTIVE, ["a", "c"]),
        (Speaker.STATE_UPDATING, ["b", "d"]),
        (Speaker.STATE_DELETING, ["e"]),
    ):
        assert await listed(catalog, library, state=state) == names
    assert await listed(catalog, empty) == []


async def test_speakers_last_changed_before_a_time(catalog: Catalog) -> None:
    """By name all the same; whoever was changed since is not in it."""
    library = await catalog.library()
    made = [await catalog.stub.CreateSpeaker(creation(library, name)) for name in ("c", "a", "b")]
    state = Speaker.STATE_CREATING
    before = made[2].update_time
    assert await listed(catalog, library, state=state, update_time_before=before) == ["a", "c"]
    await catalog.stub.UpdateSpeaker(spk.UpdateSpeakerRequest(speaker=Speaker(name=made[0].name)))
    assert await listed(catalog, library, state=state, update_time_before=before) == ["a"]
    assert await listed(catalog, library, update_time_before=before) == []


async def test_page_tokens_are_for_the_same_library_and_state(catalog: Catalog) -> None:
    """Another time does not matter: it is a moment later at each sweep."""
    library, other = await catalog.library(), await catalog.library()
    made = [await catalog.stub.CreateSpeaker(creation(library, name)) for name in "ab"]
    request = spk.ListSpeakersRequest(
        parent=library.name, page_size=1, state=Speaker.STATE_CREATING
    )
    request.page_token = (await catalog.stub.ListSpeakers(request)).next_page_token
    request.update_time_before.seconds = made[0].update_time.seconds + 9
    second = await catalog.stub.ListSpeakers(request)
    assert ([speaker.name for speaker in second.speakers], second.next_page_token) == (
        [made[1].name],
        "",
    )
    for change in (
        {"parent": other.name},
        {"state": Speaker.STATE_ACTIVE},
        {"page_token": request.page_token[::-1]},
    ):
        strange = spk.ListSpeakersRequest()
        strange.CopyFrom(request)
        strange.MergeFrom(spk.ListSpeakersRequest(**change))
        async with refused(Reason.FIELD_INVALID, field="page_token"):
            await catalog.stub.ListSpeakers(strange)
    async with refused(Reason.FIELD_INVALID, field="page_token"):
        await catalog.stub.ListClips(
            pb.ListClipsRequest(parent=library.name, page_token=request.page_token)
        )


async def test_lookup_finds_speakers_that_can_be_found_alone(catalog: Catalog) -> None:
    """By uid and by name; what is CREATING, DELETING, missing or elsewhere is passed over."""
    library, other = await catalog.library(), await catalog.library()
    clips = [await catalog.clip(library) for _ in range(3)]
    updating, gone, active = [await catalog.speaker(library, clip) for clip in clips]
    active = await catalog.record(active)
    gone = await catalog.stub.BeginSpeakerDeletion(deletion(gone))
    strange = await catalog.speaker(other, await catalog.clip(other))
    speakers = [updating, active, gone, strange, await catalog.speaker(library)]
    uids = [speaker.uid for speaker in speakers]
    ids = [speaker.name.rpartition("/")[2] for speaker in speakers]
    bad = ["", "' OR '1'='1", "x" * 999, ids[0].upper(), uids[0].upper()]
    for by in (
        {"uids": [*uids, *bad]},
        {"speaker_ids": [*ids, *bad]},
        {"uids": uids, "speaker_ids": ids},
        {"uids": uids[:1], "speaker_ids": ids[1:]},
    ):
        answer = await catalog.stub.LookupSpeakers(
            spk.LookupSpeakersRequest(parent=library.name, **by)
        )
        assert dict(answer.speakers) == {updating.uid: updating, active.uid: active}


async def test_a_mask_names_what_changes(catalog: Catalog) -> None:
    """The other fields stay; an empty mask means both; an empty display name means the id."""
    library = await catalog.library()
    clip = await catalog.clip(library)
    speaker = await catalog.speaker(library, clip, display_name="Ann", metadata=METADATA)

    async def update(paths: list[str], **fields: object) -> Speaker:
        return await catalog.stub.UpdateSpeaker(
            spk.UpdateSpeakerRequest(
                speaker=Speaker(name=speaker.name, **fields), update_mask=FieldMask(paths=paths)
            )
        )

    changed = await update(["metadata"], display_name="x", metadata={"k": "v"})
    assert (changed.display_name, dict(changed.metadata)) == ("Ann", {"k": "v"})
    assert changed.update_time.ToNanoseconds() > speaker.update_time.ToNanoseconds()
    changed = await update(["display_name"], display_name="Ben")
    assert (changed.display_name, dict(changed.metadata)) == ("Ben", {"k": "v"})
    changed = await update([], revision=7, enrollment_count=9, state=Speaker.STATE_ACTIVE)
    assert (changed.display_name, dict(changed.metadata)) == (speaker.name.rpartition("/")[2], {})
    assert (changed.revision, changed.enrollment_count, changed.state) == (
        1,
        1,
        Speaker.STATE_UPDATING,
    )
    async with refused(Reason.FIELD_INVALID, field="update_mask", value="state"):
        await update(["state"])
    await catalog.stub.BeginSpeakerDeletion(deletion(speaker))
    async with refused(Reason.STATE_CONFLICT, state="DELETING"):
        await update([])


async def test_deletion_lets_the_clips_stay(catalog: Catalog) -> None:
    """They are nobody's then; the name is taken until the speaker is gone, and free after that."""
    library = await catalog.library()
    clips = [await catalog.clip(library) for _ in range(3)]
    speaker = await catalog.record(await catalog.speaker(library, *clips))
    speaker_id = speaker.name.rpartition("/")[2]
    async with refused(Reason.STATE_CONFLICT, speaker=speaker.name, state="ACTIVE"):
        await catalog.stub.DeleteSpeaker(spk.DeleteSpeakerRequest(name=speaker.name))
    for _ in range(2):
        gone = await catalog.stub.BeginSpeakerDeletion(deletion(speaker))
        assert (gone.state, gone.enrollment_count) == (Speaker.STATE_DELETING, 3)
    async with refused(Reason.SPEAKER_EXISTS, speaker=speaker.name) as errors:
        await catalog.stub.CreateSpeaker(creation(library, speaker_id))
    assert "try again in a moment" in errors[0].message
    for _ in range(2):
        await catalog.stub.DeleteSpeaker(spk.DeleteSpeakerRequest(name=speaker.name))
    async with refused(Reason.SPEAKER_NOT_FOUND, speaker=speaker.name):
        await catalog.get_speaker(speaker.name)
    again = await catalog.stub.CreateSpeaker(creation(library, speaker_id))
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
        gone = await catalog.stub.BeginSpeakerDeletion(deletion(speaker, delete_clips=True))
        assert (gone.state, gone.enrollment_count) == (Speaker.STATE_DELETING, 0)
        assert (gone.revision, gone.speech_duration) == (3, Duration())
    found = await catalog.stub.ListClips(
        pb.ListClipsRequest(
            parent=library.name, filter={"state": 4, "enrolled_speaker": speaker.name}
        )
    )
    assert [clip.name for clip in found.clips] == [clip.name for clip in clips[:2]]
    await catalog.stub.DeleteSpeaker(spk.DeleteSpeakerRequest(name=speaker.name))
    assert [(await catalog.get(clip.name)).state for clip in [*clips, other]] == [4, 4, 2, 2]
    assert (await catalog.get(clips[0].name)).enrolled_speaker == ""
    assert await catalog.get_speaker(kept.name) == kept


async def test_a_deletion_that_began_can_still_take_the_clips_along(catalog: Catalog) -> None:
    """Who asks for it later gets it, as long as the speaker is there."""
    library = await catalog.library()
    clip = await catalog.clip(library)
    speaker = await catalog.speaker(library, clip)
    await catalog.stub.BeginSpeakerDeletion(deletion(speaker))
    assert (await catalog.get(clip.name)).state == 2
    await catalog.stub.BeginSpeakerDeletion(deletion(speaker, delete_clips=True))
    assert (await catalog.get(clip.name)).state == 4


async def test_a_deletion_can_ask_for_a_state(catalog: Catalog) -> None:
    """Who undoes a speaker leaves alone one that somebody else has enrolled; a repeat is fine."""
    library = await catalog.library()
    clip = await catalog.clip(library)
    creating, enrolled = await catalog.speaker(library), await catalog.speaker(library, clip)
    only = {"only_state": Speaker.STATE_CREATING, "delete_clips": True}
    async with refused(Reason.STATE_CONFLICT, speaker=enrolled.name, state="UPDATING"):
        await catalog.stub.BeginSpeakerDeletion(deletion(enrolled, **only))
    assert await catalog.get_speaker(enrolled.name) == enrolled
    assert (await catalog.get(clip.name)).state == 2
    for _ in range(2):
        answer = await catalog.stub.BeginSpeakerDeletion(deletion(creating, **only))
        assert answer.state == Speaker.STATE_DELETING


async def test_a_speaker_that_is_not_there(catalog: Catalog) -> None:
    """Every call that needs it names it, also a speaker of another library; removing succeeds."""
    library, other = await catalog.library(), await catalog.library()
    speaker = await catalog.speaker(other)
    strange = f"{library.name}/speakers/{speaker.name.rpartition('/')[2]}"
    for name in (strange, f"{library.name}/speakers/nobody", "libraries/nowhere/speakers/nobody"):
        clip = [f"{name.partition('/speakers/')[0]}/clips/x"]
        for call, request in (
            (catalog.stub.GetSpeaker, spk.GetSpeakerRequest(name=name)),
            (catalog.stub.UpdateSpeaker, spk.UpdateSpeakerRequest(speaker=Speaker(name=name))),
            (catalog.stub.AddEnrollments, spk.AddEnrollmentsRequest(name=name, clips=clip)),
            (catalog.stub.RemoveEnrollments, spk.RemoveEnrollmentsRequest(name=name, clips=clip)),
            (
                catalog.stub.RecordVoiceprint,
                spk.RecordVoiceprintRequest(name=name, uid=speaker.uid, revision=1),
            ),
            (catalog.stub.BeginSpeakerDeletion, spk.BeginSpeakerDeletionRequest(name=name)),
        ):
            async with refused(Reason.SPEAKER_NOT_FOUND, speaker=name):
                await call(request)
        await catalog.stub.DeleteSpeaker(spk.DeleteSpeakerRequest(name=name))
    assert await catalog.get_speaker(speaker.name) == speaker


async def test_speakers_need_an_active_library(catalog: Catalog) -> None:
    """One that is not there, or not ACTIVE, takes none; one without clips needs no force to go."""
    name = "libraries/nowhere"
    for call, request in (
        (catalog.stub.CreateSpeaker, spk.CreateSpeakerRequest(parent=name, speaker_id="a")),
        (catalog.stub.ListSpeakers, spk.ListSpeakersRequest(parent=name)),
        (catalog.stub.LookupSpeakers, spk.LookupSpeakersRequest(parent=name, uids=["x"])),
    ):
        async with refused(Reason.LIBRARY_NOT_FOUND, library=name):
            await call(request)
    library = await catalog.stub.CreateLibrary(
        pb.CreateLibraryRequest(library_id="not-active-yet", library=Library(model=MODEL))
    )
    async with refused(Reason.STATE_CONFLICT, library=library.name, state="CREATING"):
        await catalog.stub.CreateSpeaker(creation(library, "a"))
    await catalog.stub.ActivateLibrary(pb.ActivateLibraryRequest(name=library.name))
    speaker = await catalog.stub.CreateSpeaker(creation(library, "a"))
    await catalog.stub.BeginLibraryDeletion(pb.BeginLibraryDeletionRequest(name=library.name))
    async with refused(Reason.STATE_CONFLICT, library=library.name, state="DELETING"):
        await catalog.stub.CreateSpeaker(creation(library, "b"))
    await catalog.stub.DeleteLibrary(pb.DeleteLibraryRequest(name=library.name))
    async with refused(Reason.SPEAKER_NOT_FOUND, speaker=speaker.name):
        await catalog.get_speaker(speaker.name)


async def test_a_library_goes_with_its_speakers(catalog: Catalog) -> None:
    """By force with clips that are enrolled; nothing of them is in the next one of the name."""
    library = await catalog.library()
    speaker = await catalog.speaker(library, await catalog.clip(library))
    await catalog.speaker(library)
    async with refused(Reason.LIBRARY_NOT_EMPTY):
        await catalog.stub.BeginLibraryDeletion(pb.BeginLibraryDeletionRequest(name=library.name))
    await catalog.stub.BeginLibraryDeletion(
        pb.BeginLibraryDeletionRequest(name=library.name, force=True)
    )
    await catalog.stub.DeleteLibrary(pb.DeleteLibraryRequest(name=library.name))
    async with refused(Reason.SPEAKER_NOT_FOUND):
        await catalog.get_speaker(speaker.name)
    again = await catalog.stub.CreateLibrary(
        pb.CreateLibraryRequest(
            library_id=library.name.removeprefix("libraries/"), library=Library(model=MODEL)
        )
    )
    assert await listed(catalog, again) == await listed(catalog, again, state=1) == []
