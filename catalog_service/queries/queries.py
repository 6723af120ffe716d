"""Keeps queries for a time, and removes those whose time is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from catalog_service.audio.audio_store import AudioKey, AudioStore, UnreadableError, Upload
from catalog_service.audio.content_type import judge
from catalog_service.clips.rows import now, uid_of
from catalog_service.completion import to_the_end
from catalog_service.database.database import Database
from catalog_service.database.schema import queries
from catalog_service.database.states import LibraryState
from catalog_service.libraries import rows as library_rows
from catalog_service.names import QueryName, new_id
from serving.audio_size import too_large
from serving.errors import Reason, ServiceError

KEPT = 500
"""Newest queries of a library that are kept."""
CHUNK_BYTES = 256 * 1024
_SWEEP_SECONDS = 3600.0
_AT_ONCE = 100
log = structlog.get_logger()


class Queries:
    """The queries of all libraries. Their audio is beside that of the clips of their library."""

    def __init__(self, database: Database, store: AudioStore, days: float, max_bytes: int) -> None:
        """Takes the database, the store, the days that a query is kept, and its most bytes."""
        self._database = database
        self._store = store
        self._time = timedelta(days=days)
        self._max_bytes = max_bytes

    async def run(self) -> None:
        """Removes queries whose time is over, until cancelled."""
        while True:
            try:
                await self.sweep()
            except ServiceError as error:
                log.info("queries.sweep_postponed", why=str(error))
            except Exception:  # a boundary: the next sweep must come after any failure
                log.exception("queries.sweep_crashed")
            await asyncio.sleep(_SWEEP_SECONDS)

    async def create(
        self, library: str, display_name: str, channel: int, chunks: AsyncIterator[bytes]
    ) -> Row[Any]:
        """Keeps a query. Bytes and channel that the library has a query of make it last longer.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND, STATE_CONFLICT, AUDIO_UNDECODABLE, AUDIO_TOO_LONG,
                STORAGE_FULL.
        """
        parent = await self._database.read(lambda c: library_rows.get(c, library))
        library_rows.require_state(parent, LibraryState.ACTIVE)
        async with self._store.upload() as upload:
            async for chunk in chunks:
                await upload.write(chunk)
                if upload.size > self._max_bytes:
                    raise too_large(self._max_bytes)
            if not upload.size:
                raise ServiceError(
                    Reason.AUDIO_UNDECODABLE, "the audio has no bytes at all; send a recording"
                )
            await upload.finish()
            values = {
                "display_name": display_name,
                "channel": channel,
                "content_sha256": upload.sha256,
                "size_bytes": upload.size,
                "content_type": judge(upload.head),
            }
            kept = await to_the_end(self._keep(library, values, upload))
        await self.sweep()
        return kept

    async def _keep(self, library: str, values: dict[str, Any], upload: Upload) -> Row[Any]:
        """The library's row is locked meanwhile: one that is deleted gets no more audio."""

        def write(connection: Connection) -> Row[Any]:
            parent = library_rows.get(connection, library, share=True)
            library_rows.require_state(parent, LibraryState.ACTIVE)
            return self._write(connection, parent.uid, values)

        async def publish(row: Row[Any]) -> Row[Any]:
            await upload.publish(AudioKey(row.library_uid, row.id, row.content_sha256))
            return row

        return await self._database.write_around(write, publish, lambda _, row: row)

    def _write(self, connection: Connection, uid: str, values: dict[str, Any]) -> Row[Any]:
        time, table = now(), queries.c
        same = [table.library_uid == uid]
        same += [table[each] == values[each] for each in ("content_sha256", "channel")]
        found = connection.scalar(select(table.id).where(*same).limit(1).with_for_update())
        if found is None:
            made = {"id": new_id(time), "library_uid": uid, "create_time": time, **values}
            connection.execute(insert(queries).values(**made, expire_time=time + self._time))
            found = made["id"]
        else:
            longer = update(queries).where(table.id == found)
            connection.execute(longer.values(expire_time=time + self._time))
        of_library = select(table.id).where(table.library_uid == uid).order_by(table.id.desc())
        for id_ in connection.scalars(of_library.offset(KEPT)).all():
            connection.execute(update(queries).where(table.id == id_).values(expire_time=time))
        return connection.execute(select(queries).where(table.id == found)).one()

    async def get(self, name: QueryName) -> Row[Any]:
        """Reads a query; QUERY_NOT_FOUND if there is none, or its time is over."""
        return await self._database.read(lambda c: _get(c, name))

    async def audio(self, name: QueryName) -> tuple[Row[Any], AsyncIterator[bytes]]:
        """The row of a query and its audio.

        Raises:
            ServiceError: QUERY_NOT_FOUND, AUDIO_MISSING, the latter also while it is read.
        """
        row = await self.get(name)
        return row, self._read(name, row)

    async def _read(self, name: QueryName, row: Row[Any]) -> AsyncIterator[bytes]:
        key = AudioKey(row.library_uid, row.id, row.content_sha256)
        try:
            async for chunk in self._store.read(key, 0, row.size_bytes, CHUNK_BYTES):
                yield chunk
        except (FileNotFoundError, UnreadableError) as error:
            why = f"the audio of {name} is gone; search with the sound again"
            raise ServiceError(Reason.AUDIO_MISSING, why, {"query": str(name)}) from error

    async def sweep(self) -> None:
        """Removes the audio, then the rows, of queries whose time is over."""
        old = select(queries).where(queries.c.expire_time <= now()).limit(_AT_ONCE)
        for row in await self._database.read(lambda c: c.execute(old).all()):
            await self._remove(row)

    async def _remove(self, row: Row[Any]) -> None:
        """The row stays locked: a call that makes the query last longer then makes a new one."""
        same = queries.c.id == row.id, queries.c.expire_time == row.expire_time

        def lock(connection: Connection) -> bool:
            over = select(queries.c.id).where(*same).with_for_update()
            return connection.scalar(over) is not None

        async def remove(over: bool) -> bool:
            if over:
                await self._store.remove_clip(row.library_uid, row.id)
            return over

        def drop(connection: Connection, over: bool) -> None:
            if over:
                connection.execute(delete(queries).where(*same))

        await self._database.free_around(lock, remove, drop)


def forget(connection: Connection, library_uid: str) -> None:
    """Removes the rows of a library whose audio is removed."""
    connection.execute(delete(queries).where(queries.c.library_uid == library_uid))


def _get(connection: Connection, name: QueryName) -> Row[Any]:
    wanted: Select[Any] = select(queries).where(
        queries.c.id == name.query,
        queries.c.library_uid == uid_of(name.library),
        queries.c.expire_time > now(),
    )
    row: Row[Any] | None = connection.execute(wanted).one_or_none()
    if row is None:
        raise ServiceError(
            Reason.QUERY_NOT_FOUND,
            f"{name} is not there, or no longer: queries are kept for a time",
            {"query": str(name)},
        )
    return row
