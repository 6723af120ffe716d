"""Clips: making, listing, changing, and the steps of their life."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, exc, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service import clip_rows, library_rows
from catalog_service.audio_store import AudioKey, AudioStore
from catalog_service.clip_filter import ClipQuery
from catalog_service.database import Database
from catalog_service.names import ClipName, is_ulid, new_id
from catalog_service.paging import Page
from catalog_service.schema import clips
from catalog_service.states import ClipState, LibraryState

CHANGEABLE = ("display_name", "label", "speaker", "metadata")


@dataclass(frozen=True)
class NewClip:
    """What a caller tells of a clip to be."""

    display_name: str
    label: str
    speaker: str
    metadata: dict[str, str]
    source: str
    import_job: str


@dataclass(frozen=True)
class Heard:
    """What was heard in a clip: durations in nanoseconds, rate in hertz, level in dBFS."""

    duration_ns: int
    active_duration_ns: int
    sample_rate: int
    channels: int
    format: str
    level_dbfs: float


class Clips:
    """The clips of all libraries."""

    def __init__(self, database: Database, store: AudioStore) -> None:
        """Takes where rows and audio are kept."""
        self._database = database
        self._store = store

    async def create(self, library: str, clip: NewClip, request_id: str | None) -> Row[Any]:
        """Makes a clip; with a known request id, answers the clip that it made.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND, STATE_CONFLICT (the library is not ACTIVE).
        """

        async def make(connection: AsyncConnection) -> Row[Any]:
            made = await _made_by(connection, library, request_id)
            return made or await _insert(connection, library, clip, request_id)

        try:
            return await self._database.write(make)
        except exc.IntegrityError:  # the same request at the same time was faster
            made = await self._database.read(lambda c: _made_by(c, library, request_id))
            if made is None:
                raise
            return made

    async def get(self, name: ClipName) -> Row[Any]:
        """Reads a clip in any state."""
        return await self._database.read(lambda c: clip_rows.get(c, name))

    async def list(
        self, library: str, query: ClipQuery, page: Page
    ) -> tuple[Sequence[Row[Any]], str]:
        """One page of clips, the oldest first, and the next page's token."""

        async def read(connection: AsyncConnection) -> Sequence[Row[Any]]:
            uid = (await library_rows.get(connection, library)).uid
            statement = select(clips).where(clips.c.library_uid == uid, *query.conditions())
            if page.after is not None:
                statement = statement.where(clips.c.id > page.after)
            found = await connection.execute(statement.order_by(clips.c.id).limit(page.size + 1))
            return found.all()

        return page.cut(await self._database.read(read), lambda row: str(row.id))

    async def look_up(self, library: str, ids: Collection[str]) -> Sequence[Row[Any]]:
        """The ACTIVE ones among these clips."""
        wanted = {clip for clip in ids if is_ulid(clip)}

        async def read(connection: AsyncConnection) -> Sequence[Row[Any]]:
            uid = (await library_rows.get(connection, library)).uid
            found = await connection.execute(
                select(clips).where(
                    clips.c.id.in_(wanted),
                    clips.c.library_uid == uid,
                    clips.c.state == ClipState.ACTIVE,
                )
            )
            return found.all()

        return await self._database.read(read)

    async def update(self, name: ClipName, values: Mapping[str, Any]) -> Row[Any]:
        """Changes some of the columns CHANGEABLE."""
        allowed = (ClipState.CREATING, ClipState.ACTIVE, ClipState.FAILED)
        return await self._move(name, allowed, values)

    async def activate(self, name: ClipName, heard: Heard) -> Row[Any]:
        """CREATING -> ACTIVE, if its audio is there."""

        async def change(connection: AsyncConnection) -> Row[Any]:
            row = await clip_rows.get(connection, name, lock=True)
            if row.state == ClipState.ACTIVE:
                return row
            clip_rows.require_state(row, name, ClipState.CREATING, ClipState.ACTIVE)
            if row.content_sha256 is None or not await self._store.has(
                AudioKey(row.library_uid, row.id, row.content_sha256), row.size_bytes
            ):
                raise clip_rows.conflict(row, name, "with its audio in place: call PutAudio first")
            return await _set(
                connection,
                name,
                clips.c.state == ClipState.CREATING,
                {"state": ClipState.ACTIVE, **vars(heard)},
            )

        return await self._database.write(change)

    async def fail(self, name: ClipName, reason: str, message: str) -> Row[Any]:
        """CREATING -> FAILED; its audio is removed, and its bytes may come as another clip."""

        async def change(connection: AsyncConnection) -> Row[Any]:
            row = await clip_rows.get(connection, name, lock=True)
            if row.state == ClipState.FAILED:
                return row
            clip_rows.require_state(row, name, ClipState.CREATING, ClipState.FAILED)
            # Before the commit: cut off here, the row is CREATING without audio, which can be
            # failed again; the other way round, audio would stay that no row knows.
            await self._store.remove_clip(row.library_uid, row.id)
            return await _set(
                connection,
                name,
                clips.c.state == ClipState.CREATING,
                {
                    "state": ClipState.FAILED,
                    "failure_reason": reason,
                    "failure_message": message,
                    "content_sha256": None,
                    "size_bytes": None,
                    "content_type": None,
                },
            )

        return await self._database.write(change)

    async def begin_deletion(self, name: ClipName) -> Row[Any]:
        """Any state -> DELETING."""
        return await self._move(
            name, tuple(ClipState), {"state": ClipState.DELETING}, unless=ClipState.DELETING
        )

    async def delete(self, name: ClipName) -> None:
        """Removes a DELETING clip's audio, then its row. One that is not there is fine."""
        row = await self._database.read(lambda c: clip_rows.find(c, name))
        if row is None:
            return
        clip_rows.require_state(row, name, ClipState.DELETING)
        await self._store.remove_clip(row.library_uid, row.id)
        await self._database.write(
            lambda c: c.execute(
                delete(clips).where(clips.c.id == row.id, clips.c.state == ClipState.DELETING)
            )
        )

    async def _move(
        self,
        name: ClipName,
        allowed: Collection[ClipState],
        values: Mapping[str, Any],
        unless: ClipState | None = None,
    ) -> Row[Any]:
        """Changes a clip that is in one of these states; one in state `unless` stays as it is."""

        async def change(connection: AsyncConnection) -> Row[Any]:
            row = await clip_rows.get(connection, name, lock=True)
            if row.state == unless:
                return row
            clip_rows.require_state(row, name, *allowed)
            return await _set(connection, name, clips.c.state == row.state, values)

        return await self._database.write(change)


async def _set(
    connection: AsyncConnection,
    name: ClipName,
    condition: ColumnElement[bool],
    values: Mapping[str, Any],
) -> Row[Any]:
    await connection.execute(
        update(clips)
        .where(clip_rows.is_named(name), condition)
        .values({**values, "update_time": clip_rows.now()})
    )
    return await clip_rows.get(connection, name)


async def _made_by(
    connection: AsyncConnection, library: str, request_id: str | None
) -> Row[Any] | None:
    if request_id is None:
        return None
    return (
        await connection.execute(
            select(clips).where(
                clips.c.library_uid == clip_rows.uid_of(library), clips.c.request_id == request_id
            )
        )
    ).one_or_none()


async def _insert(
    connection: AsyncConnection, library: str, clip: NewClip, request_id: str | None
) -> Row[Any]:
    # Locked against deletion until the clip is in: a library that is going takes none.
    parent = await library_rows.get(connection, library, share=True)
    library_rows.require_state(parent, LibraryState.ACTIVE)
    now = clip_rows.now()
    name = ClipName(library, new_id(now))
    await connection.execute(
        insert(clips).values(
            id=name.clip,
            library_uid=parent.uid,
            state=ClipState.CREATING,
            request_id=request_id,
            create_time=now,
            update_time=now,
            **vars(clip),
        )
    )
    return await clip_rows.get(connection, name)
