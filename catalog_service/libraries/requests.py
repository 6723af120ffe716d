"""Checks requests about libraries, and translates them for the domain."""

from __future__ import annotations

from catalog_service import fields
from catalog_service.database.states import LibraryState, LibraryView


def library_state(value: int) -> LibraryState:
    """Returns the state of the libraries to list."""
    return LibraryState(fields.choice("state", value or LibraryState.ACTIVE, LibraryState))


def counted(view: int) -> bool:
    """Returns True if a view of a library has its counts."""
    return fields.choice("view", view or LibraryView.FULL, LibraryView) == LibraryView.FULL
