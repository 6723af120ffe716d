"""Reads and locks rows of libraries, and makes their errors."""

from __future__ import annotations

from typing import Any

from audiosearch.catalog.v1.library_pb2 import Migration
from sqlalchemy import Connection, Row, Select, select

from catalog_service.database.schema import libraries
from catalog_service.database.states import LibraryState
from catalog_service.names import library_name
from serving.errors import Reason, ServiceError


def find(
    connection: Connection, library: str, *, share: bool = False, lock: bool = False
) -> Row[Any] | None:
    """Returns the library's row, or None.

    `share` keeps other transactions from changing it, `lock` also from sharing it.
    """
    statement: Select[Any] = select(libraries).where(libraries.c.name == library)
    if share or lock:
        statement = statement.with_for_update(read=not lock)
    row: Row[Any] | None = connection.execute(statement).one_or_none()
    return row


def get(
    connection: Connection, library: str, *, share: bool = False, lock: bool = False
) -> Row[Any]:
    """Returns the library's row, shared or locked as by `find`.

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


def generations(row: Row[Any]) -> list[int]:
    """Returns the generations of a library's indexes that are in use."""
    if row.migration is None:
        return [row.generation]
    return [row.generation, Migration.FromString(row.migration).generation]
