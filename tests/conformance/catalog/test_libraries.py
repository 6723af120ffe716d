"""Libraries."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from audiosearch.catalog.v1 import clip_pb2, import_job_pb2, library_pb2, store_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1.model_pb2 import (
    PURPOSE_SOUNDS,
    PURPOSE_UNSPECIFIED,
    PURPOSE_VOICES,
    Purpose,
)
from google.protobuf.field_mask_pb2 import FieldMask

from serving.errors import Reason
from tools.servers.catalog import MODEL, Catalog, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


def creation(
    library_id: str, request_id: str = "", **fields: Any
) -> library_pb2.CreateLibraryRequest:
    """A request for a new library."""
    return library_pb2.CreateLibraryRequest(
        library_id=library_id, request_id=request_id, library=Library(**{"model": MODEL, **fields})
    )


async def test_the_store_has_a_name_and_a_version(catalog: Catalog) -> None:
    """As the database says itself: the kind of server is told by it, not by the settings."""
    kinds = {"sqlite"} if catalog.settings.mysql_host is None else {"mariadb", "mysql"}
    kind, version = (await catalog.stubs.store.GetStore(store_pb2.GetStoreRequest())).product.split(
        " "
    )
    assert kind in kinds
    assert version.replace(".", "").isdigit()


async def test_a_new_library_is_creating_then_active(catalog: Catalog) -> None:
    """It begins CREATING with an id, a uid and times; activation can be repeated."""
    library_id = uuid.uuid4().hex
    made = await catalog.stubs.libraries.CreateLibrary(creation(library_id))
    assert made.name == f"libraries/{library_id}"
    assert made.display_name == library_id
    assert made.model == MODEL
    assert made.state == Library.STATE_CREATING
    assert len(made.uid) == 26
    assert made.create_time == made.update_time
    for _ in range(2):
        active = await catalog.stubs.libraries.ActivateLibrary(
            library_pb2.ActivateLibraryRequest(name=made.name)
        )
        assert active.state == Library.STATE_ACTIVE
        assert active.update_time.ToNanoseconds() > made.update_time.ToNanoseconds()
    assert (
        await catalog.stubs.libraries.GetLibrary(library_pb2.GetLibraryRequest(name=made.name))
        == active
    )


async def test_a_library_that_is_loaded_takes_clips_and_is_in_no_list(catalog: Catalog) -> None:
    """Until it is activated. It can be deleted before."""
    made = []
    for _ in range(2):
        request = creation(uuid.uuid4().hex, "plan")
        request.loading = True
        made.append(await catalog.stubs.libraries.CreateLibrary(request))
        assert await catalog.stubs.libraries.CreateLibrary(request) == made[-1]
        assert made[-1].state == Library.STATE_LOADING
        await catalog.clip(made[-1])
    one, other = made
    active = await catalog.stubs.libraries.ListLibraries(library_pb2.ListLibrariesRequest())
    assert not {each.name for each in active.libraries} & {one.name, other.name}
    loading = library_pb2.ListLibrariesRequest(state=Library.STATE_LOADING)
    found = await catalog.stubs.libraries.ListLibraries(loading)
    assert {each.name for each in found.libraries} >= {one.name, other.name}
    activation = library_pb2.ActivateLibraryRequest(name=one.name)
    shown = await catalog.stubs.libraries.ActivateLibrary(activation)
    assert (shown.state, shown.clip_count) == (Library.STATE_ACTIVE, 1)
    gone = await catalog.stubs.libraries.BeginLibraryDeletion(
        library_pb2.BeginLibraryDeletionRequest(name=other.name, force=True)
    )
    assert gone.state == Library.STATE_DELETING


async def test_a_library_for_vectors_has_their_dimension(catalog: Catalog) -> None:
    """Its clips need no properties of audio, and it needs no rule of windows."""
    request = creation(uuid.uuid4().hex)
    request.library.dimension = 25
    made = await catalog.stubs.libraries.CreateLibrary(request)
    assert (made.dimension, made.generation, made.HasField("window_rule")) == (25, 1, False)
    active = await catalog.stubs.libraries.ActivateLibrary(
        library_pb2.ActivateLibraryRequest(name=made.name)
    )
    assert active.dimension == 25
    for dimension in (-1, 1, 4097):
        request = creation(uuid.uuid4().hex)
        request.library.dimension = dimension
        async with refused(Reason.FIELD_INVALID, field="library.dimension"):
            await catalog.stubs.libraries.CreateLibrary(request)


async def test_the_same_request_answers_the_same_library(catalog: Catalog) -> None:
    """A repeat with its request id changes nothing; any other creation of the name is refused."""
    library_id = uuid.uuid4().hex
    first = await catalog.stubs.libraries.CreateLibrary(creation(library_id, "r1"))
    assert (
        await catalog.stubs.libraries.CreateLibrary(creation(library_id, "r1", display_name="x"))
        == first
    )
    for other in ("", "r2"):
        async with refused(Reason.LIBRARY_EXISTS, library=first.name):
            await catalog.stubs.libraries.CreateLibrary(creation(library_id, other))


async def test_upper_and_lower_case_are_two_libraries(catalog: Catalog) -> None:
    """Names are compared exactly."""
    library_id = uuid.uuid4().hex
    for name in (f"a{library_id}", f"A{library_id}"):
        assert (await catalog.stubs.libraries.CreateLibrary(creation(name))).name.endswith(name)


async def test_a_library_that_is_not_there(catalog: Catalog) -> None:
    """Every call that needs it names it; removing it succeeds."""
    name = "libraries/nowhere"
    calls = [
        (catalog.stubs.libraries.GetLibrary, library_pb2.GetLibraryRequest(name=name)),
        (catalog.stubs.libraries.ActivateLibrary, library_pb2.ActivateLibraryRequest(name=name)),
        (
            catalog.stubs.libraries.UpdateLibrary,
            library_pb2.UpdateLibraryRequest(library=Library(name=name)),
        ),
        (
            catalog.stubs.libraries.BeginLibraryDeletion,
            library_pb2.BeginLibraryDeletionRequest(name=name),
        ),
        (catalog.stubs.clips.CreateClip, clip_pb2.CreateClipRequest(parent=name)),
        (catalog.stubs.clips.ListClips, clip_pb2.ListClipsRequest(parent=name)),
        (catalog.stubs.clips.LookupClips, clip_pb2.LookupClipsRequest(parent=name, clip_ids=["x"])),
        (
            catalog.stubs.import_jobs.ListImportJobs,
            import_job_pb2.ListImportJobsRequest(library=name),
        ),
        (
            catalog.stubs.import_jobs.CreateImportJob,
            import_job_pb2.CreateImportJobRequest(import_job=ImportJob(library=name, folder="/x")),
        ),
    ]
    for call, request in calls:
        async with refused(Reason.LIBRARY_NOT_FOUND, library=name) as errors:
            await call(request)
        assert name in errors[0].message
    await catalog.stubs.libraries.DeleteLibrary(library_pb2.DeleteLibraryRequest(name=name))


async def test_only_the_display_name_changes(catalog: Catalog) -> None:
    """A mask may name it, be empty or be `*`; an empty name means the id again."""
    library = await catalog.library(display_name="Knives")
    for paths, name in ((["display_name"], "Swords"), ([], "Äxte 🪓"), (["*"], "Saws")):
        changed = await catalog.stubs.libraries.UpdateLibrary(
            library_pb2.UpdateLibraryRequest(
                library=Library(name=library.name, display_name=name, model="models/other"),
                update_mask=FieldMask(paths=paths),
            )
        )
        assert changed.display_name == name
        assert changed.model == MODEL
    changed = await catalog.stubs.libraries.UpdateLibrary(
        library_pb2.UpdateLibraryRequest(library=Library(name=library.name))
    )
    assert changed.display_name == library.name.removeprefix("libraries/")
    async with refused(Reason.FIELD_INVALID, field="update_mask", value="model"):
        await catalog.stubs.libraries.UpdateLibrary(
            library_pb2.UpdateLibraryRequest(
                library=Library(name=library.name), update_mask=FieldMask(paths=["model"])
            )
        )


async def test_counts_are_of_active_clips(catalog: Catalog) -> None:
    """Clips that are CREATING, FAILED or DELETING are not counted."""
    library = await catalog.library()
    await catalog.clip(library, b"12345")
    gone = await catalog.clip(library, b"1234567")
    failed = await catalog.creating(library)
    await catalog.put(failed.name, b"1")
    await catalog.fail(failed.name)
    waiting = await catalog.creating(library)
    await catalog.put(waiting.name, b"123")
    await catalog.begin_deletion(gone.name)
    found = await catalog.stubs.libraries.GetLibrary(
        library_pb2.GetLibraryRequest(name=library.name)
    )
    assert (found.clip_count, found.size_bytes) == (1, 5)
    basic = library_pb2.GetLibraryRequest(name=library.name, view=library_pb2.LIBRARY_VIEW_BASIC)
    found = await catalog.stubs.libraries.GetLibrary(basic)
    assert (found.uid, found.clip_count, found.size_bytes) == (library.uid, 0, 0)
    async with refused(Reason.FIELD_INVALID, field="view"):
        await catalog.stubs.libraries.GetLibrary(
            library_pb2.GetLibraryRequest(name=library.name, view=7)
        )  # type: ignore[arg-type]


async def test_libraries_are_listed_by_name_and_state(catalog: Catalog) -> None:
    """Pages follow each other by name; without a state only ACTIVE ones are listed."""
    names = [(await catalog.library()).name for _ in range(5)]
    hidden = await catalog.stubs.libraries.CreateLibrary(creation(uuid.uuid4().hex))
    found, token = [], ""
    while True:
        answer = await catalog.stubs.libraries.ListLibraries(
            library_pb2.ListLibrariesRequest(page_size=2, page_token=token)
        )
        assert len(answer.libraries) <= 2
        found += [library.name for library in answer.libraries]
        token = answer.next_page_token
        if not token:
            break
    assert found == sorted(found)
    assert set(names) <= set(found)
    assert hidden.name not in found
    creating = await catalog.stubs.libraries.ListLibraries(
        library_pb2.ListLibrariesRequest(state=Library.STATE_CREATING, page_size=1000)
    )
    assert hidden.name in [library.name for library in creating.libraries]


async def test_a_library_with_clips_is_deleted_only_by_force(catalog: Catalog) -> None:
    """FAILED clips don't count; with force it goes with its clips, its jobs and its audio."""
    library = await catalog.library()
    failed = await catalog.creating(library)
    await catalog.fail(failed.name)
    clip = await catalog.clip(library)
    job = await catalog.job(library)
    async with refused(Reason.LIBRARY_NOT_EMPTY, library=library.name):
        await catalog.stubs.libraries.BeginLibraryDeletion(
            library_pb2.BeginLibraryDeletionRequest(name=library.name)
        )
    found = await catalog.stubs.libraries.GetLibrary(
        library_pb2.GetLibraryRequest(name=library.name)
    )
    assert found.state == Library.STATE_ACTIVE
    async with refused(Reason.STATE_CONFLICT):
        await catalog.stubs.libraries.DeleteLibrary(
            library_pb2.DeleteLibraryRequest(name=library.name)
        )
    for _ in range(2):
        going = await catalog.stubs.libraries.BeginLibraryDeletion(
            library_pb2.BeginLibraryDeletionRequest(name=library.name, force=True)
        )
        assert going.state == Library.STATE_DELETING
    cancelled = await catalog.stubs.import_jobs.GetImportJob(
        import_job_pb2.GetImportJobRequest(name=job.name)
    )
    assert cancelled.state == ImportJob.STATE_CANCELLED
    await refuses_work(catalog, library)
    for _ in range(2):
        await catalog.stubs.libraries.DeleteLibrary(
            library_pb2.DeleteLibraryRequest(name=library.name)
        )
    async with refused(Reason.LIBRARY_NOT_FOUND):
        await catalog.stubs.libraries.GetLibrary(library_pb2.GetLibraryRequest(name=library.name))
    async with refused(Reason.CLIP_NOT_FOUND, clip=clip.name):
        await catalog.get(clip.name)
    async with refused(Reason.IMPORT_JOB_NOT_FOUND, import_job=job.name):
        await catalog.stubs.import_jobs.GetImportJob(
            import_job_pb2.GetImportJobRequest(name=job.name)
        )
    assert not [path for path in catalog.files() if library.uid in str(path)]
    assert not (catalog.settings.audio_folder / library.uid).exists()


async def refuses_work(catalog: Catalog, library: Library) -> None:
    """A library that is DELETING takes no clips and no jobs, and can't come back."""
    async with refused(Reason.STATE_CONFLICT, library=library.name, state="DELETING"):
        await catalog.stubs.clips.CreateClip(
            clip_pb2.CreateClipRequest(parent=library.name, clip=Clip())
        )
    async with refused(Reason.STATE_CONFLICT):
        await catalog.job(library)
    async with refused(Reason.STATE_CONFLICT):
        await catalog.stubs.libraries.ActivateLibrary(
            library_pb2.ActivateLibraryRequest(name=library.name)
        )


async def test_a_library_with_failed_clips_alone_needs_no_force(catalog: Catalog) -> None:
    """Clips that could not be made are no reason to keep a library."""
    library = await catalog.library()
    await catalog.fail((await catalog.creating(library)).name)
    await catalog.stubs.libraries.BeginLibraryDeletion(
        library_pb2.BeginLibraryDeletionRequest(name=library.name)
    )
    await catalog.stubs.libraries.DeleteLibrary(library_pb2.DeleteLibraryRequest(name=library.name))


async def test_a_name_can_come_again_with_another_uid(catalog: Catalog) -> None:
    """Nothing of the old library is in the new one of the same name."""
    old = await catalog.library()
    await catalog.clip(old)
    await catalog.stubs.libraries.BeginLibraryDeletion(
        library_pb2.BeginLibraryDeletionRequest(name=old.name, force=True)
    )
    await catalog.stubs.libraries.DeleteLibrary(library_pb2.DeleteLibraryRequest(name=old.name))
    new = await catalog.stubs.libraries.CreateLibrary(creation(old.name.removeprefix("libraries/")))
    assert new.uid != old.uid
    assert new.clip_count == 0


async def test_clips_need_an_active_library(catalog: Catalog) -> None:
    """A library whose index may not be there takes nothing yet."""
    made = await catalog.stubs.libraries.CreateLibrary(creation(uuid.uuid4().hex))
    async with refused(Reason.STATE_CONFLICT, state="CREATING"):
        await catalog.stubs.clips.CreateClip(
            clip_pb2.CreateClipRequest(parent=made.name, clip=Clip())
        )


async def test_a_library_has_the_purpose_of_its_model(catalog: Catalog) -> None:
    """One without is for voices, as all models were before there were purposes, or for vectors."""
    made = {}
    for name, fields in {
        "sounds": {"purpose": PURPOSE_SOUNDS},
        "voices": {"purpose": PURPOSE_VOICES},
        "early": {},
        "vectors": {"dimension": 8},
    }.items():
        library = await catalog.stubs.libraries.CreateLibrary(creation(uuid.uuid4().hex, **fields))
        made[name] = library.name
        assert library.purpose == {
            "sounds": PURPOSE_SOUNDS,
            "vectors": PURPOSE_UNSPECIFIED,
        }.get(name, PURPOSE_VOICES)

    async def listed(purpose: Purpose.ValueType) -> set[str]:
        request = library_pb2.ListLibrariesRequest(
            page_size=1000, state=Library.STATE_CREATING, purpose=purpose
        )
        answer = await catalog.stubs.libraries.ListLibraries(request)
        names = {library.name for library in answer.libraries}
        return {name for name, its in made.items() if its in names}

    assert await listed(PURPOSE_SOUNDS) == {"sounds"}
    assert await listed(PURPOSE_VOICES) == {"voices", "early"}
    assert await listed(PURPOSE_UNSPECIFIED) == set(made)
    for wrong in ({"purpose": 9}, {"purpose": PURPOSE_SOUNDS, "dimension": 8}):
        async with refused(Reason.FIELD_INVALID):
            await catalog.stubs.libraries.CreateLibrary(creation(uuid.uuid4().hex, **wrong))
