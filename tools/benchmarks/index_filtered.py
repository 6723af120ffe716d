"""Measures searches that a condition narrows beside plain ones, in an index of windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from audiosearch.filter.v1.filter_pb2 import Condition
from audiosearch.index.v1.index_pb2 import INDEX_KIND_WINDOWS, Attributes, Vector
from audiosearch.index.v1.index_service_pb2 import (
    CreateIndexRequest,
    DropIndexRequest,
    SearchVectorsRequest,
    UpsertVectorsRequest,
)

from tools.benchmarks.clustered import nearest, recall, speakers_of
from tools.benchmarks.experiment.filled import VECTORS, in_parts, patiently, wait_for_index
from tools.benchmarks.experiment.search import MOST, Data
from tools.benchmarks.experiment.settings import K, Settings
from tools.benchmarks.experiment.stack import Stack
from tools.benchmarks.experiment.timed import milliseconds, percentiles
from tools.benchmarks.index_recall import say

INDEX, MODEL = "benchmark_windows", "models/benchmark"
SHARES = (0.01, 0.1, 0.5)
"""Shares of the rows that conditions let through."""

VALUES = 100
"""Labels, and groups of speakers. Each has as many rows, nearly."""

PLAIN = "no condition"


@dataclass(frozen=True)
class Way:
    """Conditions of a search, and the rows that they let through."""

    conditions: Sequence[Condition]
    rows: np.ndarray


def measure(stack: Stack, data: Data, settings: Settings) -> dict[str, Any]:
    """Returns recall and time of each way to search.

    Each query is sent in all ways, one after the other, so that load on the machine slows all.
    """
    with _filled(stack, data):
        ways = _ways(len(data.stored))
        times: dict[str, list[float]] = {name: [] for name in ways}
        for number, query in enumerate(data.queries[: settings.singles]):
            names = list(ways)
            for name in names[number % len(names) :] + names[: number % len(names)]:
                request = _request(query[None], ways[name])
                times[name].append(
                    milliseconds(lambda: stack.index.SearchVectors(request, timeout=300))  # noqa: B023  called at once
                )
        return {
            name: {"recall": _recall(stack, data, way), **percentiles(times[name][10:])}
            for name, way in ways.items()
        }


def _labels(rows: int) -> np.ndarray:
    return np.random.default_rng(5).integers(VALUES, size=rows)


def _ways(rows: int) -> dict[str, Way]:
    """Returns the ways to search, by name.

    A label has nothing to do with the vectors. A group of speakers has: a query that is near none
    of its rows has only far neighbors.
    """
    columns = {"label": _labels(rows), "speaker": speakers_of(rows, seed=0) % VALUES}
    ways = {PLAIN: Way((), np.arange(rows))}
    for share in SHARES:
        count = round(share * VALUES)
        values = Condition.Values(values=[str(value) for value in range(count)])
        for field, column in columns.items():
            condition = Condition(field=field, any_of=values)
            ways[f"{field}, {share:.0%}"] = Way([condition], np.flatnonzero(column < count))
    return ways


def _request(queries: np.ndarray, way: Way) -> SearchVectorsRequest:
    return SearchVectorsRequest(
        index_id=INDEX,
        model=MODEL,
        k=K,
        conditions=way.conditions,
        queries=[SearchVectorsRequest.Query(values=query.tolist()) for query in queries],
    )


def _recall(stack: Stack, data: Data, way: Way) -> float:
    exact = way.rows[nearest(data.stored[way.rows], data.queries, K)]
    found: list[list[int]] = []
    for start in range(0, len(data.queries), MOST):
        request = _request(data.queries[start : start + MOST], way)
        answer = stack.index.SearchVectors(request, timeout=300)
        found += [[int(one.id) for one in each.neighbors] for each in answer.results]
    return recall(found, exact, K)


@contextmanager
def _filled(stack: Stack, data: Data) -> Iterator[None]:
    """Fills an index of windows, one for each clip, for the time of the block."""
    rows, dimension = data.stored.shape
    labels, speakers = _labels(rows), speakers_of(rows, seed=0) % VALUES

    def upsert(numbers: Sequence[int]) -> None:
        vectors = [
            Vector(
                id=f"{number:08d}",
                clip_id=f"c{number:08d}",
                values=data.stored[number].tolist(),
                attributes=Attributes(
                    display_name=f"{number}.wav",
                    source=f"{speakers[number]}/{number}.wav",
                    label=str(labels[number]),
                    speaker=str(speakers[number]),
                    metadata={"take": str(number % 10)},
                    revision=1,
                ),
            )
            for number in numbers
        ]
        request = UpsertVectorsRequest(index_id=INDEX, model=MODEL, vectors=vectors)
        patiently(lambda: stack.index.UpsertVectors(request, timeout=300))

    create = CreateIndexRequest(
        index_id=INDEX, model=MODEL, dimension=dimension, kind=INDEX_KIND_WINDOWS
    )
    stack.index.CreateIndex(create, timeout=60)
    try:
        say("windows")
        in_parts(range(rows), VECTORS, upsert)
        wait_for_index(stack, INDEX, rows)
        yield
    finally:
        stack.index.DropIndex(DropIndexRequest(index_id=INDEX), timeout=60)
