"""Brings the schema up to date at start, safely when several replicas start together."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, exc, exists, inspect, select, text

from catalog_service.database.engines import LOCK_SECONDS, Backend
from catalog_service.database.schema import libraries

MIGRATIONS = Path(__file__).parent / "migrations"
_UNKNOWN_DATABASE = 1049


class LostCatalogError(Exception):
    """The catalog has no library, and there is audio of libraries."""


def migrate(backend: Backend, revision: str = "head", *, lost: str = "") -> None:
    """Makes the database if it is not there and upgrades it to the newest schema. Blocks.

    Args:
        backend: the database.
        revision: the schema to upgrade to.
        lost: the error if the database has no library; empty if that is fine.

    Raises:
        SQLAlchemyError: the database can't be reached, or the user may not change it.
        CommandError: its schema is one of a newer version.
        OSError: the folder of the file can't be made.
        LostCatalogError: it has no library, and `lost` says why it should have.
    """
    if backend.is_sqlite:
        file = Path(str(backend.url.database))
        if lost and not file.exists():
            raise LostCatalogError(lost)
        file.parent.mkdir(parents=True, exist_ok=True)
    else:
        _create_database(backend)
    engine = backend.migrating_engine()
    try:
        with engine.connect() as connection:
            if lost and not _has_libraries(connection):
                raise LostCatalogError(lost)
            connection.rollback()
            if backend.is_sqlite:
                with connection.begin():  # it locks the file until all is done
                    _upgrade(connection, revision)
            else:
                _upgrade_locked(connection, revision)
    finally:
        engine.dispose()


def _has_libraries(connection: Connection) -> bool:
    if not inspect(connection).has_table(libraries.name):
        return False
    return bool(connection.scalar(select(exists().select_from(libraries))))


def _create_database(backend: Backend) -> None:
    """Tries to connect first: a user who may not create databases needs none that is there."""
    engine = backend.migrating_engine()
    try:
        engine.connect().close()
    except exc.OperationalError as error:
        if not error.orig or error.orig.args[0] != _UNKNOWN_DATABASE:
            raise
    else:
        return
    finally:
        engine.dispose()
    engine = backend.migrating_engine(backend.url.set(database=""))
    quoted = engine.dialect.identifier_preparer.quote_identifier(str(backend.url.database))
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(
                f"CREATE DATABASE IF NOT EXISTS {quoted} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
            )
    finally:
        engine.dispose()


def _upgrade_locked(connection: Connection, revision: str) -> None:
    """MySQL ends a transaction at each change of a table, so a lock of its own is needed."""
    lock = {"name": f"audiosearch:{connection.engine.url.database}"[:64], "seconds": LOCK_SECONDS}
    got = connection.execute(text("SELECT GET_LOCK(:name, :seconds)"), lock).scalar()
    if not got:
        raise exc.TimeoutError(f"another replica has migrated the schema for {LOCK_SECONDS} s")
    try:
        _upgrade(connection, revision)
        connection.commit()
    finally:
        connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": lock["name"]})


def _upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
