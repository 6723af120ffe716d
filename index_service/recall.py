"""Chooses search parameters for a recall target from a table of measurements."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path

DEFAULT_TARGET = 0.95
LOWEST_TARGET, HIGHEST_TARGET = 0.5, 0.99
COMMON_ROWS = 20_000
"""Rows of a measured index with about seven clips a speaker. Smaller ones are FLAT by default."""

_MISSES = 0.8  # share of the allowed misses that is used: 300 queries of one build are not exact
_COMPARED = 0.07  # Milvus compares with each row if no greater share passes a filter
_GREATEST = 32_768  # Milvus takes no greater `ef`
_TABLE = Path(__file__).parent / "recall.json"

Curve = dict[int, float]
"""Recall measured for each `ef`."""


@cache
def _table() -> list[tuple[int, int, Curve]]:
    """Reads rows, k and curve of each measurement by `python -m tools.benchmarks.index_recall`."""
    entries = json.loads(_TABLE.read_text())
    return [
        (one["rows"], one["k"], {int(ef): share for ef, share in one["recall"].items()})
        for one in entries
    ]


def effort(rows: int, k: int, limit: int, target: float) -> int:
    """Returns the smallest measured `ef` of HNSW that reached the target. FLAT ignores it.

    Uses the next larger k that was measured, or the largest. Uses the worst of the measured sizes
    around `rows`; for a larger index, the worst of all from `COMMON_ROWS` on. The reason: neighbors
    are harder to find if k exceeds the clips of a speaker. The large measured indexes have many
    clips a speaker, but another library of their size may not. If no `ef` reached the target,
    returns the largest.

    Args:
        rows: Vectors in the index.
        k: Neighbors that the caller asks for.
        limit: Neighbors that Milvus is asked for; `ef` is never smaller.
        target: Share of the exact k nearest to find.
    """
    sizes = {count for count, _, _ in _table()}
    below = max((size for size in sizes if size <= rows), default=min(sizes))
    from_size, to_size = min(below, COMMON_ROWS), _covering(rows, sizes)
    many = _covering(k, {each for _, each, _ in _table()})
    curves = [
        curve for count, each, curve in _table() if from_size <= count <= to_size and each == many
    ]
    return max(limit, *(_smallest(curve, 1 - _MISSES * (1 - target)) for curve in curves))


def filtered_effort(ef: int, share: float) -> int:
    """Returns the `ef` of HNSW for a filter that lets this share of the rows through.

    Rows that the filter drops count too, so that it takes more to find as many others. Milvus
    compares with every row if few are left.
    """
    return min(_GREATEST, math.ceil(ef / max(share, _COMPARED)))


def _smallest(curve: Curve, share: float) -> int:
    return min((ef for ef in curve if curve[ef] >= share), default=max(curve))


def _covering(wanted: int, measured: set[int]) -> int:
    return min((one for one in measured if one >= wanted), default=max(measured))
