"""Enrollments: links clips to their speaker, and keeps the counts in the speaker's row.

All changes of enrollments lock the speaker's row before its clips, so a change that holds the row
gets the clips too. Each change counts all enrollments anew, so the counts never drift.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select, update

from catalog_service.clips import rows as clip_rows
from catalog_service.clips.rows import ClipRow, along, now
from catalog_service.database.schema import clips
from catalog_service.database.states import ClipState, SpeakerState
from catalog_service.names import ClipName, SpeakerName
from catalog_service.speakers import rows as speaker_rows
from catalog_service.speakers.rows import SpeakerRow
from serving.errors import Reason, ServiceError

ALIVE = (SpeakerState.CREATING, SpeakerState.ACTIVE, SpeakerState.UPDATING)
MOST = 1000
"""Most enrollments of one speaker, limited because each change reads all."""
_BATCH = 400
_NOBODY = ""


def _enrolled(*columns: Any) -> Select[Any]:
    """Returns a statement that selects columns of the clips of one speaker in one state."""
    return along(
        select(*columns).where(
            clips.c.library_uid == bindparam("library_uid"),
            clips.c.state == bindparam("state"),
            clips.c.enrolled_as == bindparam("speaker"),
        ),
        "ix_clips_enrolled",
    )


_COUNTED = _enrolled(func.count(), func.coalesce(func.sum(clips.c.active_duration_ns), 0))
_SOME = _enrolled(clips.c.id).limit(_BATCH)
_SET = update(clips).where(clips.c.id.in_(bindparam("clips", expanding=True)))
for _server in ("mysql", "mariadb"):  # their planners would read and lock a small table whole
    _SET = _SET.with_hint("FORCE INDEX (PRIMARY)", dialect_name=_server)


def add(
    connection: Connection,
    name: SpeakerName,
    wanted: Sequence[str],
    revision: int | None,
    uid: str | None,
) -> SpeakerRow:
    """Makes clips enrollments of a speaker, all or none. Returns the changed speaker.

    If all clips are enrollments already, changes nothing and does not check the revision.

    Raises:
        ServiceError: SPEAKER_NOT_FOUND (also if its uid is another), CLIP_NOT_FOUND,
            STATE_CONFLICT, CLIP_ENROLLED, QUOTA_EXCEEDED.
    """
    row = speaker_rows.get(connection, name, lock=True)
    if uid not in {None, row.uid}:
        raise speaker_rows.not_found(name)
    speaker_rows.require_state(row, name, *ALIVE)
    found = clip_rows.lock_all(connection, name.library, wanted)
    for clip in wanted:
        _require_fit(found.get(clip), ClipName(name.library, clip), name)
    new = [clip for clip, there in found.items() if there.enrolled_as != name.speaker]
    if not new:
        return row
    if revision not in {None, row.revision}:
        raise speaker_rows.conflict(
            row, name, f"was asked for revision {revision}: judge the clips again"
        )
    if row.enrollment_count + len(new) > MOST:
        raise ServiceError(
            Reason.QUOTA_EXCEEDED,
            f"{name} has {row.enrollment_count:,} enrollments, and at most {MOST:,} can be: remove "
            "some first",
            {"speaker": str(name), "limit": str(MOST)},
        )
    _enroll(connection, new, name.speaker)
    return _recount(connection, row)


def remove(connection: Connection, name: SpeakerName, unwanted: Iterable[str]) -> SpeakerRow:
    """Removes clips from the enrollments of a speaker. Returns the changed speaker.

    Raises:
        ServiceError: SPEAKER_NOT_FOUND, STATE_CONFLICT.
    """
    row = speaker_rows.get(connection, name, lock=True)
    speaker_rows.require_state(row, name, *ALIVE)
    found = clip_rows.lock_all(connection, name.library, unwanted)
    gone = [
        clip
        for clip, there in found.items()
        if there.enrolled_as == name.speaker and there.state == ClipState.ACTIVE
    ]
    if not gone:
        return row
    _enroll(connection, gone, _NOBODY)
    return _recount(connection, row)


def lock_speaker(connection: Connection, name: ClipName) -> None:
    """Locks the speaker of a clip, if it has one, before the clip is locked.

    If the clip gets another speaker before it is locked, that speaker is locked after the clip.
    This can cause a deadlock, and then the transaction is repeated.
    """
    seen = clip_rows.get(connection, name)
    if seen.enrolled_as:
        speaker_rows.find(connection, SpeakerName(name.library, seen.enrolled_as), lock=True)


def lost(connection: Connection, name: SpeakerName) -> None:
    """Updates the counts of a speaker that has lost an ACTIVE clip."""
    row = speaker_rows.find(connection, name, lock=True)
    if row is not None:
        _recount(connection, row)


def count_again(connection: Connection, names: Iterable[SpeakerName]) -> None:
    """Updates the counts of those speakers whose enrollments are others than they count."""
    for name in names:
        row = speaker_rows.get(connection, name, lock=True)
        counts = connection.execute(_COUNTED, _whose(row, ClipState.ACTIVE)).one()
        if tuple(map(int, counts)) != (row.enrollment_count, row.speech_ns):
            _recount(connection, row)


def delete_clips(connection: Connection, row: SpeakerRow) -> SpeakerRow:
    """Moves the enrollments of a locked speaker to DELETING. Returns the changed speaker.

    Those in the trash go too: who deletes a voice expects none of its recordings to stay.
    """
    changed = False
    while ids := _some(connection, row, ClipState.TRASHED):
        _set(connection, ids, state=ClipState.DELETING)
    while ids := _some(connection, row, ClipState.ACTIVE):
        _set(connection, ids, state=ClipState.DELETING)
        changed = True
    return _recount(connection, row) if changed else row


def let_go(connection: Connection, row: SpeakerRow) -> int:
    """Unlinks some clips in any state from a locked speaker. Returns their number."""
    enrolled = _some(connection, row, ClipState.ACTIVE)
    others = (_some(connection, row, each) for each in (ClipState.DELETING, ClipState.TRASHED))
    ids = enrolled or next(filter(None, others), ())
    if ids:
        _enroll(connection, ids, _NOBODY)
    if enrolled:
        _recount(connection, row)
    return len(ids)


def _some(connection: Connection, row: SpeakerRow, state: ClipState) -> Sequence[str]:
    """Returns the ids of at most _BATCH clips of a speaker in this state."""
    return connection.scalars(_SOME, _whose(row, state)).all()


def _whose(row: SpeakerRow, state: ClipState) -> dict[str, Any]:
    return {"library_uid": row.library_uid, "speaker": row.name, "state": state}


def _enroll(connection: Connection, ids: Collection[str], speaker: str) -> None:
    """Sets the speaker of clips that have another one."""
    _set(connection, ids, enrolled_as=speaker, revision=clips.c.revision + 1)


def _set(connection: Connection, ids: Collection[str], **values: Any) -> None:
    connection.execute(_SET.values(**values, update_time=now()), {"clips": ids})


def _recount(connection: Connection, row: SpeakerRow) -> SpeakerRow:
    """Counts the enrollments of a locked speaker anew and raises its revision."""
    counts = connection.execute(_COUNTED, _whose(row, ClipState.ACTIVE)).one()
    deleting = row.state == SpeakerState.DELETING
    return speaker_rows.change(
        connection,
        row,
        {
            "state": SpeakerState.DELETING if deleting else SpeakerState.UPDATING,
            "revision": row.revision + 1,
            "enrollment_count": int(counts[0]),
            "speech_ns": int(counts[1]),
        },
    )


def _require_fit(row: ClipRow | None, name: ClipName, speaker: SpeakerName) -> None:
    """Raises an error unless the clip can become an enrollment of the speaker, or is one."""
    if row is None:
        raise clip_rows.not_found(name)
    clip_rows.require_state(row, name, ClipState.ACTIVE)
    require_free(row, name, speaker)


def require_free(row: ClipRow, name: ClipName, speaker: SpeakerName) -> None:
    """Raises CLIP_ENROLLED if the clip is an enrollment of another speaker."""
    if row.enrolled_as not in {_NOBODY, speaker.speaker}:
        other = SpeakerName(name.library, row.enrolled_as)
        raise ServiceError(
            Reason.CLIP_ENROLLED,
            f"{name} is an enrollment of {other}; remove it there first, or leave it out",
            {"clip": str(name), "speaker": str(other)},
        )
