"""Measures costs at one size of the library, and fits their growth."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from audiosearch.catalog.v1 import clip_pb2

from tools.benchmarks.clustered import clustered, nearest
from tools.benchmarks.experiment import ingest
from tools.benchmarks.experiment.end_to_end import Searches, all_but_backbone, medians
from tools.benchmarks.experiment.filled import NAME, Filled
from tools.benchmarks.experiment.search import DEFAULT_TARGET, ours
from tools.benchmarks.experiment.settings import K, Settings
from tools.benchmarks.experiment.timed import one_by_one, percentiles

OURS = ("gateway", "embedding", "index", "catalog")
"""Our services."""

COSTS = {
    "a search in the index, ms": lambda each: each["search"]["p50_ms"],
    "a look-up of ten clips in the catalog, ms": lambda each: each["lookup"]["p50_ms"],
    "a page of 100 clips, ms": lambda each: each["page"]["p50_ms"],
    "a search end to end without the backbone, ms": lambda each: each["search_less_backbone_ms"],
    "an upload, searchable at its answer, ms": lambda each: each["upload"]["upload"]["p50_ms"],
    "a clip of an import, ms": lambda each: 1000 / each["import"]["clips_a_second"],
    "a row into the catalog, us": lambda each: 1e6 / each["filled"]["rows_a_second"],
    "a vector into the index, us": lambda each: 1e6 / each["filled"]["vectors_a_second"],
    "memory of our four services, MiB": lambda each: sum(each["memory_mib"][name] for name in OURS),
    "memory of Milvus, MiB": lambda each: each["memory_mib"].get("milvus"),
    "the catalog's database, MiB": lambda each: each["sizes"]["database_mib"],
}
"""Name and value of each cost at a size."""

OF_ONE_KIND = (
    "a search in the index, ms",
    "a search end to end without the backbone, ms",
    "memory of Milvus, MiB",
)
"""Costs that can be compared only between sizes with the same type of index."""


def measure(filled: Filled, searches: Searches, settings: Settings) -> dict:
    """Measures all costs at the size of a library. Adds clips to it."""
    alone = searches.one_by_one(max(10, settings.searches // 2))
    steps = medians(alone)
    return {
        "rows": len(filled.ids),
        "index_type": filled.index_type(),
        "search": percentiles(_searches(filled, settings.singles // 2)),
        "exact": percentiles(_exact(filled, max(10, settings.singles // 20))),
        "lookup": percentiles(_lookups(filled, settings.singles // 2)),
        "page": percentiles(_pages(filled, max(10, settings.singles // 20))),
        "end_to_end_steps_p50_ms": steps,
        "search_less_backbone_ms": all_but_backbone(alone),
        "upload": ingest.time_to_searchable(filled.stack, NAME, 5 if settings.quick else 20),
        "import": ingest.import_rate(filled.stack, NAME, settings.clips // 4),
        "memory_mib": filled.stack.memory(),
        "sizes": filled.sizes(),
        "filled": filled.rates(settings.sample),
    }


def _searches(filled: Filled, count: int) -> list[float]:
    ask = ours(filled).at(DEFAULT_TARGET)
    queries = [query[None] for query in clustered(count + 10, seed=98)]
    return one_by_one(ask, queries, 30)[10:]


def _exact(filled: Filled, count: int) -> list[float]:
    """Compares with every vector in this process, by NumPy."""
    stored = filled.stored
    queries = [query[None] for query in clustered(count + 5, seed=98)]
    return one_by_one(lambda query: nearest(stored, query, K), queries, 30)[5:]


def _lookups(filled: Filled, count: int) -> list[float]:
    requests = [
        clip_pb2.LookupClipsRequest(
            parent=filled.library.name, clip_ids=random.sample(filled.ids, K)
        )
        for _ in range(count)
    ]
    return one_by_one(filled.stack.catalog.clips.LookupClips, requests, 30)


def _pages(filled: Filled, count: int) -> list[float]:
    """Reads pages from the newest clip on, one after the other. Starts again after the last."""
    request = clip_pb2.ListClipsRequest(parent=filled.library.name, page_size=100)

    def turn(_number: int) -> None:
        page = filled.stack.catalog.clips.ListClips(request, timeout=60)
        request.page_token = page.next_page_token

    return one_by_one(turn, range(count), 30)


def kind(size: Mapping[str, Any]) -> str:
    """Returns Milvus' name of the type of index at a size: FLAT or HNSW."""
    return str(size["index_type"].partition(" ")[0])


def fitted(sizes: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Returns the values of each cost, and e of cost = c * rows^e by least squares of logarithms.

    A cost that depends on the type of index is fitted over the sizes with the largest one's type.
    """
    alike = [each for each in sizes if kind(each) == kind(sizes[-1])]
    found = {}
    for name, cost in COSTS.items():
        pairs = [(each["rows"], cost(each)) for each in (alike if name in OF_ONE_KIND else sizes)]
        known = [(rows, value) for rows, value in pairs if value]
        exponent = None
        if len(known) > 1:
            rows, values = np.log(np.array(known, float)).T
            exponent = float(np.polyfit(rows, values, 1)[0])
        found[name] = {"values": [cost(each) for each in sizes], "exponent": exponent}
    return found


def sizes_of(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the results of each size, ascending."""
    steps = content["steps"]
    found = [step["result"] for name, step in steps.items() if name.startswith("growth/")]
    return sorted(found, key=lambda each: each["rows"])
