"""Keeps migrations of libraries to new indexes: their progress, and the worker that has each."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from audiosearch.catalog.v1.library_pb2 import Comparison, Migration
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

NONE: dict[str, Any] = {
    "migration": None,
    "migration_worker": None,
    "migration_lease_until": None,
    "migration_begin_time": None,
}
"""Columns of a library that is in no migration."""
_NEVER = datetime(1970, 1, 2, tzinfo=timezone.utc)
"""End of the lease of a migration without a worker, long ago."""
_UNCLAIMED: dict[str, Any] = {"migration_worker": "", "migration_lease_until": _NEVER}
"""Columns of a migration that any worker may claim."""


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
        self,
        library: str,
        rule: WindowRule,
        model: Model | None = None,
        *,
        review: bool = False,
        keep: bool = False,
    ) -> Row[Any]:
        """Begins a migration to the next generation. One that is under way takes `review`, `keep`.

        One that waits is given up for another model, be it the library's own. Rows have its numbers
        of windows and its tags by then, so nothing less than another migration brings these back.
        A generation that is kept is gone back to by its model, and left by `forget` alone.

        Args:
            library: Id of the library.
            rule: By which its clips are cut into windows.
            model: Of its embeddings from then on; None for the library's own.
            review: True if it waits before the switch; without it, one that waits goes on.
            keep: True if the generation that the switch leaves behind is kept.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND, STATE_CONFLICT (the library is not ACTIVE, or is in a
                migration to another model, or keeps another one; its speakers are no use to the
                model; its generation can't be kept).
        """

        def change(connection: Connection) -> Row[Any]:
            row = library_rows.get(connection, library, lock=True)
            library_rows.require_state(row, LibraryState.ACTIVE)
            other = None if model is None or model.name == row.model else model
            if row.migration is not None:
                own = Migration.FromString(row.migration)
                if own.kept and row.migration_begin_time is None:
                    return _back(connection, row, own, model, review=review, keep=keep)
                to = own.model or row.model
                if model is None or to == model.name:
                    return _reviewed(connection, row, own, review=review, keep=keep)
                if row.migration_begin_time is not None:
                    raise _conflict(row, "in no migration to another model; wait until it is over")
            if keep:
                _require_keepable(row, other)
            time = now()
            generation = max(row.generation, row.last_generation) + 1
            wanted = Migration(
                generation=generation, window_rule=rule.message(), review=review, keep=keep
            )
            if other is not None:
                _require_no_speakers(connection, row, other)
                wanted.model, wanted.purpose = other
            wanted.create_time.FromDatetime(time)
            wanted.update_time.FromDatetime(time)
            return _change(
                connection,
                row,
                migration=wanted.SerializeToString(),
                migration_begin_time=time,
                last_generation=generation,
                update_time=time,
                **_UNCLAIMED,
            )

        return await self._database.write(change)

    async def forget(self, library: str) -> Row[Any]:
        """Gives up the generation that a library keeps, or that its migration would keep.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND, STATE_CONFLICT (the library is not ACTIVE).
        """

        def change(connection: Connection) -> Row[Any]:
            row = library_rows.get(connection, library, lock=True)
            library_rows.require_state(row, LibraryState.ACTIVE)
            if row.migration is None:
                return row
            own = Migration.FromString(row.migration)
            if own.kept and row.migration_begin_time is None:
                return _change(connection, row, update_time=now(), **NONE)
            own.keep = False
            return _change(connection, row, migration=own.SerializeToString())

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
        as it is. With `keep` the generation that it had waits from then on, to be gone back to.

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
            left = NONE
            if done.keep and done.model and row.generation:
                left = NONE | {"migration": _left(row, done).SerializeToString()}
            return _change(
                connection, row, generation=generation, update_time=now(), **changed, **left
            )

        return await self._database.write(change)


def _reviewed(
    connection: Connection, row: Row[Any], own: Migration, *, review: bool, keep: bool
) -> Row[Any]:
    """Gives a migration that is under way its `review`. Without it, one that waits goes on.

    One that goes back does not stop: rows may have numbers of windows and tags of either side.
    """
    if keep and not own.keep:
        _require_keepable(row, own.model)
    review = review and not own.kept
    if own.review == review and own.keep >= keep:
        return row
    own.review, own.keep = review, own.keep or keep
    values: dict[str, Any] = {"migration": own.SerializeToString()}
    if row.migration_begin_time is None and not review:
        values |= _UNCLAIMED | {"migration_begin_time": now()}
    return _change(connection, row, **values)


def _back(
    connection: Connection,
    row: Row[Any],
    own: Migration,
    model: Model | None,
    *,
    review: bool,
    keep: bool,
) -> Row[Any]:
    """Begins the way back to the generation that is kept. It waits on with `review`.

    No other migration begins: a library has two generations at most, and neither goes untold.
    """
    if model is None or model.name != own.model:
        raise ServiceError(
            Reason.STATE_CONFLICT,
            f"{library_name(row.name)} keeps its indexes of {own.model}, and there is no room for "
            "others: `audiosearch library migrate NAME --forget` drops them, and "
            f"`--model {own.model.removeprefix('models/')}` goes back to them",
            {"library": library_name(row.name), "model": own.model},
        )
    _require_no_speakers(connection, row, model)
    if review:
        return row
    own.review, own.keep = False, keep
    for field in ("cursor", "done_count", "failures", "failed_count"):
        own.ClearField(field)
    time = now()
    own.create_time.FromDatetime(time)
    own.update_time.FromDatetime(time)
    begun = {"migration": own.SerializeToString(), "migration_begin_time": time}
    return _change(connection, row, **(_UNCLAIMED | begun))


def _left(row: Row[Any], done: Migration) -> Migration:
    """The generation that a switch leaves behind, as a migration that waits."""
    rule = WindowRule.of_row(row)
    left = Migration(
        generation=row.generation,
        window_rule=None if rule is None else rule.message(),
        model=row.model,
        purpose=row.purpose or PURPOSE_VOICES,
        clip_count=done.clip_count,
        done_count=done.clip_count,
        review=True,
        kept=True,
        # Those who know nothing of kept ones see one that waits for a review.
        comparison=done.comparison if done.HasField("comparison") else Comparison(),
    )
    its = left.comparison
    its.present_eer, its.coming_eer = its.coming_eer, its.present_eer
    time = now()
    left.create_time.FromDatetime(time)
    left.update_time.FromDatetime(time)
    return left


def _require_keepable(row: Row[Any], other: object) -> None:
    """Raises STATE_CONFLICT if a switch to `other` can't keep what it leaves behind."""
    name = library_name(row.name)
    if not other:
        problem = f"{name} would stay with {row.model}: name another model, or leave out `keep`"
    elif not row.generation:
        problem = f"{name} was made before there were windows: leave out `keep`"
    else:
        return
    raise ServiceError(Reason.STATE_CONFLICT, problem, {"library": name})


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
