"""Notices that the other side of a stream moves nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator


class Stall:
    """A timer that runs only while this side of a stream waits for the other.

    A sender that is slow to send, and a reader that is slow to read, stop it. So it tells of the
    other side alone. A stream that is written and read waits only if both of its halves do.
    """

    def __init__(
        self, seconds: float, act: Callable[[], None], *, writes: bool, reads: bool
    ) -> None:
        """Takes the limit, what to do when it is over, and the halves that this side has."""
        self._seconds = seconds
        self._act = act
        self._moving = {half for half, there in (("writes", writes), ("reads", reads)) if there}
        self._timer: asyncio.TimerHandle | None = None

    def writing(self) -> contextlib.AbstractContextManager[None]:
        """The block waits until the other side takes something."""
        return self._waiting("writes")

    def reading(self) -> contextlib.AbstractContextManager[None]:
        """The block waits until the other side sends something."""
        return self._waiting("reads")

    @contextlib.contextmanager
    def _waiting(self, half: str) -> Iterator[None]:
        self._moving.discard(half)
        if not self._moving:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._act)
        try:
            yield
        finally:
            self._moving.add(half)
            if self._timer:
                self._timer.cancel()
