"""The states of the catalog's resources, as numbers in the database.

The numbers are those of the enums in the contract, which never change.
"""

from __future__ import annotations

from enum import IntEnum


class LibraryState(IntEnum):
    """A library's life."""

    CREATING = 1
    ACTIVE = 2
    DELETING = 3
    RESTORING = 4
    LOADING = 5


class ClipState(IntEnum):
    """A clip's life."""

    CREATING = 1
    ACTIVE = 2
    FAILED = 3
    DELETING = 4
    TRASHED = 5


class AudioCondition(IntEnum):
    """The condition of stored audio; not a state, but an enum of the contract all the same."""

    WHOLE = 0
    DAMAGED = 1
    MISSING = 2


class SpeakerState(IntEnum):
    """A speaker's life."""

    CREATING = 1
    ACTIVE = 2
    UPDATING = 3
    DELETING = 4


class JobState(IntEnum):
    """An import job's life."""

    RUNNING = 1
    SUCCEEDED = 2
    FAILED = 3
    CANCELLED = 4


class LibraryView(IntEnum):
    """The part of a library to read; not a state, but an enum of the contract all the same."""

    BASIC = 1
    FULL = 2
