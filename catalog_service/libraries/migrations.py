"""Keeps migrations of libraries to new indexes: their progress, and the worker that has each."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from audiosearch.catalog.v1.library_pb2 import Migration
from sqlalchemy import ColumnElement, Connection, Row, select, update

from catalog_service.clips.rows import now
from catalog_service.database.database import Database
from catalog_service.database.schema import libraries
from catalog_service.database.states import LibraryState
from catalog_service.leases import Leases
from catalog_service.libraries import rows as library_rows
from catalog_service.libraries.windows import WindowRule
from catalog_service.names import library_name
from serving.errors import Reason, ServiceError

NONE = {
    "migration": None,
    "migration_worker": None,
    "migration_lease_until": None,
    "migration_begin_time": None,
}
"""Columns of a library that is in no migration."""
_NEVER = datetime(1970, 1, 2, tzinfo=timezone.utc)
"""End of the lease of a migration without a worker, long ago."""


class Migrations:
    """The migrations of all libraries."""

    def __init__(self, database: Database) -> None:
        """Takes the database."""
        self._database = database
        self._leases = Leases(libraries, "uid", "migration_", "migration_lease_until")

    async def begin(self, library: str, rule: WindowRule) -> Row[Any]:
        """Begins a migration to the next generation. One that is under way stays as it is.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND, STATE_CONFLICT (the library is not ACTIVE).
        """

        def change(connection: Connection) -> Row[Any]:
            row = library_rows.get(connection, library, lock=True)
            library_rows.require_state(row, LibraryState.ACTIVE)
            if row.migration is not None:
                return row
            time = now()
            wanted = Migration(generation=row.generation + 1, window_rule=rule.message())
            wanted.create_time.FromDatetime(time)
            wanted.update_time.FromDatetime(time)
            return _change(
                connection,
                row,
                migration=wanted.SerializeToString(),
                migration_worker="",
                migration_lease_until=_NEVER,
                migration_begin_time=time,
                update_time=time,
            )

        return await self._database.write(change)

    async def claim(self, worker: str, lease: timedelta) -> Row[Any] | None:
        """Gives the migration that waits longest to a worker. Returns None if none waits."""
        began = libraries.c.migration_begin_time
        under_way = began.is_not(None)

        def take(connection: Connection) -> Row[Any] | None:
            while waiting := self._leases.waiting(connection, under_way, began, 1):
                for uid in self._leases.take(connection, waiting, under_way, worker, lease):
                    return self._leases.begun(_one(connection, libraries.c.uid == uid))
            return None

        return await self._database.write(take)

    async def report(
        self, library: str, worker: str, lease: timedelta, progress: Migration
    ) -> Row[Any]:
        """Writes a worker's progress and renews its lease.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND, STATE_CONFLICT.
        """

        def change(connection: Connection) -> Row[Any]:
            row = library_rows.get(connection, library, lock=True)
            _require_held(row, worker)
            new = Migration.FromString(row.migration)
            for field in ("clip_count", "done_count", "cursor", "failures", "failed_count"):
                new.ClearField(field)
            new.MergeFrom(progress)
            new.update_time.FromDatetime(now())
            changed = _change(
                connection,
                row,
                migration=new.SerializeToString(),
                **self._leases.renewed(lease),
            )
            return self._leases.begun(changed)

        return await self._database.write(change)

    async def finish(self, library: str, worker: str, generation: int) -> Row[Any]:
        """Gives a library the generation and the rule of its migration, and ends the migration.

        A library that has the generation stays as it is.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND, STATE_CONFLICT.
        """

        def change(connection: Connection) -> Row[Any]:
            row = library_rows.get(connection, library, lock=True)
            if row.generation == generation:
                return row
            _require_held(row, worker)
            done = Migration.FromString(row.migration)
            if done.generation != generation:
                raise _conflict(row, f"in a migration to generation {generation}")
            rule = WindowRule.of(done.window_rule)
            return _change(
                connection,
                row,
                generation=generation,
                update_time=now(),
                **rule._asdict(),
                **NONE,
            )

        return await self._database.write(change)


def _change(connection: Connection, row: Row[Any], **values: Any) -> Row[Any]:
    """Changes a locked row. Returns the changed row."""
    its = libraries.c.uid == row.uid
    connection.execute(update(libraries).where(its).values(**values))
    return _one(connection, its)


def _one(connection: Connection, which: ColumnElement[bool]) -> Row[Any]:
    row: Row[Any] = connection.execute(select(libraries).where(which)).one()
    return row


def _require_held(row: Row[Any], worker: str) -> None:
    if row.migration is None:
        raise _conflict(row, "in a migration; begin one")
    if row.migration_worker != worker:
        raise _conflict(row, "in a migration that this worker has claimed; stop working on it")


def _conflict(row: Row[Any], needed: str) -> ServiceError:
    name, state = library_name(row.name), LibraryState(row.state).name
    under_way = (
        f"in a migration to generation {Migration.FromString(row.migration).generation}"
        if row.migration is not None
        else "in no migration"
    )
    return ServiceError(
        Reason.STATE_CONFLICT,
        f"{name} is of generation {row.generation} and {under_way}; this needs it to be {needed}",
        {"library": name, "state": state, "generation": str(row.generation)},
    )
