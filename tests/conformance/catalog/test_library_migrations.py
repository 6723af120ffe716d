"""Windows of libraries and clips, and the migration of a library to its next generation."""

from __future__ import annotations

import asyncio
import math
import uuid

import pytest
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1 import kept_vectors_pb2 as kept_pb
from audiosearch.catalog.v1 import library_pb2 as pb
from audiosearch.catalog.v1.calibration_pb2 import (
    Calibration,
    GetCalibrationRequest,
    PutCalibrationRequest,
)
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.library_pb2 import Library, Migration, MigrationFailure
from audiosearch.catalog.v1.speaker_pb2 import CreateSpeakerRequest
from audiosearch.embedding.v1.embedding_pb2 import Tag, WindowRule
from audiosearch.embedding.v1.model_pb2 import (
    PURPOSE_SOUNDS,
    PURPOSE_UNSPECIFIED,
    PURPOSE_VOICES,
    Purpose,
)
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from serving.errors import Reason
from tests.conformance.catalog.test_kept_vectors import keep as keep_of
from tests.conformance.catalog.test_kept_vectors import kept as kept_of
from tests.conformance.catalog.test_kept_vectors import part
from tools.servers.catalog import HEARD, Catalog, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


def rule(window: float = 3, hop: float = 1.5, single: float = 6) -> WindowRule:
    """A rule of windows, with lengths in seconds."""

    def length(seconds: float) -> Duration:
        whole = math.floor(seconds)
        return Duration(seconds=whole, nanos=round((seconds - whole) * 1e9))

    return WindowRule(window=length(window), hop=length(hop), single=length(single))


async def begin(
    catalog: Catalog,
    library: Library,
    wanted: WindowRule,
    model: str = "",
    purpose: Purpose.ValueType = PURPOSE_VOICES,
) -> Library:
    """Begins a migration, to another model if one is named."""
    return await catalog.stubs.libraries.BeginMigration(
        pb.BeginMigrationRequest(
            name=library.name,
            window_rule=wanted,
            model=model,
            purpose=purpose if model else PURPOSE_UNSPECIFIED,
        )
    )


async def claim(catalog: Catalog, worker: str, seconds: float = 30) -> str:
    """Claims a migration. Returns the name of its library, empty if none waits."""
    lease = Duration()
    lease.FromMilliseconds(round(seconds * 1000))
    answer = await catalog.stubs.libraries.ClaimMigration(
        pb.ClaimMigrationRequest(worker=worker, lease=lease)
    )
    return answer.library.name


async def report(
    catalog: Catalog, name: str, worker: str, progress: Migration, seconds: int = 30
) -> Library:
    """Reports progress."""
    return await catalog.stubs.libraries.ReportMigration(
        pb.ReportMigrationRequest(
            name=name, worker=worker, lease=Duration(seconds=seconds), migration=progress
        )
    )


async def finish(catalog: Catalog, name: str, worker: str, generation: int) -> Library:
    """Finishes a migration."""
    return await catalog.stubs.libraries.FinishMigration(
        pb.FinishMigrationRequest(name=name, worker=worker, generation=generation)
    )


async def get(catalog: Catalog, name: str) -> Library:
    """Reads a library without its counts, as migrations answer it."""
    return await catalog.stubs.libraries.GetLibrary(
        pb.GetLibraryRequest(name=name, view=pb.LIBRARY_VIEW_BASIC)
    )


async def test_a_library_keeps_the_rule_that_it_was_made_with(catalog: Catalog) -> None:
    """Its generation is 1; without a rule it is 0, as of one made before there were windows."""
    made = await catalog.library(window_rule=rule(0.5, 0.25, 1.000000001))
    assert made.generation == 1
    assert made.window_rule == rule(0.5, 0.25, 1.000000001)
    assert not made.HasField("migration")
    assert await get(catalog, made.name) == made
    old = await catalog.library()
    assert old.generation == 0
    assert not old.HasField("window_rule")


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (WindowRule(), "window"),
        (rule(window=0), "window"),
        (rule(window=-1), "window"),
        (rule(window=3601, single=3601), "window"),
        (rule(hop=0), "hop"),
        (rule(hop=0.009), "hop"),
        (rule(hop=3.1), "hop"),
        (rule(single=2.9), "single"),
        (rule(single=3601), "single"),
        (rule(single=1e11), "single"),
    ],
)
async def test_a_rule_that_cuts_nothing_is_refused(
    catalog: Catalog, wanted: WindowRule, field: str
) -> None:
    """The error names the length that is wrong, at a library's creation and at a migration."""
    library = await catalog.library()
    async with refused(Reason.FIELD_INVALID, field=f"library.window_rule.{field}"):
        await catalog.library(window_rule=wanted)
    async with refused(Reason.FIELD_INVALID, field=f"window_rule.{field}"):
        await begin(catalog, library, wanted)


async def test_a_migration_is_claimed_reported_and_finished(catalog: Catalog) -> None:
    """The library has its rule until the end, then that of the migration, with the generation."""
    library = await catalog.library(window_rule=rule())
    began = await begin(catalog, library, rule(2, 1, 2))
    assert (began.generation, began.window_rule) == (1, rule())
    assert (began.migration.generation, began.migration.window_rule) == (2, rule(2, 1, 2))
    assert began.migration.create_time == began.migration.update_time
    assert await begin(catalog, library, rule()) == began
    assert await claim(catalog, "w") == library.name
    assert await claim(catalog, "v") == ""
    failures = [
        MigrationFailure(clip=f"{library.name}/clips/{number}", reason="R", message="a\nb" * 999)
        for number in range(25)
    ]
    progress = Migration(
        clip_count=7, done_count=5, cursor="0" * 26, failures=failures, failed_count=25
    )
    reported = (await report(catalog, library.name, "w", progress)).migration
    assert (reported.clip_count, reported.done_count, reported.failed_count) == (7, 5, 25)
    assert reported.cursor == "0" * 26
    assert [it.clip for it in reported.failures] == [it.clip for it in failures[:20]]
    assert reported.failures[0].message == ("a b" * 999)[:1023]
    assert (reported.generation, reported.window_rule) == (2, rule(2, 1, 2))
    assert reported.create_time == began.migration.create_time
    assert reported.update_time.ToMicroseconds() > began.migration.update_time.ToMicroseconds()
    assert (await get(catalog, library.name)).migration == reported
    again = (await report(catalog, library.name, "w", Migration(clip_count=8))).migration
    assert (again.clip_count, again.done_count, again.cursor) == (8, 0, "")
    assert not again.failures
    for _ in range(2):
        done = await finish(catalog, library.name, "w", 2)
        assert (done.generation, done.window_rule) == (2, rule(2, 1, 2))
        assert not done.HasField("migration")
        assert await get(catalog, library.name) == done
    assert await claim(catalog, "w") == ""


async def test_a_migration_gives_a_library_another_model(catalog: Catalog) -> None:
    """At its end, with the purpose, and without the calibration, which is for the model before."""
    made = await catalog.library(window_rule=rule())
    assert (made.purpose, made.model_generation) == (PURPOSE_VOICES, 0)
    calibrations = catalog.stubs.calibrations
    kept = Calibration(name=f"{made.name}/calibration", model=made.model)
    await calibrations.PutCalibration(PutCalibrationRequest(calibration=kept))
    begun = await begin(catalog, made, rule(2, 1, 2), "models/other", PURPOSE_SOUNDS)
    assert (begun.migration.model, begun.migration.purpose) == ("models/other", PURPOSE_SOUNDS)
    assert (begun.model, begun.purpose) == (made.model, PURPOSE_VOICES)
    for again in ("", "models/other"):
        assert (await begin(catalog, made, rule(), again)).migration == begun.migration
    for other in (made.model, "models/third"):
        async with refused(Reason.STATE_CONFLICT):
            await begin(catalog, made, rule(), other)
    await calibrations.GetCalibration(GetCalibrationRequest(name=kept.name))
    await claim(catalog, "one")
    assert (await report(catalog, made.name, "one", Migration())).migration.model == "models/other"
    done = await finish(catalog, made.name, "one", 2)
    assert (done.model, done.purpose, done.model_generation) == ("models/other", PURPOSE_SOUNDS, 2)
    async with refused(Reason.CALIBRATION_NOT_FOUND):
        await calibrations.GetCalibration(GetCalibrationRequest(name=kept.name))
    await begin(catalog, made, rule(1, 1, 1), "models/other")  # its own by now
    await claim(catalog, "one")
    kept_one = await finish(catalog, made.name, "one", 3)
    assert (kept_one.model, kept_one.model_generation) == ("models/other", 2)


async def test_a_library_with_speakers_stays_one_for_voices(catalog: Catalog) -> None:
    """Another model for voices is no harm to them."""
    made = await catalog.library(window_rule=rule())
    await catalog.stubs.speakers.CreateSpeaker(
        CreateSpeakerRequest(parent=made.name, speaker_id="ann", request_id=uuid.uuid4().hex)
    )
    async with refused(Reason.STATE_CONFLICT) as errors:
        await begin(catalog, made, rule(), "models/other", PURPOSE_SOUNDS)
    assert "speakers" in errors[0].message
    assert (await begin(catalog, made, rule(), "models/other")).HasField("migration")
    await catalog.stubs.libraries.BeginLibraryDeletion(
        pb.BeginLibraryDeletionRequest(name=made.name, force=True)
    )


async def test_a_worker_holds_a_migration_for_its_lease_alone(catalog: Catalog) -> None:
    """The one that began first comes first; a report renews a lease; a loser is told to stop."""
    first, second = await catalog.library(), await catalog.library()
    for library in (first, second):
        await begin(catalog, library, rule())
    claimed = await asyncio.gather(*(claim(catalog, f"w{number}", 1) for number in range(6)))
    assert sorted(filter(None, claimed)) == sorted([first.name, second.name])
    holder = f"w{claimed.index(first.name)}"
    await report(catalog, first.name, holder, Migration(clip_count=1))
    await asyncio.sleep(1.1)
    assert await claim(catalog, "late") == second.name
    loser = f"w{claimed.index(second.name)}"
    async with refused(Reason.STATE_CONFLICT, library=second.name):
        await report(catalog, second.name, loser, Migration())
    async with refused(Reason.STATE_CONFLICT, library=second.name):
        await finish(catalog, second.name, loser, 1)
    async with refused(Reason.STATE_CONFLICT, library=second.name):
        await finish(catalog, second.name, "late", 2)
    assert (await finish(catalog, second.name, "late", 1)).generation == 1
    assert (await finish(catalog, first.name, holder, 1)).window_rule == rule()


async def test_a_migration_waits_for_a_review(catalog: Catalog) -> None:
    """It is nobody's from the report with the comparison on, and goes on when it is told to."""
    library = await catalog.library(window_rule=rule())
    request = pb.BeginMigrationRequest(name=library.name, window_rule=rule(), review=True)
    begun = await catalog.stubs.libraries.BeginMigration(request)
    assert begun.migration.review
    assert await claim(catalog, "w") == library.name
    assert (await report(catalog, library.name, "w", Migration(cursor="a"))).migration.review
    found = pb.Comparison(
        sample_count=3,
        overlap=0.5,
        same_nearest_count=1,
        labelled_by="label",
        present_eer=0.25,
        coming_eer=0.125,
    )
    waiting = await report(catalog, library.name, "w", Migration(cursor="b", comparison=found))
    assert waiting.migration.comparison == found
    assert await catalog.stubs.libraries.BeginMigration(request) == waiting
    assert await claim(catalog, "x") == ""
    request.review = False
    going = await catalog.stubs.libraries.BeginMigration(request)
    assert (going.migration.review, going.migration.cursor) == (False, "b")
    assert await claim(catalog, "x") == library.name
    async with refused(Reason.STATE_CONFLICT, library=library.name):
        await report(catalog, library.name, "w", Migration())
    assert (await report(catalog, library.name, "x", Migration())).migration.comparison == found
    ended = await finish(catalog, library.name, "x", 2)
    assert (ended.generation, ended.last_generation) == (2, 2)


async def test_a_migration_that_waits_is_given_up_for_another_model(catalog: Catalog) -> None:
    """Also for the library's own. No two have the same generation."""
    library = await catalog.library(window_rule=rule())
    request = pb.BeginMigrationRequest(
        name=library.name,
        window_rule=rule(),
        model="models/other",
        purpose=PURPOSE_VOICES,
        review=True,
    )
    await catalog.stubs.libraries.BeginMigration(request)
    async with refused(Reason.STATE_CONFLICT, library=library.name):
        await begin(catalog, library, rule(), library.model)
    assert await claim(catalog, "w") == library.name
    await report(catalog, library.name, "w", Migration(comparison=pb.Comparison(overlap=1)))
    back = await begin(catalog, library, rule(2, 1, 2), library.model)
    assert (back.migration.generation, back.migration.model) == (3, "")
    assert not back.migration.HasField("comparison")
    assert await claim(catalog, "w") == library.name
    ended = await finish(catalog, library.name, "w", 3)
    assert (ended.model, ended.generation, ended.window_rule) == (library.model, 3, rule(2, 1, 2))


async def keeping(catalog: Catalog, **extra: bool) -> tuple[Library, Library]:
    """A library before and after a migration to `models/other` that keeps what it leaves behind."""
    made = await catalog.library(window_rule=rule())
    request = pb.BeginMigrationRequest(
        name=made.name,
        window_rule=rule(2, 1, 2),
        model="models/other",
        purpose=PURPOSE_SOUNDS,
        keep=True,
        **extra,
    )
    assert (await catalog.stubs.libraries.BeginMigration(request)).migration.keep
    assert await claim(catalog, "w") == made.name
    found = pb.Comparison(sample_count=3, present_eer=0.25, coming_eer=0.125)
    progress = Migration(clip_count=4, done_count=3, cursor="b")
    if extra.get("review"):
        progress.comparison.CopyFrom(found)
        await report(catalog, made.name, "w", progress)
        assert await claim(catalog, "w") == ""
        request.review = request.keep = False  # the wish to keep it stays
        assert (await catalog.stubs.libraries.BeginMigration(request)).migration.keep
        assert await claim(catalog, "w") == made.name
    await report(catalog, made.name, "w", progress)
    return made, await finish(catalog, made.name, "w", 2)


async def drop(catalog: Catalog, library: Library) -> Library:
    """Begins the deletion of a library, so that nobody claims its migration."""
    request = pb.BeginLibraryDeletionRequest(name=library.name, force=True)
    return await catalog.stubs.libraries.BeginLibraryDeletion(request)


async def test_the_generation_of_before_is_kept_and_gone_back_to(catalog: Catalog) -> None:
    """It waits as a migration does, with its rule, model and purpose; no worker gets it untold."""
    made, switched = await keeping(catalog, review=True)
    kept = switched.migration
    assert (switched.model, switched.generation, switched.purpose) == (
        "models/other",
        2,
        PURPOSE_SOUNDS,
    )
    assert (kept.generation, kept.model, kept.purpose) == (1, made.model, PURPOSE_VOICES)
    assert (kept.kept, kept.review, kept.keep) == (True, True, False)
    assert kept.window_rule == rule()
    assert (kept.comparison.present_eer, kept.comparison.coming_eer) == (0.125, 0.25)
    assert await finish(catalog, made.name, "w", 2) == switched
    assert await claim(catalog, "w") == ""
    back = pb.BeginMigrationRequest(
        name=made.name, window_rule=rule(9, 9, 9), model=made.model, purpose=PURPOSE_VOICES
    )
    back.review = True
    assert await catalog.stubs.libraries.BeginMigration(back) == switched
    back.review, back.keep = False, True
    begun = await catalog.stubs.libraries.BeginMigration(back)
    assert (begun.migration.kept, begun.migration.review, begun.migration.keep) == (
        True,
        False,
        True,
    )
    assert (begun.migration.generation, begun.migration.cursor) == (1, "")
    back.review = True  # nor does it stop by then
    assert (await catalog.stubs.libraries.BeginMigration(back)).migration == begun.migration
    assert await claim(catalog, "x") == made.name
    assert not (await report(catalog, made.name, "x", Migration(clip_count=4))).migration.review
    returned = await finish(catalog, made.name, "x", 1)
    assert (returned.model, returned.purpose, returned.window_rule) == (
        made.model,
        PURPOSE_VOICES,
        rule(),
    )
    assert (returned.generation, returned.model_generation, returned.last_generation) == (1, 1, 2)
    assert (returned.migration.generation, returned.migration.model) == (2, "models/other")
    assert returned.migration.kept
    await begin(catalog, made, rule(), "models/other", PURPOSE_SOUNDS)
    assert await claim(catalog, "x") == made.name
    again = await finish(catalog, made.name, "x", 2)
    assert (again.generation, again.model) == (2, "models/other")
    assert not again.HasField("migration")
    begun = await begin(catalog, made, rule(), "models/third")
    assert begun.migration.generation == 3
    await drop(catalog, made)


async def test_a_kept_generation_is_left_by_forgetting_alone(catalog: Catalog) -> None:
    """Any other migration is refused with the advice, so none is begun or dropped by mistake."""
    made, switched = await keeping(catalog)
    for model in ("", "models/other", "models/third"):
        async with refused(Reason.STATE_CONFLICT, library=made.name, model=made.model) as errors:
            await begin(catalog, made, rule(), model)
        assert "forget" in errors[0].message
    forget = pb.BeginMigrationRequest(name=made.name, forget=True)
    for _ in range(2):
        forgotten = await catalog.stubs.libraries.BeginMigration(forget)
        assert not forgotten.HasField("migration")
        assert (forgotten.generation, forgotten.model) == (2, switched.model)
    assert await claim(catalog, "w") == ""
    assert (await begin(catalog, made, rule())).migration.generation == 3
    await drop(catalog, made)
    async with refused(Reason.LIBRARY_NOT_FOUND):
        forget.name = "libraries/nowhere"
        await catalog.stubs.libraries.BeginMigration(forget)


async def test_a_migration_takes_and_loses_the_wish_to_keep(catalog: Catalog) -> None:
    """Only one to another model, from a generation with windows."""
    made, old = await catalog.library(window_rule=rule()), await catalog.library()

    async def wish(library: Library, model: str = "") -> Library:
        purpose = PURPOSE_VOICES if model else PURPOSE_UNSPECIFIED
        return await catalog.stubs.libraries.BeginMigration(
            pb.BeginMigrationRequest(
                name=library.name, window_rule=rule(), model=model, purpose=purpose, keep=True
            )
        )

    for library, model in ((made, ""), (made, made.model), (old, "models/other")):
        async with refused(Reason.STATE_CONFLICT, library=library.name):
            await wish(library, model)
    review = pb.BeginMigrationRequest(
        name=made.name,
        window_rule=rule(),
        model="models/other",
        purpose=PURPOSE_VOICES,
        review=True,
    )
    await catalog.stubs.libraries.BeginMigration(review)
    assert await claim(catalog, "w") == made.name
    await report(catalog, made.name, "w", Migration(comparison=pb.Comparison()))
    review.keep = True
    assert (await catalog.stubs.libraries.BeginMigration(review)).migration.keep
    assert await claim(catalog, "w") == ""
    assert (await wish(made)).migration.keep
    forget = pb.BeginMigrationRequest(name=made.name, forget=True)
    assert not (await catalog.stubs.libraries.BeginMigration(forget)).migration.keep
    assert await claim(catalog, "w") == made.name
    assert not (await finish(catalog, made.name, "w", 2)).HasField("migration")
    await begin(catalog, made, rule())
    async with refused(Reason.STATE_CONFLICT, library=made.name):
        await wish(made)
    await drop(catalog, made)


async def test_the_way_back_to_a_model_for_sounds_needs_a_library_without_speakers(
    catalog: Catalog,
) -> None:
    """One that came while it was kept is in the way; forgetting is not."""
    made, _ = await keeping(catalog)
    back = pb.BeginMigrationRequest(
        name=made.name, window_rule=rule(), model=made.model, purpose=PURPOSE_VOICES, keep=True
    )
    await catalog.stubs.libraries.BeginMigration(back)
    assert await claim(catalog, "w") == made.name
    await finish(catalog, made.name, "w", 1)
    await catalog.stubs.speakers.CreateSpeaker(
        CreateSpeakerRequest(parent=made.name, speaker_id="ann", request_id=uuid.uuid4().hex)
    )
    async with refused(Reason.STATE_CONFLICT, model="models/other") as errors:
        await begin(catalog, made, rule(), "models/other", PURPOSE_SOUNDS)
    assert "speakers" in errors[0].message
    deleted = await drop(catalog, made)
    assert (deleted.HasField("migration"), deleted.last_generation) == (False, 2)


async def test_the_vectors_of_a_kept_generation_stay(catalog: Catalog) -> None:
    """Whoever asks, until it is given up; those of numbers that are done with go."""
    library, _ = await keeping(catalog)
    clip = await catalog.clip(library)
    tags = [Tag(name="Dog", score=0.5)]
    for generation in (0, 1, 2):
        its = part(clip, generation=generation)
        its.tags.extend(tags)
        its.tagged = True
        await keep_of(catalog, library, its)
    drop = kept_pb.DropKeptVectorsRequest(parent=library.name, before_generation=2)
    await catalog.stubs.vectors.DropKeptVectors(drop)
    assert await kept_of(catalog, library, clip, generation=0) == []
    (left,) = await kept_of(catalog, library, clip, generation=1)
    assert (left.tagged, list(left.tags)) == (True, tags)
    back = pb.BeginMigrationRequest(
        name=library.name, window_rule=library.window_rule, model=library.model
    )
    back.purpose = PURPOSE_VOICES
    await catalog.stubs.libraries.BeginMigration(back)
    assert await claim(catalog, "w") == library.name
    await finish(catalog, library.name, "w", 1)
    drop.before_generation = 1
    await catalog.stubs.vectors.DropKeptVectors(drop)
    assert await kept_of(catalog, library, clip, generation=2) == []
    assert await kept_of(catalog, library, clip, generation=1) == [left]


async def test_a_library_that_is_deleted_is_in_no_migration(catalog: Catalog) -> None:
    """Nobody can claim, report, finish or begin one."""
    library = await catalog.library()
    await begin(catalog, library, rule())
    assert await claim(catalog, "w", 1) == library.name
    deleted = await catalog.stubs.libraries.BeginLibraryDeletion(
        pb.BeginLibraryDeletionRequest(name=library.name)
    )
    assert not deleted.HasField("migration")
    await asyncio.sleep(1.1)
    assert await claim(catalog, "w") == ""
    for call in (
        report(catalog, library.name, "w", Migration()),
        finish(catalog, library.name, "w", 1),
        begin(catalog, library, rule()),
    ):
        async with refused(Reason.STATE_CONFLICT, library=library.name, state="DELETING"):
            await call
    await catalog.stubs.libraries.DeleteLibrary(pb.DeleteLibraryRequest(name=library.name))
    for call in (
        report(catalog, library.name, "w", Migration()),
        finish(catalog, library.name, "w", 1),
        begin(catalog, library, rule()),
    ):
        async with refused(Reason.LIBRARY_NOT_FOUND, library=library.name):
            await call


async def test_requests_about_migrations_are_checked(catalog: Catalog) -> None:
    """A lease must be given; names, counts and a cursor have their limits."""
    library = await catalog.library()
    for call, field in (
        (pb.ClaimMigrationRequest(worker="", lease=Duration(seconds=1)), "worker"),
        (pb.ClaimMigrationRequest(worker="x" * 65, lease=Duration(seconds=1)), "worker"),
        (pb.ClaimMigrationRequest(worker="w"), "lease"),
        (pb.ClaimMigrationRequest(worker="w", lease=Duration(seconds=3601)), "lease"),
    ):
        async with refused(Reason.FIELD_INVALID, field=field):
            await catalog.stubs.libraries.ClaimMigration(call)
    for progress, field in (
        (Migration(clip_count=-1), "migration.clip_count"),
        (Migration(failed_count=-1), "migration.failed_count"),
        (Migration(cursor="x" * 27), "migration.cursor"),
        (Migration(comparison=pb.Comparison(overlap=1.1)), "migration.comparison.overlap"),
    ):
        async with refused(Reason.FIELD_INVALID, field=field):
            await report(catalog, library.name, "w", progress)
    async with refused(Reason.FIELD_INVALID, field="lease"):
        await report(catalog, library.name, "w", Migration(), seconds=0)
    async with refused(Reason.STATE_CONFLICT, library=library.name):
        await report(catalog, library.name, "w", Migration())
    async with refused(Reason.STATE_CONFLICT, library=library.name):
        await finish(catalog, library.name, "w", 1)


async def test_the_number_of_windows_comes_with_the_activation(catalog: Catalog) -> None:
    """On an ACTIVE clip it replaces the one that is known, and nothing else changes."""
    library = await catalog.library()
    clips = [await catalog.creating(library) for _ in range(2)]
    for clip in clips:
        await catalog.put(clip.name, uuid.uuid4().bytes)

    async def activate(*counts: int) -> list[Clip]:
        answer = await catalog.stubs.clips.BatchActivateClips(
            clip_pb2.BatchActivateClipsRequest(
                parent=library.name,
                requests=[
                    clip_pb2.ActivateClipRequest(name=clip.name, audio=HEARD, window_count=count)
                    for clip, count in zip(clips, counts, strict=True)
                ],
            )
        )
        return [outcome.clip for outcome in answer.outcomes]

    before = await activate(0, 3)
    assert [clip.window_count for clip in before] == [0, 3]
    after = await activate(2**31 - 1, 0)
    assert [clip.window_count for clip in after] == [2**31 - 1, 3]
    assert [await catalog.get(clip.name) for clip in clips] == after
    after[0].window_count = 0
    assert after == before
    async with refused(Reason.FIELD_INVALID, field="window_count"):
        await catalog.stubs.clips.ActivateClip(
            clip_pb2.ActivateClipRequest(name=clips[0].name, audio=HEARD, window_count=-1)
        )


async def test_a_clip_has_a_revision_of_what_is_mirrored(catalog: Catalog) -> None:
    """It grows when its description or its speaker changes, and with nothing else."""
    library = await catalog.library()
    clip = await catalog.clip(library, label="a", metadata={"k": "v"})
    assert clip.revision == 1

    async def update(*paths: str, **fields: object) -> int:
        changed = await catalog.stubs.clips.UpdateClip(
            clip_pb2.UpdateClipRequest(
                clip=Clip(name=clip.name, **fields),  # type: ignore[arg-type]
                update_mask=FieldMask(paths=paths),
            )
        )
        assert await catalog.get(clip.name) == changed
        return changed.revision

    assert await update("label", label="a") == 1
    assert await update("label", label="a ") == 2
    assert await update("display_name", display_name="n") == 3
    assert await update("speaker", speaker="s") == 4
    assert await update("metadata", metadata={"k": "V"}) == 5
    assert await update("metadata", metadata={"k": "V"}) == 5
    speaker = await catalog.speaker(library, clip)
    assert (await catalog.get(clip.name)).revision == 6
    await catalog.remove(speaker.name, clip)
    assert (await catalog.get(clip.name)).revision == 7
    await catalog.activate(clip.name)
    assert (await catalog.begin_deletion(clip.name)).revision == 7
