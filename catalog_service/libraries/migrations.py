"""Keeps migrations of libraries to new indexes: their progress, and the worker that has each."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from audiosearch.catalog.v1.library_pb2 import Migration
from audiosearch.embedding.v1.model_pb2 import PURPOSE_VOICES, Purpose
from sqlalchemy import ColumnElement, Connection, Row, delete, select, update

from catalog_service.clips.rows import now
from catalog_service.database.database import Database
from catalog_service.database.schema import calibrations, libraries, speakers
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


class Model(NamedTuple):
    """The name of a model, and its purpose."""

    name: str
    purpose: Purpose.ValueType


class Migrations:
    """The migrations of all libraries."""

    def __init__(self, database: Database) -> None:
        """Takes the database."""
        self._database = database
        self._leases = Leases(libraries, "uid", "migration_", "migration_lease_until")

    async def begin(
        self, library: str, rule: WindowRule, model: Model | None = None, *, review: bool = False
    ) -> Row[Any]:
        """Begins a migration to the next generation. One that is under way only takes `review`.

        One that waits is given up for another model, be it the library's own. Rows have its numbers
        of windows and its tags by then, so nothing less than another migration brings these back.

        Args:
            library: Id of the library.
            rule: By which its clips are cut into windows.
            model: Of its embeddings from then on; None for the library's own.
            review: True if it waits before the switch; without it, one that waits goes on.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND, STATE_CONFLICT (the library is not ACTIVE, or is in a
                migration to another model, or its speakers are no use to the model).
        """

        def change(connection: Connection) -> Row[Any]:
            row = library_rows.get(connection, library, lock=True)
            library_rows.require_state(row, LibraryState.ACTIVE)
            other = None if model is None or model.name == row.model else model
            if row.migration is not None:
                to = Migration.FromString(row.migration).model or row.model
                if model is None or to == model.name:
                    return _reviewed(connection, row, review=review)
                if row.migration_begin_time is not None:
                    raise _conflict(row, "in no migration to another model; wait until it is over")
            time = now()
            generation = max(row.generation, row.last_generation) + 1
            wanted = Migration(generation=generation, window_rule=rule.message(), review=review)
            if other is not None:
                _require_no_speakers(connection, row, other)
                wanted.model, wanted.purpose = other
            wanted.create_time.FromDatetime(time)
            wanted.update_time.FromDatetime(time)
            return _change(
                connection,
                row,
                migration=wanted.SerializeToString(),
                migration_worker="",
                migration_lease_until=_NEVER,
                migration_begin_time=time,
                last_generation=generation,
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

        One with `review` whose answers are compared waits from then on, and no worker has it.

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
            values = {"migration": new.SerializeToString()}
            if new.review and new.HasField("comparison"):
                return _change(connection, row, migration_begin_time=None, **values)
            changed = _change(connection, row, **values, **self._leases.renewed(lease))
            return self._leases.begun(changed)

        return await self._database.write(change)

    async def finish(self, library: str, worker: str, generation: int) -> Row[Any]:
        """Ends a migration: the library gets its generation, its rule and its model.

        The calibration goes with the model that it is for. A library that has the generation stays
        as it is.

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
            changed = WindowRule.of(done.window_rule)._asdict()
            if done.model:
                changed |= {
                    "model": done.model,
                    "purpose": done.purpose,
                    "model_generation": generation,
                }
                its = calibrations.c.library_uid == row.uid
                connection.execute(delete(calibrations).where(its))
            return _change(
                connection, row, generation=generation, update_time=now(), **changed, **NONE
            )

        return await self._database.write(change)


def _reviewed(connection: Connection, row: Row[Any], *, review: bool) -> Row[Any]:
    """Gives a migration that is under way its `review`. Without it, one that waits goes on."""
    own = Migration.FromString(row.migration)
    if own.review == review:
        return row
    own.review = review
    values: dict[str, Any] = {"migration": own.SerializeToString()}
    if row.migration_begin_time is None:
        values |= {
            "migration_worker": "",
            "migration_lease_until": _NEVER,
            "migration_begin_time": now(),
        }
    return _change(connection, row, **values)


def _change(connection: Connection, row: Row[Any], **values: Any) -> Row[Any]:
    """Changes a locked row. Returns the changed row."""
    its = libraries.c.uid == row.uid
    connection.execute(update(libraries).where(its).values(**values))
    return _one(connection, its)


def _one(connection: Connection, which: ColumnElement[bool]) -> Row[Any]:
    row: Row[Any] = connection.execute(select(libraries).where(which)).one()
    return row


def _require_no_speakers(connection: Connection, row: Row[Any], model: Model) -> None:
    """Raises STATE_CONFLICT if a library with speakers would get a model that tells no voices."""
    if model.purpose in {0, PURPOSE_VOICES}:
        return
    its = speakers.c.library_uid == row.uid
    if connection.execute(select(speakers.c.uid).where(its).limit(1)).first() is not None:
        name = library_name(row.name)
        raise ServiceError(
            Reason.STATE_CONFLICT,
            f"{name} has speakers, and {model.name} tells no voices apart: delete the speakers, or "
            "make another library for sounds",
            {"library": name, "model": model.name},
        )


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
