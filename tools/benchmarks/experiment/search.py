"""Measures recall, time and rate of our index service, bare Milvus and indexes in process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from audiosearch.index.v1.index_service_pb2 import SearchVectorsRequest
from pymilvus import MilvusClient

from index_service.recall import DEFAULT_TARGET
from tools.benchmarks.clustered import clustered, nearest, recall
from tools.benchmarks.experiment.filled import Filled
from tools.benchmarks.experiment.settings import CALLERS, K, Settings
from tools.benchmarks.experiment.timed import one_by_one, percentiles, rate_at_once
from tools.benchmarks.index_recall import say

MOST = 100
"""Queries in one call of many."""

SINGLES_SECONDS = 15.0
"""Longest time for the calls of one query at one setting; slow settings make fewer calls."""

AT_ONCE_SECONDS = 5.0
"""Time for which many callers search at once."""

ENOUGH = 0.9995
TARGETS = (0.5, 0.9, 0.95, 0.98, 0.99)
EFS = (10, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)

Ask = Callable[[np.ndarray], list[list[int]]]
"""Takes queries, shape (n, dimension), and returns the rows of the K nearest of each."""


@dataclass(frozen=True)
class Data:
    """Stored vectors, held-out queries, and the rows of each query's exact nearest."""

    stored: np.ndarray
    queries: np.ndarray
    exact: np.ndarray

    @classmethod
    def make(cls, settings: Settings) -> Data:
        """Makes vectors, queries that stand for new recordings, and their exact neighbors."""
        stored, queries = clustered(settings.rows, seed=0), clustered(settings.queries, seed=99)
        say(f"exact search: {settings.queries:,} queries in {settings.rows:,} vectors")
        return cls(stored, queries, nearest(stored, queries, K))


@dataclass(frozen=True)
class Route:
    """A way to search, and the values of its setting for effort, ascending."""

    name: str
    word: str
    efforts: Sequence[float]
    at: Callable[[Any], Ask]


def curve(route: Route, data: Data, settings: Settings) -> dict[str, Any]:
    """Measures each effort until nearly all neighbors are found."""
    points = []
    for each in route.efforts:
        point = {"setting": f"{route.word} {each}"} | _point(route.at(each), data, settings)
        say(_line(route.name, point))
        points.append(point)
        if point["recall"] >= ENOUGH:
            break
    return {"route": route.name, "points": points}


def _line(name: str, point: Mapping[str, Any]) -> str:
    return (
        f"{name}, {point['setting']}: recall {point['recall']:.3f}, p50 {point['p50_ms']:.2f} ms, "
        f"{point['at_once_a_second']:,.0f} a second from {CALLERS} callers, "
        f"{point['together_a_second']:,.0f} in calls of {MOST}"
    )


def _point(ask: Ask, data: Data, settings: Settings) -> dict[str, float]:
    for query in data.queries[:20]:
        ask(query[None])
    parts = [data.queries[start : start + MOST] for start in range(0, len(data.queries), MOST)]
    start = time.perf_counter()
    found = [rows for part in parts for rows in ask(part)]
    together = len(found) / (time.perf_counter() - start)
    singles = [query[None] for query in data.queries[: settings.singles]]
    times = one_by_one(ask, singles, SINGLES_SECONDS)
    at_once_seconds = 1.0 if settings.quick else AT_ONCE_SECONDS
    return {
        "recall": recall(found, data.exact, K),
        **percentiles(times),
        "timed": len(times),
        "one_caller_a_second": 1000 / float(np.mean(times)),
        "at_once_a_second": rate_at_once(ask, singles, CALLERS, at_once_seconds),
        "together_a_second": together,
    }


def ours(filled: Filled) -> Route:
    """Returns the route through the index service, with a recall target."""
    row_of, library = filled.row_of(), filled.library

    def at(target: float) -> Ask:
        def ask(queries: np.ndarray) -> list[list[int]]:
            request = SearchVectorsRequest(
                index_id=filled.index_id,
                model=library.model,
                k=K,
                recall_target=target,
                queries=[SearchVectorsRequest.Query(values=query.tolist()) for query in queries],
            )
            answer = filled.stack.index.SearchVectors(request, timeout=300)
            # Clips that other steps imported are no rows of `stored`.
            return [[row_of.get(one.id, -1) for one in each.neighbors] for each in answer.results]

        return ask

    return Route("index service", "target", TARGETS, at)


def bare(filled: Filled, client: MilvusClient) -> Route:
    """Returns the route to the same collection without our service."""
    row_of = filled.row_of()

    def at(ef: int) -> Ask:
        return asking(client, filled.collection, "COSINE", {"ef": ef}, row_of)

    return Route("bare pymilvus", "ef", EFS, at)


def asking(
    client: MilvusClient,
    name: str,
    metric: str,
    parameters: Mapping[str, int],
    row_of: Mapping[str, int] | None = None,
    limit: int = K,
) -> Ask:
    """Returns a function that searches in Milvus itself, with Bounded consistency.

    Args:
        client: A client of the server.
        name: Name of the collection.
        metric: Metric of its index.
        parameters: Parameters of the search.
        row_of: The row of each id; without it ids are rows.
        limit: Neighbors to ask for.
    """
    known = row_of.get if row_of else lambda number, _none: number

    def ask(queries: np.ndarray) -> list[list[int]]:
        answers = client.search(
            name,
            data=list(queries),
            limit=limit,
            search_params={"metric_type": metric, "params": dict(parameters)},
            consistency_level="Bounded",
        )
        return [[known(one["id"], -1) for one in answer] for answer in answers]

    return ask


def wrapping(filled: Filled, client: MilvusClient, data: Data, settings: Settings) -> dict:
    """Measures the time that our service adds to a call to Milvus of the least effort.

    Our service makes as much or more, by its own measurements, so the difference is no less than
    what it adds. Sends each query both ways, in alternating order, because the first way fills the
    caches.
    """
    ef = K + 1
    row_of = filled.row_of()
    ways = {
        "ours": ours(filled).at(DEFAULT_TARGET),
        "bare": asking(client, filled.collection, "COSINE", {"ef": ef}, row_of, K + 1),
    }
    singles = [query[None] for query in data.queries[: settings.singles]]
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number, query in enumerate(singles):
        for name in sorted(ways, reverse=bool(number % 2)):
            times[name] += one_by_one(ways[name], [query], 0)
    return {"ef": ef, **{name: percentiles(each[20:]) for name, each in times.items()}}


def reaching(curve: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Returns the first point of a curve with the default recall; None if it has none."""
    return next((each for each in curve["points"] if each["recall"] >= DEFAULT_TARGET), None)


def curves(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns all measured curves."""
    found = [
        step["result"] for name, step in content["steps"].items() if name.startswith("search/")
    ]
    return [each for each in found if "points" in each]
