"""Hits of a query in the index of a library."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.filter.v1.filter_pb2 import Condition
from audiosearch.gateway.v1.search_pb2 import SearchConfig
from audiosearch.index.v1.index_service_pb2 import (
    SearchVectorsRequest,
    SearchVectorsResponse,
)

from gateway.libraries.indexes import present, read, split_window, window_id
from gateway.search.examples import best_scores
from gateway.search.query import Query
from gateway.upstream import Upstream
from serving import limits
from serving.errors import Reason, ServiceError

DECIMALS = 4
"""Decimals of a score. The next one depends on the batch that a vector was computed in."""
MOST_REACH = int(limits.of(SearchVectorsRequest, "k").maximum)
MOST_PASSED = limits.of(SearchVectorsRequest, "except_clip_ids").max_items
_MOST_QUERIES = limits.of(SearchVectorsRequest, "queries").max_items
MOST_CLIPS = limits.of(SearchVectorsRequest, "only_clip_ids").max_items
_SCORES = limits.of(SearchConfig, "min_score")
_FINE = 6
"""Decimals of the index's scores."""
_AT_ONCE = 4
_MOST_NEAR = 20_000
"""Hits that one look at the windows of some clips may give."""
_MOST_RATED = 5_000
"""Vectors that are compared with examples in one round, those nearest to a positive one."""


class Hit(NamedTuple):
    """A vector of a clip that is near to a vector of the query."""

    clip_id: str
    start_ms: int | None
    """Start of its window; None if it is of a whole clip."""
    query: int
    """Number of the query's vector."""
    score: float

    @property
    def place(self) -> tuple[int, int | None]:
        """The pair of windows."""
        return self.query, self.start_ms


@dataclass
class Found:
    """The hits of some of a query's vectors."""

    hits: list[Hit] = field(default_factory=list)
    ends: dict[int, float] = field(default_factory=dict)
    """By vector of the query: the highest score that others can have. None if there are none."""


class Neighbors:
    """Asks the index of a library."""

    def __init__(
        self, upstream: Upstream, library: Library, query: Query, least: float | None
    ) -> None:
        """Asks for hits of `query` that score `least` or more, rounded to DECIMALS."""
        self._index = upstream.index
        self._generation = present(library)
        self._query = query
        self._least = least
        self._busy = asyncio.Semaphore(_AT_ONCE)
        self.windowed = self._generation.number > 0
        """True if clips may have several vectors, and conditions can be asked for."""
        # A library without windows has vectors of whole clips, so that is what is asked for.
        whole = not self.windowed and query.windows is not None
        self._vectors = query.whole[np.newaxis] if whole else query.vectors
        self._negative = query.negative if query.negative is not None else self._vectors[:0]
        self._rates = query.negative is not None
        self.count = len(self._vectors)
        """Number of the query's vectors."""

    async def nearest(
        self,
        queries: Sequence[int],
        reach: int,
        passed: Collection[str] = (),
        conditions: Sequence[Condition] = (),
    ) -> Found:
        """The nearest hits of some of the query's vectors, `reach` for each.

        Args:
            queries: Numbers of the vectors.
            reach: Hits of each.
            passed: Ids of clips to leave out; not for a library without windows.
            conditions: For the clips; not for a library without windows.
        """
        request = SearchVectorsRequest(
            k=reach, conditions=conditions, except_clip_ids=passed if self.windowed else ()
        )
        if self._least is not None and not self._rates:
            request.min_score = _score(self._least - 10**-DECIMALS)  # the index's are finer
        found = await self._ask(request, queries)
        if self._least is not None:
            least = self._least
            found.hits = [hit for hit in found.hits if round(hit.score, DECIMALS) >= least]
        return found

    async def among(self, clip_ids: Sequence[str], least: float) -> list[Hit]:
        """The hits of the whole query in these clips that score `least` or more.

        If they are too many, the best ones.
        """
        reach = min(MOST_REACH, max(_MOST_NEAR // self.count, 50))
        request = SearchVectorsRequest(k=reach, only_clip_ids=clip_ids)
        if not self._rates:
            request.min_score = _score(least)
        found = await self._ask(request, range(self.count))
        if len(clip_ids) == 1 or not found.ends:
            return found.hits
        half = len(clip_ids) // 2
        parts = (clip_ids[:half], clip_ids[half:])
        return [hit for part in parts for hit in await self.among(part, least)]

    async def _ask(self, request: SearchVectorsRequest, queries: Sequence[int]) -> Found:
        request.index_id, request.model = self._generation.windows, self._query.model
        parts = [
            queries[start : start + _MOST_QUERIES]
            for start in range(0, len(queries), _MOST_QUERIES)
        ]
        answers = await asyncio.gather(*(self._search(request, part) for part in parts))
        found = Found()
        for part, answer in zip(parts, answers, strict=True):
            for number, result in zip(part, answer.results, strict=True):
                near = result.neighbors
                if len(near) >= request.k:
                    found.ends[number] = near[-1].score
                found.hits += [Hit(*split_window(one.id), number, one.score) for one in near]
        return await self._rated(found) if self._rates else found

    async def _search(
        self, request: SearchVectorsRequest, queries: Sequence[int]
    ) -> SearchVectorsResponse:
        part = SearchVectorsRequest()
        part.CopyFrom(request)
        for number in queries:
            part.queries.add(values=self._vectors[number].tolist())
        try:
            async with self._busy:
                return await self._index.SearchVectors(part)
        except ServiceError as error:
            if not error.metadata.get("field", "").startswith("queries"):
                raise
            raise ServiceError(
                Reason.FIELD_INVALID,
                f"values: {self._vectors.shape[1]:,} values; the vectors of the library have "
                "another length",
                {"field": "values"},
            ) from error

    async def _rated(self, found: Found) -> Found:
        """The hits with the scores that examples give, each vector once."""
        rows: dict[str, Hit] = {}
        for hit in sorted(found.hits, key=lambda hit: -hit.score):
            rows.setdefault(window_id(hit.clip_id, hit.start_ms), hit)
        # All that is further away from every positive example scores 0 at most.
        ends = {number: max(0.0, score) for number, score in found.ends.items()}
        ids = list(rows)
        if len(ids) > _MOST_RATED:
            ends[0] = max(0.0, rows[ids[_MOST_RATED]].score, ends.get(0, 0.0))
            ids = ids[:_MOST_RATED]
        stored = await self._stored(ids)
        kept = [id_ for id_ in ids if id_ in stored]
        if not kept:
            return Found([], ends)
        values = np.array([stored[id_] for id_ in kept], np.float32)
        scores = best_scores(values, self._vectors, self._negative)
        hits = [
            rows[id_]._replace(query=0, score=round(float(score), _FINE))
            for id_, score in zip(kept, scores, strict=True)
        ]
        return Found(hits, ends)

    async def _stored(self, ids: Sequence[str]) -> dict[str, Sequence[float]]:
        stored = read(self._index, self._generation.windows, ids)
        return {vector.id: vector.values async for vector in stored}


def _score(score: float) -> float:
    return max(_SCORES.minimum, min(_SCORES.maximum, score))
