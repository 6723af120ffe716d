"""What larger libraries would take, computed from what was measured at the sizes at hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tests.benchmarks.experiment.growth import fitted
from tests.benchmarks.experiment.settings import CLIP_SECONDS

SIZES = (10_000_000, 1_000_000_000)
HOURS = {10_000_000: 24, 1_000_000_000: 720}
"""In which all clips are to be embedded: a day, a month."""

NODE_GIB, NODE_SHARE = 64, 0.7
"""Memory of a machine that holds vectors, and how much of it they may fill."""

COPIES = 2
"""Of each vector in memory, so that a machine may fail."""

CLIP_BYTES = CLIP_SECONDS * 16_000 * 2 + 44
SEGMENT_MIB = 4096
"""Milvus' dataCoord.segment.maxSize: its default of 1024 makes four times as many indexes."""

SEARCH, LOOKUP = "a search in the index, ms", "a look-up of ten clips in the catalog, ms"


def plan(sizes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A plan for each of SIZES, from the costs at the sizes that were measured, ascending."""
    return [_plan(clips, sizes) for clips in SIZES]


def _plan(clips: int, sizes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    last = sizes[-1]
    a_vector = _bytes_of_a_vector(sizes)
    index_gib = clips * a_vector / 2**30
    a_second = last["import"]["encoder_clips_a_second"]
    nodes = COPIES * math.ceil(index_gib / (NODE_GIB * NODE_SHARE))
    return {
        "clips": clips,
        "vectors_gib": clips * 192 * 4 / 2**30,
        "bytes_a_vector_in_memory": a_vector,
        "index_gib": index_gib,
        "query_nodes": max(COPIES, nodes),
        "segments": math.ceil(clips * 192 * 4 / (SEGMENT_MIB * 2**20)),
        "shards": max(2, math.ceil(clips / 50_000_000)),
        "database_gib": clips * last["sizes"]["database_mib"] / last["rows"] / 1024,
        "audio_tib": clips * CLIP_BYTES / 2**40,
        "one_replica_hours": clips / a_second / 3600,
        "embedding_replicas": math.ceil(clips / a_second / 3600 / HOURS[clips]),
        "hours": HOURS[clips],
        "search_ms": _at(clips, SEARCH, sizes),
        "lookup_ms": _at(clips, LOOKUP, sizes),
    }


def _bytes_of_a_vector(sizes: Sequence[Mapping[str, Any]]) -> float:
    """What Milvus' memory grew by for each vector; by the service's estimate where it has none."""
    first, last = sizes[0], sizes[-1]
    estimate = last["sizes"]["index_estimate_mib"] / last["rows"]
    if "milvus" in last["memory_mib"] and last["rows"] >= 100_000:
        grown = last["memory_mib"]["milvus"] - first["memory_mib"]["milvus"]
        estimate = max(estimate, grown / (last["rows"] - first["rows"]))
    return estimate * 2**20


def _at(clips: int, cost: str, sizes: Sequence[Mapping[str, Any]]) -> float:
    """A cost carried on along its fitted exponent from the largest size that was measured."""
    fit, last = fitted(sizes)[cost], sizes[-1]
    return float(fit["values"][-1] * (clips / last["rows"]) ** max(0.0, fit["exponent"] or 0.0))
