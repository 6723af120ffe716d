"""Times several routes in turn, so that other load on the machine affects all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Key = TypeVar("Key")


def seconds(run: Callable[[], Any]) -> float:
    """Returns the time of one run, in seconds."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def medians(work: Mapping[Key, Callable[[], float]], repeats: int) -> dict[Key, float]:
    """Runs all routes in turn, `repeats` times, and returns the median of each.

    Each run follows an untimed one, because threads of the route before still spin.
    """
    taken: dict[Key, list[float]] = {key: [] for key in work}
    for run in work.values():
        run()
    for _ in range(repeats):
        for key, run in work.items():
            run()
            taken[key].append(run())
    return {key: statistics.median(times) for key, times in taken.items()}
