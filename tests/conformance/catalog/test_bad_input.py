"""Bad fields: each is refused with the field, the value and the limit; nothing else happens."""

from __future__ import annotations

import pytest
from audiosearch.catalog.v1 import catalog_service_pb2 as pb
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
    stub = catalog.stub
    cases = [
        (
            stub.CreateLibrary,
            pb.CreateLibraryRequest(
                library_id="a", library=Library(model=MODEL), request_id="x" * 65
            ),
            "request_id",
        ),
        (stub.CreateLibrary, pb.CreateLibraryRequest(library_id="a"), "library.model"),
        (
            stub.CreateLibrary,
            pb.CreateLibraryRequest(library_id="a", library=Library(model="models/../x")),
            "library.model",
        ),
        (
            stub.CreateLibrary,
            pb.CreateLibraryRequest(
                library_id="a", library=Library(model=MODEL, display_name="x" * 256)
            ),
            "library.display_name",
        ),
        (stub.CreateClip, pb.CreateClipRequest(parent=library.name, request_id="\n"), "request_id"),
        (
            stub.CreateImportJob,
            pb.CreateImportJobRequest(import_job=ImportJob(library=library.name)),
            "import_job.folder",
        ),
        (
            stub.CreateImportJob,
            pb.CreateImportJobRequest(
                import_job=ImportJob(library=library.name, folder="x" * 4097)
            ),
            "import_job.folder",
        ),
        (
            stub.CreateImportJob,
            pb.CreateImportJobRequest(
                import_job=ImportJob(library=library.name, folder="/x", label="\n")
            ),
            "import_job.label",
        ),
        (stub.FailClip, pb.FailClipRequest(name=clip.name), "failure.reason"),
        (
            stub.FailClip,
            pb.FailClipRequest(name=clip.name, failure=Failure(reason="x" * 64)),
            "failure.reason",
        ),
        (
            stub.ListClips,
            pb.ListClipsRequest(parent=library.name, filter=ClipFilter(state=9)),
            "filter.state",
        ),
        (
            stub.ListClips,
            pb.ListClipsRequest(parent=library.name, filter=ClipFilter(label="x" * 256)),
            "filter.label",
        ),
        (
            stub.ListClips,
            pb.ListClipsRequest(parent=library.name, filter=ClipFilter(import_job="x")),
            "filter.import_job",
        ),
        (
            stub.ListClips,
            pb.ListClipsRequest(
                parent=library.name, filter=ClipFilter(create_time_from=Timestamp(seconds=2**62))
            ),
            "filter.create_time_from",
        ),
        (stub.ListLibraries, pb.ListLibrariesRequest(state=9), "state"),
        (stub.LookupClips, pb.LookupClipsRequest(parent=library.name), "clip_ids"),
        (
            stub.LookupClips,
            pb.LookupClipsRequest(parent=library.name, clip_ids=["x"] * 1001),
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
        await catalog.stub.UpdateSpeaker(
            spk.UpdateSpeakerRequest(speaker=spk.Speaker(name=speaker.name, **fields))
        )
    assert await catalog.get_speaker(speaker.name) == speaker


async def test_calls_about_speakers_have_limits(catalog: Catalog) -> None:
    """Counts, states, revisions and uids are checked."""
    library = await catalog.library()
    name, parent = (await catalog.speaker(library)).name, library.name
    stub, clip = catalog.stub, f"{parent}/clips/x"
    cases = [
        (
            stub.CreateSpeaker,
            spk.CreateSpeakerRequest(parent=parent, speaker_id="a", request_id="x" * 65),
            "request_id",
        ),
        (stub.ListSpeakers, spk.ListSpeakersRequest(parent=parent, state=9), "state"),
        (stub.ListSpeakers, spk.ListSpeakersRequest(parent=parent, page_size=-1), "page_size"),
        (
            stub.ListSpeakers,
            spk.ListSpeakersRequest(parent=parent, update_time_before=Timestamp(seconds=2**62)),
            "update_time_before",
        ),
        (stub.LookupSpeakers, spk.LookupSpeakersRequest(parent=parent), "uids"),
        (
            stub.LookupSpeakers,
            spk.LookupSpeakersRequest(parent=parent, uids=["x"] * 500, speaker_ids=["x"] * 501),
            "uids",
        ),
        *(
            (call, kind(name=name, clips=clips), "clips")
            for call, kind in (
                (stub.AddEnrollments, spk.AddEnrollmentsRequest),
                (stub.RemoveEnrollments, spk.RemoveEnrollmentsRequest),
            )
            for clips in ([], [clip] * 1001, [""], [clip, "x"], [parent], ["libraries/a/clips/x"])
        ),
        (
            stub.AddEnrollments,
            spk.AddEnrollmentsRequest(name=name, clips=[clip], revision=-1),
            "revision",
        ),
        (stub.AddEnrollments, spk.AddEnrollmentsRequest(name=name, clips=[clip], uid="x"), "uid"),
        (stub.RecordVoiceprint, spk.RecordVoiceprintRequest(name=name), "uid"),
        (stub.RecordVoiceprint, spk.RecordVoiceprintRequest(name=name, uid="x" * 26), "uid"),
        (
            stub.RecordVoiceprint,
            spk.RecordVoiceprintRequest(name=name, uid="0" * 26, revision=-1),
            "revision",
        ),
        (
            stub.BeginSpeakerDeletion,
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
        await catalog.stub.ActivateClip(pb.ActivateClipRequest(name=made.name, audio=audio))
    assert (await catalog.get(made.name)).state == Clip.STATE_CREATING


async def test_page_tokens_are_for_the_same_question(catalog: Catalog) -> None:
    """One of another library, filter or call, a made-up one, and a negative size are refused."""
    library, other = await catalog.library(), await catalog.library()
    for _ in range(2):
        await catalog.clip(library)
        await catalog.clip(other)
    token = (
        await catalog.stub.ListClips(pb.ListClipsRequest(parent=library.name, page_size=1))
    ).next_page_token
    assert token
    for request in (
        pb.ListClipsRequest(parent=other.name, page_token=token),
        pb.ListClipsRequest(parent=library.name, page_token=token, filter=ClipFilter(label="")),
        pb.ListClipsRequest(parent=library.name, page_token=token[:-3]),
        *(
            pb.ListClipsRequest(parent=library.name, page_token=bad)
            for bad in ("x", "ä", "AAAA", "'; --", token[4:], "=" * 9, "\n", token[:12])
        ),
    ):
        async with refused(Reason.FIELD_INVALID, field="page_token"):
            await catalog.stub.ListClips(request)
    async with refused(Reason.FIELD_INVALID, field="page_token"):
        await catalog.stub.ListLibraries(pb.ListLibrariesRequest(page_token=token))
    async with refused(Reason.FIELD_INVALID, field="page_token"):
        await catalog.stub.ListImportJobs(pb.ListImportJobsRequest(page_token=token))
    async with refused(Reason.FIELD_INVALID, field="page_size"):
        await catalog.stub.ListClips(pb.ListClipsRequest(parent=library.name, page_size=-1))
