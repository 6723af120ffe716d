"""From a recall target to search parameters, by what was measured."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

DEFAULT_TARGET = 0.95
LOWEST_TARGET, HIGHEST_TARGET = 0.5, 0.99
COMMON_ROWS = 20_000
"""A measured index in which a speaker has some seven clips; smaller ones are FLAT by default."""

_MISSES = 0.8  # of what the target lets be missed: 300 queries and one build leave something open
_TABLE = Path(__file__).parent / "recall.json"

Curve = dict[int, float]
"""Recall measured for each `ef`."""


@cache
def _table() -> list[tuple[int, int, Curve]]:
    """Rows, k, and what was measured; `python -m tools.benchmarks.index_recall` wrote it."""
    entries = json.loads(_TABLE.read_text())
    return [
        (one["rows"], one["k"], {int(ef): share for ef, share in one["recall"].items()})
        for one in entries
    ]


def effort(rows: int, k: int, limit: int, target: float) -> int:
    """The smallest measured `ef` of HNSW that reached the target; exact kinds pass over it.

    Takes the next larger k that was measured, or the largest; and the worst of the sizes around,
    and in a larger index of all from `COMMON_ROWS` on. For k neighbors are harder to find where
    they are more than the clips of a speaker: in the larger of the measured indexes they are not,
    in someone else's they may be. Where even the largest `ef` stayed below the target, takes that.

    Args:
        rows: vectors in the index.
        k: neighbors asked for.
        limit: neighbors Milvus is asked for; `ef` is never smaller.
        target: share of the exact k nearest to find.
    """
    sizes = {count for count, _, _ in _table()}
    below = max((size for size in sizes if size <= rows), default=min(sizes))
    from_size, to_size = min(below, COMMON_ROWS), _covering(rows, sizes)
    many = _covering(k, {each for _, each, _ in _table()})
    curves = [
        curve for count, each, curve in _table() if from_size <= count <= to_size and each == many
    ]
    return max(limit, *(_smallest(curve, 1 - _MISSES * (1 - target)) for curve in curves))


def _smallest(curve: Curve, share: float) -> int:
    return min((ef for ef in curve if curve[ef] >= share), default=max(curve))


def _covering(wanted: int, measured: set[int]) -> int:
    return min((one for one in measured if one >= wanted), default=max(measured))
