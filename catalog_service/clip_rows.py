"""What all that works on rows of clips shares: finding one, its states, its errors."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from sqlalchemy import ColumnElement, Row, ScalarSelect, Select, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.names import ClipName
from catalog_service.schema import clips, libraries
from catalog_service.states import ClipState
from serving.errors import Reason, ServiceError


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(timezone.utc)


def uid_of(library: str) -> ScalarSelect[Any]:
    """The uid of the library of that id, as a part of a statement."""
    return select(libraries.c.uid).where(libraries.c.name == library).scalar_subquery()


def is_named(name: ClipName) -> ColumnElement[bool]:
    """The condition that a row is the clip of that name."""
    return and_(clips.c.id == name.clip, clips.c.library_uid == uid_of(name.library))


async def find(
    connection: AsyncConnection, name: ClipName, *, lock: bool = False
) -> Row[Any] | None:
    """The clip's row, None if there is none. `lock` keeps others from changing it."""
    statement: Select[Any] = select(clips).where(is_named(name))
    if lock:
        statement = statement.with_for_update()
    row: Row[Any] | None = (await connection.execute(statement)).one_or_none()
    return row


async def get(connection: AsyncConnection, name: ClipName, *, lock: bool = False) -> Row[Any]:
    """The clip's row.

    Raises:
        ServiceError: CLIP_NOT_FOUND.
    """
    row = await find(connection, name, lock=lock)
    if row is None:
        raise ServiceError(
            Reason.CLIP_NOT_FOUND,
            f"{name} is not there; list the library's clips to see those that are",
            {"clip": str(name)},
        )
    return row


def require_state(row: Row[Any], name: ClipName, *allowed: ClipState) -> None:
    """Raises STATE_CONFLICT unless the clip is in one of these states."""
    if row.state not in allowed:
        raise conflict(row, name, " or ".join(state.name for state in allowed))


def conflict(row: Row[Any], name: ClipName, needed: str) -> ServiceError:
    """STATE_CONFLICT that names the state and the one needed."""
    state = ClipState(row.state).name
    return ServiceError(
        Reason.STATE_CONFLICT,
        f"{name} is {state}; this needs it to be {needed}",
        {"clip": str(name), "state": state},
    )
