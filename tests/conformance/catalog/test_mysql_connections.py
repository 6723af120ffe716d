"""Connections to MySQL: statements that are cut off, servers that restart, TLS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from catalog_service.database.database import Database
from catalog_service.database.engines import backend
from catalog_service.settings import CatalogSettings
from serving.errors import Reason, ServiceError
from tests.certificates import Authority
from tests.conformance.catalog.conftest import settings_for
from tools.servers.catalog import serving
from tools.servers.mysql_server import MysqlServer, running
from tools.servers.processes import until

pytestmark = pytest.mark.server
LIMIT = 30
NO_LIMIT = "SET SESSION max_statement_time = 0"


@asynccontextmanager
async def opened(settings: CatalogSettings) -> AsyncIterator[Database]:
    """An empty database."""
    database = Database(backend(settings), settings.statement_seconds, settings.queue)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def own_id(connection: Connection) -> int:
    """The server's number of the connection."""
    return int(connection.scalar(text("SELECT CONNECTION_ID()")) or 0)


def sleeps(*before: str) -> Callable[[Connection], int]:
    """Work that takes too long; its number of the connection, which it never gets to tell."""

    def work(connection: Connection) -> int:
        for statement in before:
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql(f"SELECT SLEEP({LIMIT})")
        return own_id(connection)

    return work


def statements(server: MysqlServer, settings: CatalogSettings) -> list[str]:
    """The statements that the server runs for these settings now."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT info FROM information_schema.processlist WHERE db = %s AND command = 'Query'",
            (settings.mysql_db,),
        )
        return [str(row[0]) for row in cursor.fetchall()]


@pytest.mark.parametrize("before", [(), (NO_LIMIT,)], ids=["by the server", "by the client"])
async def test_a_statement_that_takes_too_long_is_cut_off(
    mysql: MysqlServer, tmp_path: Path, request: pytest.FixtureRequest, before: tuple[str, ...]
) -> None:
    """CATALOG_UNAVAILABLE at the limit; the next one has the only connection's place at once."""
    settings = settings_for("mysql", tmp_path, request, statement_seconds=1, pool_size=1)
    async with opened(settings) as database:
        for run in (database.read, database.write):
            with pytest.raises(ServiceError) as caught:
                await asyncio.wait_for(run(sleeps(*before)), LIMIT / 2)
            assert caught.value.reason is Reason.CATALOG_UNAVAILABLE
            assert await run(own_id)
        if not before:
            # A busy server may look at its clock a moment later than ours.
            until(lambda: statements(mysql, settings) == [], seconds=LIMIT / 3)


async def test_a_connection_that_was_cut_off_is_never_used_again(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Its answer would come to the one who asks next."""
    settings = settings_for("mysql", tmp_path, request, statement_seconds=1, pool_size=1)
    async with opened(settings) as database:
        first = await database.read(own_id)
        assert await database.read(own_id) == first
        with pytest.raises(ServiceError):
            await database.read(sleeps(NO_LIMIT))
        assert await database.read(own_id) != first


async def test_a_transaction_whose_time_passes_between_its_parts_is_undone(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The middle goes on to its end. Then all is undone, and its connection is not used again."""
    settings = settings_for("mysql", tmp_path, request, statement_seconds=1, pool_size=1)
    async with opened(settings) as database:
        first, ended = await database.write(own_id), asyncio.Event()

        async def slow(_: object) -> None:
            await asyncio.sleep(1.5)
            ended.set()

        def begin(connection: Connection) -> None:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'x'")

        with pytest.raises(ServiceError) as caught:
            await database.write_around(begin, slow, lambda *_: None)
        assert caught.value.reason is Reason.CATALOG_UNAVAILABLE
        await asyncio.wait_for(ended.wait(), LIMIT)
        version = text("SELECT version_num FROM alembic_version FOR UPDATE")
        assert await database.write(lambda c: c.scalar(version)) != "x"
        assert await database.write(own_id) != first


async def test_a_caller_that_leaves_costs_no_connection(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Its statement goes on, and its connection answers the next one."""
    settings = settings_for("mysql", tmp_path, request, pool_size=1)
    async with opened(settings) as database:
        first, begun = await database.read(own_id), asyncio.Event()

        def slow(connection: Connection) -> None:
            asyncio.get_running_loop().call_soon(begun.set)
            connection.exec_driver_sql("SELECT SLEEP(0.3)")

        call = asyncio.create_task(database.read(slow))
        await asyncio.wait_for(begun.wait(), LIMIT)
        call.cancel()
        await asyncio.wait([call])
        assert await database.read(own_id) == first


async def test_a_server_that_restarted_costs_no_call(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Connections that it has ended are replaced before they are used."""
    with running() as server:
        settings = settings_for("mysql", tmp_path, request, mysql_port=server.port)
        async with opened(settings) as database:
            for run in (database.read, database.write):
                await asyncio.gather(*(run(own_id) for _ in range(4)))
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            for run in (database.read, database.write):
                assert all(await asyncio.gather(*(run(own_id) for _ in range(4))))


async def test_a_server_with_tls_is_spoken_to_with_tls(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A server that refuses all plain connections is used as any other."""
    files = Authority(tmp_path / "certificates").issue("mysql")
    options = (f"--ssl-cert={files.cert}", f"--ssl-key={files.key}")
    with running(*options, "--require-secure-transport=ON") as server:
        settings = settings_for("mysql", tmp_path, request, mysql_port=server.port)
        async with opened(settings) as database:
            cipher = "SHOW STATUS LIKE 'Ssl_cipher'"
            for run in (database.read, database.write):
                (row,) = await run(lambda c: c.exec_driver_sql(cipher).all())
                assert row[1]
        async with serving(settings) as catalog:
            await catalog.clip(await catalog.library())
