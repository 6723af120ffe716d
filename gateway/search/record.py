"""A record of the last searches, with the time of each step."""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Literal

from audiosearch.gateway.v1.system_status_pb2 import SearchLatency, SearchRecord
from google.protobuf.duration_pb2 import Duration

from gateway.access.rights import Caller, Right
from serving.monitoring.stages import stage

MOST = 50
"""Searches that are kept."""

Step = Literal["embedding", "index", "catalog"]


class Stopwatch:
    """Measures the time of one search, step by step."""

    def __init__(self) -> None:
        """Starts the clock."""
        self.start = time.monotonic()
        self.spent: Counter[Step] = Counter()
        self.match_count = 0

    @contextlib.contextmanager
    def step(self, name: Step) -> Iterator[None]:
        """Adds the time of the block to a step."""
        begun = time.monotonic_ns()
        try:
            with stage(f"search.{name}"):
                yield
        finally:
            self.spent[name] += time.monotonic_ns() - begun


class SearchLog:
    """Keeps the times of the last searches, and nothing of their sounds."""

    def __init__(self) -> None:
        """Starts empty."""
        self._records: deque[SearchRecord] = deque(maxlen=MOST)

    @contextlib.contextmanager
    def search(self, library: str, *, by_clip: bool) -> Iterator[Stopwatch]:
        """Measures the time of the block, and keeps it unless the block fails."""
        watch = Stopwatch()
        yield watch
        record = SearchRecord(
            library=library,
            by_clip=by_clip,
            match_count=watch.match_count,
            embedding_duration=_duration(watch.spent["embedding"]),
            index_duration=_duration(watch.spent["index"]),
            catalog_duration=_duration(watch.spent["catalog"]),
            total_duration=_duration(int((time.monotonic() - watch.start) * 1e9)),
        )
        record.end_time.GetCurrentTime()
        self._records.append(record)

    def seen_by(self, caller: Caller) -> list[SearchRecord]:
        """The searches in libraries that the caller may read, the newest first."""
        return [each for each in reversed(self._records) if caller.may(each.library, Right.read)]


def latency(records: Sequence[SearchRecord]) -> SearchLatency:
    """The times that these searches took as a whole."""
    took = sorted(record.total_duration.ToNanoseconds() for record in records)
    if not took:
        return SearchLatency()
    return SearchLatency(
        search_count=len(took),
        p50_duration=_duration(_percentile(took, 50)),
        p99_duration=_duration(_percentile(took, 99)),
    )


def _percentile(ordered: Sequence[int], percent: int) -> int:
    """The percentile by the nearest rank: `percent` of the values are not above it."""
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]


def _duration(nanoseconds: int) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(nanoseconds)
    return duration
