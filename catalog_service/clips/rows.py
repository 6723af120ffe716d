"""Reads, locks and changes rows of clips, and makes their errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    BindParameter,
    Connection,
    ScalarSelect,
    Select,
    Table,
    bindparam,
    select,
    update,
)

from catalog_service.audio.audio_store import AudioKey, Reference
from catalog_service.database.schema import clips, libraries
from catalog_service.database.states import ClipState
from catalog_service.names import ClipName
from serving.errors import Reason, ServiceError

T = TypeVar("T")
_BATCH = 100


class ClipRow(NamedTuple):
    """A row of `clips`, with the columns in the order of the table."""

    id: str
    library_uid: str
    state: int
    request_id: str | None
    display_name: str
    label: str
    speaker: str
    metadata: Mapping[str, str]
    source: str
    import_job: str
    content_sha256: str | None
    size_bytes: int | None
    content_type: str | None
    duration_ns: int | None
    active_duration_ns: int | None
    sample_rate: int | None
    channels: int | None
    format: str | None
    level_dbfs: float | None
    failure_reason: str | None
    failure_message: str | None
    create_time: datetime
    update_time: datetime
    enrolled_as: str
    channel: int
    remarks: Sequence[int] | None
    revision: int
    window_count: int
    audio_condition: int
    tags: Sequence[tuple[str, int]] | None
    """Its tags and their scores in thousandths, the surest first; None for none."""
    owner: str
    trashed_sha256: str | None
    reference: Sequence[Any] | None
    """The parts of a Reference if its audio lies elsewhere; None otherwise."""

    @property
    def referred(self) -> Reference | None:
        """The place of its audio if that lies elsewhere."""
        return Reference._make(self.reference) if self.reference else None

    @property
    def audio_bytes(self) -> int | None:
        """Size of its audio, wherever that is."""
        return self.referred.size_bytes if self.referred else self.size_bytes

    @property
    def audio_key(self) -> AudioKey:
        """The name of its audio."""
        return AudioKey(self.library_uid, self.id, self.stored_sha256 or "", self.referred)

    @property
    def stored_sha256(self) -> str | None:
        """Hash of its stored audio in any state; None if it has none."""
        return self.content_sha256 or self.trashed_sha256 or None

    @property
    def is_restored(self) -> bool:
        """True while it is on its way out of the trash."""
        return self.state == ClipState.CREATING and self.trashed_sha256 is not None


def uid_of(library: str | BindParameter[str]) -> ScalarSelect[Any]:
    """Returns a subquery for the uid of a library."""
    return select(libraries.c.uid).where(libraries.c.name == library).scalar_subquery()


def along(statement: Select[Any], index: str, table: Table = clips) -> Select[Any]:
    """Returns the statement with an index hint for MySQL and MariaDB.

    Their planners guess. With statistics from a time when few clips were ACTIVE, a look-up of 100
    ids would read, and perhaps lock, all ACTIVE clips of the library.
    """
    hint = f"FORCE INDEX ({index})"
    return statement.with_hint(table, hint, "mysql").with_hint(table, hint, "mariadb")


# Built once, because building a statement costs more than running it.
ALL: Select[Any] = select(*(clips.c[column] for column in ClipRow._fields))
IN_LIBRARY = clips.c.library_uid == uid_of(bindparam("library"))
_BY_NAME = ALL.where(clips.c.id == bindparam("clip"), IN_LIBRARY)
_BY_NAME_LOCKED = _BY_NAME.with_for_update()
_MANY = along(ALL.where(clips.c.id.in_(bindparam("clips", expanding=True)), IN_LIBRARY), "PRIMARY")
_MANY_LOCKED = _MANY.with_for_update()
# Outlines are in no row of lists and searches, which would be twice as large with them.
_DRAW = update(clips).where(clips.c.id == bindparam("clip"))
_PEAKS = select(clips.c.peaks).where(clips.c.id == bindparam("clip"), IN_LIBRARY)
_SET = update(clips).where(
    clips.c.id == bindparam("clip"), clips.c.state == bindparam("state_before")
)


def batched(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cuts items into parts for one statement each.

    On MySQL a statement is put together, and its answer read, on the event loop: after each part
    other calls get their turn.
    """
    for first in range(0, len(items), _BATCH):
        yield items[first : first + _BATCH]


def now() -> datetime:
    """Returns the present time in UTC."""
    return datetime.now(timezone.utc)


def fetch(connection: Connection, statement: Select[Any], **values: Any) -> list[ClipRow]:
    """Runs a statement made from ALL and returns its rows."""
    return list(map(ClipRow._make, connection.execute(statement, values).all()))


def find(connection: Connection, name: ClipName, *, lock: bool = False) -> ClipRow | None:
    """Returns the clip's row, or None. `lock` keeps other transactions from changing it."""
    statement = _BY_NAME_LOCKED if lock else _BY_NAME
    rows = fetch(connection, statement, clip=name.clip, library=name.library)
    return rows[0] if rows else None


def get(connection: Connection, name: ClipName, *, lock: bool = False) -> ClipRow:
    """Returns the clip's row. `lock` keeps other transactions from changing it.

    Raises:
        ServiceError: CLIP_NOT_FOUND.
    """
    row = find(connection, name, lock=lock)
    if row is None:
        raise not_found(name)
    return row


def find_all(
    connection: Connection, library: str, ids: Iterable[str], *, lock: bool = False
) -> dict[str, ClipRow]:
    """Returns the rows of the clips that exist of these ids of a library, by id."""
    statement = _MANY_LOCKED if lock else _MANY
    return {
        row.id: row
        for some in batched(sorted(set(ids)))
        for row in fetch(connection, statement, clips=some, library=library)
    }


def lock_all(connection: Connection, library: str, ids: Iterable[str]) -> dict[str, ClipRow]:
    """Locks the clips that exist of these ids of a library. Returns their rows by id."""
    return find_all(connection, library, ids, lock=True)


def change(connection: Connection, row: ClipRow, values: Mapping[str, Any]) -> ClipRow:
    """Changes a locked row. Returns the changed row."""
    (changed,) = change_all(connection, [(row, values)])
    return changed


def change_all(
    connection: Connection, changes: Iterable[tuple[ClipRow, Mapping[str, Any]]]
) -> list[ClipRow]:
    """Changes the same columns of locked rows. Returns the changed rows."""
    time = now()
    pairs = [(row, {**values, "update_time": time}) for row, values in changes]
    if pairs:
        connection.execute(
            _SET,
            [{"clip": row.id, "state_before": row.state, **values} for row, values in pairs],
        )
    return [row._replace(**values) for row, values in pairs]


def mirrored(row: ClipRow, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns new values of a row, with a new revision if they change what is in the index."""
    changed = any(getattr(row, column) != value for column, value in values.items())
    return {**values, "revision": row.revision + 1} if changed else values


def count_windows(connection: Connection, counts: Iterable[tuple[ClipRow, int]]) -> list[ClipRow]:
    """Sets the number of windows of locked rows; not a change that a list by time would tell."""
    pairs = list(counts)
    if pairs:
        connection.execute(
            _SET,
            [
                {"clip": row.id, "state_before": row.state, "window_count": count}
                for row, count in pairs
            ],
        )
    return [row._replace(window_count=count) for row, count in pairs]


def draw(connection: Connection, peaks: Mapping[str, bytes]) -> None:
    """Keeps the outlines of locked clips; empty ones change nothing."""
    known = [{"clip": clip, "peaks": values} for clip, values in peaks.items() if values]
    if known:
        connection.execute(_DRAW, known)


def peaks(connection: Connection, name: ClipName) -> bytes:
    """Returns the outline of a clip; empty if none is kept.

    Raises:
        ServiceError: CLIP_NOT_FOUND.
    """
    row = connection.execute(_PEAKS, {"clip": name.clip, "library": name.library}).one_or_none()
    if row is None:
        raise not_found(name)
    return row.peaks or b""


def require_state(row: ClipRow, name: ClipName, *allowed: ClipState) -> None:
    """Raises STATE_CONFLICT unless the clip is in one of these states."""
    if row.state not in allowed:
        raise conflict(row, name, " or ".join(state.name for state in allowed))


def not_found(name: ClipName) -> ServiceError:
    """Returns CLIP_NOT_FOUND."""
    return ServiceError(
        Reason.CLIP_NOT_FOUND,
        f"{name} is not there; list the library's clips to see those that are",
        {"clip": str(name)},
    )


def conflict(row: ClipRow, name: ClipName, needed: str) -> ServiceError:
    """Returns STATE_CONFLICT, which names the state and the one needed."""
    state = ClipState(row.state).name
    return ServiceError(
        Reason.STATE_CONFLICT,
        f"{name} is {state}; this needs it to be {needed}",
        {"clip": str(name), "state": state},
    )
