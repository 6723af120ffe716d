"""The schema: migrations build what the code expects, and every query runs on an index."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from audiosearch.catalog.v1 import catalog_service_pb2 as pb
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.speaker_pb2 import Speaker
from sqlalchemy import Connection, Table, column, insert, inspect, select, table, update

from catalog_service.engines import backend
from catalog_service.migrate import migrate
from catalog_service.schema import clips, import_jobs, libraries, metadata, speakers
from catalog_service.settings import CatalogSettings
from catalog_service.states import ClipState, JobState, LibraryState, SpeakerState
from tests.conformance.catalog import plans
from tests.conformance.catalog.client import MODEL, serving

HEAD = "0003"
OLD = (libraries, clips, import_jobs)
"""Tables of the first revision."""


def test_states_are_those_of_the_contract() -> None:
    """Name by name, number by number."""
    for ours, theirs in (
        (LibraryState, Library.State),
        (ClipState, Clip.State),
        (JobState, ImportJob.State),
        (SpeakerState, Speaker.State),
    ):
        named = {f"STATE_{state.name}": state.value for state in ours}
        assert {**named, "STATE_UNSPECIFIED": 0} == dict(theirs.items())


async def test_migrations_build_the_tables(settings: CatalogSettings) -> None:
    """Four replicas that start together migrate once; a repeat changes nothing; nothing differs."""
    where = backend(settings)
    if where.is_sqlite:
        await asyncio.to_thread(migrate, where)
    await asyncio.gather(*(start_replica(settings) for _ in range(4)))
    engine = where.migrating_engine()
    with engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == HEAD
        assert differences(connection) == []
    engine.dispose()


def differences(connection: Connection) -> list[Any]:
    """Where the database is not as the code expects."""
    changes = compare_metadata(MigrationContext.configure(connection), metadata)
    return [change for change in changes if "alembic_version" not in str(change)]


async def start_replica(settings: CatalogSettings) -> None:
    """Migrates in a process of its own, as a replica does."""
    code = (
        "from catalog_service.engines import backend;"
        "from catalog_service.migrate import migrate;"
        "from catalog_service.settings import CatalogSettings as S; import sys;"
        "migrate(backend(S.model_validate_json(sys.argv[1])))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        settings.model_dump_json(by_alias=True),
        stderr=asyncio.subprocess.PIPE,
    )
    _, problems = await process.communicate()
    assert process.returncode == 0, problems.decode()


async def test_every_statement_runs_on_an_index(settings: CatalogSettings) -> None:
    """Whatever is called, no plan scans a table or sorts; each list runs along its own index."""
    where = backend(settings)
    migrate(where)
    engine = where.migrating_engine()
    with engine.connect() as connection:
        fill(connection)
        fill_speakers(connection)
    async with serving(settings) as catalog:
        library = await catalog.stub.GetLibrary(pb.GetLibraryRequest(name="libraries/u"))
        with plans.recorded() as statements:
            await plans.exercise(catalog, library)
    lists = [it for it in statements if "INDEX" in it.text]
    assert len(lists) >= len(plans.FILTERS) + len(plans.SPEAKER_LISTS)
    assert len(statements) > len(lists) + 20
    with engine.connect() as connection:
        shown = {it.text: plans.plan(connection, it) for it in statements}
    engine.dispose()
    assert {text: lines for text, lines in shown.items() if any(map(plans.flaw, lines))} == {}


async def test_ids_are_looked_up_one_by_one_whatever_the_database_believes(
    settings: CatalogSettings,
) -> None:
    """With figures from before the clips were ACTIVE, a look-up does not read all ACTIVE ones."""
    where = backend(settings)
    migrate(where)
    engine = where.migrating_engine()
    with engine.connect() as connection:
        fill(connection)
        connection.execute(update(clips).values(state=1))
        if not where.is_sqlite:
            connection.exec_driver_sql("ALTER TABLE clips STATS_AUTO_RECALC=0")
            connection.exec_driver_sql("ANALYZE TABLE clips")
        connection.execute(update(clips).values(state=2))
        connection.commit()
    async with serving(settings) as catalog:
        with plans.recorded() as statements:
            request = pb.LookupClipsRequest(parent="libraries/u")
            request.clip_ids[:] = [f"{number:026}" for number in range(0, 3000, 30)]
            await catalog.stub.LookupClips(request)
    (look_up,) = (it for it in statements if "clips.id IN" in it.text)
    with engine.connect() as connection:
        shown = str(plans.plan(connection, look_up))
    engine.dispose()
    assert " AND id=?" in shown if where.is_sqlite else "clips: range on PRIMARY" in shown


def test_a_flaw_in_a_plan_is_seen(settings: CatalogSettings) -> None:
    """A statement without an index is found out, on each database."""
    where = backend(settings)
    migrate(where)
    engine = where.migrating_engine()
    with engine.connect() as connection:
        fill(connection)
        for text in (
            "SELECT * FROM clips WHERE source = 'x'",
            "SELECT * FROM clips WHERE library_uid = 'u' AND state = 1 ORDER BY source",
        ):
            assert any(map(plans.flaw, plans.plan(connection, plans.Statement(text, ()))))
    engine.dispose()


@pytest.mark.parametrize("revision", ["0001", "0002"])
async def test_a_database_of_an_earlier_revision_is_taken_on(
    settings: CatalogSettings, revision: str
) -> None:
    """Its rows stay as they are, a repeat after a cut changes nothing, and the service runs."""
    where = backend(settings)
    version = table("alembic_version", column("version_num"))
    migrate(where, revision)
    engine = where.migrating_engine()
    with engine.connect() as connection:
        tables = {old: columns(connection, old) for old in OLD}
        fill(connection)
        before = rows(connection, tables)
    migrate(where)
    with engine.begin() as connection:
        assert rows(connection, tables) == before
        assert MigrationContext.configure(connection).get_current_revision() == HEAD
        connection.execute(version.update().values(version_num=revision))
    async with serving(settings) as catalog:
        library = Library(name="libraries/v")
        page = await catalog.stub.ListClips(
            pb.ListClipsRequest(parent=library.name, filter=ClipFilter(state=2))
        )
        assert len(page.clips) == 100
        assert {clip.enrolled_speaker for clip in page.clips} == {""}
        speaker = await catalog.speaker(library, *page.clips)
        assert speaker.enrollment_count == 100
    with engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == HEAD
    engine.dispose()


@pytest.mark.parametrize("left", range(6))
async def test_a_migration_that_was_cut_off_is_done_again(
    settings: CatalogSettings, left: int
) -> None:
    """Wherever a server that keeps each step was left: what is there stays, the rest is made."""
    where = backend(settings)
    migrate(where)
    engine = where.migrating_engine()
    undo = [
        "DROP INDEX ix_clips_enrolled" + ("" if where.is_sqlite else " ON clips"),
        "ALTER TABLE clips DROP COLUMN enrolled_as",
        "DROP TABLE calibrations",
        "DROP INDEX ix_speakers_state" + ("" if where.is_sqlite else " ON speakers"),
        "DROP TABLE speakers",
    ]
    with engine.begin() as connection:
        for command in undo[:left]:
            connection.exec_driver_sql(command)
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0002'")
    migrate(where)
    with engine.connect() as connection:
        assert differences(connection) == []
    engine.dispose()


def columns(connection: Connection, of: Table) -> set[str]:
    """The columns that a table has in the database."""
    return {it["name"] for it in inspect(connection).get_columns(of.name)}


def rows(connection: Connection, tables: Mapping[Table, Collection[str]]) -> list[Any]:
    """All that is in these columns of the tables."""
    return [
        tuple(row)
        for of, names in tables.items()
        for row in connection.execute(
            select(*(of.c[name] for name in sorted(names))).order_by(*of.primary_key)
        )
    ]


def fill(connection: Connection) -> None:
    """Enough rows for a planner to choose by what is in the tables."""
    now = datetime.now(timezone.utc)
    times = {"create_time": now, "update_time": now}
    connection.execute(
        insert(libraries),
        [
            {"uid": uid, "name": uid, "display_name": "", "model": MODEL, "state": 2, **times}
            for uid in ("u", "v", *(f"w{number}" for number in range(60)))
        ],
    )
    connection.execute(
        insert(clips),
        [
            {
                "id": f"{number:026}",
                "library_uid": "uv"[number % 7 == 0],
                "state": 1 + number % 50 // 2 % 3,
                "display_name": f"clip{number}",
                "label": f"l{number % 90}",
                "speaker": f"s{number % 90}",
                "metadata": {},
                "source": "",
                "import_job": f"01arz3ndektsv4rrffq69g5fa{number % 9}",
                "size_bytes": 1,
                "content_sha256": str(number),
                "request_id": str(number),
                **times,
            }
            for number in range(6000)
        ],
    )
    connection.execute(
        insert(import_jobs),
        [
            {
                "id": f"{number:026}",
                "library_uid": "uv"[number % 2],
                "state": 1 + (number % 90 > 0),
                "folder": "",
                "label": "",
                "total": 0,
                "imported": 0,
                "existing": 0,
                "failed": 0,
                "cursor": "",
                "failures": [],
                "cancel_requested": False,
                "worker": "",
                "lease_until": now,
                **times,
            }
            for number in range(900)
        ],
    )
    connection.commit()
    analyze(connection, *OLD)


def fill_speakers(connection: Connection) -> None:
    """Speakers of any state, each with clips of any state, for the clips that are there."""
    now = datetime.now(timezone.utc)
    connection.execute(
        insert(speakers),
        [
            {
                "uid": f"{number:026}",
                "library_uid": "uv"[number % 3 == 0],
                "name": f"s{number}",
                "display_name": "",
                "metadata": {},
                "state": 1 + number % 50 // 2 % 4,
                "request_id": str(number),
                "revision": 1,
                "voiceprint_revision": 1,
                "enrollment_count": 1,
                "speech_ns": 1,
                "create_time": now,
                "update_time": now,
            }
            for number in range(2000)
        ],
    )
    connection.execute(update(clips).values(enrolled_as=clips.c.speaker))
    connection.commit()
    analyze(connection, *OLD, speakers)


def analyze(connection: Connection, *tables: Table) -> None:
    """Gives the planner its figures."""
    commands = (
        ["ANALYZE"]
        if connection.dialect.name == "sqlite"
        else [f"ANALYZE TABLE {of}" for of in tables]
    )
    for command in commands:
        connection.exec_driver_sql(command).close()
