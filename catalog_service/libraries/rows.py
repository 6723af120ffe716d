"""What all that works on rows of libraries shares: finding one, its states, its errors."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, select

from catalog_service.database.schema import libraries
from catalog_service.database.states import LibraryState
from catalog_service.names import library_name
from serving.errors import Reason, ServiceError


def find(
    connection: Connection, library: str, *, share: bool = False, lock: bool = False
) -> Row[Any] | None:
    """The library's row, None if there is none.

    `share` keeps others from changing it, `lock` keeps others from sharing it as well.
    """
    statement: Select[Any] = select(libraries).where(libraries.c.name == library)
    if share or lock:
        statement = statement.with_for_update(read=not lock)
    row: Row[Any] | None = connection.execute(statement).one_or_none()
    return row


def get(
    connection: Connection, library: str, *, share: bool = False, lock: bool = False
) -> Row[Any]:
    """The library's row.

    Raises:
        ServiceError: LIBRARY_NOT_FOUND.
    """
    row = find(connection, library, share=share, lock=lock)
    if row is None:
        name = library_name(library)
        raise ServiceError(
            Reason.LIBRARY_NOT_FOUND,
            f"{name} is not there; create it, or list the libraries to see those that are",
            {"library": name},
        )
    return row


def require_state(row: Row[Any], *allowed: LibraryState) -> None:
    """Raises STATE_CONFLICT unless the library is in one of these states."""
    if row.state not in allowed:
        name, state = library_name(row.name), LibraryState(row.state).name
        needed = " or ".join(state.name for state in allowed)
        raise ServiceError(
            Reason.STATE_CONFLICT,
            f"{name} is {state}; this needs it to be {needed}",
            {"library": name, "state": state},
        )
