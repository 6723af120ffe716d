"""Audio of clips: into the store together with the row, and out of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, exc, select

from catalog_service.audio.audio_store import AudioKey, AudioStore, Upload
from catalog_service.audio.content_type import UNKNOWN, judge
from catalog_service.clips import rows as clip_rows
from catalog_service.clips.batches import exists
from catalog_service.clips.rows import IN_LIBRARY, ClipRow
from catalog_service.completion import to_the_end
from catalog_service.database.database import Database
from catalog_service.database.schema import clips
from catalog_service.database.states import ClipState
from catalog_service.fields import invalid
from catalog_service.names import ClipName
from serving.audio_size import too_large
from serving.errors import Reason, ServiceError

CHUNK_BYTES = 256 * 1024
_ATTEMPTS = 3
_OTHER = select(clips.c.id).where(
    IN_LIBRARY,
    clips.c.content_sha256 == bindparam("sha256"),
    clips.c.channel == bindparam("channel"),
    clips.c.id != bindparam("clip"),
)


class Stored(NamedTuple):
    """The columns of a clip that tell of its stored audio."""

    content_sha256: str
    size_bytes: int
    content_type: str


class Audio:
    """Puts and gets the audio of clips."""

    def __init__(self, database: Database, store: AudioStore, max_bytes: int) -> None:
        """Takes the database, the store, and the largest recording in bytes."""
        self._database = database
        self._store = store
        self._max_bytes = max_bytes

    async def put(self, name: ClipName, chunks: AsyncIterator[bytes]) -> Stored:
        """Stores all chunks as the audio of a clip that is CREATING, or nothing.

        Raises:
            ServiceError: CLIP_NOT_FOUND, STATE_CONFLICT, AUDIO_UNDECODABLE, AUDIO_TOO_LONG,
                STORAGE_FULL, CLIP_EXISTS.
        """
        row = await self._database.read(lambda c: clip_rows.get(c, name))
        clip_rows.require_state(row, name, ClipState.CREATING)
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
            return await to_the_end(self._record(name, row.channel, upload))

    async def _record(self, name: ClipName, channel: int, upload: Upload) -> Stored:
        """Row and object change together: the row is locked while the object takes its place."""
        stored = Stored(upload.sha256, upload.size, judge(upload.head))
        for _ in range(_ATTEMPTS):
            try:
                before = await self._database.write_around(
                    lambda c: _set(c, name, stored),
                    lambda before: _publish(upload, before),
                    lambda _, before: before,
                )
            except exc.IntegrityError:
                await self._refuse_duplicate(name, channel, upload.sha256)
                continue
            if before.content_sha256 not in {None, stored.content_sha256}:
                await self._store.remove(
                    AudioKey(before.library_uid, before.id, before.content_sha256)
                )
            return stored
        raise ServiceError(
            Reason.CATALOG_UNAVAILABLE, "another clip with these bytes comes and goes; try again"
        )

    async def _refuse_duplicate(self, name: ClipName, channel: int, sha256: str) -> None:
        values = {
            "library": name.library,
            "sha256": sha256,
            "channel": channel,
            "clip": name.clip,
        }
        other = await self._database.read(lambda c: c.scalar(_OTHER, values))
        if other:
            raise exists(ClipName(name.library, other))

    async def get(
        self, name: ClipName, offset: int, limit: int
    ) -> tuple[Stored, AsyncIterator[bytes]]:
        """Reads the bytes from `offset` on, at most `limit` of them (0: all), and what is stored.

        Raises:
            ServiceError: CLIP_NOT_FOUND, AUDIO_NOT_FOUND, FIELD_INVALID.
        """
        row = await self._database.read(lambda c: clip_rows.get(c, name))
        if row.content_sha256 is None or row.size_bytes is None:
            raise _not_there(name)
        stored = Stored(row.content_sha256, row.size_bytes, row.content_type or UNKNOWN)
        if offset > stored.size_bytes:
            raise invalid("offset", offset, f"must be at most the audio's {row.size_bytes} bytes")
        key = AudioKey(row.library_uid, row.id, stored.content_sha256)
        if not await self._store.present({key: stored.size_bytes}):
            raise _not_there(name)
        left = stored.size_bytes - offset
        return stored, self._read(name, key, offset, min(limit or left, left))

    async def _read(
        self, name: ClipName, key: AudioKey, offset: int, limit: int
    ) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._store.read(key, offset, limit, CHUNK_BYTES):
                yield chunk
        except FileNotFoundError as error:
            raise _not_there(name) from error


def _set(connection: Connection, name: ClipName, stored: Stored) -> ClipRow:
    """Writes into a locked row what is stored of its clip; the row as it was before."""
    before = clip_rows.get(connection, name, lock=True)
    clip_rows.require_state(before, name, ClipState.CREATING)
    clip_rows.change(connection, before, stored._asdict())
    return before


async def _publish(upload: Upload, before: ClipRow) -> ClipRow:
    await upload.publish(AudioKey(before.library_uid, before.id, upload.sha256))
    return before


def _not_there(name: ClipName) -> ServiceError:
    return ServiceError(
        Reason.AUDIO_NOT_FOUND,
        f"{name} has no audio, or no longer; PutAudio stores it while the clip is being made",
        {"clip": str(name)},
    )
