"""Libraries as they were read some seconds ago, so that a search need not begin by reading them.

Nothing is answered by what is remembered alone: a search compares it with the library that comes
with the look-up of its clips, and begins anew if they differ. So a change by any gateway counts.
"""

from __future__ import annotations

import time
from collections import OrderedDict

from audiosearch.catalog.v1.library_pb2 import Library

from serving.errors import Reason, ServiceError

KEPT_SECONDS = 30.0
_KEPT = 1000


class ChangedError(ServiceError):
    """A library is not as it was remembered."""

    def __init__(self, name: str) -> None:
        """Takes the library's name."""
        super().__init__(
            Reason.INDEX_UNAVAILABLE,
            f"{name} was changed meanwhile; search again",
            {"library": name},
        )


class Recent:
    """The last libraries that were read, by name."""

    def __init__(self) -> None:
        """Starts empty."""
        self._kept: OrderedDict[str, tuple[float, Library]] = OrderedDict()

    def find(self, name: str) -> Library | None:
        """The library as it was a moment ago, if it was read."""
        read_at, library = self._kept.get(name, (0.0, None))
        return library if time.monotonic() - read_at <= KEPT_SECONDS else None

    def keep(self, library: Library) -> None:
        """Remembers a library that has just been read, and only an ACTIVE one.

        One that is being given another model is read each time: a sound embedded with the model
        before can't be searched again with the new one.
        """
        self._kept.pop(library.name, None)
        if library.state == Library.STATE_ACTIVE and not library.migration.model:
            self._kept[library.name] = time.monotonic(), library
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)

    def forget(self, name: str) -> None:
        """Forgets a library that this gateway is about to change."""
        self._kept.pop(name, None)


def same(one: Library, other: Library) -> bool:
    """True if a search in one is a search in the other: model and rule come with the generation."""
    return _told_apart_by(one) == _told_apart_by(other)


def _told_apart_by(library: Library) -> tuple[str, int, int, str]:
    return library.uid, library.state, library.generation, library.migration.model
