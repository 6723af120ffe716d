"""The stages of calls: each has its times in the metrics, and a span in the call's trace."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from serving.monitoring import metrics, tracing


@contextlib.contextmanager
def stage(name: str) -> Iterator[None]:
    """Measures the block as a stage, whether it fails or not."""
    begun = time.perf_counter()
    try:
        with tracing.span(name):
            yield
    finally:
        took(name, time.perf_counter() - begun)


def took(name: str, seconds: float) -> None:
    """Adds a stage that was measured elsewhere, such as one that many calls share."""
    metrics.STAGE_SECONDS.labels(name).observe(seconds)


@contextlib.contextmanager
def upkeep_run(work: str) -> Iterator[None]:
    """Counts the block as a run of upkeep that passed or failed."""
    outcome = "failed"
    try:
        yield
        outcome = "passed"
        metrics.UPKEEP_TIME.labels(work).set_to_current_time()
    finally:
        metrics.UPKEEP_RUNS.labels(work, outcome).inc()
