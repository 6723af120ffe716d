"""The calls that a task of an `AsyncClient` has under way, so that they end when it does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any


class CallsUnderWay:
    """Calls of gRPC that are cancelled together."""

    def __init__(self) -> None:
        """Has none."""
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._calls: set[Any] = set()

    @contextmanager
    def holding(self, call: Any) -> Iterator[None]:
        """Counts a call as under way. It is cancelled at once if the others were."""
        with self._lock:
            self._calls.add(call)
        if self.stopped.is_set():
            call.cancel()
        try:
            yield
        finally:
            with self._lock:
                self._calls.discard(call)

    def cancel(self) -> None:
        """Cancels all of them, and those to come."""
        self.stopped.set()
        with self._lock:
            calls = list(self._calls)
        for call in calls:
            call.cancel()


_current: ContextVar[CallsUnderWay | None] = ContextVar("calls_under_way", default=None)


def current() -> CallsUnderWay | None:
    """Those of the task that this thread works for; None in blocking use."""
    return _current.get()


def stopped() -> threading.Event:
    """The event that ends waiting for the task of this thread; one that never comes elsewhere."""
    under_way = _current.get()
    return under_way.stopped if under_way else threading.Event()


def work_for(under_way: CallsUnderWay) -> None:
    """Makes the calls of this context those of a task."""
    _current.set(under_way)
