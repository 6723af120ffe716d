"""Waits for a lock no longer than the deadline of the call."""

from __future__ import annotations

import threading

from index_service.store import unavailable
from serving.telemetry import remaining


class Held:
    """Holds a lock for the time of a `with` block."""

    def __init__(self, lock: threading.Lock) -> None:
        """Takes the lock."""
        self._lock = lock

    def __enter__(self) -> None:
        """Waits for the lock. Raises INDEX_UNAVAILABLE at the deadline of the call."""
        left = remaining()
        if not self._lock.acquire(timeout=-1 if left is None else max(left, 0)):
            raise unavailable("the index is busy")

    def __exit__(self, *_: object) -> None:
        """Releases the lock."""
        self._lock.release()
