"""Turns of callers who want the same thing at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from typing import TYPE_CHECKING

from serving.caller import BACKGROUND

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

_BACKGROUND_COST = 4
"""The price of the gateway's own work, where others pay 1: beside one of them it has a fifth."""

_TAKING = 0.001
"""The cost of taking a place, in seconds: of equal callers one has not two turns running."""

_MOST_KEPT = 256
"""Callers without anything in line of which it is known what they used."""


class Turns:
    """Gives the next turn to the caller that has used least.

    A caller that comes anew begins where the least of those in line is, so that nobody saves up
    turns, and nobody who waits is passed over for long.
    """

    def __init__(self) -> None:
        """Knows of no caller."""
        self._used: dict[str, float] = {}
        self._in_line: Counter[str] = Counter()

    def enter(self, caller: str) -> None:
        """Puts something of a caller in line."""
        if not self._in_line[caller]:
            self._used[caller] = max(self._used.get(caller, 0.0), self._least())
        self._in_line[caller] += 1

    def leave(self, caller: str) -> None:
        """Takes something of a caller out of line."""
        self._in_line[caller] -= 1
        if self._in_line[caller]:
            return
        del self._in_line[caller]
        if not self._in_line:
            self._used.clear()
        elif len(self._used) > _MOST_KEPT + len(self._in_line):
            least = self._least()
            self._used = {
                each: used
                for each, used in self._used.items()
                if used > least or each in self._in_line
            }

    def charge(self, caller: str, cost: float) -> None:
        """Notes that a caller in line has used something."""
        if caller in self._used:
            self._used[caller] += cost * (_BACKGROUND_COST if caller == BACKGROUND else 1)

    def first(self, callers: Iterable[str]) -> str:
        """The one of some callers in line whose turn it is: of equal ones, the first given."""
        return min(callers, key=self._used.__getitem__)

    def _least(self) -> float:
        return min((self._used[each] for each in self._in_line), default=0.0)


class Line:
    """A line of callers in front of a few places. The cost of a place is the time that it is held.

    The caller of a line with shares has no more places than are left for others.
    """

    def __init__(self, places: int, *, shared: bool = False) -> None:
        """Takes the number of places, and if callers leave some to others."""
        self._free = places
        self._shared = shared
        self._held: Counter[str] = Counter()
        self._turns = Turns()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @contextlib.asynccontextmanager
    async def place(self, caller: str) -> AsyncIterator[None]:
        """Waits for a caller's turn, and holds a place until the block ends."""
        self._turns.enter(caller)
        try:
            await self._turn(caller)
            start = time.monotonic()
            try:
                yield
            finally:
                self._turns.charge(caller, time.monotonic() - start)
                self._give_back(caller)
        finally:
            self._turns.leave(caller)

    async def _turn(self, caller: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(turn)
        self._call()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the turn came with the cancellation
                self._give_back(caller)
            elif turn in self._waiting.get(caller, ()):
                self._waiting[caller].remove(turn)
                self._tidy(caller)
            raise

    def _give_back(self, caller: str) -> None:
        self._free += 1
        self._held[caller] -= 1
        if not self._held[caller]:
            del self._held[caller]
        self._call()

    def _call(self) -> None:
        """Gives free places to those whose turn it is."""
        while able := [each for each in self._waiting if self._may(each)]:
            caller = self._turns.first(able)
            turn = self._waiting[caller].popleft()
            self._tidy(caller)
            if turn.cancelled():  # its call has not run since
                continue
            self._turns.charge(caller, _TAKING)
            self._free -= 1
            self._held[caller] += 1
            turn.set_result(None)

    def _may(self, caller: str) -> bool:
        return self._free > (self._held[caller] if self._shared else 0)

    def _tidy(self, caller: str) -> None:
        if not self._waiting[caller]:
            del self._waiting[caller]
