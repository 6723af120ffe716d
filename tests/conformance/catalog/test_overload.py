"""A database that is slow or locked: few calls wait, the others are refused at once."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from pathlib import Path

import grpc
import pytest
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from grpc_health.v1 import health_pb2

from serving.errors import Reason, from_rpc_error
from tests.conformance.catalog.conftest import settings_for
from tests.conformance.catalog.test_outages import LIMIT, SERVING, becomes, works
from tools.servers.catalog import Catalog, refused, serving
from tools.servers.mysql_server import MysqlServer

NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
READERS, WRITERS, WAITING = 1, 1, 2


async def outcome(call: grpc.aio.UnaryUnaryCall) -> Reason | None:
    """Why a call failed; None if it did not."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return getattr(from_rpc_error(error), "reason", Reason.INTERNAL)
    return None


@pytest.mark.server
async def test_a_frozen_database_gathers_no_queue(
    mysql: MysqlServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A few wait for their limit, the rest is CATALOG_BUSY at once; then all is as before."""
    settings = settings_for(
        "mysql", tmp_path, request, statement_seconds=2, pool_size=2, queue=WAITING,
        audio_look_seconds=3600, audio_hash_bytes=0,
    )  # fmt: skip
    async with serving(settings) as catalog:
        library = await catalog.library()
        mysql.send(signal.SIGSTOP)
        try:
            reads = [
                outcome(
                    catalog.stubs.libraries.GetLibrary(
                        library_pb2.GetLibraryRequest(name=library.name)
                    )
                )
                for _ in range(20)
            ]
            writes = [
                outcome(
                    catalog.stubs.clips.CreateClip(clip_pb2.CreateClipRequest(parent=library.name))
                )
                for _ in range(20)
            ]
            read, written = await asyncio.gather(asyncio.gather(*reads), asyncio.gather(*writes))
            for found, most in ((read, READERS + WAITING), (written, WRITERS + WAITING)):
                assert found.count(Reason.CATALOG_UNAVAILABLE) == most
                assert found.count(Reason.CATALOG_BUSY) == 20 - most
            await becomes(catalog, NOT_SERVING)
        finally:
            mysql.send(signal.SIGCONT)
        await works(lambda: catalog.clip(library))
        await becomes(catalog, SERVING)


@pytest.mark.server
async def test_a_database_killed_while_calls_wait(
    mysql: MysqlServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Frozen, then killed under a queue of calls: each is told, and a new server is taken on."""
    settings = settings_for("mysql", tmp_path, request, statement_seconds=2, pool_size=4)
    async with serving(settings) as catalog:
        library = await catalog.library()
        clip = await catalog.clip(library)
        mysql.send(signal.SIGSTOP)
        calls = [
            asyncio.ensure_future(
                outcome(catalog.stubs.clips.GetClip(clip_pb2.GetClipRequest(name=clip.name)))
            )
            for _ in range(20)
        ]
        await asyncio.sleep(0.5)
        mysql.stop(signal.SIGKILL)
        try:
            assert set(await asyncio.gather(*calls)) == {Reason.CATALOG_UNAVAILABLE}
            await becomes(catalog, NOT_SERVING)
        finally:
            mysql.start()
        assert await works(lambda: catalog.get(clip.name)) == clip
        await becomes(catalog, SERVING)
        await catalog.clip(library)


async def test_writes_that_wait_keep_no_reader_waiting(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """While another process has the file of SQLite locked, reads and health go on."""
    settings = settings_for("sqlite", tmp_path, request, statement_seconds=1, queue=WAITING)
    async with serving(settings) as catalog:
        library = await catalog.library()
        await locked_out(settings.database_folder, catalog, library.name)
        await catalog.creating(library)


async def locked_out(folder: Path, catalog: Catalog, library: str) -> None:
    """Writes fail while somebody else writes; reads don't."""
    other = sqlite3.connect(folder / "catalog.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        write = catalog.stubs.clips.CreateClip(
            clip_pb2.CreateClipRequest(parent=library), timeout=LIMIT
        )
        for _ in range(20):
            await catalog.stubs.libraries.GetLibrary(library_pb2.GetLibraryRequest(name=library))
        await becomes(catalog, SERVING)
        assert not write.done()
        async with refused(Reason.CATALOG_UNAVAILABLE):
            await write
    finally:
        other.execute("ROLLBACK")
        other.close()
