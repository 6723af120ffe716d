"""Reads all rows of a library, page by page, while it is in use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from audiosearch.catalog.v1.backup_pb2 import BackupRow
from sqlalchemy import Column, Connection, Row, Select, select

from catalog_service.backups import schema
from catalog_service.backups.row_format import packed
from catalog_service.clips.rows import along
from catalog_service.database.database import Database
from catalog_service.database.schema import (
    calibrations,
    clips,
    import_jobs,
    kept_vectors,
    libraries,
    speakers,
)
from catalog_service.database.states import ClipState, LibraryState, SpeakerState
from catalog_service.libraries import rows as library_rows
from catalog_service.vectors.kept import Kept
from serving.calls.batches import Batch
from serving.errors import Reason, ServiceError

PAGE = 200
MESSAGE_BYTES = 2**20
"""Rows of one message."""


class _Begin(NamedTuple):
    """The first rows of a library."""

    schema: str
    library: Row[Any]
    rows: list[BackupRow]


class Reading:
    """Reads libraries for a backup."""

    def __init__(self, database: Database) -> None:
        """Takes the database."""
        self._database = database
        self._kept = Kept(database)

    async def read(self, library: str) -> AsyncIterator[tuple[str, list[BackupRow]]]:
        """The revision of the schema, and the rows of a library, some at a time.

        A speaker is read before its clips, and counts its enrollments anew when it is restored.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND, STATE_CONFLICT.
        """
        begin = await self._database.read(lambda c: _begin(c, library))
        batch = Batch[BackupRow](MESSAGE_BYTES)
        async for row in self._rows(library, begin):
            if full := batch.add(row):
                yield begin.schema, full
        await self._require_same(library, begin.library)
        yield begin.schema, batch.left

    async def _rows(self, library: str, begin: _Begin) -> AsyncIterator[BackupRow]:
        for row in begin.rows:
            yield row
        uid = begin.library.uid
        async for page in self._pages(_speakers_of(uid), speakers.c.name):
            for each in page:
                yield packed(speakers, each._asdict())
        generations = library_rows.generations(begin.library)
        for state in (ClipState.ACTIVE, ClipState.FAILED):
            async for page in self._pages(_clips_of(uid, state), clips.c.id):
                for each in page:
                    yield packed(clips, each._asdict())
                if state is ClipState.FAILED:
                    continue
                ids = [each.id for each in page]
                for generation in generations:
                    async for part in self._kept.read(library, generation, ids):
                        yield packed(kept_vectors, {**part._asdict(), "library_uid": uid})

    async def _pages(
        self, statement: Select[Any], key: Column[str]
    ) -> AsyncIterator[Sequence[Row[Any]]]:
        """The rows of a statement by a key, page by page."""
        after = ""
        while True:
            wanted = statement.where(key > after).order_by(key).limit(PAGE)
            page = await self._database.read(partial(_all, wanted))
            yield page
            if len(page) < PAGE:
                return
            after = getattr(page[-1], key.name)

    async def _require_same(self, library: str, before: Row[Any]) -> None:
        now = await self._database.read(lambda c: library_rows.find(c, library))
        if now is None or now.uid != before.uid or now.state != LibraryState.ACTIVE:
            raise ServiceError(
                Reason.LIBRARY_NOT_FOUND, f"libraries/{library} was deleted while it was read"
            )
        if now.generation != before.generation:
            raise ServiceError(
                Reason.STATE_CONFLICT,
                f"a migration of libraries/{library} ended while it was read; read it again",
            )


def _all(statement: Select[Any], connection: Connection) -> Sequence[Row[Any]]:
    return connection.execute(statement).all()


def _speakers_of(uid: str) -> Select[Any]:
    states = (SpeakerState.ACTIVE, SpeakerState.UPDATING)
    return select(speakers).where(speakers.c.library_uid == uid, speakers.c.state.in_(states))


def _clips_of(uid: str, state: ClipState) -> Select[Any]:
    its = select(clips).where(clips.c.library_uid == uid, clips.c.state == state)
    return along(its, "ix_clips_state")


def _begin(connection: Connection, library: str) -> _Begin:
    row = library_rows.get(connection, library)
    library_rows.require_state(row, LibraryState.ACTIVE)
    found = [packed(libraries, row._asdict())]
    for table in (calibrations, import_jobs):  # the catalog keeps few jobs of each
        its = select(table).where(table.c.library_uid == row.uid)
        found += [packed(table, each._asdict()) for each in connection.execute(its)]
    return _Begin(schema.revision(connection), row, found)
