"""SQLite and MySQL: how to reach each, and the settings that make them behave alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pymysql.constants import FIELD_TYPE
from pymysql.converters import conversions
from sqlalchemy import URL, Connection, Engine, FromClause, create_engine, event
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

from catalog_service.settings import CatalogSettings

CONNECT_SECONDS = 3
MIGRATION_SECONDS = 900
"""Longest that one step of a migration may take before the server counts as gone."""
LOCK_SECONDS = 60
"""How long a starting replica waits for another one that migrates."""

_CACHE_KIB = 64 * 1024
_WAL_PAGES = 4 * 1024


class _Compiler(SQLiteCompiler):
    """Writes the hints of statements, which name an index, as they are."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:  # noqa: ARG002  its base has it
        """What follows a table's name."""
        return text


@dataclass(frozen=True)
class Backend:
    """Where the database is and how its engines are made."""

    url: URL
    readers: int
    """Reads at a time in this process, each on a connection of its own."""
    writers: int
    """Write transactions at a time in this process."""
    seconds: float
    options: Mapping[str, Any] = field(default_factory=dict)
    connect_args: Mapping[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """For logs: the address, without the password."""
        return self.url.render_as_string(hide_password=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file of this machine."""
        return self.url.get_backend_name() == "sqlite"

    def reading_engine(self) -> Engine:
        """Connections for reads and the health check; each statement stands for itself."""
        engine = self._engine(self.readers + 1, "AUTOCOMMIT", skip_autocommit_rollback=True)
        if self.is_sqlite:
            _prepare_sqlite(engine)
        return engine

    def writing_engine(self) -> Engine:
        """Connections for transactions."""
        engine = self._engine(self.writers, None if self.is_sqlite else "READ COMMITTED")
        if self.is_sqlite:
            _prepare_sqlite(
                engine, f"cache_size = -{_CACHE_KIB}", f"wal_autocheckpoint = {_WAL_PAGES}"
            )
            _lock_at_once(engine)
        return engine

    def migrating_engine(self, url: URL | None = None) -> Engine:
        """Connections for migrations, which may take longer."""
        limits = (
            {"timeout": LOCK_SECONDS}
            if self.is_sqlite
            else {"connect_timeout": CONNECT_SECONDS, "read_timeout": MIGRATION_SECONDS}
        )
        engine = create_engine(url or self.url, connect_args=limits)
        if self.is_sqlite:
            _prepare_sqlite(engine)
            _lock_at_once(engine)
        return engine

    def _engine(self, size: int, isolation_level: str | None, **more: Any) -> Engine:
        # Each transaction is ended before its connection goes back: the pool need not do it again.
        return create_engine(
            self.url,
            pool_size=size,
            max_overflow=0,
            pool_timeout=self.seconds,
            pool_reset_on_return=None,
            connect_args=dict(self.connect_args),
            **({"isolation_level": isolation_level} if isolation_level else {}),
            **self.options,
            **more,
        )


def backend(settings: CatalogSettings) -> Backend:
    """The server if the settings name one, else a file in the data folder."""
    size, seconds = settings.pool_size, settings.statement_seconds
    if settings.mysql_host is None:
        return sqlite(settings.database_folder, size, seconds)
    password = settings.mysql_pwd.get_secret_value() if settings.mysql_pwd else None
    return mysql(
        settings.mysql_host,
        settings.mysql_port,
        settings.mysql_user,
        password,
        settings.mysql_db,
        size,
        seconds,
    )


def sqlite(folder: Path, pool_size: int, seconds: float) -> Backend:
    """A file in a folder."""
    return Backend(
        URL.create("sqlite", database=str(folder / "catalog.sqlite3")),
        readers=pool_size,
        writers=1,  # SQLite has one anyway; waiting here is fair and costs nothing
        seconds=seconds,
        connect_args={"timeout": seconds},
    )


def mysql(
    host: str, port: int, user: str, password: str | None, name: str, pool_size: int, seconds: float
) -> Backend:
    """A server. Its own limits end what this side has given up on."""
    # /*M! is read by MariaDB alone, /*!80000 by MySQL alone: the same limit has two names.
    setup = (
        f"SET SESSION innodb_lock_wait_timeout = {max(1, int(seconds))}"
        f" /*M!100100 , max_statement_time = {seconds} */"
        f" /*!80000 , max_execution_time = {int(seconds * 1000)} */"
    )
    return Backend(
        URL.create("mysql+pymysql", user, password, host, port, name, {"charset": "utf8mb4"}),
        readers=(pool_size + 1) // 2,
        writers=max(1, pool_size // 2),
        seconds=seconds,
        options={"pool_pre_ping": True},
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": seconds,
            "write_timeout": seconds,
            "init_command": setup,
            # PyMySQL's own way takes ten times as long, and every row has two times.
            "conv": {**conversions, FIELD_TYPE.DATETIME: datetime.fromisoformat},
        },
    )


def _prepare_sqlite(engine: Engine, *more: str) -> None:
    engine.dialect.statement_compiler = _Compiler

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        cursor = connection.cursor()
        for pragma in ("journal_mode = WAL", "foreign_keys = ON", "synchronous = FULL", *more):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def _lock_at_once(engine: Engine) -> None:
    """A writer takes its lock when it begins: one that began as a reader could not wait for it."""

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
