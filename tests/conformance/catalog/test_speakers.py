"""Speakers: their fields, their life, and the lists of them."""

from __future__ import annotations

import asyncio

import pytest
from audiosearch.catalog.v1 import library_pb2
from audiosearch.catalog.v1 import speaker_pb2 as spk
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.speaker_pb2 import Speaker
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from serving.errors import Reason
from tests.conformance.catalog.speaker_calls import creation, deletion
from tools.servers.catalog import MODEL, Catalog, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

METADATA = {"mic": "a\nb", "take": ""}


async def test_a_new_speaker_keeps_what_was_told(catalog: Catalog) -> None:
    """CREATING with a uid, no enrollments and no voiceprint; 20 s of speech would help."""
    library = await catalog.library()
    made = await catalog.stubs.speakers.CreateSpeaker(
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
    plain = await catalog.stubs.speakers.CreateSpeaker(creation(library, "x" * 63))
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
    """A late or early one is refused, also of an empty speaker or an earlier one of the name."""
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
    await catalog.stubs.speakers.BeginSpeakerDeletion(deletion(now))
    async with refused(Reason.STATE_CONFLICT, state="DELETING"):
        await catalog.record(now)


async def test_the_same_request_answers_the_same_speaker(catalog: Catalog) -> None:
    """This holds in any state and for requests at the same time. Any other creation is refused."""
    library, other = await catalog.library(), await catalog.library()
    make = catalog.stubs.speakers.CreateSpeaker
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
    await catalog.stubs.libraries.BeginLibraryDeletion(
        library_pb2.BeginLibraryDeletionRequest(name=library.name, force=True)
    )
    assert await make(creation(library, "ann", "r")) == enrolled


async def test_a_request_finds_what_the_same_one_writes_meanwhile(catalog: Catalog) -> None:
    """However their reads and writes fall between each other, each answers the speaker."""
    library = await catalog.library()
    make = catalog.stubs.speakers.CreateSpeaker
    for number in range(40):
        same = [creation(library, f"s{number}", f"r{number}") for _ in range(6)]
        made = await asyncio.gather(*(make(each) for each in same))
        assert len({speaker.uid for speaker in made}) == 1


async def test_one_of_many_gets_a_name(catalog: Catalog) -> None:
    """Of eight different requests at the same time one creates it, and no call fails."""
    library = await catalog.library()

    async def make(number: int) -> str:
        try:
            made = await catalog.stubs.speakers.CreateSpeaker(
                creation(library, "ann", f"r{number}")
            )
        except Exception:
            async with refused(Reason.SPEAKER_EXISTS, speaker=f"{library.name}/speakers/ann"):
                raise
            return ""
        return str(made.uid)

    made = await asyncio.gather(*map(make, range(8)))
    assert [uid for uid in made if uid] == [
        (await catalog.get_speaker(f"{library.name}/speakers/ann")).uid
    ]


async def test_a_mask_names_what_changes(catalog: Catalog) -> None:
    """The other fields stay; an empty mask means both; an empty display name means the id."""
    library = await catalog.library()
    clip = await catalog.clip(library)
    speaker = await catalog.speaker(library, clip, display_name="Ann", metadata=METADATA)

    async def update(paths: list[str], **fields: object) -> Speaker:
        return await catalog.stubs.speakers.UpdateSpeaker(
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
    await catalog.stubs.speakers.BeginSpeakerDeletion(deletion(speaker))
    async with refused(Reason.STATE_CONFLICT, state="DELETING"):
        await update([])


async def test_how_well_the_enrollments_agree(catalog: Catalog) -> None:
    """The number comes with a voiceprint, has a word, and goes with the next one without it."""
    library = await catalog.library()
    speaker = await catalog.speaker(library)
    assert not speaker.HasField("agreement")
    assert speaker.consistency == Speaker.CONSISTENCY_UNSPECIFIED
    for agreement, word in (
        (0.5, Speaker.CONSISTENCY_GOOD),
        (0.25, Speaker.CONSISTENCY_LOW),
        (-1.0, Speaker.CONSISTENCY_LOW),
        (None, Speaker.CONSISTENCY_UNSPECIFIED),
    ):
        speaker = await catalog.enroll(speaker.name, await catalog.clip(library))
        request = spk.RecordVoiceprintRequest(
            name=speaker.name, uid=speaker.uid, revision=speaker.revision, agreement=agreement
        )
        await catalog.stubs.speakers.RecordVoiceprint(request)
        found = await catalog.get_speaker(speaker.name)
        assert found.consistency == word
        assert found.HasField("agreement") == (agreement is not None)
        assert found.agreement == pytest.approx(agreement or 0.0)


async def test_a_speaker_that_is_not_there(catalog: Catalog) -> None:
    """Every call that needs it names it, also a speaker of another library; removing succeeds."""
    library, other = await catalog.library(), await catalog.library()
    speaker = await catalog.speaker(other)
    strange = f"{library.name}/speakers/{speaker.name.rpartition('/')[2]}"
    for name in (strange, f"{library.name}/speakers/nobody", "libraries/nowhere/speakers/nobody"):
        clip = [f"{name.partition('/speakers/')[0]}/clips/x"]
        for call, request in (
            (catalog.stubs.speakers.GetSpeaker, spk.GetSpeakerRequest(name=name)),
            (
                catalog.stubs.speakers.UpdateSpeaker,
                spk.UpdateSpeakerRequest(speaker=Speaker(name=name)),
            ),
            (
                catalog.stubs.speakers.AddEnrollments,
                spk.AddEnrollmentsRequest(name=name, clips=clip),
            ),
            (
                catalog.stubs.speakers.RemoveEnrollments,
                spk.RemoveEnrollmentsRequest(name=name, clips=clip),
            ),
            (
                catalog.stubs.speakers.RecordVoiceprint,
                spk.RecordVoiceprintRequest(name=name, uid=speaker.uid, revision=1),
            ),
            (
                catalog.stubs.speakers.BeginSpeakerDeletion,
                spk.BeginSpeakerDeletionRequest(name=name),
            ),
        ):
            async with refused(Reason.SPEAKER_NOT_FOUND, speaker=name):
                await call(request)
        await catalog.stubs.speakers.DeleteSpeaker(spk.DeleteSpeakerRequest(name=name))
    assert await catalog.get_speaker(speaker.name) == speaker


async def test_speakers_need_an_active_library(catalog: Catalog) -> None:
    """One that is not there, or not ACTIVE, takes none; one without clips needs no force to go."""
    name = "libraries/nowhere"
    for call, request in (
        (
            catalog.stubs.speakers.CreateSpeaker,
            spk.CreateSpeakerRequest(parent=name, speaker_id="a"),
        ),
        (catalog.stubs.speakers.ListSpeakers, spk.ListSpeakersRequest(parent=name)),
        (catalog.stubs.speakers.LookupSpeakers, spk.LookupSpeakersRequest(parent=name, uids=["x"])),
    ):
        async with refused(Reason.LIBRARY_NOT_FOUND, library=name):
            await call(request)
    library = await catalog.stubs.libraries.CreateLibrary(
        library_pb2.CreateLibraryRequest(library_id="not-active-yet", library=Library(model=MODEL))
    )
    async with refused(Reason.STATE_CONFLICT, library=library.name, state="CREATING"):
        await catalog.stubs.speakers.CreateSpeaker(creation(library, "a"))
    await catalog.stubs.libraries.ActivateLibrary(
        library_pb2.ActivateLibraryRequest(name=library.name)
    )
    speaker = await catalog.stubs.speakers.CreateSpeaker(creation(library, "a"))
    await catalog.stubs.libraries.BeginLibraryDeletion(
        library_pb2.BeginLibraryDeletionRequest(name=library.name)
    )
    async with refused(Reason.STATE_CONFLICT, library=library.name, state="DELETING"):
        await catalog.stubs.speakers.CreateSpeaker(creation(library, "b"))
    await catalog.stubs.libraries.DeleteLibrary(library_pb2.DeleteLibraryRequest(name=library.name))
    async with refused(Reason.SPEAKER_NOT_FOUND, speaker=speaker.name):
        await catalog.get_speaker(speaker.name)
