"""Shares: a newcomer finds something, whatever a greedy caller holds."""

from __future__ import annotations

import asyncio

import pytest

from serving.calls.shares import Shares
from serving.errors import Reason, ServiceError


def busy() -> ServiceError:
    """The error of these tests."""
    return ServiceError(Reason.GATEWAY_BUSY, "no room")


def held(shares: Shares, caller: str) -> int:
    """The most that a caller can take, one by one."""
    count = 0
    while shares.take(caller, 1):
        count += 1
    return count


def test_a_caller_gets_three_quarters_and_others_find_room() -> None:
    """Also after two more greedy ones, who get as much less."""
    shares = Shares(256)
    assert [held(shares, name) for name in ("greedy", "greedy too", "greedy as well")] == [
        *(192, 48, 12)
    ]
    assert shares.take("newcomer", 1)


def test_one_place_is_one_place() -> None:
    """A caller alone may take it, and gives it back."""
    shares = Shares(1)
    assert held(shares, "a") == 1
    assert held(shares, "b") == 0
    shares.give_back("a", 1)
    assert held(shares, "b") == 1


async def test_a_newcomer_does_not_wait_behind_a_greedy_caller() -> None:
    """The greedy one waits for its own share, and is refused when its time is over."""
    shares = Shares(100)
    assert shares.take("greedy", 70)
    greedy = asyncio.create_task(shares.wait("greedy", 21, 60, busy))
    await asyncio.sleep(0)
    await asyncio.wait_for(shares.wait("newcomer", 20, 60, busy), 30)
    with pytest.raises(ServiceError) as raised:
        await shares.wait("greedy", 20, 0.01, busy)
    assert raised.value.reason is Reason.GATEWAY_BUSY
    shares.give_back("greedy", 70)
    await asyncio.wait_for(greedy, 30)
    shares.give_back("newcomer", 20)
    shares.give_back("greedy", 21)
    assert shares.free == 100


async def test_a_caller_that_stops_waiting_leaves_nothing() -> None:
    """Also if its turn comes in the same moment."""
    shares = Shares(10)
    assert shares.take("a", 10)
    early = asyncio.create_task(shares.wait("b", 5, 60, busy))
    late = asyncio.create_task(shares.wait("c", 5, 60, busy))
    await asyncio.sleep(0)
    early.cancel()
    shares.give_back("a", 10)
    late.cancel()
    await asyncio.gather(early, late, return_exceptions=True)
    assert shares.free == 10
