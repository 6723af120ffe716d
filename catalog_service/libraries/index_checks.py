"""Keeps what the indexes of libraries lack, and gives out the work of comparing them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from audiosearch.catalog.v1.library_pb2 import IndexState
from sqlalchemy import Connection, Row, func, select, update

from catalog_service.clips.rows import now
from catalog_service.database.database import Database
from catalog_service.database.schema import clips, libraries, speakers
from catalog_service.database.states import ClipState, LibraryState, SpeakerState
from catalog_service.leases import Leases
from catalog_service.libraries import rows as library_rows
from catalog_service.names import library_name
from serving.errors import Reason, ServiceError


class VectorCounts(NamedTuple):
    """The vectors that the indexes of a library are to have; see the contract."""

    clip_count: int
    window_count: int
    several_count: int
    voiceprint_count: int


class IndexChecks:
    """The states of the indexes of all libraries.

    A library is due for a comparison once the lease of the last claim is over. So the claim is a
    lease and the pause between two comparisons in one, and a worker that dies blocks nothing.
    """

    def __init__(self, database: Database) -> None:
        """Takes the database."""
        self._database = database
        self._leases = Leases(libraries, "uid", "index_", "index_due_time")

    async def claim(self, worker: str, lease: timedelta, limit: int) -> list[Row[Any]]:
        """Gives libraries that are due to a worker, those that wait longest first."""
        due = libraries.c.index_due_time
        active = libraries.c.state == LibraryState.ACTIVE

        def look(connection: Connection) -> list[Row[Any]]:
            return self._leases.waiting(connection, active, due, limit)

        def take(connection: Connection) -> list[Row[Any]]:
            rows = sorted(waiting, key=lambda row: str(row.uid))  # two that claim never deadlock
            taken = self._leases.take(connection, rows, active, worker, lease)
            found = connection.execute(select(libraries).where(libraries.c.uid.in_(taken))).all()
            return [self._leases.begun(row) for row in found]

        waiting = await self._database.read(look)
        return await self._database.write(take) if waiting else []

    async def report(
        self, library: str, worker: str, lease: timedelta | None, state: IndexState | None
    ) -> Row[Any]:
        """Keeps what a library lacks, and renews the worker's claim.

        Without a worker it is due at once, unless somebody fills its indexes already.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND, STATE_CONFLICT.
        """

        def change(connection: Connection) -> Row[Any]:
            row = library_rows.get(connection, library, lock=True)
            library_rows.require_state(row, LibraryState.ACTIVE)
            time = now()
            if lease is None:
                if row.index_state is not None and state is not None:
                    return row
                changed: dict[str, Any] = {"index_worker": "", "index_due_time": None}
            elif row.index_worker != worker:
                name = library_name(row.name)
                raise ServiceError(
                    Reason.STATE_CONFLICT,
                    f"the indexes of {name} are another worker's; stop working on them",
                    {"library": name},
                )
            else:
                changed = self._leases.renewed(lease)
            changed["index_state"] = None if state is None else _content(row, state, time)
            its = libraries.c.uid == row.uid
            connection.execute(update(libraries).where(its).values(**changed))
            new: Row[Any] = connection.execute(select(libraries).where(its)).one()
            return self._leases.begun(new) if lease else new

        return await self._database.write(change)

    async def count(self, library: str) -> VectorCounts:
        """Counts the vectors that the indexes of a library are to have."""
        of_clips = select(
            func.count(),
            func.coalesce(func.sum(clips.c.window_count), 0),
            func.coalesce(func.sum(clips.c.window_count > 1), 0),
        ).where(clips.c.state == ClipState.ACTIVE)
        of_speakers = select(func.count()).where(
            speakers.c.state == SpeakerState.ACTIVE, speakers.c.voiceprint_revision > 0
        )

        def read(connection: Connection) -> VectorCounts:
            uid = library_rows.get(connection, library).uid
            found = connection.execute(of_clips.where(clips.c.library_uid == uid)).one()
            voiceprints = connection.scalar(of_speakers.where(speakers.c.library_uid == uid))
            clip_count, window_count, several_count = map(int, found)
            return VectorCounts(clip_count, window_count, several_count, int(voiceprints or 0))

        return await self._database.read(read)


def _content(row: Row[Any], state: IndexState, time: datetime) -> bytes:
    """Returns a state with its times: the first is that of the state before."""
    new = IndexState(indexed_count=state.indexed_count, expected_count=state.expected_count)
    new.begin_time.FromDatetime(time)
    new.update_time.FromDatetime(time)
    if row.index_state is not None:
        new.begin_time.CopyFrom(IndexState.FromString(row.index_state).begin_time)
    return new.SerializeToString()
