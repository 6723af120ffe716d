"""SQLite and MySQL: how to reach each, and the settings that make them behave alike."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import aiomysql
from pymysql.constants import CLIENT, FIELD_TYPE
from pymysql.converters import conversions
from sqlalchemy import URL, Connection, Engine, FromClause, create_engine, event, exc
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from catalog_service.database.functions import add_functions
from catalog_service.database.transactions import InThreads, OnLoop, Transactions
from catalog_service.database.write_ahead_log import PAGES, WriteAheadLog
from catalog_service.settings import CatalogSettings
from serving.compat import timeout
from serving.disk.room import RESERVE_BYTES, Room

CONNECT_SECONDS = 3
MIGRATION_SECONDS = 900
"""Longest that one step of a migration may take before the server counts as gone."""
LOCK_SECONDS = 60
"""Longest that a starting replica waits for another one that migrates."""

_CACHE_KIB = 64 * 1024
_IDLE_SECONDS = 10.0
"""A connection that was idle for so long is asked whether it still stands."""


class Backend(Protocol):
    """A database: its address, and ways to run transactions on it.

    Reads, writes and the health check have connections of their own, so that none of them keeps
    the others waiting.
    """

    @property
    def url(self) -> URL:
        """The address, with the password."""
        ...

    @property
    def where(self) -> str:
        """The address for logs, without the password."""
        ...

    @property
    def is_sqlite(self) -> bool:
        """Says that the database is a file of this machine."""
        ...

    def reads(self, waiting: int) -> Transactions:
        """Transactions that change nothing; each statement stands for itself."""
        ...

    def writes(self, waiting: int) -> Transactions:
        """Transactions that change something."""
        ...

    def checks(self) -> Transactions:
        """Transactions of the health check, one at a time."""
        ...

    def migrating_engine(self, url: URL | None = None) -> Engine:
        """Connections for migrations, which block and may take longer."""
        ...

    @property
    def room(self) -> Room | None:
        """Room on the database's disk; None if a server has it."""
        ...

    def keep(self) -> bool:
        """Keeps room for deletions. Returns True if a transaction should follow, for the log."""
        ...


def backend(settings: CatalogSettings) -> Backend:
    """The server if the settings name one, else a file in the data folder."""
    size, seconds = settings.pool_size, settings.statement_seconds
    if settings.mysql_host is None:
        url = URL.create("sqlite", database=str(settings.database_folder / "catalog.sqlite3"))
        return Sqlite(url, size, seconds, settings.reserve_bytes)
    password = settings.mysql_pwd.get_secret_value() if settings.mysql_pwd else None
    return Mysql(
        URL.create(
            "mysql+aiomysql",
            settings.mysql_user,
            password,
            settings.mysql_host,
            settings.mysql_port,
            settings.mysql_db,
            {"charset": "utf8mb4"},
        ),
        readers=(size + 1) // 2,
        writers=max(1, size // 2),
        seconds=seconds,
    )


@dataclass(frozen=True)
class Sqlite:
    """A file. Its driver blocks, so its transactions run in threads."""

    url: URL
    readers: int
    """Reads at a time in this process, each on a connection of its own."""
    seconds: float
    """Longest wait for another process that writes."""
    reserve_bytes: int = RESERVE_BYTES
    """Room on the disk that is kept for deletions."""

    is_sqlite = True

    @property
    def where(self) -> str:
        """See Backend."""
        return str(self.url)

    def reads(self, waiting: int) -> Transactions:
        """See Backend."""
        engine = self._reading_engine(self.readers)
        return InThreads("reader", engine, self.readers, waiting, commits=False)

    def checks(self) -> Transactions:
        """See Backend."""
        return InThreads("checker", self._reading_engine(1), 1, 0, commits=False)

    def writes(self, waiting: int) -> Transactions:
        """See Backend. SQLite has one writer anyway: waiting here is fair and costs nothing."""
        engine = self._engine(1)
        _prepare_sqlite(engine, f"cache_size = -{_CACHE_KIB}", f"wal_autocheckpoint = {PAGES}")
        _lock_at_once(engine)
        return InThreads("writer", engine, 1, waiting, self._keep_log_short, commits=True)

    def migrating_engine(self, url: URL | None = None) -> Engine:
        """See Backend."""
        engine = create_engine(url or self.url, connect_args={"timeout": LOCK_SECONDS})
        _prepare_sqlite(engine)
        _lock_at_once(engine)
        return engine

    def keep(self) -> bool:
        """See Backend."""
        self.room.keep()
        return self._log.is_long(scarce=self.room.low)

    @cached_property
    def room(self) -> Room:
        """See Backend."""
        return Room(self._file.parent, self.reserve_bytes, "the catalog's database")

    @cached_property
    def _file(self) -> Path:
        return Path(str(self.url.database))

    @cached_property
    def _log(self) -> WriteAheadLog:
        return WriteAheadLog(self._file)

    def _keep_log_short(self, engine: Engine) -> None:
        scarce = self.room.low
        if self._log.is_long(scarce=scarce):
            self._log.empty(engine, self.seconds, scarce=scarce)

    def _reading_engine(self, size: int) -> Engine:
        engine = self._engine(size, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True)
        _prepare_sqlite(engine)
        return engine

    def _engine(self, size: int, **more: Any) -> Engine:
        # Each transaction is ended before its connection goes back: the pool need not do it again.
        return create_engine(
            self.url,
            pool_size=size,
            max_overflow=0,
            pool_timeout=self.seconds,
            pool_reset_on_return=None,
            connect_args={"timeout": self.seconds},
            **more,
        )


@dataclass(frozen=True)
class Mysql:
    """A MySQL or MariaDB server. Its driver is one of asyncio: transactions run on the loop."""

    url: URL
    readers: int
    """Reads at a time in this process, each on a connection of its own."""
    writers: int
    """Write transactions at a time in this process."""
    seconds: float
    """Longest time of a transaction. The server's own limits end what this side has given up on."""

    is_sqlite = False
    room = None

    @property
    def where(self) -> str:
        """See Backend."""
        return self.url.render_as_string(hide_password=True)

    def keep(self) -> bool:
        """See Backend."""
        return False

    def reads(self, waiting: int) -> Transactions:
        """See Backend."""
        engine = self._reading_engine(self.readers)
        return OnLoop("reader", engine, self.readers, waiting, self.seconds, commits=False)

    def checks(self) -> Transactions:
        """See Backend."""
        return OnLoop("checker", self._reading_engine(1), 1, 0, self.seconds, commits=False)

    def writes(self, waiting: int) -> Transactions:
        """See Backend."""
        engine = self._engine(self.writers, isolation_level="READ COMMITTED")
        return OnLoop("writer", engine, self.writers, waiting, self.seconds, commits=True)

    def migrating_engine(self, url: URL | None = None) -> Engine:
        """See Backend. PyMySQL blocks, as Alembic does; aiomysql brings it."""
        return create_engine(
            (url or self.url).set(drivername="mysql+pymysql"),
            connect_args={"connect_timeout": CONNECT_SECONDS, "read_timeout": MIGRATION_SECONDS},
        )

    def _reading_engine(self, size: int) -> AsyncEngine:
        return self._engine(size, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True)

    def _engine(self, size: int, **more: Any) -> AsyncEngine:
        # /*M! is read by MariaDB alone, /*!80000 by MySQL alone: the same limit has two names.
        setup = (
            f"SET SESSION innodb_lock_wait_timeout = {max(1, int(self.seconds))}"
            f" /*M!100100 , max_statement_time = {self.seconds} */"
            f" /*!80000 , max_execution_time = {int(self.seconds * 1000)} */"
        )
        engine = create_async_engine(
            self.url,
            pool_size=size,
            max_overflow=0,
            pool_timeout=self.seconds,
            # Each transaction is ended before its connection goes back.
            pool_reset_on_return=None,
            connect_args={
                "async_creator_fn": _connect_mysql,
                "init_command": setup,
                # PyMySQL's own way takes ten times as long, and every row has two times.
                "conv": {**conversions, FIELD_TYPE.DATETIME: datetime.fromisoformat},
                "ssl": _any_certificate(),
            },
            **more,
        )
        _replace_dead_connections(engine)
        return engine


# It has no types.
class _MysqlConnection(aiomysql.Connection):  # type: ignore[misc]
    """A connection that is encrypted where the server can do it, as PyMySQL's are."""

    async def _get_server_information(self) -> None:
        """Asks for TLS only if the server offers it: others end a connection that asks."""
        await super()._get_server_information()
        if not self.server_capabilities & CLIENT.SSL:
            self.client_flag &= ~CLIENT.SSL

    @property
    def hung_up(self) -> bool:
        """Says that the other side has ended the connection, as far as is known without asking."""
        reader = self._reader
        return reader is None or reader.at_eof() or reader.exception() is not None

    async def log_in(self) -> None:
        """Connects within the limit; the driver's own limit ends before the login."""
        async with timeout(CONNECT_SECONDS):
            await self._connect()


async def _connect_mysql(**arguments: Any) -> _MysqlConnection:
    connection = _MysqlConnection(**arguments)
    await connection.log_in()
    return connection


def _any_certificate() -> ssl.SSLContext:
    """TLS without a look at the certificate: servers make their own, and no setting names one."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _replace_dead_connections(engine: AsyncEngine) -> None:
    """Replaces connections of the pool that the server has ended, before they are used.

    The event loop notices the end of a connection by itself, so a server that restarted needs no
    asking. Only where nothing was heard for a while, the server is asked: something between the two
    may have forgotten the connection. To ask each time, as the pool's own `pre_ping` does, costs
    each transaction one message more.
    """
    pool = engine.sync_engine.pool

    @event.listens_for(pool, "checkin")
    def _note(_connection: Any, record: Any) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(pool, "checkout")
    def _check(connection: Any, record: Any, _proxy: Any) -> None:
        if connection.driver_connection.hung_up:
            raise exc.DisconnectionError
        if time.monotonic() - record.info.get("used", time.monotonic()) < _IDLE_SECONDS:
            return
        try:
            engine.sync_engine.dialect.do_ping(connection)
        except engine.sync_engine.dialect.loaded_dbapi.Error as error:
            raise exc.DisconnectionError from error


class _Compiler(SQLiteCompiler):
    """Writes the hints of statements, which name an index, as they are."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:  # noqa: ARG002  its base has it
        """The text that follows a table's name."""
        return text


def _prepare_sqlite(engine: Engine, *more: str) -> None:
    engine.dialect.statement_compiler = _Compiler

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        cursor = connection.cursor()
        for pragma in ("journal_mode = WAL", "foreign_keys = ON", "synchronous = FULL", *more):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        add_functions(connection)


def _lock_at_once(engine: Engine) -> None:
    """A writer takes its lock when it begins: one that began as a reader could not wait for it."""

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
