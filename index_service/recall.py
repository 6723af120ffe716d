"""Chooses search parameters for a recall target from a table of measurements."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

DEFAULT_TARGET = 0.95
LOWEST_TARGET, HIGHEST_TARGET = 0.5, 0.99
COMMON_ROWS = 20_000
"""Rows of a measured index with about seven clips a speaker. Smaller ones are FLAT by default."""

COMPARED = 0.07
"""Share of the rows up to which a filter makes Milvus compare with each of them, which is exact."""

_ROWS_OF_EF = 10
"""Rows that are compared with in less time than one more of `ef` takes."""

_MISSES = 0.7  # share of the allowed misses that is used: 300 queries of one build are not exact
_MISSES_BY_TABLE = 0.9  # the same with a filter: the table has the worse of two kinds
_GREATEST = 32_768  # Milvus takes no greater `ef`
_EXACT = 2048  # finds 0.996 of the 100 nearest, and more of fewer, in the hardest measured vectors
_TABLE = Path(__file__).parent / "recall.json"

Curve = dict[int, float]
"""Recall measured for each `ef`."""


@dataclass(frozen=True)
class _Measured:
    """The recall of searches for `k` neighbors, with a filter that lets a share of rows through."""

    rows: int
    k: int
    share: float
    curve: Curve


@cache
def _table() -> list[_Measured]:
    """Reads the measurements of `python -m tools.benchmarks.index_recall`."""
    return [
        _Measured(
            one["rows"],
            one["k"],
            one["share"],
            {int(ef): share for ef, share in one["recall"].items()},
        )
        for one in json.loads(_TABLE.read_text())
    ]


@lru_cache(maxsize=4096)
def effort(rows: int, k: int, limit: int, target: float, share: float = 1.0) -> int:
    """Returns the smallest `ef` of HNSW that reaches the target. FLAT ignores it.

    Uses the next larger k that was measured, or the largest. Uses the worst of the measured sizes
    around `rows`; for a larger index, the worst of all from `COMMON_ROWS` on. The reason: neighbors
    are harder to find if k exceeds the clips of a speaker. The large measured indexes have many
    clips a speaker, but another library of their size may not. If no `ef` reached the target,
    returns the largest.

    The fewer rows a filter lets through, the more are visited to find as many. Each measured share
    is the worse of a filter that has nothing to do with the vectors and one that drops those
    nearest to the query. Only the sizes next to `rows` count: the worst of all would make each such
    search several times slower.

    Below the smallest measured share its `ef` stays. It costs nothing in a segment of Milvus that
    compares with each row, and is needed in one that holds most of the rows that fit.

    Args:
        rows: Vectors in the index.
        k: Neighbors that the caller asks for.
        limit: Neighbors that Milvus is asked for; `ef` is never smaller.
        target: Share of the exact k nearest to find.
        share: Share of the rows that a filter lets through.
    """
    if share >= 1:
        return _bounded(_of_share(1.0, rows, k, limit, target), limit)
    # No filter at all is no neighbor of a filter that lets nearly all through.
    shares = sorted({one.share for one in _table()} - {1.0})
    efforts = [_of_share(each, rows, k, limit, target) for each in shares]
    return _bounded(float(np.interp(share, shares, efforts)), limit)


def exact_effort(share: float) -> int:
    """Returns an `ef` that finds nearly all of the 100 nearest rows that a filter lets through."""
    return min(math.ceil(_EXACT / share), _GREATEST)


def in_halves(rows: int, share: float, ef: int) -> bool:
    """Returns True if searches in both halves of what a filter lets through are worth trying.

    Milvus compares with each row of a half then, and that takes less time than the effort.

    Args:
        rows: Vectors in the index.
        share: Share of the rows that the filter lets through.
        ef: Effort of a search with the filter.
    """
    return COMPARED < share <= 2 * COMPARED and share * rows <= _ROWS_OF_EF * ef


def _bounded(ef: float, limit: int) -> int:
    return min(max(limit, math.ceil(ef)), _GREATEST)


def _of_share(share: float, rows: int, k: int, limit: int, target: float) -> float:
    """Returns the effort for a measured share."""
    alike = [one for one in _table() if one.share == share]
    many = _covering(k, {one.k for one in alike})
    curves = {one.rows: one.curve for one in alike if one.k == many}
    below = max((size for size in curves if size <= rows), default=min(curves))
    from_size = below if share < 1 else min(below, COMMON_ROWS)
    to_size = _covering(rows, curves)
    sizes = [size for size in curves if from_size <= size <= to_size]
    enough = _enough(target, _MISSES_BY_TABLE if share < 1 else _MISSES)
    found = [_smallest(curves[size], enough) for size in sizes]
    if share < 1 and many < k:  # fewer k are measured with filters
        found.append(effort(rows, k, limit, target) / share)
    return max(found)


def smallest(curve: Curve, target: float) -> int | None:
    """Returns the `ef` by which a curve reaches a target; None if it never does."""
    enough = _enough(target)
    return math.ceil(_smallest(curve, enough)) if max(curve.values()) >= enough else None


def _enough(target: float, misses: float = _MISSES) -> float:
    return 1 - misses * (1 - target)


def _smallest(curve: Curve, recall: float) -> float:
    """Returns the `ef` for a recall, on lines between those measured.

    The curve is above these lines, because each further `ef` adds less.
    """
    efs = sorted(curve)
    reached = np.maximum.accumulate([curve[ef] for ef in efs])
    return float(np.interp(recall, reached, efs))


def _covering(wanted: int, measured: Collection[int]) -> int:
    return min((one for one in measured if one >= wanted), default=max(measured))
