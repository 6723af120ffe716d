"""Migrations: they build the code's schema, from any revision and after any interruption."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection, Mapping
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from audiosearch.catalog.v1 import clip_pb2, import_job_pb2, library_pb2
from audiosearch.catalog.v1.clip_pb2 import ClipFilter
from audiosearch.catalog.v1.library_pb2 import Library
from sqlalchemy import Connection, Table, column, inspect, select, table

from catalog_service.database.engines import backend
from catalog_service.database.migrate import migrate
from catalog_service.database.schema import metadata
from catalog_service.settings import CatalogSettings
from tests.conformance.catalog.filled import OLD, fill
from tools.servers.catalog import serving

HEAD = "0023"


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
    """Returns the differences between the database and the code's schema."""
    changes = compare_metadata(MigrationContext.configure(connection), metadata)
    return [change for change in changes if "alembic_version" not in str(change)]


async def start_replica(settings: CatalogSettings) -> None:
    """Migrates in a process of its own, as a replica does."""
    code = (
        "from catalog_service.database.engines import backend;"
        "from catalog_service.database.migrate import migrate;"
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


@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0004", "0005", "0006"])
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
        page = await catalog.stubs.clips.ListClips(
            clip_pb2.ListClipsRequest(parent=library.name, filter=ClipFilter(state=2))
        )
        assert len(page.clips) == 100
        assert {clip.enrolled_speaker for clip in page.clips} == {""}
        assert {(clip.revision, clip.window_count) for clip in page.clips} == {(1, 0)}
        old = await catalog.stubs.libraries.GetLibrary(
            library_pb2.GetLibraryRequest(name=library.name)
        )
        assert (old.generation, old.HasField("window_rule")) == (0, False)
        speaker = await catalog.speaker(library, *page.clips)
        assert speaker.enrollment_count == 100
        jobs = await catalog.stubs.import_jobs.ListImportJobs(
            import_job_pb2.ListImportJobsRequest(library=library.name)
        )
        assert jobs.import_jobs
        assert not any(job.progress.passed_over for job in jobs.import_jobs)
    with engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == HEAD
    engine.dispose()


@pytest.mark.parametrize("left", range(25))
async def test_a_migration_that_was_cut_off_is_done_again(
    settings: CatalogSettings, left: int
) -> None:
    """A server that commits each step may stop after any: done steps stay, the rest is made."""
    where = backend(settings)
    migrate(where)
    engine = where.migrating_engine()
    undo = [
        *unmade_leases(),
        "DROP TABLE audio_checks",
        "DROP INDEX ix_clips_audio_condition" + ("" if where.is_sqlite else " ON clips"),
        "ALTER TABLE clips DROP COLUMN audio_condition",
        *unmade_kept_vectors(on_sqlite=where.is_sqlite),
        "ALTER TABLE import_jobs DROP COLUMN remarks",
        *unmade_windows(on_sqlite=where.is_sqlite),
        *unmade_channels(on_sqlite=where.is_sqlite),
        "ALTER TABLE import_jobs DROP COLUMN passed_over",
        "DROP INDEX ix_clips_enrolled" + ("" if where.is_sqlite else " ON clips"),
        "ALTER TABLE clips DROP COLUMN enrolled_as",
        "DROP TABLE calibrations",
        "DROP INDEX ix_speakers_state" + ("" if where.is_sqlite else " ON speakers"),
        "DROP TABLE speakers",
    ]
    with engine.begin() as connection:
        for command in ";".join(undo[:left]).split(";") if left else ():
            connection.exec_driver_sql(command)
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0002'")
    migrate(where)
    with engine.connect() as connection:
        assert differences(connection) == []
    engine.dispose()


def unmade_leases() -> list[str]:
    """Statements that take back the revision of leases, the last of its steps first."""
    return [
        f"ALTER TABLE {table} DROP COLUMN {prefix}lease_ms;"
        f"ALTER TABLE {table} DROP COLUMN {prefix}renewals"
        for table, prefix in (
            ("import_jobs", ""),
            ("audio_checks", ""),
            ("libraries", "index_"),
            ("libraries", "migration_"),
        )
    ]


def unmade_kept_vectors(*, on_sqlite: bool) -> list[str]:
    """Statements that take back the revision of kept vectors, the last of its steps first."""
    added = ("index_due_time", "index_worker", "index_state")
    return [
        ";".join(f"ALTER TABLE libraries DROP COLUMN {each}" for each in added),
        "DROP INDEX ix_clips_windows" + ("" if on_sqlite else " ON clips"),
        "DROP TABLE kept_vectors",
    ]


def unmade_windows(*, on_sqlite: bool) -> list[str]:
    """Statements that take back the revision of windows, the last of its steps first."""
    migration = ("begin_time", "lease_until", "worker")
    return [
        "DROP INDEX ix_libraries_migration" + ("" if on_sqlite else " ON libraries"),
        ";".join(f"ALTER TABLE libraries DROP COLUMN migration_{each}" for each in migration),
        ";".join(
            f"ALTER TABLE libraries DROP COLUMN {each}"
            for each in ("migration", "single_ns", "hop_ns", "window_ns", "generation")
        ),
        "ALTER TABLE clips DROP COLUMN window_count;ALTER TABLE clips DROP COLUMN revision",
    ]


def unmade_channels(*, on_sqlite: bool) -> list[str]:
    """Statements that take back the revision before, the last of its steps first."""
    narrow = "ALTER TABLE clips DROP INDEX uq_clips_content, ADD UNIQUE uq_clips_content "
    return [
        # SQLite changes a table whole, in the transaction of the migration.
        "SELECT 1" if on_sqlite else narrow + "(library_uid, content_sha256)",
        "SELECT 1" if on_sqlite else "ALTER TABLE clips DROP COLUMN remarks",
        "ALTER TABLE import_jobs DROP COLUMN channel",
    ]


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
