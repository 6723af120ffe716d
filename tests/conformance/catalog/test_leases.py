"""Leases: no clock that somebody sets ends or prolongs one, for any kind of work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

import pytest
from audiosearch.catalog.v1 import import_job_pb2
from audiosearch.catalog.v1 import library_pb2 as pb
from audiosearch.catalog.v1.import_job_pb2 import ImportProgress
from audiosearch.catalog.v1.library_pb2 import IndexState, Library, Migration
from audiosearch.embedding.v1.embedding_pb2 import WindowRule
from google.protobuf.duration_pb2 import Duration

from catalog_service.audio import check_rows
from catalog_service.clips import rows
from catalog_service.database.engines import backend
from catalog_service.database.migrate import migrate
from catalog_service.settings import CatalogSettings
from tools.servers.catalog import Catalog, serving

LIMIT = 60.0
SHORT, LONG = Duration(seconds=2), Duration(seconds=600)


class Clock(datetime):
    """A wall clock that can be set."""

    moved = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        """The present time, as somebody has set it."""
        return datetime.now(tz) + cls.moved


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> type[Clock]:
    """The clock of the catalog."""
    monkeypatch.setattr(Clock, "moved", timedelta())
    monkeypatch.setattr(rows, "datetime", Clock)
    return Clock


class Work(NamedTuple):
    """A piece of work that is given to one worker at a time."""

    claim: Callable[[Catalog, str, Duration], Awaitable[bool]]
    renew: Callable[[Catalog, str, Duration], Awaitable[object]]


async def an_import(catalog: Catalog, library: Library) -> Work:
    """An import job."""
    job = await catalog.job(library)

    async def claim(at: Catalog, worker: str, lease: Duration) -> bool:
        request = import_job_pb2.ClaimImportJobRequest(worker=worker, lease=lease)
        return (await at.stubs.import_jobs.ClaimImportJob(request)).import_job.name == job.name

    async def renew(at: Catalog, worker: str, lease: Duration) -> object:
        request = import_job_pb2.ReportImportProgressRequest(
            name=job.name, worker=worker, lease=lease, progress=ImportProgress()
        )
        return await at.stubs.import_jobs.ReportImportProgress(request)

    return Work(claim, renew)


async def a_migration(catalog: Catalog, library: Library) -> Work:
    """The migration of a library."""
    second = Duration(seconds=1)
    rule = WindowRule(window=second, hop=second, single=second)
    await catalog.stubs.libraries.BeginMigration(
        pb.BeginMigrationRequest(name=library.name, window_rule=rule)
    )

    async def claim(at: Catalog, worker: str, lease: Duration) -> bool:
        request = pb.ClaimMigrationRequest(worker=worker, lease=lease)
        return (await at.stubs.libraries.ClaimMigration(request)).library.name == library.name

    async def renew(at: Catalog, worker: str, lease: Duration) -> object:
        request = pb.ReportMigrationRequest(
            name=library.name, worker=worker, lease=lease, migration=Migration()
        )
        return await at.stubs.libraries.ReportMigration(request)

    return Work(claim, renew)


async def a_comparison(_catalog: Catalog, library: Library) -> Work:
    """The comparison of the indexes of a library."""

    async def claim(at: Catalog, worker: str, lease: Duration) -> bool:
        request = pb.ClaimIndexChecksRequest(worker=worker, lease=lease, limit=10)
        given = (await at.stubs.libraries.ClaimIndexChecks(request)).libraries
        return library.name in {each.name for each in given}

    async def renew(at: Catalog, worker: str, lease: Duration) -> object:
        request = pb.ReportIndexStateRequest(
            name=library.name, worker=worker, lease=lease, index_state=IndexState()
        )
        return await at.stubs.libraries.ReportIndexState(request)

    return Work(claim, renew)


KINDS = (an_import, a_migration, a_comparison)


async def all_kinds(catalog: Catalog) -> list[Work]:
    """One piece of work of each kind, each in a library of its own."""
    return [await kind(catalog, await catalog.library()) for kind in KINDS]


async def given(catalog: Catalog, work: Work, worker: str) -> None:
    """Waits until a worker gets work."""
    limit = time.monotonic() + LIMIT
    while not await work.claim(catalog, worker, LONG):
        assert time.monotonic() < limit
        await asyncio.sleep(0.05)


async def test_a_clock_that_jumps_ahead_takes_work_from_nobody(
    settings: CatalogSettings, clock: type[Clock]
) -> None:
    """Also not right after a restart, which has seen none of the renewals."""
    async with serving(settings) as catalog:
        works = await all_kinds(catalog)
        for work in works:
            assert await work.claim(catalog, "alive", LONG)
        clock.moved = timedelta(days=1)
        for work in works:
            assert not await work.claim(catalog, "thief", LONG)
            await work.renew(catalog, "alive", LONG)
            assert not await work.claim(catalog, "thief", LONG)
        clock.moved = timedelta(days=2)
    async with serving(settings) as catalog:
        for work in works:
            assert not await work.claim(catalog, "thief", LONG)
            await work.renew(catalog, "alive", LONG)


async def test_a_clock_that_is_set_back_keeps_nothing_for_the_dead(
    settings: CatalogSettings, clock: type[Clock]
) -> None:
    """Their work is others' after the lease, also if the catalog starts again meanwhile."""
    async with serving(settings) as catalog:
        works = await all_kinds(catalog)
        for work in works:
            assert await work.claim(catalog, "dead", SHORT)
        clock.moved = -timedelta(days=1)
        for work in works:
            await given(catalog, work, "next")
            await work.renew(catalog, "next", SHORT)
        clock.moved = -timedelta(days=2)
    async with serving(settings) as catalog:
        for work in works:
            await given(catalog, work, "last")


async def test_replicas_see_the_renewals_of_each_other(settings: CatalogSettings) -> None:
    """A worker that renews at one replica keeps its work at the other; one that ends loses it."""
    async with serving(settings) as catalog, serving(settings) as other:
        works = await all_kinds(catalog)
        for work in works:
            assert await work.claim(catalog, "alive", LONG)
            await work.renew(catalog, "alive", SHORT)
        end = time.monotonic() + 2 * SHORT.seconds
        while time.monotonic() < end:
            for work in works:
                await work.renew(catalog, "alive", LONG)  # on a busy machine it is late
                assert not await work.claim(other, "thief", LONG)
                await work.renew(catalog, "alive", SHORT)
            await asyncio.sleep(SHORT.seconds / 10)
        for work in works:
            await given(other, work, "next")
            assert not await work.claim(catalog, "third", LONG)


async def test_checks_of_audio_are_one_workers(
    settings: CatalogSettings, clock: type[Clock]
) -> None:
    """The worker that has them keeps them whatever the clock says, and lets them go in time."""
    where = backend(settings)
    await asyncio.to_thread(migrate, where)
    engine = where.migrating_engine()
    mine, others = check_rows.leases(), check_rows.leases()

    def claim(leases: check_rows.Leases, worker: str, seconds: int) -> bool:
        with engine.begin() as connection:
            lease = timedelta(seconds=seconds)
            return check_rows.claim(connection, leases, worker, lease) is not None

    assert claim(mine, "mine", 600)
    clock.moved = timedelta(days=1)
    assert not claim(others, "other", 600)
    assert claim(mine, "mine", 2)
    clock.moved = -timedelta(days=1)
    limit = time.monotonic() + LIMIT
    while not claim(others, "other", 600):
        assert time.monotonic() < limit
        await asyncio.sleep(0.05)
    assert not claim(mine, "mine", 600)
    engine.dispose()
