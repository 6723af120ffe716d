"""Locks whose wait is no longer than the deadline of the call."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from index_service.store import unavailable
from serving.errors import ServiceError
from serving.telemetry import remaining


class Held:
    """Holds a lock for the time of a `with` block."""

    def __init__(self, lock: threading.Lock) -> None:
        """Takes the lock."""
        self._lock = lock

    def __enter__(self) -> None:
        """Waits for the lock. Raises INDEX_UNAVAILABLE at the deadline of the call."""
        if not self._lock.acquire(timeout=_patience() or -1):
            raise _busy()

    def __exit__(self, *_: object) -> None:
        """Releases the lock."""
        self._lock.release()


class SharedLock:
    """A lock that is held by one alone, or by several together. First come, first served."""

    def __init__(self) -> None:
        """Makes a lock that is free."""
        self._changed = threading.Condition()
        self._line: deque[object] = deque()
        self._holders = 0
        self._alone = False

    @contextmanager
    def held(self, *, alone: bool) -> Iterator[None]:
        """Holds the lock, alone or with others that do not need it alone.

        Raises:
            ServiceError: INDEX_UNAVAILABLE at the deadline of the call.
        """
        self._enter(alone=alone)
        try:
            yield
        finally:
            with self._changed:
                self._holders -= 1
                self._alone = False
                self._changed.notify_all()

    def _enter(self, *, alone: bool) -> None:
        place = object()

        def free() -> bool:
            return self._line[0] is place and not (self._holders if alone else self._alone)

        with self._changed:
            self._line.append(place)
            try:
                if not self._changed.wait_for(free, _patience()):
                    raise _busy()
                self._holders += 1
                self._alone = alone
            finally:
                self._line.remove(place)
                self._changed.notify_all()


def _patience() -> float | None:
    """Returns the seconds to wait at most; None outside a call."""
    left = remaining()
    return None if left is None else max(left, 1e-3)


def _busy() -> ServiceError:
    return unavailable("the index is busy")
