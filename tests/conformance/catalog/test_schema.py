"""The schema: migrations build what the code expects, and every query runs on an index."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime, timezone
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.catalog.v1.library_pb2 import Library
from sqlalchemy import ClauseElement, Connection, Executable, func, insert, select
from sqlalchemy.ext.compiler import compiles

from catalog_service.clip_filter import ClipQuery
from catalog_service.engines import backend
from catalog_service.migrate import migrate
from catalog_service.schema import clips, import_jobs, libraries, metadata
from catalog_service.settings import CatalogSettings
from catalog_service.states import ClipState, JobState, LibraryState


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
    engine = where.sync_engine()
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == "0001"
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


def test_every_query_runs_on_an_index(settings: CatalogSettings) -> None:
    """The plans of lists, counts, look-ups and claims name an index of ours; none scans a table."""
    where = backend(settings)
    migrate(where)
    engine = where.sync_engine()
    now = datetime.now(timezone.utc)
    base: dict[str, Any] = dict.fromkeys(ClipQuery.__dataclass_fields__) | {
        "state": ClipState.CREATING,
        "display_name_prefix": "",
    }
    page = [
        {},
        {"label": "x"},
        {"speaker": "x"},
        {"display_name_prefix": "x"},
        {"import_job": "x"},
        {"create_time_from": now},
        {"update_time_before": now, "state": ClipState.ACTIVE},
    ]
    statements = [
        select(clips)
        .where(
            clips.c.library_uid == "u", *ClipQuery(**base | which).conditions(), clips.c.id > "00"
        )
        .order_by(clips.c.id)
        .limit(101)
        for which in page
    ]
    statements += [
        select(func.count(), func.sum(clips.c.size_bytes)).where(
            clips.c.library_uid == "u", clips.c.state == 1
        ),
        select(clips).where(clips.c.id.in_(["a", "b"]), clips.c.library_uid == "u"),
        select(clips.c.id).where(clips.c.library_uid == "u", clips.c.content_sha256 == "x"),
        select(clips.c.id).where(clips.c.library_uid == "u", clips.c.request_id == "x"),
        select(import_jobs)
        .where(import_jobs.c.library_uid == "u")
        .order_by(import_jobs.c.id.desc())
        .limit(5),
        select(import_jobs.c.id)
        .where(import_jobs.c.state == 1, import_jobs.c.lease_until < now)
        .order_by(import_jobs.c.id)
        .limit(1),
    ]
    with engine.connect() as connection:
        fill(connection)
        for statement in statements:
            explain(connection, statement)
    engine.dispose()


def fill(connection: Connection) -> None:
    """Enough rows for a planner to choose by what is in the tables."""
    now = datetime.now(timezone.utc)
    times = {"create_time": now, "update_time": now}
    connection.execute(
        insert(libraries),
        [
            {"uid": uid, "name": uid, "display_name": "", "model": "", "state": 2, **times}
            for uid in ("u", "v")
        ],
    )
    connection.execute(
        insert(clips),
        [
            {
                "id": f"{number:026}",
                "library_uid": "uv"[number % 7 == 0],
                "state": 1 + number % 50 // 48,
                "display_name": f"x{number}",
                "label": f"l{number % 90}",
                "speaker": f"s{number % 90}",
                "metadata": {},
                "source": "",
                "import_job": f"j{number % 9}",
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


def explain(connection: Connection, statement: Any) -> None:
    """Fails when the statement's plan reads a table, or a whole index, row by row."""

    class Explained(Executable, ClauseElement):
        inherit_cache = False

    @compiles(Explained)
    def _compile(_element: Explained, compiler: Any, **options: Any) -> str:
        lead = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
        return lead + str(compiler.process(statement, **options))

    rows = connection.execute(Explained()).mappings().all()
    assert rows
    for row in rows:
        if connection.dialect.name == "sqlite":
            assert "SCAN" not in row["detail"], (str(statement), dict(row))
        elif row["table"]:  # none is read when the planner sees that no row can be it
            assert row["key"], (str(statement), dict(row))
            assert row["type"] not in {"ALL", "index"}, (str(statement), dict(row))
