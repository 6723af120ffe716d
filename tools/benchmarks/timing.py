"""Times of several routes, taken so that what else the machine does meets all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Key = TypeVar("Key")


def seconds(run: Callable[[], Any]) -> float:
    """Returns what one run takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def medians(work: Mapping[Key, Callable[[], float]], repeats: int) -> dict[Key, float]:
    """Runs all in turn, again and again, and returns the median of what each said it took.

    Each runs once more before it is timed: threads of the one before still spin then.
    """
    taken: dict[Key, list[float]] = {key: [] for key in work}
    for run in work.values():
        run()
    for _ in range(repeats):
        for key, run in work.items():
            run()
            taken[key].append(run())
    return {key: statistics.median(times) for key, times in taken.items()}
