"""Bad fields: each is refused with the field, the value and the limit; nothing else happens."""

from __future__ import annotations

import pytest
from audiosearch.catalog.v1 import clip_pb2, import_job_pb2, library_pb2
from audiosearch.catalog.v1 import speaker_pb2 as spk
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter, Failure
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1.embedding_pb2 import AudioProperties
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from serving.errors import Reason
from tools.servers.catalog import MODEL, Catalog, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"display_name": "x" * 256}, "clip.display_name"),
        ({"display_name": "a\nb"}, "clip.display_name"),
        ({"display_name": "a\0b"}, "clip.display_name"),
        ({"display_name": "\x7f"}, "clip.display_name"),
        ({"label": "x" * 256}, "clip.label"),
        ({"label": "\t"}, "clip.label"),
        ({"speaker": "x" * 256}, "clip.speaker"),
        ({"speaker": "\x1b[31m"}, "clip.speaker"),
        ({"source": "x" * 4097}, "clip.source"),
        ({"source": "a\0"}, "clip.source"),
        ({"metadata": {str(n): "" for n in range(33)}}, "clip.metadata"),
        ({"metadata": {"": "x"}}, "clip.metadata.key"),
        ({"metadata": {"k" * 64: ""}}, "clip.metadata.key"),
        ({"metadata": {"k": "x" * 1024}}, "clip.metadata[k]"),
        ({"metadata": {"k": "\0"}}, "clip.metadata[k]"),
        ({"import_job": "x"}, "clip.import_job"),
        ({"import_job": "importJobs/x"}, "clip.import_job"),
        ({"channel": 65}, "clip.channel"),
    ],
)
async def test_fields_of_a_clip_have_limits(
    catalog: Catalog, fields: dict[str, object], field: str
) -> None:
    """One character too many, one entry too many, a control character."""
    library = await catalog.library()
    async with refused(Reason.FIELD_INVALID, field=field) as errors:
        await catalog.creating(library, **fields)
    assert errors[0].metadata.keys() >= {"field", "value", "limit"}


async def test_the_longest_of_everything_is_taken(catalog: Catalog) -> None:
    """Limits are characters, not bytes, and are the same on every database."""
    library = await catalog.library(display_name="刀" * 255)
    text = "🔪" * 255
    fields = {
        "display_name": text,
        "label": text,
        "speaker": text,
        "source": "🔪" * 4096,
        "metadata": {f"{n:02}" + "🔪" * 61: "🔪" * 1023 for n in range(32)},
    }
    clip = await catalog.clip(library, **fields)
    for field, value in fields.items():
        assert getattr(clip, field) == value


async def test_other_fields_have_limits(catalog: Catalog) -> None:
    """Request ids, models, folders, reasons, filters."""
    library = await catalog.library()
    clip = await catalog.clip(library)
    stubs = catalog.stubs
    cases = [
        (
            stubs.libraries.CreateLibrary,
            library_pb2.CreateLibraryRequest(
                library_id="a", library=Library(model=MODEL), request_id="x" * 65
            ),
            "request_id",
        ),
        (
            stubs.libraries.CreateLibrary,
            library_pb2.CreateLibraryRequest(library_id="a"),
            "library.model",
        ),
        (
            stubs.libraries.CreateLibrary,
            library_pb2.CreateLibraryRequest(library_id="a", library=Library(model="models/../x")),
            "library.model",
        ),
        (
            stubs.libraries.CreateLibrary,
            library_pb2.CreateLibraryRequest(
                library_id="a", library=Library(model=MODEL, display_name="x" * 256)
            ),
            "library.display_name",
        ),
        (
            stubs.clips.CreateClip,
            clip_pb2.CreateClipRequest(parent=library.name, request_id="\n"),
            "request_id",
        ),
        (
            stubs.import_jobs.CreateImportJob,
            import_job_pb2.CreateImportJobRequest(import_job=ImportJob(library=library.name)),
            "import_job.folder",
        ),
        (
            stubs.import_jobs.CreateImportJob,
            import_job_pb2.CreateImportJobRequest(
                import_job=ImportJob(library=library.name, folder="x" * 4097)
            ),
            "import_job.folder",
        ),
        (
            stubs.import_jobs.CreateImportJob,
            import_job_pb2.CreateImportJobRequest(
                import_job=ImportJob(library=library.name, folder="/x", label="\n")
            ),
            "import_job.label",
        ),
        (stubs.clips.FailClip, clip_pb2.FailClipRequest(name=clip.name), "failure.reason"),
        (
            stubs.clips.FailClip,
            clip_pb2.FailClipRequest(name=clip.name, failure=Failure(reason="x" * 64)),
            "failure.reason",
        ),
        (
            stubs.clips.ListClips,
            clip_pb2.ListClipsRequest(parent=library.name, filter=ClipFilter(state=9)),
            "filter.state",
        ),
        (
            stubs.clips.ListClips,
            clip_pb2.ListClipsRequest(parent=library.name, filter=ClipFilter(label="x" * 256)),
            "filter.label",
        ),
        (
            stubs.clips.ListClips,
            clip_pb2.ListClipsRequest(parent=library.name, filter=ClipFilter(import_job="x")),
            "filter.import_job",
        ),
        (
            stubs.clips.ListClips,
            clip_pb2.ListClipsRequest(
                parent=library.name, filter=ClipFilter(create_time_from=Timestamp(seconds=2**62))
            ),
            "filter.create_time_from",
        ),
        (stubs.libraries.ListLibraries, library_pb2.ListLibrariesRequest(state=9), "state"),
        (stubs.clips.LookupClips, clip_pb2.LookupClipsRequest(parent=library.name), "clip_ids"),
        (
            stubs.clips.LookupClips,
            clip_pb2.LookupClipsRequest(parent=library.name, clip_ids=["x"] * 1001),
            "clip_ids",
        ),
    ]
    for call, request, field in cases:
        async with refused(Reason.FIELD_INVALID, field=field):
            await call(request)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"display_name": "x" * 256}, "speaker.display_name"),
        ({"display_name": "a\nb"}, "speaker.display_name"),
        ({"metadata": {str(n): "" for n in range(33)}}, "speaker.metadata"),
        ({"metadata": {"": "x"}}, "speaker.metadata.key"),
        ({"metadata": {"k": "x" * 1024}}, "speaker.metadata[k]"),
        ({"metadata": {"k": "\0"}}, "speaker.metadata[k]"),
    ],
)
async def test_fields_of_a_speaker_have_limits(
    catalog: Catalog, fields: dict[str, object], field: str
) -> None:
    """When it is made and when it is changed; the longest of everything is taken."""
    library = await catalog.library()
    longest = {
        "display_name": "🔪" * 255,
        "metadata": {f"{n:02}" + "🔪" * 61: "🔪" * 1023 for n in range(32)},
    }
    speaker = await catalog.speaker(library, **longest)
    for name, value in longest.items():
        assert getattr(speaker, name) == value
    async with refused(Reason.FIELD_INVALID, field=field):
        await catalog.speaker(library, **fields)
    async with refused(Reason.FIELD_INVALID, field=field):
        await catalog.stubs.speakers.UpdateSpeaker(
            spk.UpdateSpeakerRequest(speaker=spk.Speaker(name=speaker.name, **fields))
        )
    assert await catalog.get_speaker(speaker.name) == speaker


async def test_calls_about_speakers_have_limits(catalog: Catalog) -> None:
    """Counts, states, revisions and uids are checked."""
    library = await catalog.library()
    name, parent = (await catalog.speaker(library)).name, library.name
    stubs, clip = catalog.stubs, f"{parent}/clips/x"
    cases = [
        (
            stubs.speakers.CreateSpeaker,
            spk.CreateSpeakerRequest(parent=parent, speaker_id="a", request_id="x" * 65),
            "request_id",
        ),
        (stubs.speakers.ListSpeakers, spk.ListSpeakersRequest(parent=parent, state=9), "state"),
        (
            stubs.speakers.ListSpeakers,
            spk.ListSpeakersRequest(parent=parent, page_size=-1),
            "page_size",
        ),
        (
            stubs.speakers.ListSpeakers,
            spk.ListSpeakersRequest(parent=parent, update_time_before=Timestamp(seconds=2**62)),
            "update_time_before",
        ),
        (stubs.speakers.LookupSpeakers, spk.LookupSpeakersRequest(parent=parent), "uids"),
        (
            stubs.speakers.LookupSpeakers,
            spk.LookupSpeakersRequest(parent=parent, uids=["x"] * 500, speaker_ids=["x"] * 501),
            "uids",
        ),
        *(
            (call, kind(name=name, clips=clips), "clips")
            for call, kind in (
                (stubs.speakers.AddEnrollments, spk.AddEnrollmentsRequest),
                (stubs.speakers.RemoveEnrollments, spk.RemoveEnrollmentsRequest),
            )
            for clips in ([], [clip] * 1001, [""], [clip, "x"], [parent], ["libraries/a/clips/x"])
        ),
        (
            stubs.speakers.AddEnrollments,
            spk.AddEnrollmentsRequest(name=name, clips=[clip], revision=-1),
            "revision",
        ),
        (
            stubs.speakers.AddEnrollments,
            spk.AddEnrollmentsRequest(name=name, clips=[clip], uid="x"),
            "uid",
        ),
        (stubs.speakers.RecordVoiceprint, spk.RecordVoiceprintRequest(name=name), "uid"),
        (
            stubs.speakers.RecordVoiceprint,
            spk.RecordVoiceprintRequest(name=name, uid="x" * 26),
            "uid",
        ),
        (
            stubs.speakers.RecordVoiceprint,
            spk.RecordVoiceprintRequest(name=name, uid="0" * 26, revision=-1),
            "revision",
        ),
        (
            stubs.speakers.RecordVoiceprint,
            spk.RecordVoiceprintRequest(name=name, uid="0" * 26, agreement=float("nan")),
            "agreement",
        ),
        (
            stubs.speakers.RecordVoiceprint,
            spk.RecordVoiceprintRequest(name=name, uid="0" * 26, agreement=1.5),
            "agreement",
        ),
        (
            stubs.speakers.BeginSpeakerDeletion,
            spk.BeginSpeakerDeletionRequest(name=name, only_state=9),
            "only_state",
        ),
    ]
    for call, request, field in cases:
        async with refused(Reason.FIELD_INVALID, field=field):
            await call(request)


@pytest.mark.parametrize(
    ("audio", "field"),
    [
        (AudioProperties(duration=Duration(seconds=-1)), "audio.duration"),
        (AudioProperties(active_duration=Duration(seconds=2**61)), "audio.active_duration"),
        (AudioProperties(sample_rate=-1), "audio.sample_rate"),
        (AudioProperties(channels=-1), "audio.channels"),
        (AudioProperties(format="x" * 65), "audio.format"),
        (AudioProperties(remarks=[0]), "audio.remarks"),
        (AudioProperties(remarks=[99]), "audio.remarks"),
        (AudioProperties(remarks=[1] * 17), "audio.remarks"),
        (AudioProperties(level_dbfs=float("nan")), "audio.level_dbfs"),
        (AudioProperties(level_dbfs=float("-inf")), "audio.level_dbfs"),
    ],
)
async def test_what_was_heard_has_limits(
    catalog: Catalog, audio: AudioProperties, field: str
) -> None:
    """Numbers that no audio has are refused, and the clip stays CREATING."""
    made = await catalog.creating(await catalog.library())
    await catalog.put(made.name, b"x")
    async with refused(Reason.FIELD_INVALID, field=field):
        await catalog.stubs.clips.ActivateClip(
            clip_pb2.ActivateClipRequest(name=made.name, audio=audio)
        )
    assert (await catalog.get(made.name)).state == Clip.STATE_CREATING


async def test_page_tokens_are_for_the_same_question(catalog: Catalog) -> None:
    """One of another library, filter or call, a made-up one, and a negative size are refused."""
    library, other = await catalog.library(), await catalog.library()
    for _ in range(2):
        await catalog.clip(library)
        await catalog.clip(other)
    token = (
        await catalog.stubs.clips.ListClips(
            clip_pb2.ListClipsRequest(parent=library.name, page_size=1)
        )
    ).next_page_token
    assert token
    for request in (
        clip_pb2.ListClipsRequest(parent=other.name, page_token=token),
        clip_pb2.ListClipsRequest(
            parent=library.name, page_token=token, filter=ClipFilter(label="")
        ),
        clip_pb2.ListClipsRequest(parent=library.name, page_token=token[:-3]),
        *(
            clip_pb2.ListClipsRequest(parent=library.name, page_token=bad)
            for bad in ("x", "ä", "AAAA", "'; --", token[4:], "=" * 9, "\n", token[:12])
        ),
    ):
        async with refused(Reason.FIELD_INVALID, field="page_token"):
            await catalog.stubs.clips.ListClips(request)
    async with refused(Reason.FIELD_INVALID, field="page_token"):
        await catalog.stubs.libraries.ListLibraries(
            library_pb2.ListLibrariesRequest(page_token=token)
        )
    async with refused(Reason.FIELD_INVALID, field="page_token"):
        await catalog.stubs.import_jobs.ListImportJobs(
            import_job_pb2.ListImportJobsRequest(page_token=token)
        )
    async with refused(Reason.FIELD_INVALID, field="page_size"):
        await catalog.stubs.clips.ListClips(
            clip_pb2.ListClipsRequest(parent=library.name, page_size=-1)
        )
