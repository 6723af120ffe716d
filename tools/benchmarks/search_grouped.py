"""Measures whole searches that are narrowed or grouped beside plain ones, through the gateway.

A query is a vector, so that no encoder hides the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from audiosearch.catalog.v1.clip_pb2 import ClipFilter
from audiosearch.gateway.v1.search_pb2 import (
    SearchClipsRequest,
    SearchClipsResponse,
    SearchConfig,
    VectorQuery,
)

from tools.benchmarks.clustered import recall
from tools.benchmarks.experiment.filled import GROUPS, Filled
from tools.benchmarks.experiment.search import Data
from tools.benchmarks.experiment.settings import K, Settings
from tools.benchmarks.experiment.timed import in_turn, percentiles
from tools.benchmarks.index_filtered import PLAIN, ways

MOST_QUERIES = 300


def measure(filled: Filled, data: Data, settings: Settings) -> dict[str, Any]:
    """Returns recall and time of each way to search.

    The recall of groups is the share of the exact K best groups that were found.
    """
    queries = data.queries[: min(MOST_QUERIES, settings.singles)]
    configs = _configs(filled)
    answers: dict[str, list[SearchClipsResponse]] = {name: [] for name in configs}

    def ask(name: str, query: np.ndarray) -> None:
        answers[name].append(_search(filled, configs[name], query))

    times = in_turn(list(configs), queries, ask)
    found = {name: percentiles(spent[10:]) for name, spent in times.items()}
    found[PLAIN]["recall"] = _recall_of_clips(filled, answers[PLAIN], data)
    for field in filled.groups:
        found[_grouped(field)]["recall"] = _recall_of_groups(
            filled, field, answers[_grouped(field)], queries
        )
    return found


def _grouped(field: str) -> str:
    return f"grouped by {field}"


def _configs(filled: Filled) -> Mapping[str, SearchConfig]:
    parent = filled.library.name
    found = {
        name: SearchConfig(parent=parent, k=K, filter=ClipFilter(conditions=way.conditions))
        for name, way in ways(filled).items()
    }
    for field in filled.groups:
        found[_grouped(field)] = SearchConfig(parent=parent, k=K, group_by=field)
    return found


def _search(filled: Filled, config: SearchConfig, query: np.ndarray) -> SearchClipsResponse:
    vector = VectorQuery(model=filled.library.model, values=query.tolist())
    client = filled.stack.client
    request = SearchClipsRequest(config=config, vector=vector)
    answer: SearchClipsResponse = client.call(client.stubs.search.SearchClips, request)
    return answer


def _recall_of_clips(filled: Filled, answers: list[SearchClipsResponse], data: Data) -> float:
    row_of = filled.row_of()

    def row(name: str) -> int:
        return row_of.get(name.rpartition("/")[2], -1)

    found = [[row(match.clip.name) for match in answer.matches] for answer in answers]
    return recall(found, data.exact[: len(found)], K)


def _recall_of_groups(
    filled: Filled, field: str, answers: list[SearchClipsResponse], queries: np.ndarray
) -> float:
    group = _numbers()
    found = [[group(match.group) for match in answer.matches] for answer in answers]
    groups = filled.groups[field]
    order = np.argsort(groups, kind="stable")
    there, firsts = np.unique(groups[order], return_index=True)
    rows = filled.stored[order]
    best = np.vstack([np.maximum.reduceat(query @ rows.T, firsts)[None] for query in queries])
    exact = there[np.argsort(-best, axis=1, kind="stable")[:, :K]]
    return recall(found, exact, K)


def _numbers() -> Callable[[str], int]:
    """Returns the number of a group; that of a clip without the field is none."""
    known = {str(number): number for number in range(GROUPS)}
    return lambda name: known.get(name, -1)
