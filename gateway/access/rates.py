"""The rates of API keys: a bucket of calls for each key that has one (a token bucket)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from serving.errors import Reason, ServiceError

if TYPE_CHECKING:
    from gateway.access.rights import Caller

BURST_SECONDS = 10.0
"""Time of its rate that a key may use at once, after as long a silence."""


class _Bucket(NamedTuple):
    calls: float
    filled: float


class Rates:
    """Counts the calls of keys. Each gateway counts for itself, and forgets at its end."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Takes a clock, in seconds."""
        self._now = now
        self._buckets: dict[str, _Bucket] = {}

    def take(self, who: Caller) -> None:
        """Counts a call; GATEWAY_BUSY if the key has made all that it may for the moment."""
        if who.calls_per_minute is None:
            return
        rate, now = who.calls_per_minute / 60.0, self._now()
        most = max(1.0, rate * BURST_SECONDS)
        before = self._buckets.get(who.id, _Bucket(most, now))
        calls = min(most, before.calls + rate * (now - before.filled))
        if calls < 1.0:
            wait = math.ceil((1.0 - calls) / rate)
            raise ServiceError(
                Reason.GATEWAY_BUSY,
                f"the API key {who.name!r} may make {who.calls_per_minute} calls a minute; wait "
                f"{wait} s, or ask the operator for a higher rate",
                {"calls_per_minute": str(who.calls_per_minute), "wait_seconds": str(wait)},
            )
        self._buckets[who.id] = _Bucket(calls - 1.0, now)
