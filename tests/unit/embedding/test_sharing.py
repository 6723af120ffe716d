"""Callers who want the same at the same time take turns."""

from __future__ import annotations

import asyncio
import contextlib

from embedding_service.sharing import Line, Turns


class Holders:
    """Callers who hold places until they are told to leave."""

    def __init__(self, line: Line) -> None:
        """Takes the line."""
        self._line = line
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}
        self.inside: list[str] = []

    async def come(self, caller: str, times: int = 1) -> None:
        """Puts a caller in line."""
        for _ in range(times):
            task = asyncio.create_task(self._hold(caller))
            self._tasks.setdefault(caller, []).append(task)
        await settle()

    async def go(self, caller: str) -> None:
        """Ends what a caller has had, or has waited for, the longest."""
        task = self._tasks[caller].pop(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await settle()

    async def _hold(self, caller: str) -> None:
        async with self._line.place(caller):
            self.inside.append(caller)
            try:
                await asyncio.Event().wait()
            finally:
                self.inside.remove(caller)


async def settle() -> None:
    """Lets all tasks go as far as they can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_turns_in_a_line() -> None:
    """A free place goes to the caller that has used least, not to the one that has waited most."""
    holders = Holders(Line(1))
    await holders.come("a", times=20)
    await holders.come("b")
    await holders.come("c")
    await holders.go("a")
    assert holders.inside == ["b"]
    await holders.go("b")
    assert holders.inside == ["c"]
    await holders.go("c")
    assert holders.inside == ["a"]


async def test_a_line_with_shares() -> None:
    """One caller has half of all places, the next one half of the rest, and nothing is lost."""
    holders = Holders(Line(8, shared=True))
    await holders.come("a", times=20)
    await holders.come("b", times=20)
    await holders.come("c")
    assert sorted(holders.inside) == ["a"] * 4 + ["b"] * 2 + ["c"]
    await holders.go("a")
    assert sorted(holders.inside) == ["a"] * 3 + ["b"] * 2 + ["c"]
    await holders.go("c")
    assert sorted(holders.inside) == ["a"] * 3 + ["b"] * 3


async def test_leaving_a_line() -> None:
    """A caller that goes away while it waits takes no place with it."""
    holders = Holders(Line(1))
    await holders.come("a")
    await holders.come("b", times=2)
    await holders.go("b")
    await holders.go("a")
    assert holders.inside == ["b"]
    await holders.go("b")
    await holders.come("a")
    assert holders.inside == ["a"]


async def test_all_of_a_line_leave_at_once() -> None:
    """The holder and those who wait; the place is there for the next one."""
    line = Line(1)

    async def hold() -> None:
        async with line.place("a"):
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(hold()) for _ in range(4)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends)
    async with line.place("b"):
        pass


def test_nobody_saves_up_turns() -> None:
    """A caller that comes late takes turns with the others, and does not catch up."""
    line = Turns()
    line.enter("a")
    for _ in range(100):
        line.charge("a", 1)
    line.enter("b")
    turns = []
    for _ in range(10):
        turns.append(line.first(["a", "b"]))
        line.charge(turns[-1], 1)
    assert turns.count("a") == turns.count("b") == 5


def test_going_and_coming_again() -> None:
    """A caller that leaves the line for a moment has used what it has used."""
    line = Turns()
    line.enter("a")
    line.enter("b")
    line.charge("a", 60)
    line.leave("a")
    line.enter("a")
    line.charge("b", 30)
    assert line.first(["a", "b"]) == "b"
