"""Creates, lists, changes and deletes clips, and moves them from state to state."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete

from catalog_service.audio.audio_store import AudioStore
from catalog_service.clips import batches as clip_batches
from catalog_service.clips import counting, finding, lists, quotas, tags, trash
from catalog_service.clips import rows as clip_rows
from catalog_service.clips.batches import Activation, Locked, NewClip, Outcome
from catalog_service.clips.counting import Counts
from catalog_service.clips.filter import ClipQuery
from catalog_service.clips.finding import Found, Term
from catalog_service.clips.quotas import Used
from catalog_service.clips.rows import ALL, IN_LIBRARY, ClipRow, along
from catalog_service.database.database import Database
from catalog_service.database.schema import clips
from catalog_service.database.states import ClipState
from catalog_service.libraries import rows as library_rows
from catalog_service.names import ClipName, SpeakerName, is_ulid
from catalog_service.paging import Page
from catalog_service.speakers import enrollments
from catalog_service.vectors import kept

CHANGEABLE = ("display_name", "label", "speaker", "metadata")
_CHANGEABLE_IN = (ClipState.CREATING, ClipState.ACTIVE, ClipState.FAILED)
_NO_AUDIO = {"content_sha256": None, "size_bytes": None, "content_type": None}
_LOOK_UP = along(
    ALL.where(
        clips.c.id.in_(bindparam("clips", expanding=True)),
        IN_LIBRARY,
        clips.c.state == ClipState.ACTIVE,
    ),
    "PRIMARY",
)


class Clips:
    """The clips of all libraries."""

    def __init__(self, database: Database, store: AudioStore) -> None:
        """Takes the database and the audio store."""
        self._database = database
        self._store = store

    async def create(self, library: str, clip: NewClip) -> ClipRow:
        """Creates a clip. A repeated request id returns the clip of the first call.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND, STATE_CONFLICT (the library is not ACTIVE),
                CLIP_EXISTS.
        """
        return _only(await self.create_all(library, [clip]))

    async def create_all(self, library: str, new: Sequence[NewClip]) -> list[Outcome]:
        """Creates clips in one transaction, each with its own outcome.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND, STATE_CONFLICT (the library is not ACTIVE).
        """
        return await self._database.write_new(lambda c: clip_batches.create(c, library, new))

    async def get(self, name: ClipName) -> ClipRow:
        """Reads a clip in any state."""
        return await self._database.read(lambda c: clip_rows.get(c, name))

    async def peaks(self, name: ClipName) -> bytes:
        """Reads the outline of a clip; empty if none is kept."""
        return await self._database.read(lambda c: clip_rows.peaks(c, name))

    async def list(
        self, library: str, query: ClipQuery, page: Page
    ) -> tuple[Sequence[ClipRow], str]:
        """Returns a page of clips in the order of the query, and the token of the next page."""
        return await lists.read(self._database, library, query, page)

    async def count_values(self, library: str, field: str, query: ClipQuery, limit: int) -> Counts:
        """Counts the clips of a query by the value of a field, the most frequent values first."""
        return await counting.count(self._database, library, field, query, limit)

    async def count_owned(self, owners: Sequence[str]) -> dict[str, Used]:
        """Counts the clips of owners in all libraries, and the bytes of their audio."""
        return await quotas.count(self._database, owners)

    async def look_up(
        self, library: str, ids: Collection[str], *, with_library: bool = False
    ) -> tuple[Sequence[ClipRow], Row[Any] | None]:
        """Returns those of these clips that are ACTIVE, and the library's row if it is wanted."""
        wanted = {clip for clip in ids if is_ulid(clip)}

        def read(connection: Connection) -> tuple[Sequence[ClipRow], Row[Any] | None]:
            found = clip_rows.fetch(connection, _LOOK_UP, clips=wanted, library=library)
            if found and not with_library:
                return found, None
            return found, library_rows.get(connection, library)

        return await self._database.read(read)

    async def tags(self, library: str) -> Sequence[str]:
        """Returns the names of the tags that clips of a library have, in order."""
        return await tags.names(self._database, library)

    async def find(
        self, library: str, terms: Sequence[Term], query: ClipQuery, page: Page
    ) -> tuple[Sequence[Found], str]:
        """Returns a page of the clips that terms lead to, and the token of the next page."""
        return await finding.find(self._database, library, terms, query, page)

    async def update(self, name: ClipName, values: Mapping[str, Any]) -> ClipRow:
        """Changes columns of a clip, any of CHANGEABLE."""

        def change(connection: Connection) -> ClipRow:
            row = clip_rows.get(connection, name, lock=True)
            clip_rows.require_state(row, name, *_CHANGEABLE_IN)
            return clip_rows.change(connection, row, clip_rows.mirrored(row, values))

        return await self._database.write(change)

    async def activate(self, wanted: Activation) -> ClipRow:
        """CREATING -> ACTIVE, if the clip has its audio. Its vectors are kept with it."""
        return _only(await self.activate_all([wanted]))

    async def activate_all(self, wanted: Sequence[Activation]) -> Sequence[Outcome]:
        """Activates clips of one library in one transaction, each with its own outcome."""
        library = wanted[0].name.library
        return await self._database.write_around(
            lambda c: clip_rows.lock_all(c, library, (each.name.clip for each in wanted)),
            self._with_audio,
            lambda c, locked: clip_batches.activate(c, locked, wanted),
        )

    async def fail(self, name: ClipName, reason: str, message: str) -> ClipRow:
        """CREATING -> FAILED. Removes the audio, so the same bytes may become another clip.

        A clip that is being restored is TRASHED again instead.
        """
        values = {
            "state": ClipState.FAILED,
            "failure_reason": reason,
            "failure_message": message,
            **_NO_AUDIO,
        }

        def lock(connection: Connection) -> ClipRow:
            row = clip_rows.get(connection, name, lock=True)
            clip_rows.require_state(row, name, ClipState.CREATING, ClipState.FAILED)
            return row

        def stays(row: ClipRow) -> bool:
            return row.state == ClipState.FAILED or row.is_restored

        async def remove_audio(row: ClipRow) -> ClipRow:
            # Before the commit: after a crash here the row is CREATING without audio, and a repeat
            # can fail it. A removal after the commit could leave audio without a row.
            if not stays(row):
                await self._store.remove_clip(row.library_uid, row.id)
            return row

        def change(connection: Connection, row: ClipRow) -> ClipRow:
            if row.is_restored:
                return trash.back(connection, row)
            if stays(row):
                return row
            kept.forget(connection, row.id)
            return clip_rows.change(connection, row, values)

        return await self._database.free_around(lock, remove_audio, change)

    async def begin_deletion(
        self, name: ClipName, only: ClipState | None = None, speaker: str | None = None
    ) -> ClipRow:
        """Any state -> DELETING, and removes the clip from its speaker's enrollments.

        With CREATING as `only`, a clip that is being restored is TRASHED again instead.

        Args:
            name: The clip.
            only: The state that the clip must have; None for any.
            speaker: A speaker; the clip must be no enrollment of another one.
        """
        allowed = (only,) if only else tuple(ClipState)

        def change(connection: Connection) -> ClipRow:
            enrollments.lock_speaker(connection, name)
            row = clip_rows.get(connection, name, lock=True)
            if row.state == ClipState.DELETING:
                return row
            clip_rows.require_state(row, name, *allowed)
            if row.is_restored and only:
                return trash.back(connection, row)
            if speaker is not None:
                enrollments.require_free(row, name, SpeakerName(name.library, speaker))
            changed = clip_rows.change(connection, row, {"state": ClipState.DELETING})
            if row.enrolled_as:
                enrollments.lost(connection, SpeakerName(name.library, row.enrolled_as))
            return changed

        return await self._database.free(change)

    async def trash(self, name: ClipName) -> ClipRow:
        """ACTIVE -> TRASHED, and removes the clip from its speaker's enrollments."""
        return await self._database.free(lambda c: trash.put(c, name))

    async def restore(self, name: ClipName) -> ClipRow:
        """TRASHED -> CREATING, unless another clip has its bytes by now.

        Raises:
            ServiceError: CLIP_NOT_FOUND, STATE_CONFLICT, CLIP_EXISTS.
        """
        return await self._database.write_new(lambda c: trash.take_out(c, name))

    async def delete(self, name: ClipName) -> None:
        """Removes the audio of a DELETING clip, then its row. A missing clip is no error."""
        row = await self._database.read(lambda c: clip_rows.find(c, name))
        if row is None:
            return
        clip_rows.require_state(row, name, ClipState.DELETING)
        await self._store.remove_clip(row.library_uid, row.id)

        def remove(connection: Connection) -> None:
            kept.forget(connection, row.id)
            tags.forget(connection, row.id)
            connection.execute(
                delete(clips).where(clips.c.id == row.id, clips.c.state == ClipState.DELETING)
            )

        await self._database.free(remove)

    async def _with_audio(self, rows: Mapping[str, ClipRow]) -> Locked:
        """Looks for the audio of those locked rows that wait for it."""
        keys = {
            row.audio_key: row.audio_bytes
            for row in rows.values()
            if row.state == ClipState.CREATING
            and row.content_sha256 is not None
            and row.audio_bytes is not None
        }
        there = await self._store.sizes(keys)
        return Locked(rows, {key.clip_id for key, size in keys.items() if there.get(key) == size})


def _only(outcomes: Sequence[Outcome]) -> ClipRow:
    (outcome,) = outcomes
    if outcome.error or outcome.row is None:
        raise outcome.error or AssertionError
    return outcome.row
