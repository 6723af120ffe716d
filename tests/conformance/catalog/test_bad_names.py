"""Names that are none, and texts that are commands elsewhere: refused, or kept as they are."""

from __future__ import annotations

import pytest
from audiosearch.catalog.v1 import calibration_pb2 as cal
from audiosearch.catalog.v1 import clip_pb2, import_job_pb2, library_pb2
from audiosearch.catalog.v1 import speaker_pb2 as spk
from audiosearch.catalog.v1.clip_pb2 import ClipFilter
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.speaker_pb2 import Speaker

from serving.errors import Reason
from tools.servers.catalog import MODEL, Catalog, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = "x" * 64
"""Too long for an id that a user chooses, and not for one that the catalog gives."""

ATTACKS = [
    "",
    "../x",
    "..",
    ".",
    "a/b",
    "a\\b",
    "a'b",
    'a"b',
    "a`b",
    "x' OR '1'='1",
    "a;b",
    "a b",
    "a\n",
    "a\0b",
    "ä",
    "a%00",
    "%2e%2e",
    LONG,
    "user; DROP TABLE clips; --",
]


@pytest.mark.parametrize("attack", ATTACKS)
async def test_ids_and_names_of_no_library(catalog: Catalog, attack: str) -> None:
    """Ids are letters, digits, _ and -. Every call refuses other characters in a name."""
    async with refused(Reason.FIELD_INVALID, field="library_id"):
        await catalog.stubs.libraries.CreateLibrary(
            library_pb2.CreateLibraryRequest(library_id=attack, library=Library(model=MODEL))
        )
    name = f"libraries/{attack}"
    for call, request, field in (
        (catalog.stubs.libraries.GetLibrary, library_pb2.GetLibraryRequest(name=name), "name"),
        (
            catalog.stubs.libraries.DeleteLibrary,
            library_pb2.DeleteLibraryRequest(name=name),
            "name",
        ),
        (catalog.stubs.clips.CreateClip, clip_pb2.CreateClipRequest(parent=name), "parent"),
        (catalog.stubs.clips.ListClips, clip_pb2.ListClipsRequest(parent=name), "parent"),
        (catalog.stubs.clips.GetClip, clip_pb2.GetClipRequest(name=f"{name}/clips/x"), "name"),
        (
            catalog.stubs.import_jobs.CreateImportJob,
            import_job_pb2.CreateImportJobRequest(import_job=ImportJob(library=name, folder="/x")),
            "import_job.library",
        ),
        (catalog.stubs.speakers.CreateSpeaker, spk.CreateSpeakerRequest(parent=name), "parent"),
        (catalog.stubs.speakers.ListSpeakers, spk.ListSpeakersRequest(parent=name), "parent"),
        (catalog.stubs.speakers.LookupSpeakers, spk.LookupSpeakersRequest(parent=name), "parent"),
        (
            catalog.stubs.calibrations.GetCalibration,
            cal.GetCalibrationRequest(name=f"{name}/calibration"),
            "name",
        ),
    ):
        async with refused(Reason.FIELD_INVALID, field=field):
            await call(request)


@pytest.mark.parametrize("chosen", ["_a", "-a", "__", "-", "0", "Z-_9", "x" * 63])
async def test_every_id_of_these_characters_is_taken(catalog: Catalog, chosen: str) -> None:
    """As the message says that refuses others; for libraries and speakers alike."""
    request = library_pb2.CreateLibraryRequest(library_id=chosen, library=Library(model=MODEL))
    library = await catalog.stubs.libraries.CreateLibrary(request)
    assert library.name == f"libraries/{chosen}"
    await catalog.stubs.libraries.ActivateLibrary(
        library_pb2.ActivateLibraryRequest(name=library.name)
    )
    speaker = await catalog.stubs.speakers.CreateSpeaker(
        spk.CreateSpeakerRequest(parent=library.name, speaker_id=chosen)
    )
    assert speaker.name == f"{library.name}/speakers/{chosen}"
    await catalog.stubs.libraries.BeginLibraryDeletion(
        library_pb2.BeginLibraryDeletionRequest(name=library.name, force=True)
    )
    await catalog.stubs.libraries.DeleteLibrary(library_pb2.DeleteLibraryRequest(name=library.name))


@pytest.mark.parametrize(
    "attack", [*(attack for attack in ATTACKS if attack != LONG), "A", "x" * 65]
)
async def test_names_of_no_clip_and_no_job(catalog: Catalog, attack: str) -> None:
    """Also behind a library that is there; nothing outside the audio folder is touched."""
    library = await catalog.library()
    name = f"{library.name}/clips/{attack}"
    for call in (
        catalog.get,
        catalog.audio,
        catalog.activate,
        catalog.fail,
        catalog.begin_deletion,
        lambda it: catalog.put(it, b"x"),
    ):
        async with refused(Reason.FIELD_INVALID, field="name"):
            await call(name)
    async with refused(Reason.FIELD_INVALID, field="name"):
        await catalog.stubs.import_jobs.GetImportJob(
            import_job_pb2.GetImportJobRequest(name=f"importJobs/{attack}")
        )


@pytest.mark.parametrize("attack", ATTACKS)
async def test_ids_and_names_of_no_speaker(catalog: Catalog, attack: str) -> None:
    """As those of libraries, wherever one is taken."""
    library = await catalog.library()
    stubs, name = catalog.stubs, f"{library.name}/speakers/{attack}"
    clips = [f"{library.name}/clips/x"]
    for call, request, field in (
        (
            stubs.speakers.CreateSpeaker,
            spk.CreateSpeakerRequest(parent=library.name, speaker_id=attack),
            "speaker_id",
        ),
        (stubs.speakers.GetSpeaker, spk.GetSpeakerRequest(name=name), "name"),
        (
            stubs.speakers.UpdateSpeaker,
            spk.UpdateSpeakerRequest(speaker=Speaker(name=name)),
            "speaker.name",
        ),
        (stubs.speakers.AddEnrollments, spk.AddEnrollmentsRequest(name=name, clips=clips), "name"),
        (
            stubs.speakers.RemoveEnrollments,
            spk.RemoveEnrollmentsRequest(name=name, clips=clips),
            "name",
        ),
        (stubs.speakers.RecordVoiceprint, spk.RecordVoiceprintRequest(name=name), "name"),
        (stubs.speakers.BeginSpeakerDeletion, spk.BeginSpeakerDeletionRequest(name=name), "name"),
        (stubs.speakers.DeleteSpeaker, spk.DeleteSpeakerRequest(name=name), "name"),
        (
            stubs.clips.ListClips,
            clip_pb2.ListClipsRequest(
                parent=library.name, filter=ClipFilter(enrolled_speaker=name)
            ),
            "filter.enrolled_speaker",
        ),
    ):
        async with refused(Reason.FIELD_INVALID, field=field):
            await call(request)


@pytest.mark.parametrize(
    "text",
    [
        "x' OR '1'='1",
        "'; DROP TABLE clips; --",
        '"; DELETE FROM clips',
        "%",
        "_",
        "\\",
        "\\'",
        "/*!50000 x*/",
        "{}",
        ":name",
        "%s",
        "%(a)s",
        "🔪" * 255,
        "é" * 255,
        "../../etc/passwd",
    ],
)
async def test_any_text_is_kept_as_it_is(catalog: Catalog, text: str) -> None:
    """A text that is a command elsewhere is a plain name here, found by itself alone."""
    library = await catalog.library(display_name=text)
    assert library.display_name == text
    clip = await catalog.clip(
        library, display_name=text, label=text, speaker=text, source=text, metadata={"note": text}
    )
    await catalog.clip(library, display_name="other", label="other", speaker="other")
    assert (clip.display_name, clip.label, clip.speaker, clip.source, clip.metadata["note"]) == (
        (text,) * 5
    )
    speaker = await catalog.speaker(library, display_name=text, metadata={"note": text})
    assert (speaker.display_name, speaker.metadata["note"]) == (text, text)
    for fields in ({"label": text}, {"speaker": text}, {"display_name_prefix": text}):
        found = await catalog.stubs.clips.ListClips(
            clip_pb2.ListClipsRequest(parent=library.name, filter=ClipFilter(**fields))
        )
        assert [it.name for it in found.clips] == [clip.name]
