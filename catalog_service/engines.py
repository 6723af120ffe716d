"""SQLite and MySQL: how to reach each, and the settings that make them behave alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from catalog_service.settings import CatalogSettings

CONNECT_SECONDS = 3
MIGRATION_SECONDS = 900
"""Longest that one step of a migration may take before the server counts as gone."""
LOCK_SECONDS = 60
"""How long a starting replica waits for another one that migrates."""


@dataclass(frozen=True)
class Backend:
    """Where the database is and how its engines are made."""

    url: URL
    sync_url: URL
    writers: int
    """Write transactions at a time in this process; more wait their turn here, in order."""
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

    def engine(self) -> AsyncEngine:
        """Connections for calls, never more than the pool holds."""
        # Each transaction is ended before its connection goes back: the pool need not do it again.
        engine = create_async_engine(
            self.url,
            max_overflow=0,
            pool_reset_on_return=None,
            connect_args=dict(self.connect_args),
            **self.options,
        )
        if self.is_sqlite:
            _prepare_sqlite(engine.sync_engine)
        return engine

    def sync_engine(self, url: URL | None = None) -> Engine:
        """Connections for migrations, which run in a thread and may take longer."""
        limits = (
            {"timeout": LOCK_SECONDS}
            if self.is_sqlite
            else {"connect_timeout": CONNECT_SECONDS, "read_timeout": MIGRATION_SECONDS}
        )
        engine = create_engine(url or self.sync_url, connect_args=limits)
        if self.is_sqlite:
            _prepare_sqlite(engine)
        return engine


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
    file = str(folder / "catalog.sqlite3")
    return Backend(
        URL.create("sqlite+aiosqlite", database=file),
        URL.create("sqlite", database=file),
        writers=1,  # SQLite has one anyway; waiting here is fair and costs nothing
        options={"pool_size": pool_size, "pool_timeout": seconds},
        connect_args={"timeout": seconds},
    )


def mysql(
    host: str, port: int, user: str, password: str | None, name: str, pool_size: int, seconds: float
) -> Backend:
    """A server. Its own limits end what this side has given up on."""
    url = URL.create("mysql+aiomysql", user, password, host, port, name, {"charset": "utf8mb4"})
    # /*M! is read by MariaDB alone, /*!80000 by MySQL alone: the same limit has two names.
    setup = (
        f"SET SESSION innodb_lock_wait_timeout = {max(1, int(seconds))}"
        f" /*M!100100 , max_statement_time = {seconds} */"
        f" /*!80000 , max_execution_time = {int(seconds * 1000)} */"
    )
    return Backend(
        url,
        url.set(drivername="mysql+pymysql"),
        writers=pool_size,
        options={
            "pool_size": pool_size,
            "pool_timeout": seconds,
            "pool_pre_ping": True,
            "isolation_level": "READ COMMITTED",
        },
        connect_args={"connect_timeout": CONNECT_SECONDS, "init_command": setup},
    )


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        cursor = connection.cursor()
        for pragma in ("journal_mode = WAL", "foreign_keys = ON", "synchronous = FULL"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer takes its lock at once: one that began as a reader could not wait for it.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
