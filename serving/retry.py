"""The one rule on trying again: what is worth another try, and for how long.

The import of a folder, the upload of a file and the evaluation of a library all follow it. Each
piece of work is tried again while a service is away or busy, until 300 s have passed since its
first try. The pause before the second try is 1 s. Each later pause is twice as long, up to 8 s.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from serving.errors import Reason, ServiceError

TOTAL_SECONDS = 300.0
MAX_PAUSE_SECONDS = 8.0
T = TypeVar("T")


class Retry:
    """The tries of one piece of work, in blocking code or on an event loop.

    The caller sleeps, because only the caller knows how: `await asyncio.sleep(retry.pause(error))`.
    """

    def __init__(
        self,
        also: Collection[Reason] = (),
        tries: int = 0,
        seconds: float = TOTAL_SECONDS,
        shorter: Mapping[Reason, float] | None = None,
    ) -> None:
        """Starts the clock.

        Args:
            also: reasons that are not temporary in general, but may be so for this work.
            tries: number of tries after which those are final.
            seconds: time since the first try after which all are final.
            shorter: the same for single reasons, such as a gateway that may not be there at all.
        """
        self._also = frozenset(also)
        self._tries = tries
        self._failed = 0
        self._start = time.monotonic()
        self._seconds = seconds
        self._shorter = shorter or {}

    def pause(self, error: ServiceError) -> float:
        """Seconds to wait before the next try.

        Raises:
            ServiceError: the given one, if another try is useless or the time is up.
        """
        self._failed += 1
        special = error.reason in self._also and self._failed <= self._tries
        passed = time.monotonic() - self._start
        over = passed > self._shorter.get(error.reason, self._seconds)
        if over or not (error.reason.temporary or special):
            raise error
        return min(2.0 ** (self._failed - 1), MAX_PAUSE_SECONDS)


def patiently(
    work: Callable[[], T],
    retry: Retry | None = None,
    stop: threading.Event | None = None,
    told: Callable[[ServiceError], None] | None = None,
) -> T:
    """Returns the result of blocking work, which is done again as long as that is worth it.

    Args:
        work: The work.
        retry: Its tries; those of work that has not begun if it is left out.
        stop: Once it is set, there is no other try.
        told: Gets each failure after which there is one, before the pause.

    Raises:
        ServiceError: The last one of the work.
    """
    retry, stop = retry or Retry(), stop or threading.Event()
    while True:
        try:
            return work()
        except ServiceError as error:
            if stop.is_set():
                raise
            pause = retry.pause(error)
            if told:
                told(error)
            stop.wait(pause)
