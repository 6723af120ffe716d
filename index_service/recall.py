"""From a recall target to search parameters, by what was measured."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

DEFAULT_TARGET = 0.95
LOWEST_TARGET, HIGHEST_TARGET = 0.5, 0.99
_MARGIN = 0.005  # for what 300 queries leave open
_TABLE = Path(__file__).parent / "recall.json"

Curve = dict[int, float]
"""Recall measured for each `ef`."""


@cache
def _table() -> list[tuple[int, int, Curve]]:
    """Rows, k, and what was measured; `python -m tests.benchmarks.index_recall` wrote it."""
    entries = json.loads(_TABLE.read_text())
    return [
        (one["rows"], one["k"], {int(ef): share for ef, share in one["recall"].items()})
        for one in entries
    ]


def effort(rows: int, k: int, limit: int, target: float) -> int:
    """The smallest measured `ef` of HNSW that reached the target; exact kinds pass over it.

    Takes the next larger k that was measured, or the largest; and the worst of all sizes up to the
    next larger one: k neighbors are harder to find where they are more than the clips of a speaker,
    which can be so in a small index and not in a larger one. Where even the largest `ef` stayed
    below the target, takes that.

    Args:
        rows: vectors in the index.
        k: neighbors asked for.
        limit: neighbors Milvus is asked for; `ef` is never smaller.
        target: share of the exact k nearest to find.
    """
    size = _covering(rows, {count for count, _, _ in _table()})
    many = _covering(k, {each for _, each, _ in _table()})
    curves = [curve for count, each, curve in _table() if count <= size and each == many]
    return max(limit, *(_smallest(curve, target + _MARGIN) for curve in curves))


def _smallest(curve: Curve, share: float) -> int:
    return min((ef for ef in curve if curve[ef] >= share), default=max(curve))


def _covering(wanted: int, measured: set[int]) -> int:
    return min((one for one in measured if one >= wanted), default=max(measured))
