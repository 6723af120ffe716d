"""Audio of clips: into the store together with the row, and out of it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import structlog
from sqlalchemy import Connection, bindparam, exc, select

from catalog_service.audio import check_rows
from catalog_service.audio.audio_store import AudioKey, AudioStore, UnreadableError, Upload
from catalog_service.audio.content_type import UNKNOWN, judge
from catalog_service.clips import rows as clip_rows
from catalog_service.clips.batches import exists
from catalog_service.clips.rows import IN_LIBRARY, ClipRow
from catalog_service.completion import to_the_end
from catalog_service.database.database import Database
from catalog_service.database.schema import clips
from catalog_service.database.states import AudioCondition, ClipState
from catalog_service.fields import invalid
from catalog_service.names import ClipName
from serving.audio_size import too_large
from serving.errors import Reason, ServiceError

log = structlog.get_logger()
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

        The bytes of an ACTIVE clip whose audio is damaged or missing make it whole again.

        Raises:
            ServiceError: CLIP_NOT_FOUND, STATE_CONFLICT, AUDIO_UNDECODABLE, AUDIO_TOO_LONG,
                STORAGE_FULL, CLIP_EXISTS.
        """
        row = await self._database.read(lambda c: clip_rows.get(c, name))
        mends = row.state == ClipState.ACTIVE and row.audio_condition != AudioCondition.WHOLE
        if not mends:
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
            if mends:
                return await to_the_end(self._mend(name, upload))
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
                await self._refuse_duplicate(name, channel, upload)
                continue
            if before.content_sha256 not in {None, stored.content_sha256}:
                await self._store.remove(
                    AudioKey(before.library_uid, before.id, before.content_sha256)
                )
            return stored
        raise ServiceError(
            Reason.CATALOG_UNAVAILABLE, "another clip with these bytes comes and goes; try again"
        )

    async def _refuse_duplicate(self, name: ClipName, channel: int, upload: Upload) -> None:
        """Raises CLIP_EXISTS if another clip has the bytes, which are whole afterwards."""
        values = {
            "library": name.library,
            "sha256": upload.sha256,
            "channel": channel,
            "clip": name.clip,
        }
        found = await self._database.read(lambda c: c.scalar(_OTHER, values))
        if not found:
            return
        other = ClipName(name.library, found)
        try:
            await self._mend(other, upload)
        except ServiceError as error:  # it is not ACTIVE, or not any more
            if error.reason not in {Reason.STATE_CONFLICT, Reason.CLIP_NOT_FOUND}:
                raise
        raise exists(other)

    async def _mend(self, name: ClipName, upload: Upload) -> Stored:
        """Puts the bytes in the place of the same bytes of an ACTIVE clip."""

        def lock(connection: Connection) -> ClipRow:
            row = clip_rows.get(connection, name, lock=True)
            clip_rows.require_state(row, name, ClipState.ACTIVE)
            if row.content_sha256 != upload.sha256:
                raise clip_rows.conflict(row, name, "without audio, or sent its own bytes")
            return row

        def mark(connection: Connection, row: ClipRow) -> ClipRow:
            key = AudioKey(row.library_uid, row.id, upload.sha256)
            check_rows.mark(connection, key, AudioCondition.WHOLE)
            return row

        row = await self._database.write_around(lock, lambda row: _publish(upload, row), mark)
        if row.audio_condition != AudioCondition.WHOLE:
            log.info("audio.mended", clip=str(name))
        return Stored(upload.sha256, upload.size, row.content_type or UNKNOWN)

    async def get(
        self, name: ClipName, offset: int, limit: int
    ) -> tuple[Stored, AsyncIterator[bytes]]:
        """Reads the bytes from `offset` on, at most `limit` of them (0: all), and what is stored.

        All of them are compared with their hash before the last chunk is given. A part is given
        unless the audio is known to be damaged.

        Raises:
            ServiceError: CLIP_NOT_FOUND, AUDIO_NOT_FOUND, AUDIO_DAMAGED, AUDIO_MISSING,
                FIELD_INVALID.
        """
        row = await self._database.read(lambda c: clip_rows.get(c, name))
        if row.content_sha256 is None or row.size_bytes is None:
            raise _not_there(name)
        stored = Stored(row.content_sha256, row.size_bytes, row.content_type or UNKNOWN)
        if offset > stored.size_bytes:
            raise invalid("offset", offset, f"must be at most the audio's {row.size_bytes} bytes")
        if row.audio_condition == AudioCondition.DAMAGED:
            raise _bad(name, AudioCondition.DAMAGED)
        key = AudioKey(row.library_uid, row.id, stored.content_sha256)
        size = (await self._store.sizes([key])).get(key)
        if size != stored.size_bytes:
            raise await self._lost(
                name, row, AudioCondition.MISSING if size is None else AudioCondition.DAMAGED
            )
        if row.audio_condition != AudioCondition.WHOLE:  # it is back: perhaps with other bytes
            async for _ in self._read_whole(name, row, key, stored.size_bytes):
                pass
        left = min(limit or stored.size_bytes, stored.size_bytes - offset)
        whole = left == stored.size_bytes
        return stored, (
            self._read_whole(name, row, key, left)
            if whole
            else self._read(name, row, key, offset, left)
        )

    async def _read(
        self,
        name: ClipName,
        row: ClipRow,
        key: AudioKey,
        offset: int,
        limit: int,
        heard: Callable[[bytes], object] = lambda _chunk: None,
    ) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._store.read(key, offset, limit, CHUNK_BYTES, heard):
                yield chunk
        except FileNotFoundError as error:
            raise await self._lost(name, row, AudioCondition.MISSING) from error
        except UnreadableError as error:
            raise await self._lost(name, row, AudioCondition.DAMAGED) from error

    async def _read_whole(
        self, name: ClipName, row: ClipRow, key: AudioKey, size: int
    ) -> AsyncIterator[bytes]:
        digest = hashlib.sha256()
        held = b""
        async for chunk in self._read(name, row, key, 0, size, digest.update):
            if held:
                yield held
            held = chunk
        if digest.hexdigest() != key.sha256:
            raise await self._lost(name, row, AudioCondition.DAMAGED)
        if row.audio_condition != AudioCondition.WHOLE:  # its file is back
            await self._mark(key, AudioCondition.WHOLE)
        if held:
            yield held

    async def _lost(self, name: ClipName, row: ClipRow, condition: AudioCondition) -> ServiceError:
        """Marks an ACTIVE clip. Returns the error for its reader."""
        if row.state != ClipState.ACTIVE and condition is AudioCondition.MISSING:
            return _not_there(name)
        key = AudioKey(row.library_uid, row.id, row.content_sha256 or "")
        await self._mark(key, condition)
        return _bad(name, condition)

    async def _mark(self, key: AudioKey, condition: AudioCondition) -> None:
        """Marks a clip if the database can do so now; the checks of all audio do it otherwise."""
        with contextlib.suppress(ServiceError):
            if await self._database.write(lambda c: check_rows.mark(c, key, condition)):
                log.warning("audio.marked", clip=key.clip_id, condition=condition.name)


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


def _bad(name: ClipName, condition: AudioCondition) -> ServiceError:
    if condition is AudioCondition.MISSING:
        reason, what = Reason.AUDIO_MISSING, "is gone"
    else:
        reason, what = Reason.AUDIO_DAMAGED, "is damaged: it is not what was uploaded"
    return ServiceError(
        reason,
        f"the stored audio of {name} {what}; upload the same file to its library again, or restore "
        "it from a copy",
        {"clip": str(name)},
    )
