"""Rows of libraries, read and written into another catalog, from and to each database."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from audiosearch.catalog.v1 import backup_pb2 as pb
from audiosearch.catalog.v1.clip_pb2 import (
    ActivateClipRequest,
    AudioObject,
    Clip,
    ClipFilter,
    ClipTags,
    ListClipsRequest,
)
from audiosearch.catalog.v1.library_pb2 import (
    BeginMigrationRequest,
    ClaimMigrationRequest,
    GetLibraryRequest,
    Library,
    Migration,
    ReportMigrationRequest,
)
from audiosearch.embedding.v1.embedding_pb2 import Tag, WindowRule
from google.protobuf.duration_pb2 import Duration

from serving.errors import Reason
from tests.conformance.catalog.conftest import BACKENDS, settings_for
from tests.conformance.catalog.test_calibrations import fitted
from tests.conformance.catalog.test_calibrations import get as get_calibration
from tests.conformance.catalog.test_calibrations import put as put_calibration
from tests.conformance.catalog.test_kept_vectors import keep, kept, part
from tests.conformance.catalog.test_library_migrations import keeping
from tools.servers.catalog import HEARD, Catalog, refused, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")
_SECOND = Duration(seconds=1)
RULE = WindowRule(window=_SECOND, hop=_SECOND, single=_SECOND)


@pytest_asyncio.fixture(loop_scope="module")
async def empty(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Catalog]:
    """A catalog without libraries."""
    backend = getattr(request, "param", "sqlite")
    async with serving(settings_for(backend, tmp_path, request)) as served:
        yield served


async def rows(catalog: Catalog, library: Library) -> tuple[str, list[pb.BackupRow]]:
    """The schema and all rows of a library."""
    found, schema = list[pb.BackupRow](), ""
    async for answer in catalog.stubs.backups.ReadRows(pb.ReadRowsRequest(name=library.name)):
        schema = answer.schema
        found.extend(answer.rows)
    return schema, found


async def write(catalog: Catalog, schema: str, given: list[pb.BackupRow], backup: str = "B") -> int:
    """Writes rows, and tells how many were not there."""
    request = pb.WriteRowsRequest(backup_id=backup, schema=schema, rows=given)
    return int((await catalog.stubs.backups.WriteRows(request)).written_count)


async def clips(catalog: Catalog, library: Library, state: int) -> list[Clip]:
    """The clips of a library in a state."""
    request = ListClipsRequest(parent=library.name, filter=ClipFilter(state=state))  # type: ignore[arg-type]
    return list((await catalog.stubs.clips.ListClips(request)).clips)


@pytest.mark.parametrize("empty", BACKENDS, indirect=True)
async def test_a_library_is_the_same_elsewhere(catalog: Catalog, empty: Catalog) -> None:
    """Rows, kept vectors and audio; what is being made or removed is left out."""
    library = await catalog.library(window_rule=RULE, display_name="Ä")
    made = [await catalog.clip(library, f"audio {n}".encode(), label=f"l{n}") for n in range(3)]
    await catalog.fail((await catalog.creating(library)).name)
    await catalog.creating(library)
    await catalog.begin_deletion((await catalog.clip(library)).name)
    speaker = await catalog.record(await catalog.speaker(library, made[0]))
    tagged = ActivateClipRequest(
        name=made[1].name,
        audio=HEARD,
        window_count=2,
        vectors=[part(made[1], vectors=3)],
        tags=ClipTags(tags=[Tag(name="dog", score=0.5)]),
    )
    await catalog.stubs.clips.ActivateClip(tagged)
    await catalog.job(library)
    calibration = await put_calibration(catalog, fitted(library))
    schema, given = await rows(catalog, library)
    assert [row.table for row in given[:3]] == ["libraries", "calibrations", "import_jobs"]
    assert sum(row.audio_bytes for row in given) == 3 * len("audio 0")

    assert await write(empty, schema, given) == len(given)
    assert await write(empty, schema, given) == 0
    name = GetLibraryRequest(name=library.name)
    there = await empty.stubs.libraries.GetLibrary(name)
    assert there.state == Library.STATE_RESTORING
    (clip,) = [
        each for each in await clips(empty, library, Clip.STATE_ACTIVE) if each.label == "l2"
    ]
    assert clip.audio_object.condition == AudioObject.CONDITION_MISSING
    for each in made:
        await empty.put(each.name, (await catalog.audio(each.name))[1])
    done = await empty.stubs.backups.FinishRestore(pb.FinishRestoreRequest(backup_id="B"))
    assert list(done.libraries) == [library.name]

    there = await empty.stubs.libraries.GetLibrary(name)
    assert there.index_state.expected_count == 2
    there.ClearField("index_state")
    assert there == await catalog.stubs.libraries.GetLibrary(name)
    for state in (Clip.STATE_ACTIVE, Clip.STATE_FAILED):
        before, after = [await clips(each, library, state) for each in (catalog, empty)]
        assert after == before
    assert await empty.get_speaker(speaker.name) == speaker
    assert await kept(empty, library, *made) == await kept(catalog, library, *made)
    assert await get_calibration(empty, library) == calibration
    assert (await empty.audio(made[2].name))[1] == b"audio 2"


async def test_what_is_there_is_not_mixed_with_a_backup(catalog: Catalog, empty: Catalog) -> None:
    """Another library, an unfinished restore of another backup, rows that are none of ours."""
    schema, given = await rows(catalog, await catalog.library())
    async with refused(Reason.CATALOG_NOT_EMPTY):
        await write(catalog, schema, given)
    async with refused(Reason.BACKUP_INCOMPATIBLE):
        await write(empty, "9999", given)
    for row in (
        pb.BackupRow(table="alembic_version", columns=b"{}"),
        pb.BackupRow(table="clips", columns=b"{}"),
        pb.BackupRow(table="clips", columns=b"["),
        pb.BackupRow(table="clips", columns=b'{"id": "a"}'),
        pb.BackupRow(table="clips", columns=json.dumps({"id": "a", "new": 1}).encode()),
        pb.BackupRow(table="clips", columns=json.dumps({"create_time": 1}).encode()),
    ):
        async with refused(Reason.FIELD_INVALID):
            await write(empty, schema, [row])
    await write(empty, schema, given)
    async with refused(Reason.CATALOG_NOT_EMPTY):
        await write(empty, schema, given, "C")


async def test_enrollments_are_counted_again(catalog: Catalog, empty: Catalog) -> None:
    """A clip that went while the rows were read: its speaker is updated."""
    library = await catalog.library()
    enrolled = [await catalog.clip(library) for _ in range(2)]
    speaker = await catalog.record(await catalog.speaker(library, *enrolled))
    gone = enrolled[0].name.rpartition("/")[2]
    schema, given = await rows(catalog, library)
    await write(empty, schema, [row for row in given if row.clip_id != gone])
    await empty.stubs.backups.FinishRestore(pb.FinishRestoreRequest(backup_id="B"))
    there = await empty.get_speaker(speaker.name)
    assert (there.enrollment_count, there.revision) == (1, speaker.revision + 1)


async def test_a_migration_begins_again(catalog: Catalog, empty: Catalog) -> None:
    """Its indexes are gone, so it is filled from the first clip on, by whoever claims it."""
    library = await catalog.library(window_rule=RULE)
    begin = BeginMigrationRequest(name=library.name, window_rule=RULE)
    await catalog.stubs.libraries.BeginMigration(begin)
    lease = Duration(seconds=60)
    await catalog.stubs.libraries.ClaimMigration(ClaimMigrationRequest(worker="w", lease=lease))
    report = ReportMigrationRequest(
        name=library.name, worker="w", lease=lease, migration=Migration(cursor="x", done_count=3)
    )
    await catalog.stubs.libraries.ReportMigration(report)
    schema, given = await rows(catalog, library)
    await write(empty, schema, given)
    await empty.stubs.backups.FinishRestore(pb.FinishRestoreRequest(backup_id="B"))
    claim = ClaimMigrationRequest(worker="v", lease=lease)
    claimed = (await empty.stubs.libraries.ClaimMigration(claim)).library
    assert (claimed.name, claimed.migration.generation) == (library.name, 2)
    assert (claimed.migration.cursor, claimed.migration.done_count) == ("", 0)


async def test_a_kept_generation_waits_on(catalog: Catalog, empty: Catalog) -> None:
    """Nobody goes back to it untold, with its vectors that are kept."""
    library, switched = await keeping(catalog)
    clip = await catalog.clip(library)
    parts = [part(clip, generation=generation) for generation in (1, 2)]
    await keep(catalog, library, *parts)
    schema, given = await rows(catalog, library)
    await write(empty, schema, given)
    await empty.stubs.backups.FinishRestore(pb.FinishRestoreRequest(backup_id="B"))
    claim = ClaimMigrationRequest(worker="v", lease=Duration(seconds=60))
    assert not (await empty.stubs.libraries.ClaimMigration(claim)).HasField("library")
    restored = await empty.stubs.libraries.GetLibrary(GetLibraryRequest(name=library.name))
    assert restored.migration == switched.migration
    for generation, its in enumerate(parts, 1):
        assert await kept(empty, library, clip, generation=generation) == [its]
