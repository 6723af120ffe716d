"""Rows for the checks of stored audio: clips by their ids, marks, and how far a pass came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, insert, select, update

from catalog_service.audio.audio_store import AudioKey, Reference
from catalog_service.clips.rows import along, now
from catalog_service.database.schema import audio_checks, clips, libraries
from catalog_service.database.states import AudioCondition, ClipState
from catalog_service.leases import Leases
from catalog_service.names import clip_name

_NAME = "hashes"
_SHOWN = 20
_STORED = along(
    select(
        clips.c.id,
        clips.c.library_uid,
        clips.c.content_sha256,
        clips.c.size_bytes,
        clips.c.audio_condition,
        clips.c.state,
        clips.c.reference,
    ),
    "PRIMARY",
).order_by(clips.c.id)


class Checked(NamedTuple):
    """The stored audio of an ACTIVE clip, and what is known of it."""

    key: AudioKey
    size: int
    condition: AudioCondition


class Page(NamedTuple):
    """Some clips in the order of their ids."""

    stored: Sequence[Checked]
    last: str
    """Id of the last clip that was looked at; empty behind the last one of all."""


class Summary(NamedTuple):
    """The knowledge of all stored audio."""

    damaged: int
    missing: int
    referring: int
    """Those of both whose audio lies elsewhere."""
    clips: Sequence[str]
    """Names of some of these clips."""
    hashed_since: datetime | None


def page(connection: Connection, after: str, limit: int) -> Page:
    """Returns the stored audio of the next clips of all libraries."""
    rows = connection.execute(_STORED.where(clips.c.id > after).limit(limit)).all()
    return Page(
        [_checked(row) for row in rows if _has_audio(row)],
        rows[-1].id if len(rows) == limit else "",
    )


def mark(connection: Connection, key: AudioKey, condition: AudioCondition) -> bool:
    """Marks an ACTIVE clip that still has this audio. Returns True if that is news."""
    changed = connection.execute(
        update(clips)
        .where(
            clips.c.id == key.clip_id,
            clips.c.content_sha256 == key.sha256,
            clips.c.state == ClipState.ACTIVE,
            clips.c.audio_condition != condition,
        )
        .values(audio_condition=condition)
    )
    return bool(changed.rowcount)


def summary(connection: Connection) -> Summary:
    """Returns what is known of all stored audio."""
    bad = (clips.c.audio_condition > 0, clips.c.state == ClipState.ACTIVE)
    counted = select(clips.c.audio_condition, func.count()).where(*bad)
    found = connection.execute(counted.group_by(clips.c.audio_condition)).all()
    counts: dict[int, int] = dict(map(tuple, found))
    referring = select(func.count()).where(*bad, clips.c.reference.is_not(None))
    shown = (
        select(libraries.c.name, clips.c.id)
        .join(libraries, libraries.c.uid == clips.c.library_uid)
        .where(*bad)
        .limit(_SHOWN)
    )
    since = select(audio_checks.c.hashed_since_time).where(audio_checks.c.name == _NAME)
    return Summary(
        counts.get(AudioCondition.DAMAGED, 0),
        counts.get(AudioCondition.MISSING, 0),
        connection.scalar(referring) or 0,
        sorted(clip_name(library, clip) for library, clip in connection.execute(shown)),
        connection.scalar(since),
    )


def leases() -> Leases:
    """The lease of the checks."""
    return Leases(audio_checks, "name", "", "lease_until")


def claim(connection: Connection, leases: Leases, worker: str, lease: timedelta) -> Row[Any] | None:
    """Makes a worker the only one for a time. Returns how far it came; None for another's."""
    its = audio_checks.c.name == _NAME
    found = connection.execute(select(audio_checks).where(its)).one_or_none()
    if found is None:
        connection.execute(
            insert(audio_checks).values(name=_NAME, cursor="", worker="", lease_until=now())
        )
        found = connection.execute(select(audio_checks).where(its)).one()
    if found.worker != worker and not leases.waits(found):
        return None
    if not leases.take(connection, [found], its, worker, lease):
        return None
    return leases.begun(connection.execute(select(audio_checks).where(its)).one())


def report(connection: Connection, worker: str, /, **values: Any) -> None:
    """Keeps how far a worker came, unless another one has taken over."""
    connection.execute(
        update(audio_checks)
        .where(audio_checks.c.name == _NAME, audio_checks.c.worker == worker)
        .values(**values)
    )


def _has_audio(row: Row[Any]) -> bool:
    return row.state == ClipState.ACTIVE and row.content_sha256 is not None


def _checked(row: Row[Any]) -> Checked:
    reference = Reference._make(row.reference) if row.reference else None
    return Checked(
        AudioKey(row.library_uid, row.id, row.content_sha256, reference),
        reference.size_bytes if reference else row.size_bytes,
        AudioCondition(row.audio_condition),
    )
