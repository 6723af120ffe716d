"""Clips that refer to audio elsewhere: the first reading, which keeps hash and version."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import structlog
from sqlalchemy import Connection, exc

from catalog_service.audio.audio_store import Reference, UnreadableError
from catalog_service.audio.clip_audio import CHUNK_BYTES, Stored, other_with
from catalog_service.audio.content_type import HEAD_BYTES, judge
from catalog_service.audio.reference_readers import Listed
from catalog_service.audio.reference_uris import Place
from catalog_service.audio.references import References
from catalog_service.clips import rows as clip_rows
from catalog_service.clips.batches import exists
from catalog_service.completion import to_the_end
from catalog_service.database.database import Database
from catalog_service.database.states import AudioCondition, ClipState
from catalog_service.names import ClipName
from catalog_service.paging import Page
from serving.audio_files import PassedOver
from serving.audio_size import too_large
from serving.errors import Reason, ServiceError

log = structlog.get_logger()
_ATTEMPTS = 3


class Referring:
    """Makes clips refer to audio elsewhere."""

    def __init__(self, database: Database, references: References, max_bytes: int) -> None:
        """Takes the database, the allowed places, and the largest recording in bytes."""
        self._database = database
        self._references = references
        self._max_bytes = max_bytes

    def require_allowed(self, uri: str) -> None:
        """Raises FIELD_INVALID or PATH_NOT_ALLOWED for a URI that a clip may not refer to."""
        self._references.allowed.place(uri, "clip.uri")

    def place(self, uri: str) -> Place:
        """The place to list; FIELD_INVALID or PATH_NOT_ALLOWED if it may not be."""
        return self._references.allowed.place(uri, "uri", prefix=True)

    async def page(
        self, place: Place, page: Page, passed_over: PassedOver
    ) -> tuple[Sequence[Listed], str]:
        """Some of the audio files below a place, and the token of the next page.

        Raises:
            ServiceError: PATH_NOT_FOUND, PATH_NOT_ALLOWED, CATALOG_UNAVAILABLE.
        """
        try:
            found, last = await self._references.page(
                place, page.after or "", page.size, passed_over
            )
        except FileNotFoundError as error:
            raise _nothing(place.uri) from error
        return found, page.token(last) if last else ""

    async def refer(self, name: ClipName) -> tuple[Stored, AsyncIterator[bytes]]:
        """Reads all the audio of a clip that is CREATING. Its hash is kept before the last chunk.

        Raises:
            ServiceError: CLIP_NOT_FOUND, STATE_CONFLICT, PATH_NOT_ALLOWED, PATH_NOT_FOUND,
                AUDIO_UNDECODABLE, AUDIO_TOO_LONG; and of the chunks AUDIO_CHANGED, CLIP_EXISTS.
        """
        row = await self._database.read(lambda c: clip_rows.get(c, name))
        clip_rows.require_state(row, name, ClipState.CREATING)
        if row.referred is None or row.is_restored:
            raise clip_rows.conflict(row, name, "new, with a uri")
        uri = row.referred.uri
        self.require_allowed(uri)
        try:
            found = await self._references.look(uri)
        except FileNotFoundError as error:
            raise _nothing(uri) from error
        if found.size_bytes > self._max_bytes:
            raise too_large(self._max_bytes, found.size_bytes)
        if not found.size_bytes:
            raise ServiceError(Reason.AUDIO_UNDECODABLE, f"{uri} has no bytes at all")
        return Stored("", found.size_bytes, ""), self._chunks(name, row.channel, found)

    async def _chunks(
        self, name: ClipName, channel: int, reference: Reference
    ) -> AsyncIterator[bytes]:
        digest, head, held, done = hashlib.sha256(), b"", b"", 0
        chunks = self._references.read(
            reference, 0, reference.size_bytes, CHUNK_BYTES, digest.update
        )
        try:
            async for chunk in chunks:
                if held:
                    yield held
                held, done = chunk, done + len(chunk)
                if len(head) < HEAD_BYTES:
                    head += chunk[: HEAD_BYTES - len(head)]
        except FileNotFoundError as error:
            raise _nothing(reference.uri) from error
        except UnreadableError as error:
            raise _changed(reference.uri) from error
        if done != reference.size_bytes:
            raise _changed(reference.uri)
        values = {
            "content_sha256": digest.hexdigest(),
            "content_type": judge(head),
            "size_bytes": 0,
            "reference": list(reference),
        }
        await to_the_end(self._record(name, channel, values))
        yield held

    async def _record(self, name: ClipName, channel: int, values: dict[str, Any]) -> None:
        def change(connection: Connection) -> None:
            row = clip_rows.get(connection, name, lock=True)
            clip_rows.require_state(row, name, ClipState.CREATING)
            clip_rows.change(connection, row, values)

        for _ in range(_ATTEMPTS):
            try:
                return await self._database.grow(change)
            except exc.IntegrityError:
                await self._refuse_duplicate(name, channel, values)
        raise ServiceError(
            Reason.CATALOG_UNAVAILABLE, "another clip with these bytes comes and goes; try again"
        )

    async def _refuse_duplicate(self, name: ClipName, channel: int, values: dict[str, Any]) -> None:
        """Raises CLIP_EXISTS if another clip has the bytes, and mends its reference."""
        other = await other_with(self._database, name, channel, values["content_sha256"])
        if other is not None:
            if await self._database.write(lambda c: _mend(c, other, values)):
                log.info("audio.referred_anew", clip=str(other), uri=values["reference"][0])
            raise exists(other)


def _mend(connection: Connection, name: ClipName, values: dict[str, Any]) -> bool:
    """Lets an ACTIVE clip refer to its bytes where they are now. Returns True if that is news.

    It is the bytes' own place in a new version, or another one after they were lost.
    """
    row = clip_rows.find(connection, name, lock=True)
    if row is None or row.referred is None or row.state != ClipState.ACTIVE:
        return False
    now = Reference._make(values["reference"])
    lost = row.audio_condition != AudioCondition.WHOLE
    same = row.content_sha256 == values["content_sha256"]
    if not same or not (lost or row.referred.uri == now.uri) or (row.referred == now and not lost):
        return False
    clip_rows.change(
        connection,
        row,
        {"reference": values["reference"], "audio_condition": AudioCondition.WHOLE},
    )
    return True


def _nothing(uri: str) -> ServiceError:
    return ServiceError(Reason.PATH_NOT_FOUND, f"there is nothing at {uri} that could be read")


def _changed(uri: str) -> ServiceError:
    return ServiceError(
        Reason.AUDIO_CHANGED, f"{uri} changed while it was read; add it once it is complete"
    )
