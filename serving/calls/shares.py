"""Shares: something of which there is only so much, divided among callers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from serving.compat import timeout
from serving.errors import ServiceError

_GREED = 3
"""Times of what is free that a caller may hold.

A caller alone gets three quarters of all. Of n greedy ones that come and go, each gets three parts
of 3n + 1, and one part is left for newcomers.
"""


class Shares:
    """Divides an amount of places or bytes among callers, none of whom gets all of it."""

    def __init__(self, amount: int) -> None:
        """Takes how much there is."""
        self.free = amount
        self.most = amount
        self._held: dict[str, int] = {}
        self._waiting: deque[tuple[str, int, asyncio.Future[None]]] = deque()

    def take(self, caller: str, amount: int) -> bool:
        """Takes an amount for a caller at once. Returns False, and takes nothing, if it can't."""
        if amount > self.free or self._held.get(caller, 0) + amount > _GREED * self.free:
            return False
        self._move(caller, amount)
        return True

    async def wait(
        self, caller: str, amount: int, seconds: float, busy: Callable[[], ServiceError]
    ) -> None:
        """Takes an amount for a caller, and waits for it if it must. The oldest is served first.

        Nobody waits behind a caller that has its share.

        Raises:
            ServiceError: `busy`, if the time is over.
        """
        if self.take(caller, amount):
            return
        turn = asyncio.get_running_loop().create_future()
        entry = (caller, amount, turn)
        self._waiting.append(entry)
        try:
            async with timeout(seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.give_back(caller, amount)
            else:
                self._waiting.remove(entry)
            if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
                raise busy() from None
            raise

    def correct(self, caller: str, amount: int) -> None:
        """Adds to what a caller holds, also beyond what is there; gives back if it is negative."""
        self._move(caller, amount)
        if amount < 0:
            self._serve()

    def give_back(self, caller: str, amount: int) -> None:
        """Gives back what was taken."""
        self.correct(caller, -amount)

    def _move(self, caller: str, amount: int) -> None:
        self.free -= amount
        held = self._held.pop(caller, 0) + amount
        if held:
            self._held[caller] = held

    def _serve(self) -> None:
        for entry in list(self._waiting):
            caller, amount, turn = entry
            if self.free <= 0:
                return
            if not turn.done() and self.take(caller, amount):
                self._waiting.remove(entry)
                turn.set_result(None)
