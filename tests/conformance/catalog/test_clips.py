"""Clips: their fields, their life, and the lists of them."""

from __future__ import annotations

import asyncio

import pytest
from audiosearch.catalog.v1 import clip_pb2, library_pb2, speaker_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter, Failure
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from serving.errors import Reason
from tools.servers.catalog import HEARD, Catalog, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIELDS = {
    "display_name": "Küchenmesser 刀 🔪.wav",
    "label": "knife",
    "speaker": "id00800",
    "metadata": {"mic": "a\nb", "take": ""},
    "source": "a/b\nc/1.wav",
    "import_job": "importJobs/01arz3ndektsv4rrffq69g5fav",
    "channel": 2,
}


async def test_a_clip_keeps_what_was_told(catalog: Catalog) -> None:
    """From CREATING to ACTIVE, a clip keeps every field and gets the properties of its audio."""
    library = await catalog.library()
    made = await catalog.creating(library, **FIELDS)
    for field, value in FIELDS.items():
        assert getattr(made, field) == value
    assert made.state == Clip.STATE_CREATING
    assert made.name.startswith(f"{library.name}/clips/")
    stored = await catalog.put(made.name, b"RIFF1234WAVEfmt ")
    assert not (await catalog.get(made.name)).HasField("audio_object")
    active = await catalog.activate(made.name)
    assert active.state == Clip.STATE_ACTIVE
    assert active.audio == HEARD
    assert active.audio_object == stored
    assert not active.HasField("failure")
    assert await catalog.activate(made.name) == active
    assert await catalog.get(made.name) == active


async def test_the_same_request_answers_the_same_clip(catalog: Catalog) -> None:
    """This holds in any state and for requests at the same time. Other libraries don't matter."""
    library, other = await catalog.library(), await catalog.library()

    async def create(parent: str) -> Clip:
        return await catalog.stubs.clips.CreateClip(
            clip_pb2.CreateClipRequest(parent=parent, clip=Clip(label="a"), request_id="r")
        )

    made = await asyncio.gather(*(create(library.name) for _ in range(8)))
    assert len({clip.name for clip in made}) == 1
    failed = await catalog.fail(made[0].name)
    assert await create(library.name) == failed
    assert (await create(other.name)).state == Clip.STATE_CREATING
    assert (await catalog.creating(library)).name != made[0].name


async def test_a_failed_clip_says_why_and_has_no_audio(catalog: Catalog) -> None:
    """FAILED removes the audio; the clip can't become ACTIVE, and its bytes may come again."""
    library = await catalog.library()
    made = await catalog.creating(library)
    await catalog.put(made.name, b"bytes")
    for _ in range(2):
        failed = await catalog.fail(made.name)
        assert failed.state == Clip.STATE_FAILED
        assert failed.failure == Failure(reason="AUDIO_SILENT", message="nothing to hear")
        assert not failed.HasField("audio_object")
    assert not [path for path in catalog.files() if library.uid in str(path)]
    async with refused(Reason.STATE_CONFLICT, clip=made.name, state="FAILED"):
        await catalog.activate(made.name)
    async with refused(Reason.STATE_CONFLICT):
        await catalog.put(made.name, b"bytes")
    await catalog.clip(library, b"bytes")


async def test_states_change_only_along_a_clips_life(catalog: Catalog) -> None:
    """ACTIVE can't fail or take audio; DELETING can't be changed, made ACTIVE or fail."""
    library = await catalog.library()
    clip = await catalog.clip(library)
    async with refused(Reason.STATE_CONFLICT, state="ACTIVE"):
        await catalog.fail(clip.name)
    async with refused(Reason.STATE_CONFLICT, state="ACTIVE"):
        await catalog.put(clip.name, b"other")
    async with refused(Reason.STATE_CONFLICT, state="ACTIVE"):
        await catalog.stubs.clips.DeleteClip(clip_pb2.DeleteClipRequest(name=clip.name))
    for _ in range(2):
        assert (await catalog.begin_deletion(clip.name)).state == Clip.STATE_DELETING
    for call in (catalog.fail, catalog.activate, lambda name: catalog.put(name, b"x")):
        async with refused(Reason.STATE_CONFLICT, state="DELETING"):
            await call(clip.name)
    async with refused(Reason.STATE_CONFLICT, state="DELETING"):
        await catalog.stubs.clips.UpdateClip(clip_pb2.UpdateClipRequest(clip=Clip(name=clip.name)))


async def test_a_deletion_can_ask_for_a_state(catalog: Catalog) -> None:
    """A caller that undoes a clip leaves one that became ACTIVE alone. A repeat is fine."""
    library = await catalog.library()
    active, creating = await catalog.clip(library), await catalog.creating(library)

    def begin(clip: Clip) -> clip_pb2.BeginClipDeletionRequest:
        return clip_pb2.BeginClipDeletionRequest(name=clip.name, only_state=Clip.STATE_CREATING)

    async with refused(Reason.STATE_CONFLICT, state="ACTIVE"):
        await catalog.stubs.clips.BeginClipDeletion(begin(active))
    assert (await catalog.get(active.name)).state == Clip.STATE_ACTIVE
    for _ in range(2):
        answer = await catalog.stubs.clips.BeginClipDeletion(begin(creating))
        assert answer.state == Clip.STATE_DELETING
    unknown = clip_pb2.BeginClipDeletionRequest(name=active.name, only_state=9)  # type: ignore[arg-type]
    async with refused(Reason.FIELD_INVALID, field="only_state"):
        await catalog.stubs.clips.BeginClipDeletion(unknown)


async def test_a_clip_without_audio_is_not_activated(catalog: Catalog) -> None:
    """Neither before PutAudio, nor when the file went away."""
    library = await catalog.library()
    made = await catalog.creating(library)
    async with refused(Reason.STATE_CONFLICT, clip=made.name):
        await catalog.activate(made.name)
    await catalog.put(made.name, b"x")
    for path in catalog.files():
        if library.uid in str(path):
            path.unlink()
    async with refused(Reason.STATE_CONFLICT, clip=made.name):
        await catalog.activate(made.name)


async def test_deletion_removes_audio_and_row(catalog: Catalog) -> None:
    """A clip that is not there any more is deleted with success."""
    library = await catalog.library()
    clip = await catalog.clip(library)
    await catalog.begin_deletion(clip.name)
    for _ in range(2):
        await catalog.stubs.clips.DeleteClip(clip_pb2.DeleteClipRequest(name=clip.name))
    assert not [path for path in catalog.files() if library.uid in str(path)]
    async with refused(Reason.CLIP_NOT_FOUND, clip=clip.name):
        await catalog.get(clip.name)


async def test_a_clip_that_is_not_there(catalog: Catalog) -> None:
    """Every call that needs it names it, also a clip of another library."""
    library, other = await catalog.library(), await catalog.library()
    clip = await catalog.clip(other)
    strange = f"{library.name}/clips/{clip.name.rpartition('/')[2]}"
    for name in (f"{library.name}/clips/nothing", strange, "libraries/none/clips/none"):
        for call in (
            catalog.get,
            catalog.activate,
            catalog.fail,
            catalog.begin_deletion,
            catalog.audio,
            lambda name: catalog.put(name, b"x"),
        ):
            async with refused(Reason.CLIP_NOT_FOUND, clip=name):
                await call(name)
        async with refused(Reason.CLIP_NOT_FOUND):
            await catalog.stubs.clips.UpdateClip(clip_pb2.UpdateClipRequest(clip=Clip(name=name)))
        await catalog.stubs.clips.DeleteClip(clip_pb2.DeleteClipRequest(name=name))
    assert await catalog.get(clip.name) == clip


async def test_a_mask_names_what_changes(catalog: Catalog) -> None:
    """The other fields stay; an empty mask means all four; unknown ones are refused."""
    library = await catalog.library()
    clip = await catalog.clip(library, **FIELDS)

    async def update(paths: list[str], **fields: object) -> Clip:
        return await catalog.stubs.clips.UpdateClip(
            clip_pb2.UpdateClipRequest(
                clip=Clip(name=clip.name, **fields), update_mask=FieldMask(paths=paths)
            )
        )

    changed = await update(["label", "metadata"], label="sword", speaker="x", metadata={"k": "v"})
    assert (changed.label, changed.speaker, dict(changed.metadata)) == (
        "sword",
        "id00800",
        {"k": "v"},
    )
    assert changed.update_time.ToNanoseconds() > clip.update_time.ToNanoseconds()
    assert changed.create_time == clip.create_time
    changed = await update([], speaker="y", source="other")
    assert (changed.label, changed.speaker, dict(changed.metadata), changed.display_name) == (
        "",
        "y",
        {},
        "",
    )
    assert changed.source == FIELDS["source"]
    async with refused(Reason.FIELD_INVALID, field="update_mask", value="state"):
        await update(["label", "state"])


async def test_lookup_finds_active_clips_alone(catalog: Catalog) -> None:
    """Missing clips, those of other libraries and those that are not ACTIVE are left out."""
    library, other = await catalog.library(), await catalog.library()
    active = [await catalog.clip(library) for _ in range(3)]
    creating, strange = await catalog.creating(library), await catalog.clip(other)
    failed = await catalog.fail((await catalog.creating(library)).name)
    gone = await catalog.begin_deletion((await catalog.clip(library)).name)
    ids = [clip.name.rpartition("/")[2] for clip in [*active, creating, strange, failed, gone]]
    answer = await catalog.stubs.clips.LookupClips(
        clip_pb2.LookupClipsRequest(
            parent=library.name,
            clip_ids=[*ids, ids[0], ids[0].upper(), "", "' OR '1'='1", "x" * 999],
        )
    )
    assert dict(answer.clips) == dict(zip(ids[:3], active, strict=True))
    assert not answer.HasField("library")


async def test_a_lookup_tells_the_library_too(catalog: Catalog) -> None:
    """As GetLibrary does without counts, also if no clip is found; so a caller need not ask."""
    library = await catalog.library()
    basic = await catalog.stubs.libraries.GetLibrary(
        library_pb2.GetLibraryRequest(name=library.name, view=library_pb2.LIBRARY_VIEW_BASIC)
    )
    clip = await catalog.clip(library)
    for clip_id in (clip.name.rpartition("/")[2], "none"):
        answer = await catalog.stubs.clips.LookupClips(
            clip_pb2.LookupClipsRequest(parent=library.name, clip_ids=[clip_id], with_library=True)
        )
        assert answer.library == basic
    speakers = await catalog.stubs.speakers.LookupSpeakers(
        speaker_pb2.LookupSpeakersRequest(parent=library.name, uids=["none"], with_library=True)
    )
    assert (speakers.library, speakers.voiceprint_count) == (basic, 0)


async def test_filters_mean_exactly_what_they_say(catalog: Catalog) -> None:
    """Case, trailing blanks and the signs % and _ are characters like any other."""
    library = await catalog.library()
    names = ["knife_1", "knifeX1", "Knife_1", "100%", "1000", "knife ", "knife", "a/b", "ÄÖ", "äö"]
    for name in names:
        await catalog.clip(library, display_name=name, label=name, speaker=name[::-1])

    async def listed(**fields: str) -> list[str]:
        answer = await catalog.stubs.clips.ListClips(
            clip_pb2.ListClipsRequest(parent=library.name, filter=ClipFilter(**fields))
        )
        return [clip.display_name for clip in answer.clips]

    for name in names:
        assert await listed(label=name) == [name]
        assert await listed(speaker=name[::-1]) == [name]
    assert await listed(label="") == []
    assert await listed(label="knife", speaker="x") == []
    assert await listed(display_name_prefix="knife_") == ["knife_1"]
    assert await listed(display_name_prefix="knife ") == ["knife "]
    found = await listed(display_name_prefix="knife")
    assert sorted(found) == ["knife", "knife ", "knifeX1", "knife_1"]
    assert await listed(display_name_prefix="100%") == ["100%"]
    assert await listed(display_name_prefix="%") == []
    assert await listed(display_name_prefix="a/") == ["a/b"]
    assert await listed(display_name_prefix="Ä") == ["ÄÖ"]
    assert await listed() == names


async def test_clips_are_listed_by_state_job_and_time(catalog: Catalog) -> None:
    """Without a filter the ACTIVE ones, the oldest first; times to the microsecond."""
    library = await catalog.library()
    clips = [
        await catalog.clip(library, import_job=FIELDS["import_job"] if i % 2 else "")
        for i in range(4)
    ]
    failed = await catalog.fail((await catalog.creating(library)).name)

    async def listed(**fields: object) -> list[str]:
        answer = await catalog.stubs.clips.ListClips(
            clip_pb2.ListClipsRequest(parent=library.name, filter=ClipFilter(**fields))
        )
        return [clip.name for clip in answer.clips]

    names = [clip.name for clip in clips]
    assert await listed() == names
    assert await listed(state=Clip.STATE_FAILED) == [failed.name]
    assert await listed(state=Clip.STATE_CREATING) == []
    assert await listed(import_job=FIELDS["import_job"]) == [names[1], names[3]]
    assert await listed(create_time_from=clips[2].create_time) == names[2:]
    assert await listed(create_time_before=clips[2].create_time) == names[:2]
    assert await listed(update_time_before=clips[1].update_time) == names[:1]
    assert await listed(create_time_from=Timestamp(seconds=-62135596800)) == names
    assert await listed(create_time_before=Timestamp(seconds=0)) == []
    assert await listed(create_time_from=Timestamp(seconds=253402300799)) == []
