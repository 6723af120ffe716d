"""Puts the short audio of many clips at a time: they share a transaction."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection, exc

from catalog_service.audio.audio_store import AudioKey, AudioStore, Upload
from catalog_service.audio.clip_audio import Audio, Stored
from catalog_service.audio.content_type import judge
from catalog_service.clips import rows as clip_rows
from catalog_service.clips.quotas import NO_QUOTA, Quota
from catalog_service.clips.rows import ClipRow
from catalog_service.completion import to_the_end
from catalog_service.database.database import Database
from catalog_service.database.states import ClipState
from catalog_service.names import ClipName
from serving.errors import ServiceError

T = TypeVar("T")


class ShortAudio(NamedTuple):
    """All audio of a clip, and the quota that it must fit into, if the clip is of its owner."""

    name: ClipName
    content: bytes
    quota: Quota = NO_QUOTA


class _Written(NamedTuple):
    """Audio in the store, which no row tells of yet."""

    upload: Upload
    key: AudioKey
    is_placed: bool
    """True if it has to be removed unless a row tells of it."""


class _NotSimpleError(Exception):
    """A clip of several needs more than the columns of its row set."""


class ShortAudios:
    """Puts audio as `Audio.put` does, which is left what is not simply new."""

    def __init__(self, database: Database, store: AudioStore, audio: Audio, max_bytes: int) -> None:
        """Takes the database, the store, the way of single clips, and the largest recording."""
        self._database = database
        self._store = store
        self._audio = audio
        self._max_bytes = max_bytes

    async def put(self, library: str, parts: Sequence[ShortAudio]) -> list[Stored | ServiceError]:
        """Stores the audio of clips of a library.

        Returns:
            The outcome of each part, in order. The errors are those of `Audio.put`.
        """
        ids = [part.name.clip for part in parts]
        rows = await self._database.read(lambda c: clip_rows.find_all(c, library, ids))
        simple = {
            part.name: part
            for part in parts
            if 0 < len(part.content) <= self._max_bytes
            and _is_simple(rows.get(part.name.clip), part)
        }
        done = await self._put_together(library, simple, rows) if simple else {}
        # A clip may stand there twice; then its last part is among the simple ones.
        return [
            done[part.name]
            if part.name in done and simple[part.name] is part
            else await self._put_alone(part)
            for part in parts
        ]

    async def _put_alone(self, part: ShortAudio) -> Stored | ServiceError:
        async def chunks() -> AsyncIterator[bytes]:
            yield part.content

        try:
            return await self._audio.put(part.name, chunks(), part.quota)
        except ServiceError as error:
            return error

    async def _put_together(
        self, library: str, parts: Mapping[ClipName, ShortAudio], rows: Mapping[str, ClipRow]
    ) -> dict[ClipName, Stored | ServiceError]:
        """Stores audio in one transaction. Leaves all out if that can't be done so."""
        failed, written = dict[ClipName, ServiceError](), dict[ClipName, _Written]()
        async with contextlib.AsyncExitStack() as block:
            uploads = [await block.enter_async_context(self._store.upload()) for _ in parts]
            outcomes = await _all(
                _write(upload, part.content, rows[part.name.clip])
                for upload, part in zip(uploads, parts.values(), strict=True)
            )
            for name, outcome in zip(parts, outcomes, strict=True):
                if isinstance(outcome, ServiceError):
                    failed[name] = outcome
                else:
                    written[name] = outcome
            return {**failed, **(await to_the_end(self._record(library, parts, written)))}

    async def _record(
        self,
        library: str,
        parts: Mapping[ClipName, ShortAudio],
        written: Mapping[ClipName, _Written],
    ) -> Mapping[ClipName, Stored | ServiceError]:
        """Rows and objects change together: rows are locked while objects take their places."""
        stored = {
            name: Stored(each.key.sha256, each.upload.size, judge(each.upload.head))
            for name, each in written.items()
        }

        def change(connection: Connection) -> None:
            rows = clip_rows.lock_all(connection, library, [name.clip for name in stored])
            for name, new in stored.items():
                if not _is_simple(rows.get(name.clip), parts[name], new.content_sha256):
                    raise _NotSimpleError
            clip_rows.change_all(
                connection, [(rows[name.clip], new._asdict()) for name, new in stored.items()]
            )

        async def publish(_changed: None) -> None:
            for outcome in await _all(e.upload.publish(e.key) for e in written.values()):
                if outcome is not None:
                    raise outcome

        try:
            await self._database.write_around(change, publish, lambda _, done: done)
        except (exc.IntegrityError, _NotSimpleError):  # such as another clip with these bytes
            return {}
        except ServiceError as error:
            placed = [each.key for each in written.values() if each.is_placed]
            await _all(self._audio.withdraw(key, error) for key in placed)
            return dict.fromkeys(written, error)
        return stored


async def _write(upload: Upload, content: bytes, row: ClipRow) -> _Written:
    await upload.write(content)
    await upload.finish()
    key = AudioKey(row.library_uid, row.id, upload.sha256)
    return _Written(upload, key, await upload.place(key))


def _is_simple(row: ClipRow | None, part: ShortAudio, sha256: str | None = None) -> bool:
    """True if the row of a clip has but to tell of its audio, whose hash may not be known yet."""
    return (
        row is not None
        and row.state == ClipState.CREATING
        and not row.is_restored
        and not row.referred
        and (sha256 is None or row.content_sha256 in {None, sha256})
        and not (part.quota.max_bytes and len(part.content) > (row.size_bytes or 0))
    )


async def _all(work: Iterable[Awaitable[T]]) -> list[T | ServiceError]:
    """Awaits all to their ends. Returns their results in order, and errors that callers get."""
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    found = list[T | ServiceError]()
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, ServiceError):
            raise outcome
        found.append(outcome)
    return found
