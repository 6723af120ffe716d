"""Creates, lists, changes and deletes speakers, and moves them from state to state."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, func, insert, select

from catalog_service.clips.rows import along, now, uid_of
from catalog_service.database.database import Database
from catalog_service.database.schema import speakers
from catalog_service.database.states import LibraryState, SpeakerState
from catalog_service.fields import invalid
from catalog_service.libraries import rows as library_rows
from catalog_service.names import SpeakerName, new_id
from catalog_service.paging import Page
from catalog_service.speakers import enrollments
from catalog_service.speakers import rows as speaker_rows
from catalog_service.speakers.enrollments import ALIVE
from catalog_service.speakers.rows import ALL, IN_LIBRARY, SpeakerRow
from serving.errors import Reason, ServiceError

CHANGEABLE = ("display_name", "metadata")
SHOWN = (SpeakerState.ACTIVE, SpeakerState.UPDATING)
_BY_REQUEST = ALL.where(IN_LIBRARY, speakers.c.request_id == bindparam("request_id"))
_SHOWN = ALL.where(IN_LIBRARY, speakers.c.state.in_(SHOWN))
_BY_UID = along(
    _SHOWN.where(speakers.c.uid.in_(bindparam("wanted", expanding=True))), "PRIMARY", speakers
)
_BY_NAMES = along(
    _SHOWN.where(speakers.c.name.in_(bindparam("wanted", expanding=True))),
    "uq_speakers_name",
    speakers,
)

_VOICEPRINTS = select(func.count()).where(
    speakers.c.library_uid == bindparam("uid"),
    speakers.c.state.in_(SHOWN),
    speakers.c.voiceprint_revision > 0,
)


@dataclass(frozen=True)
class NewSpeaker:
    """The caller's fields of a new speaker."""

    display_name: str
    metadata: dict[str, str]
    request_id: str | None


@dataclass(frozen=True)
class SpeakerQuery:
    """A filter of speakers."""

    state: SpeakerState | None
    """None means any state of SHOWN."""
    update_time_before: datetime | None

    def statement(self, library: str, after: str | None, limit: int) -> Select[Any]:
        """Returns the statement of at most `limit` speakers after the name `after`, by name."""
        index = "uq_speakers_name" if self.state is None else "ix_speakers_state"
        states = SHOWN if self.state is None else (self.state,)
        found = ALL.where(speakers.c.library_uid == uid_of(library), speakers.c.state.in_(states))
        if after is not None:
            found = found.where(speakers.c.name > after)
        if self.update_time_before is not None:
            found = found.where(speakers.c.update_time < self.update_time_before)
        page = found.order_by(speakers.c.name).limit(limit)
        return along(page.with_hint(speakers, f"INDEXED BY {index}", "sqlite"), index, speakers)


class Speakers:
    """The speakers of all libraries."""

    def __init__(self, database: Database) -> None:
        """Takes the database."""
        self._database = database

    async def create(self, name: SpeakerName, new: NewSpeaker) -> SpeakerRow:
        """Creates a speaker, CREATING. A repeated request id returns the speaker again.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND, STATE_CONFLICT (the library is not ACTIVE),
                SPEAKER_EXISTS, FIELD_INVALID (the request id made another speaker).
        """

        def make(connection: Connection) -> SpeakerRow:
            # Locked until the speaker is written, as a DELETING library must get no speakers.
            parent = library_rows.get(connection, name.library, share=True)
            return _made_before(connection, name, new.request_id) or _insert(
                connection, parent, name, new
            )

        return await self._database.write_new(make)

    async def get(self, name: SpeakerName) -> SpeakerRow:
        """Reads a speaker in any state."""
        return await self._database.read(lambda c: speaker_rows.get(c, name))

    async def list(
        self, library: str, query: SpeakerQuery, page: Page
    ) -> tuple[Sequence[SpeakerRow], str]:
        """Returns a page of speakers by name, and the token of the next page."""
        statement = query.statement(library, page.after, page.size + 1)
        found = await self._found(library, lambda c: speaker_rows.fetch(c, statement))
        return page.cut(found, lambda row: row.name)

    async def look_up(
        self,
        library: str,
        uids: Collection[str],
        names: Collection[str],
        *,
        with_library: bool = False,
    ) -> tuple[Sequence[SpeakerRow], Row[Any] | None, int]:
        """Returns those of these speakers that are ACTIVE or UPDATING.

        If it is wanted, also the library's row, and how many of its speakers have a voiceprint.
        """

        def read(connection: Connection) -> tuple[Sequence[SpeakerRow], Row[Any] | None, int]:
            found = [
                row
                for statement, wanted in ((_BY_UID, uids), (_BY_NAMES, names))
                if wanted
                for row in speaker_rows.fetch(
                    connection, statement, library=library, wanted=sorted(set(wanted))
                )
            ]
            if found and not with_library:
                return found, None, 0
            row = library_rows.get(connection, library)
            count = connection.scalar(_VOICEPRINTS, {"uid": row.uid}) if with_library else 0
            return found, row, int(count or 0)

        return await self._database.read(read)

    async def update(self, name: SpeakerName, values: Mapping[str, Any]) -> SpeakerRow:
        """Changes columns of CHANGEABLE. An empty display name becomes the speaker's id."""
        if values.get("display_name") == "":
            values = {**values, "display_name": name.speaker}

        def change(connection: Connection) -> SpeakerRow:
            row = speaker_rows.get(connection, name, lock=True)
            speaker_rows.require_state(row, name, *ALIVE)
            return speaker_rows.change(connection, row, values)

        return await self._database.write(change)

    async def add_enrollments(
        self, name: SpeakerName, clips: Sequence[str], revision: int | None, uid: str | None
    ) -> SpeakerRow:
        """Makes clips enrollments of a speaker, all or none."""
        return await self._database.write(lambda c: enrollments.add(c, name, clips, revision, uid))

    async def remove_enrollments(self, name: SpeakerName, clips: Iterable[str]) -> SpeakerRow:
        """Removes clips from the enrollments of a speaker."""
        return await self._database.write(lambda c: enrollments.remove(c, name, clips))

    async def record_voiceprint(
        self, name: SpeakerName, uid: str, revision: int, agreement: float | None
    ) -> SpeakerRow:
        """UPDATING -> ACTIVE, if the speaker still has this revision.

        Raises:
            ServiceError: SPEAKER_NOT_FOUND (also if another one has the name), STATE_CONFLICT.
        """

        def change(connection: Connection) -> SpeakerRow:
            row = speaker_rows.get(connection, name, lock=True)
            if row.uid != uid:
                raise speaker_rows.not_found(name)
            speaker_rows.require_state(row, name, *SHOWN)
            if row.revision != revision:
                raise speaker_rows.conflict(
                    row, name, f"was for revision {revision}: make the voiceprint again"
                )
            if row.state == SpeakerState.ACTIVE:
                return row
            recorded = revision if row.enrollment_count else 0
            values = {
                "state": SpeakerState.ACTIVE,
                "voiceprint_revision": recorded,
                "agreement": agreement,
            }
            return speaker_rows.change(connection, row, values)

        return await self._database.write(change)

    async def begin_deletion(
        self, name: SpeakerName, only: SpeakerState | None, *, delete_clips: bool
    ) -> SpeakerRow:
        """Any state, or `only` that one -> DELETING, with its enrollments if `delete_clips`."""
        allowed = (only, SpeakerState.DELETING) if only else tuple(SpeakerState)

        def change(connection: Connection) -> SpeakerRow:
            row = speaker_rows.get(connection, name, lock=True)
            speaker_rows.require_state(row, name, *allowed)
            if row.state != SpeakerState.DELETING:
                row = speaker_rows.change(connection, row, {"state": SpeakerState.DELETING})
            return enrollments.delete_clips(connection, row) if delete_clips else row

        return await self._database.free(change)

    async def delete(self, name: SpeakerName) -> None:
        """Unlinks the clips of a DELETING speaker, then removes its row.

        A missing speaker is no error. After a crash at any point, a repeat finishes the work.
        """
        while await self._database.free(lambda c: _delete_some(c, name)):
            pass

    async def _found(
        self, library: str, read: Callable[[Connection], Sequence[SpeakerRow]]
    ) -> Sequence[SpeakerRow]:
        """Returns the rows of `read`. Without any, checks that the library exists."""

        def read_or_refuse(connection: Connection) -> Sequence[SpeakerRow]:
            found = read(connection)
            if not found:
                library_rows.get(connection, library)
            return found

        return await self._database.read(read_or_refuse)


def _made_before(
    connection: Connection, name: SpeakerName, request_id: str | None
) -> SpeakerRow | None:
    """Returns the speaker that this request id created, or None if the name is free."""
    there = speaker_rows.find(connection, name)
    if there is not None:
        if request_id is not None and there.request_id == request_id:
            return there
        raise _exists(there, name)
    if request_id is not None:
        for row in speaker_rows.fetch(
            connection, _BY_REQUEST, library=name.library, request_id=request_id
        ):
            other = SpeakerName(name.library, row.name)
            if other == name:  # written since the name was looked for
                return row
            raise invalid("request_id", request_id, f"must be a new one: it made {other}")
    return None


def _insert(connection: Connection, parent: Any, name: SpeakerName, new: NewSpeaker) -> SpeakerRow:
    library_rows.require_state(parent, LibraryState.ACTIVE)
    time = now()
    row = SpeakerRow(
        uid=new_id(time),
        library_uid=parent.uid,
        name=name.speaker,
        display_name=new.display_name or name.speaker,
        metadata=new.metadata,
        state=SpeakerState.CREATING,
        request_id=new.request_id,
        revision=0,
        voiceprint_revision=0,
        enrollment_count=0,
        speech_ns=0,
        create_time=time,
        update_time=time,
        agreement=None,
    )
    connection.execute(insert(speakers).values(**row._asdict()))
    return row


def _delete_some(connection: Connection, name: SpeakerName) -> bool:
    """Unlinks some clips of a DELETING speaker, or removes it. Returns True if more is to do."""
    row = speaker_rows.find(connection, name, lock=True)
    if row is None:
        return False
    speaker_rows.require_state(row, name, SpeakerState.DELETING)
    if enrollments.let_go(connection, row):
        return True
    connection.execute(delete(speakers).where(speakers.c.uid == row.uid))
    return False


def _exists(row: SpeakerRow, name: SpeakerName) -> ServiceError:
    """Returns SPEAKER_EXISTS."""
    advice = (
        "is being deleted; try again in a moment"
        if row.state == SpeakerState.DELETING
        else "is there already; add the clips to it, or choose another id"
    )
    return ServiceError(Reason.SPEAKER_EXISTS, f"{name} {advice}", {"speaker": str(name)})
