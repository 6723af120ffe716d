"""Locks that a call waits for no longer than its deadline."""

from __future__ import annotations

import threading

from index_service.store import unavailable
from serving.telemetry import remaining


class Held:
    """Holds a lock, unless that takes longer than the call has."""

    def __init__(self, lock: threading.Lock) -> None:
        """Takes the lock."""
        self._lock = lock

    def __enter__(self) -> None:
        """Waits for the lock; INDEX_UNAVAILABLE when the call's time is over first."""
        left = remaining()
        if not self._lock.acquire(timeout=-1 if left is None else max(left, 0)):
            raise unavailable("the index is busy")

    def __exit__(self, *_: object) -> None:
        """Gives it back."""
        self._lock.release()
