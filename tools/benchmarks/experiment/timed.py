"""Times calls, in milliseconds."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from tools.benchmarks.timing import seconds

T = TypeVar("T")


def milliseconds(call: Callable[[], Any]) -> float:
    """Returns the time of one call, in milliseconds."""
    return 1000 * seconds(call)


def percentiles(times: Sequence[float]) -> dict[str, float]:
    """Returns the median and the 99th percentile."""
    p50, p99 = np.percentile(times, [50, 99])
    return {"p50_ms": float(p50), "p99_ms": float(p99)}


def one_by_one(call: Callable[[T], Any], items: Sequence[T], most_seconds: float) -> list[float]:
    """Calls with one item after the other, at most for `most_seconds`. Returns the times, ms."""
    until = time.monotonic() + most_seconds
    times: list[float] = []
    for item in items:
        times.append(milliseconds(lambda: call(item)))  # noqa: B023  called at once
        if time.monotonic() > until:
            break
    return times


def in_turn(
    names: Sequence[str], items: Iterable[T], call: Callable[[str, T], Any]
) -> dict[str, list[float]]:
    """Calls with each item in all ways, one after the other, so that load slows all of them.

    Each item begins with another way, because the first one fills the caches. Returns the times of
    each way, ms.
    """
    times: dict[str, list[float]] = {name: [] for name in names}
    for number, item in enumerate(items):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            times[name].append(milliseconds(lambda: call(name, item)))  # noqa: B023  called at once
    return times


def rate_at_once(
    call: Callable[[T], Any], items: Sequence[T], callers: int, for_seconds: float
) -> float:
    """Calls from `callers` threads for `for_seconds`. Returns the calls a second."""
    start = time.perf_counter()

    def work(caller: int) -> int:
        for count in itertools.count():
            if time.perf_counter() > start + for_seconds:
                return count
            call(items[(caller + count * callers) % len(items)])
        raise AssertionError

    with ThreadPoolExecutor(callers) as pool:
        calls = sum(pool.map(work, range(callers)))
    return calls / (time.perf_counter() - start)


def at_once(
    call: Callable[[T], Any], items: Sequence[T], callers: int
) -> tuple[list[float], float]:
    """Calls with each item from `callers` threads. Returns the times in ms and calls a second."""
    start = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        times = list(pool.map(lambda item: milliseconds(lambda: call(item)), items))
    return times, len(items) / (time.perf_counter() - start)
