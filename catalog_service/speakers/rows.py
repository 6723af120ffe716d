"""Reads, locks and changes rows of speakers, and makes their errors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, bindparam, select, update

from catalog_service.clips.rows import now, uid_of
from catalog_service.database.schema import speakers
from catalog_service.database.states import SpeakerState
from catalog_service.names import SpeakerName
from serving.errors import Reason, ServiceError


class SpeakerRow(NamedTuple):
    """A row of `speakers`, with the columns in the order of the table."""

    uid: str
    library_uid: str
    name: str
    display_name: str
    metadata: Mapping[str, str]
    state: int
    request_id: str | None
    revision: int
    voiceprint_revision: int
    enrollment_count: int
    speech_ns: int
    create_time: datetime
    update_time: datetime
    agreement: float | None


# Built once, because building a statement costs more than running it.
ALL: Select[Any] = select(*(speakers.c[column] for column in SpeakerRow._fields))
IN_LIBRARY = speakers.c.library_uid == uid_of(bindparam("library"))
_BY_NAME = ALL.where(speakers.c.name == bindparam("speaker"), IN_LIBRARY)
_BY_NAME_LOCKED = _BY_NAME.with_for_update()


def fetch(connection: Connection, statement: Select[Any], **values: Any) -> list[SpeakerRow]:
    """Runs a statement made from ALL and returns its rows."""
    return list(map(SpeakerRow._make, connection.execute(statement, values).all()))


def find(connection: Connection, name: SpeakerName, *, lock: bool = False) -> SpeakerRow | None:
    """Returns the speaker's row, or None. `lock` keeps other transactions from changing it."""
    statement = _BY_NAME_LOCKED if lock else _BY_NAME
    rows = fetch(connection, statement, speaker=name.speaker, library=name.library)
    return rows[0] if rows else None


def get(connection: Connection, name: SpeakerName, *, lock: bool = False) -> SpeakerRow:
    """Returns the speaker's row. `lock` keeps other transactions from changing it.

    Raises:
        ServiceError: SPEAKER_NOT_FOUND.
    """
    row = find(connection, name, lock=lock)
    if row is None:
        raise not_found(name)
    return row


def change(connection: Connection, row: SpeakerRow, values: Mapping[str, Any]) -> SpeakerRow:
    """Changes a locked row. Returns the changed row."""
    values = {**values, "update_time": now()}
    connection.execute(update(speakers).where(speakers.c.uid == row.uid).values(**values))
    return row._replace(**values)


def require_state(row: SpeakerRow, name: SpeakerName, *allowed: SpeakerState) -> None:
    """Raises STATE_CONFLICT unless the speaker is in one of these states."""
    if row.state not in allowed:
        raise conflict(row, name, f"needs it to be {' or '.join(state.name for state in allowed)}")


def not_found(name: SpeakerName) -> ServiceError:
    """Returns SPEAKER_NOT_FOUND."""
    return ServiceError(
        Reason.SPEAKER_NOT_FOUND,
        f"{name} is not there; enroll it, or list the library's speakers to see those that are",
        {"speaker": str(name)},
    )


def conflict(row: SpeakerRow, name: SpeakerName, needed: str) -> ServiceError:
    """Returns STATE_CONFLICT, which names state, revision and need."""
    state = SpeakerState(row.state).name
    return ServiceError(
        Reason.STATE_CONFLICT,
        f"{name} is {state} at revision {row.revision}; this {needed}",
        {"speaker": str(name), "state": state, "revision": str(row.revision)},
    )
