"""The schema: migrations build what the code expects, and every query runs on an index."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime, timezone
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from audiosearch.catalog.v1 import catalog_service_pb2 as pb
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.catalog.v1.library_pb2 import Library
from sqlalchemy import Connection, insert, update

from catalog_service.engines import backend
from catalog_service.migrate import migrate
from catalog_service.schema import clips, import_jobs, libraries, metadata
from catalog_service.settings import CatalogSettings
from catalog_service.states import ClipState, JobState, LibraryState
from tests.conformance.catalog import plans
from tests.conformance.catalog.client import serving

HEAD = "0002"


def test_states_are_those_of_the_contract() -> None:
    """Name by name, number by number."""
    for ours, theirs in (
        (LibraryState, Library.State),
        (ClipState, Clip.State),
        (JobState, ImportJob.State),
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
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == HEAD
        differences = [
            change
            for change in compare_metadata(context, metadata)
            if "alembic_version" not in str(change)
        ]
    engine.dispose()
    assert differences == []


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
    async with serving(settings) as catalog:
        library = await catalog.stub.GetLibrary(pb.GetLibraryRequest(name="libraries/u"))
        with plans.recorded() as statements:
            await plans.exercise(catalog, library)
    lists = [it for it in statements if "INDEX" in it.text]
    assert len(lists) >= len(plans.FILTERS)
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


async def test_a_database_of_the_first_revision_is_taken_on(settings: CatalogSettings) -> None:
    """Its rows stay as they are, a repeat after a cut changes nothing, and the service runs."""
    where = backend(settings)
    migrate(where, "0001")
    engine = where.migrating_engine()
    with engine.connect() as connection:
        fill(connection)
        before = rows(connection)
    migrate(where)
    with engine.begin() as connection:
        assert rows(connection) == before
        assert MigrationContext.configure(connection).get_current_revision() == HEAD
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    async with serving(settings) as catalog:
        page = await catalog.stub.ListClips(
            pb.ListClipsRequest(parent="libraries/v", filter=ClipFilter(state=1))
        )
        assert len(page.clips) == 100
    with engine.connect() as connection:
        assert rows(connection) == before
        assert MigrationContext.configure(connection).get_current_revision() == HEAD
    engine.dispose()


def rows(connection: Connection) -> list[Any]:
    """All that is in the tables."""
    return [
        tuple(row)
        for table in metadata.sorted_tables
        for row in connection.execute(table.select().order_by(*table.primary_key))
    ]


def fill(connection: Connection) -> None:
    """Enough rows for a planner to choose by what is in the tables."""
    now = datetime.now(timezone.utc)
    times = {"create_time": now, "update_time": now}
    connection.execute(
        insert(libraries),
        [
            {"uid": uid, "name": uid, "display_name": "", "model": "", "state": 2, **times}
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
    analyze = (
        ["ANALYZE"]
        if connection.dialect.name == "sqlite"
        else [f"ANALYZE TABLE {table}" for table in ("libraries", "clips", "import_jobs")]
    )
    for command in analyze:
        connection.exec_driver_sql(command).close()
