"""Requests about libraries as what the domain takes, every field checked."""

from __future__ import annotations

from catalog_service import fields
from catalog_service.database.states import LibraryState, LibraryView


def library_state(value: int) -> LibraryState:
    """Which libraries to list."""
    return LibraryState(fields.choice("state", value or LibraryState.ACTIVE, LibraryState))


def counted(view: int) -> bool:
    """Whether a view of a library has its counts."""
    return fields.choice("view", view or LibraryView.FULL, LibraryView) == LibraryView.FULL
