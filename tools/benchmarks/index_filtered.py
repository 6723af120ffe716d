"""Measures searches that a condition narrows beside plain ones, in the index of a library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from audiosearch.filter.v1.filter_pb2 import Condition
from audiosearch.index.v1.index_service_pb2 import SearchVectorsRequest

from tools.benchmarks.clustered import nearest, recall
from tools.benchmarks.experiment.filled import GROUPS, Filled
from tools.benchmarks.experiment.search import MOST, Data
from tools.benchmarks.experiment.settings import K, Settings
from tools.benchmarks.experiment.timed import in_turn, percentiles

SHARES = (0.01, 0.1, 0.5)
"""Shares of the rows that conditions let through."""

PLAIN = "no condition"
QUERIES = 1000
"""Queries for recall: exact search among the rows of each condition takes long."""


@dataclass(frozen=True)
class Way:
    """Conditions of a search, and the rows that they let through."""

    conditions: Sequence[Condition]
    rows: np.ndarray


def measure(filled: Filled, data: Data, settings: Settings) -> dict[str, Any]:
    """Returns recall and time of each way to search."""
    found = ways(filled)

    def ask(name: str, query: np.ndarray) -> None:
        request = _request(filled, query[None], found[name])
        filled.stack.index.SearchVectors(request, timeout=300)

    queries = data.queries[:QUERIES]
    times = in_turn(list(found), queries[: settings.singles // 2], ask)
    return {
        name: {"recall": _recall(filled, queries, way), **percentiles(times[name][10:])}
        for name, way in found.items()
    }


def ways(filled: Filled) -> dict[str, Way]:
    """Returns the ways to search, by name."""
    found = {PLAIN: Way((), np.arange(len(filled.stored)))}
    for share in SHARES:
        count = round(share * GROUPS)
        values = Condition.Values(values=[str(value) for value in range(count)])
        for field, groups in filled.groups.items():
            condition = Condition(field=field, any_of=values)
            found[f"{field}, {share:.0%}"] = Way([condition], np.flatnonzero(groups < count))
    return found


def _request(filled: Filled, queries: np.ndarray, way: Way) -> SearchVectorsRequest:
    return SearchVectorsRequest(
        index_id=filled.index_id,
        model=filled.library.model,
        k=K,
        conditions=way.conditions,
        queries=[SearchVectorsRequest.Query(values=query.tolist()) for query in queries],
    )


def _recall(filled: Filled, queries: np.ndarray, way: Way) -> float:
    row_of = filled.row_of()
    exact = way.rows[nearest(filled.stored[way.rows], queries, K)]
    found: list[list[int]] = []
    for start in range(0, len(queries), MOST):
        request = _request(filled, queries[start : start + MOST], way)
        answer = filled.stack.index.SearchVectors(request, timeout=300)
        # Clips that other steps imported are no rows of `stored`.
        found += [[row_of.get(one.id, -1) for one in each.neighbors] for each in answer.results]
    return recall(found, exact, K)
