"""The trash: deleted clips that keep their audio, and come back under their names.

A TRASHED clip has given up its hash and its request id, so that the same bytes can come as another
clip. It takes its hash back when it is restored, and keeps it in both columns until it is ACTIVE:
so a restoration that is cut off is told from a new clip, and undone without a loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from catalog_service.clips import rows as clip_rows
from catalog_service.clips import tags
from catalog_service.clips.rows import ClipRow
from catalog_service.database.schema import clips
from catalog_service.database.states import ClipState, LibraryState
from catalog_service.libraries import rows as library_rows
from catalog_service.names import ClipName, SpeakerName
from catalog_service.speakers import enrollments
from serving.errors import Reason, ServiceError


def put(connection: Connection, name: ClipName) -> ClipRow:
    """Moves a clip to the trash that is ACTIVE or being restored. A TRASHED one stays as it is.

    Raises:
        ServiceError: CLIP_NOT_FOUND, STATE_CONFLICT.
    """
    enrollments.lock_speaker(connection, name)
    row = clip_rows.get(connection, name, lock=True)
    if row.state == ClipState.TRASHED:
        return row
    if row.is_restored:
        return back(connection, row)
    clip_rows.require_state(row, name, ClipState.ACTIVE)
    tags.forget(connection, row.id)
    changed = clip_rows.change(
        connection,
        row,
        {
            "state": ClipState.TRASHED,
            "request_id": None,
            "content_sha256": None,
            "trashed_sha256": row.content_sha256 or "",
        },
    )
    if row.enrolled_as:
        enrollments.lost(connection, SpeakerName(name.library, row.enrolled_as))
    return changed


def take_out(connection: Connection, name: ClipName) -> ClipRow:
    """Makes a TRASHED clip CREATING. One that is restored already stays as it is.

    Raises:
        ServiceError: CLIP_NOT_FOUND, STATE_CONFLICT, CLIP_EXISTS.
        IntegrityError: another call has brought its bytes meanwhile. A repeat will find them.
    """
    parent = library_rows.get(connection, name.library, share=True)
    row = clip_rows.get(connection, name, lock=True)
    if row.state == ClipState.ACTIVE or row.is_restored:
        return row
    clip_rows.require_state(row, name, ClipState.TRASHED)
    library_rows.require_state(parent, LibraryState.ACTIVE)
    if other := _other(connection, row):
        raise _came_again(name, ClipName(name.library, other))
    values: Mapping[str, Any] = {
        "state": ClipState.CREATING,
        "content_sha256": row.trashed_sha256 or None,
    }
    if row.enrolled_as:
        values = clip_rows.mirrored(row, {**values, "enrolled_as": ""})
    return clip_rows.change(connection, row, values)


def back(connection: Connection, row: ClipRow) -> ClipRow:
    """Moves a locked clip that is being restored back to the trash."""
    return clip_rows.change(connection, row, {"state": ClipState.TRASHED, "content_sha256": None})


def _other(connection: Connection, row: ClipRow) -> str | None:
    """Returns the id of the clip that has the bytes and the channel of a TRASHED one."""
    found: str | None = connection.scalar(
        select(clips.c.id).where(
            clips.c.library_uid == row.library_uid,
            clips.c.content_sha256 == row.trashed_sha256,
            clips.c.channel == row.channel,
        )
    )
    return found


def _came_again(name: ClipName, other: ClipName) -> ServiceError:
    return ServiceError(
        Reason.CLIP_EXISTS,
        f"{other} has the bytes of {name}: they came again after it was deleted; use that clip, or "
        "delete it and restore this one then",
        {"clip": str(other)},
    )
