"""Chooses search parameters for a recall target from a table of measurements."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DEFAULT_TARGET = 0.95
LOWEST_TARGET, HIGHEST_TARGET = 0.5, 0.99
COMMON_ROWS = 20_000
"""Rows of a measured index with about seven clips a speaker. Smaller ones are FLAT by default."""

COMPARED = 0.07
"""Share of the rows up to which a filter makes Milvus compare with each of them, which is exact."""

_MISSES = 0.8  # share of the allowed misses that is used: 300 queries of one build are not exact
_GREATEST = 32_768  # Milvus takes no greater `ef`
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


def effort(rows: int, k: int, limit: int, target: float, share: float = 1.0) -> int:
    """Returns the smallest measured `ef` of HNSW that reached the target. FLAT ignores it.

    Uses the next larger k that was measured, or the largest. Uses the worst of the measured sizes
    around `rows`; for a larger index, the worst of all from `COMMON_ROWS` on. The reason: neighbors
    are harder to find if k exceeds the clips of a speaker. The large measured indexes have many
    clips a speaker, but another library of their size may not. If no `ef` reached the target,
    returns the largest.

    The fewer rows a filter lets through, the more are visited to find as many. Uses the next
    smaller share that was measured, with the worse of a filter that has nothing to do with the
    vectors and one that drops those nearest to the query. Only the sizes next to `rows` count: the
    worst of all would make each such search several times slower.

    Args:
        rows: Vectors in the index.
        k: Neighbors that the caller asks for.
        limit: Neighbors that Milvus is asked for; `ef` is never smaller.
        target: Share of the exact k nearest to find.
        share: Share of the rows that a filter lets through.
    """
    filtered = COMPARED < share < 1
    shares = {one.share for one in _table()}
    kept = max((each for each in shares if each <= share), default=min(shares)) if filtered else 1
    alike = [one for one in _table() if one.share == kept]
    many = _covering(k, {one.k for one in alike})
    curves = {one.rows: one.curve for one in alike if one.k == many}
    below = max((size for size in curves if size <= rows), default=min(curves))
    from_size = below if filtered else min(below, COMMON_ROWS)
    to_size = _covering(rows, curves)
    enough = 1 - _MISSES * (1 - target)
    found = [_smallest(curves[size], enough) for size in curves if from_size <= size <= to_size]
    if filtered and many < k:  # fewer k are measured with filters
        found.append(math.ceil(effort(rows, k, limit, target) / share))
    return min(max(limit, *found), _GREATEST)


def _smallest(curve: Curve, share: float) -> int:
    return min((ef for ef in curve if curve[ef] >= share), default=max(curve))


def _covering(wanted: int, measured: Collection[int]) -> int:
    return min((one for one in measured if one >= wanted), default=max(measured))
