"""Computes the needs of larger libraries from the measurements of smaller ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from index_service.plan import HNSW, memory_bytes
from tools.benchmarks.clustered import DIMENSION
from tools.benchmarks.experiment.growth import fitted, kind, sizes_of
from tools.benchmarks.experiment.settings import CLIP_SECONDS
from tools.benchmarks.experiment.wording import Content, gib, hours, ms, percent, table

SIZES = (10_000_000, 1_000_000_000)
HOURS = {10_000_000: 24, 1_000_000_000: 720}
"""Hours in which all clips are embedded: a day, a month."""

NODE_GIB, NODE_SHARE = 64, 0.7
"""Memory of a machine for vectors, and the share of it that they may fill."""

COPIES = 2
"""Copies of each vector in memory, so that a machine may fail."""

CLIP_BYTES = CLIP_SECONDS * 16_000 * 2 + 44
VECTOR_BYTES = 4 * DIMENSION
SEGMENT_MIB = 4096
"""Milvus' dataCoord.segment.maxSize: its default of 1024 makes four times as many indexes."""

SEGMENT_ROWS = SEGMENT_MIB * 2**20 // VECTOR_BYTES
SHARD_ROWS = 50_000_000
SEARCH, LOOKUP = "a search in the index, ms", "a look-up of ten clips in the catalog, ms"


def plan(sizes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns a plan for each of SIZES, from the costs of the measured sizes, ascending."""
    return [_plan(clips, sizes) for clips in SIZES]


def _plan(clips: int, sizes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    last = sizes[-1]
    a_vector, measured = _bytes_of_a_vector(sizes)
    index_gib = clips * a_vector / 2**30
    nodes = math.ceil(index_gib / (NODE_GIB * NODE_SHARE))
    segments = math.ceil(clips / SEGMENT_ROWS)
    embedding = _hours(clips, last["import"]["encoder_clips_a_second"])
    replicas = math.ceil(embedding / HOURS[clips])
    return {
        "clips": clips,
        "vectors_gib": clips * VECTOR_BYTES / 2**30,
        "bytes_a_vector": a_vector,
        "bytes_measured": measured,
        "index_gib": index_gib,
        "query_nodes": COPIES * nodes,
        "shards": max(2, math.ceil(clips / SHARD_ROWS)),
        "segments": segments,
        "segments_a_node": math.ceil(segments / nodes),
        "database_gib": clips * last["sizes"]["database_mib"] / last["rows"] / 1024,
        "audio_tib": clips * CLIP_BYTES / 2**40,
        "hours_to_embed": embedding,
        "hours_to_import": _hours(clips, last["import"]["clips_a_second"]),
        "hours_of_vectors": _hours(clips, last["filled"]["vectors_a_second"]),
        "hours_of_rows": _hours(clips, last["filled"]["rows_a_second"]),
        "embedding_replicas": replicas,
        "hours": HOURS[clips],
        "machines": COPIES * nodes + replicas,
        "search": _at(min(clips, SEGMENT_ROWS), SEARCH, sizes) if kind(last) == HNSW else None,
        "lookup": _at(clips, LOOKUP, sizes),
    }


def _hours(clips: int, a_second: float) -> float:
    return clips / a_second / 3600


def _bytes_of_a_vector(sizes: Sequence[Mapping[str, Any]]) -> tuple[float, bool]:
    """Returns the larger of the service's estimate for HNSW and the measured growth of Milvus.

    Growth counts only between sizes with HNSW. The second value is True if the growth is larger.
    """
    rows = sizes[-1]["rows"]
    estimate = memory_bytes(HNSW, {"M": "16"}, rows, DIMENSION) / rows
    known = [each for each in sizes if kind(each) == HNSW and "milvus" in each["memory_mib"]]
    if len(known) < 2:
        return estimate, False
    mib = known[-1]["memory_mib"]["milvus"] - known[0]["memory_mib"]["milvus"]
    grown = mib * 2**20 / (known[-1]["rows"] - known[0]["rows"])
    return max(estimate, grown), grown > estimate


def _at(rows: int, cost: str, sizes: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Extrapolates a cost by its exponent from the largest size; None without an exponent.

    An exponent below zero is noise, since no cost falls with rows: it counts as zero.
    """
    fit = fitted(sizes)[cost]
    if fit["exponent"] is None:
        return None
    grown = (rows / sizes[-1]["rows"]) ** max(0.0, fit["exponent"])
    return {"ms": fit["values"][-1] * grown, "constant": fit["exponent"] < 0}


def planning(content: Content) -> str:
    """Writes the needs of larger libraries."""
    sizes = sizes_of(content)
    if len(sizes) < 2:
        return ""
    plans = plan(sizes)
    titles = [f"{each['clips']:,} clips" for each in plans]
    rows = [[name.format(**GIVEN), *(fact(each) for each in plans)] for name, fact in FACTS.items()]
    return f"{table(['computed, not measured', *titles], rows)}\n\n{_assumed()}"


def _assumed() -> str:
    """Returns the assumptions of the rows."""
    return (
        "Hours are those of one machine as this, at the rates of the largest size. A search is one "
        "of a segment, as if the measured library were one: what the index service takes goes on "
        "along the exponent between the sizes with HNSW, up to {rows} rows. A query node needs a "
        "core for each of its segments; many searches at once, and joining what segments find, "
        "come besides. Machines are query nodes and embedding replicas, each replica one as this; "
        "Milvus' other nodes and the databases come besides."
    ).format(rows=f"{SEGMENT_ROWS:,}")


def _bytes(it: Mapping[str, Any]) -> str:
    origin = "measured" if it["bytes_measured"] else "estimated"
    return f"{it['bytes_a_vector']:,.0f} bytes, {origin}"


def _carried_on(cost: Mapping[str, Any] | None) -> str:
    if cost is None:
        return ""
    return ms(cost["ms"]) + (", taken as constant" if cost["constant"] else "")


GIVEN = {
    "node": NODE_GIB,
    "fill": percent(NODE_SHARE),
    "copies": COPIES,
    "shard": f"{SHARD_ROWS:,}",
    "segment": SEGMENT_MIB // 1024,
    "seconds": CLIP_SECONDS,
}
FACTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "vectors as floats": lambda it: gib(it["vectors_gib"]),
    "a vector in HNSW in Milvus' memory": _bytes,
    "HNSW in Milvus' memory, one copy": lambda it: gib(it["index_gib"]),
    "query nodes of {node} GiB, {fill} of it filled, {copies} copies": lambda it: (
        f"{it['query_nodes']}"
    ),
    "Milvus: shards, one for {shard} clips": lambda it: f"{it['shards']}",
    "Milvus: segments of {segment} GiB, and of a query node": lambda it: (
        f"{it['segments']:,}, {it['segments_a_node']}"
    ),
    "database": lambda it: gib(it["database_gib"]),
    "audio, WAV of {seconds} s": lambda it: f"{it['audio_tib']:,.1f} TiB",
    "hours to embed": lambda it: hours(it["hours_to_embed"]),
    "hours to import, all steps": lambda it: hours(it["hours_to_import"]),
    "hours to put vectors into the index, before it is built": lambda it: hours(
        it["hours_of_vectors"]
    ),
    "hours to put rows into the catalog": lambda it: hours(it["hours_of_rows"]),
    "embedding replicas, and the hours they take": lambda it: (
        f"{it['embedding_replicas']}, {it['hours']}"
    ),
    "machines: query nodes and embedding replicas": lambda it: f"{it['machines']}",
    "a search in a segment, p50": lambda it: _carried_on(it["search"]),
    "a look-up of ten clips in the catalog, p50": lambda it: _carried_on(it["lookup"]),
}
"""The rows of the table."""
