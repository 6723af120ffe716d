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
from catalog_service.audio.reference_uris import SETTING
from catalog_service.clips import rows as clip_rows
from catalog_service.clips.batches import exists
from catalog_service.clips.quotas import NO_QUOTA, Additions, Quota
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
_LOCKED = (
    select(clips.c.content_sha256, clips.c.state)
    .where(clips.c.id == bindparam("id"))
    .with_for_update()
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

    async def put(
        self, name: ClipName, chunks: AsyncIterator[bytes], quota: Quota = NO_QUOTA
    ) -> Stored:
        """Stores all chunks as the audio of a clip that is CREATING, or nothing.

        The bytes of an ACTIVE clip whose audio is damaged or missing make it whole again.

        Args:
            name: The clip.
            chunks: Its audio.
            quota: The quota that it must fit into, if the clip is of its owner.

        Raises:
            ServiceError: CLIP_NOT_FOUND, STATE_CONFLICT, AUDIO_UNDECODABLE, AUDIO_TOO_LONG,
                QUOTA_EXCEEDED, STORAGE_FULL, CLIP_EXISTS.
        """
        row = await self._database.read(lambda c: clip_rows.get(c, name))
        if row.referred:
            raise clip_rows.conflict(row, name, "without a uri: its audio stays there")
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
                return await self._mend(name, upload)
            if quota.max_bytes and upload.size > (row.size_bytes or 0):
                # In a transaction of its own: others of the owner need not wait for the store.
                await self._database.write_new(lambda c: _reserve(c, name, upload.size, quota))
            key = AudioKey(row.library_uid, row.id, upload.sha256)
            async with self._placed(upload, key):
                return await to_the_end(self._record(name, row.channel, upload))

    @contextlib.asynccontextmanager
    async def _placed(self, upload: Upload, key: AudioKey) -> AsyncIterator[None]:
        """Brings the bytes to an object's place, and removes them if the block is refused."""
        placed = await upload.place(key)
        try:
            yield
        except ServiceError as error:
            if placed:
                await self.withdraw(key, error)
            raise

    async def withdraw(self, key: AudioKey, error: ServiceError) -> None:
        """Removes an object that its row does not tell of.

        A clip that is being made keeps it: another call may send the same bytes, and what is left
        in the end goes with the clip. Other clips with the same bytes refuse all such calls.
        """

        def lock(connection: Connection) -> bool:
            row = connection.execute(_LOCKED, {"id": key.clip_id}).one_or_none()
            return row is None or (
                row.content_sha256 != key.sha256
                and (row.state != ClipState.CREATING or error.reason is Reason.CLIP_EXISTS)
            )

        async def remove(unknown: bool) -> None:
            if unknown:
                await self._store.remove(key)

        with contextlib.suppress(ServiceError):  # it goes with the clip then
            await self._database.write_around(lock, remove, lambda _, done: done)

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
        other = await other_with(self._database, name, channel, upload.sha256)
        if other is None:
            return
        try:
            await self._mend(other, upload)
        except ServiceError as error:  # it is not ACTIVE, or not any more
            if error.reason not in {Reason.STATE_CONFLICT, Reason.CLIP_NOT_FOUND}:
                raise
        raise exists(other)

    async def _mend(self, name: ClipName, upload: Upload) -> Stored:
        """Puts the bytes in the place of the same bytes of an ACTIVE clip."""

        def look(connection: Connection) -> ClipRow:
            return same(clip_rows.get(connection, name))

        def lock(connection: Connection) -> ClipRow:
            return same(clip_rows.get(connection, name, lock=True))

        def same(row: ClipRow) -> ClipRow:
            clip_rows.require_state(row, name, ClipState.ACTIVE)
            if row.referred:
                raise clip_rows.conflict(row, name, "without a uri: its audio stays there")
            if row.content_sha256 != upload.sha256:
                raise clip_rows.conflict(row, name, "without audio, or sent its own bytes")
            return row

        def mark(connection: Connection, row: ClipRow) -> ClipRow:
            key = AudioKey(row.library_uid, row.id, upload.sha256)
            check_rows.mark(connection, key, AudioCondition.WHOLE)
            return row

        seen = await self._database.read(look)
        async with self._placed(upload, AudioKey(seen.library_uid, seen.id, upload.sha256)):
            row = await to_the_end(
                self._database.write_around(lock, lambda row: _publish(upload, row), mark)
            )
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
            ServiceError: CLIP_NOT_FOUND, AUDIO_NOT_FOUND, AUDIO_DAMAGED, AUDIO_CHANGED,
                AUDIO_MISSING, FIELD_INVALID.
        """
        row = await self._database.read(lambda c: clip_rows.get(c, name))
        stored, key = _described(name, row)
        if offset > stored.size_bytes:
            raise invalid("offset", offset, f"must be at most the audio's {row.audio_bytes} bytes")
        await self._require_whole(name, row, key, stored.size_bytes)
        left = min(limit or stored.size_bytes, stored.size_bytes - offset)
        whole = left == stored.size_bytes
        return stored, (
            self._read_whole(name, row, key, left)
            if whole
            else self._read(name, row, key, offset, left)
        )

    async def link(self, name: ClipName, seconds: int) -> tuple[Stored, str]:
        """An address of the audio that holds so many seconds; empty if its store gives none.

        Raises:
            ServiceError: CLIP_NOT_FOUND, AUDIO_NOT_FOUND, AUDIO_DAMAGED, AUDIO_CHANGED,
                AUDIO_MISSING.
        """
        row = await self._database.read(lambda c: clip_rows.get(c, name))
        stored, key = _described(name, row)
        link = await self._store.link(key, seconds)
        if link:
            await self._require_whole(name, row, key, stored.size_bytes)
        return stored, link

    async def _require_whole(self, name: ClipName, row: ClipRow, key: AudioKey, size: int) -> None:
        """Raises AUDIO_DAMAGED, _CHANGED or _MISSING unless the audio is there with its size."""
        if row.audio_condition == AudioCondition.DAMAGED and not row.referred:
            raise _bad(name, row, AudioCondition.DAMAGED)
        found = (await self._store.sizes([key])).get(key)
        if found != size:
            raise await self._lost(
                name, row, AudioCondition.MISSING if found is None else AudioCondition.DAMAGED
            )
        if row.audio_condition != AudioCondition.WHOLE:  # it is back: perhaps with other bytes
            async for _ in self._read_whole(name, row, key, size):
                pass

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
        await self._mark(row.audio_key, condition)
        return _bad(name, row, condition)

    async def _mark(self, key: AudioKey, condition: AudioCondition) -> None:
        """Marks a clip if the database can do so now; the checks of all audio do it otherwise."""
        with contextlib.suppress(ServiceError):
            if await self._database.write(lambda c: check_rows.mark(c, key, condition)):
                log.warning("audio.marked", clip=key.clip_id, condition=condition.name)


async def other_with(
    database: Database, name: ClipName, channel: int, sha256: str
) -> ClipName | None:
    """Returns another clip of the library that has these bytes, heard by the same channel."""
    values = {"library": name.library, "sha256": sha256, "channel": channel, "clip": name.clip}
    found = await database.read(lambda c: c.scalar(_OTHER, values))
    return ClipName(name.library, found) if found else None


def _reserve(connection: Connection, name: ClipName, size: int, quota: Quota) -> None:
    """Counts the bytes of a clip for its owner before they are stored."""
    additions = Additions(connection, [quota])
    row = clip_rows.get(connection, name, lock=True)
    clip_rows.require_state(row, name, ClipState.CREATING)
    more = size - (row.size_bytes or 0)
    if more <= 0 or row.owner != quota.owner:
        return
    if refusal := additions.refusal(quota, 0, more):
        raise refusal
    clip_rows.change(connection, row, {"size_bytes": size})
    additions.keep()


def _set(connection: Connection, name: ClipName, stored: Stored) -> ClipRow:
    """Writes into a locked row what is stored of its clip; the row as it was before."""
    before = clip_rows.get(connection, name, lock=True)
    clip_rows.require_state(before, name, ClipState.CREATING)
    if before.is_restored and before.content_sha256 != stored.content_sha256:
        raise clip_rows.conflict(before, name, "sent its own bytes while it is restored")
    clip_rows.change(connection, before, stored._asdict())
    return before


async def _publish(upload: Upload, before: ClipRow) -> ClipRow:
    await upload.publish(AudioKey(before.library_uid, before.id, upload.sha256))
    return before


def _described(name: ClipName, row: ClipRow) -> tuple[Stored, AudioKey]:
    """The audio that a row tells of; AUDIO_NOT_FOUND if there is none."""
    if row.stored_sha256 is None or row.audio_bytes is None:
        raise _not_there(name)
    stored = Stored(row.stored_sha256, row.audio_bytes, row.content_type or UNKNOWN)
    return stored, row.audio_key


def _not_there(name: ClipName) -> ServiceError:
    return ServiceError(
        Reason.AUDIO_NOT_FOUND,
        f"{name} has no audio, or no longer; PutAudio stores it while the clip is being made",
        {"clip": str(name)},
    )


def _bad(name: ClipName, row: ClipRow, condition: AudioCondition) -> ServiceError:
    if row.referred:
        return _elsewhere(name, row.referred.uri, condition)
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


def _elsewhere(name: ClipName, uri: str, condition: AudioCondition) -> ServiceError:
    if condition is AudioCondition.MISSING:
        reason, what = Reason.AUDIO_MISSING, f"is gone, or may not be read any more (see {SETTING})"
    else:
        reason, what = Reason.AUDIO_CHANGED, "is not what it was when the clip was added"
    return ServiceError(
        reason,
        f"{uri}, the audio of {name}, {what}; bring the same bytes back, and add them by reference "
        "from where they are then, or delete the clip and add the new audio",
        {"clip": str(name)},
    )
