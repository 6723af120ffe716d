"""A query as the index takes it: vectors, and their times if they are of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from audiosearch.embedding.v1.embedding_pb2 import AudioProperties, TimeRange
from audiosearch.gateway.v1.search_pb2 import VectorQuery
from google.protobuf.duration_pb2 import Duration
from numpy.typing import NDArray

from scoring.segments import Windows
from serving.errors import Reason, ServiceError

MOST_WINDOWS = 200
"""Windows of a query that may overlap; of more, neighbors that don't overlap are taken."""

ROUNDING = 0.001
"""Seconds that a range may go beyond a clip, because clients round."""

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Query:
    """Vectors to search with."""

    vectors: Values
    """Unit vectors, shape (n, dimension), of the windows of a recording or of no recording."""

    whole: Values
    """The unit vector of all of it, for libraries without windows; shape (dimension,)."""

    model: str
    made_of: tuple[bytes, ...]
    """Parts that no other query has, all together."""

    windows: Windows | None = None
    """Times of the vectors in the query's recording; None if there is no recording."""

    left_out: frozenset[str] = frozenset()
    """Ids of clips that the matches leave out."""

    negative: Values | None = None
    """Unit vectors of examples against, for STRATEGY_BEST_SCORE; None for any other query."""

    audio: AudioProperties | None = None


def seconds(offset: Duration) -> float:
    """An offset in seconds."""
    return offset.ToNanoseconds() / 1e9


def check_range(value: TimeRange) -> TimeRange:
    """Returns a range if it can be one; FIELD_INVALID if not."""
    start, end = value.start_offset.ToNanoseconds(), value.end_offset.ToNanoseconds()
    if start < 0 or (value.HasField("end_offset") and end <= start):
        raise ServiceError(
            Reason.FIELD_INVALID,
            f"range: from {start / 1e9:g} s to {end / 1e9:g} s; the start must be 0 or more, and "
            "the end after it",
            {"field": "range"},
        )
    return value


def check_within(value: TimeRange, duration: float) -> tuple[float, float]:
    """Start and end of a range of a recording of that length, in seconds; FIELD_INVALID if not."""
    start = seconds(value.start_offset)
    end = seconds(value.end_offset) if value.HasField("end_offset") else duration
    if start >= duration or end > duration + ROUNDING:
        raise ServiceError(
            Reason.FIELD_INVALID,
            f"range: from {start:g} s to {end:g} s is not within the clip, which has "
            f"{duration:.3f} s",
            {"field": "range"},
        )
    return start, end


def unit(value: VectorQuery, field: str) -> Values:
    """The vector of a query, of unit length; FIELD_INVALID if it has none."""
    values = np.array(value.values, np.float64)
    if not len(values) or not np.isfinite(values).all() or not values.any():
        raise ServiceError(
            Reason.FIELD_INVALID,
            f"{field}.values: {len(values)} values, which must be finite numbers and not all 0",
            {"field": f"{field}.values"},
        )
    scaled = values / np.abs(values).max()  # the squares of huge values are infinite
    found: Values = (scaled / np.linalg.norm(scaled)).astype(np.float32)
    return found


def thinned(windows: Windows) -> NDArray[np.int64]:
    """Numbers of the windows to search with: all, or of many windows those that don't overlap."""
    count, step = len(windows.starts), 1
    if count > MOST_WINDOWS:
        step = max(1, round(float(windows.ends[0] - windows.starts[0]) / windows.hop))
    return np.arange(0, count, step)


def timed(starts: Sequence[float], ends: Sequence[float], span: tuple[float, float]) -> Windows:
    """Windows in order of start, of the part of a recording between two times."""
    begins = np.array(starts, np.float64)
    steps = np.diff(begins)
    if len(steps) > 1:  # the last window ends with the recording, whatever its start becomes
        steps = steps[:-1]
    hop = float(steps.min()) if len(steps) else 0.0
    return Windows(begins, np.array(ends, np.float64), hop, *span)


def recorded(
    vectors: Sequence[Values],
    starts: Sequence[float],
    ends: Sequence[float],
    span: tuple[float, float],
    model: str,
    whole: Values | None = None,
    audio: AudioProperties | None = None,
) -> Query:
    """The query of a recording, or of the part of it between the times of `span`."""
    windows = timed(starts, ends, span)
    chosen = thinned(windows)
    stacked = np.array(vectors, np.float32)
    if whole is None:
        mean = stacked.mean(axis=0, dtype=np.float64)
        whole = (mean / max(float(np.linalg.norm(mean)), 1e-6)).astype(np.float32)
    return Query(
        vectors=stacked[chosen],
        whole=whole,
        model=model,
        made_of=(),
        windows=timed(windows.starts[chosen].tolist(), windows.ends[chosen].tolist(), span),
        audio=audio,
    )
