"""A search: the embedding, its neighbors in the index, and their clips, joined by id."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass

from audiosearch.catalog.v1.clip_pb2 import Clip, GetClipRequest, LookupClipsRequest
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1.embedding_pb2 import PcmFormat
from audiosearch.embedding.v1.embedding_service_pb2 import EmbedAudioResponse
from audiosearch.gateway.v1.search_pb2 import Match, SearchClipsResponse, SearchConfig
from audiosearch.index.v1.index_pb2 import Neighbor
from audiosearch.index.v1.index_service_pb2 import SearchVectorsRequest

from gateway.clips.audio import embed, mismatch
from gateway.libraries.indexes import present, split_window, whole_vectors
from gateway.libraries.libraries import Libraries
from gateway.search.record import SearchLog, Stopwatch
from gateway.upstream import Upstream
from serving import limits
from serving.errors import Reason, ServiceError
from serving.names import check_library, clip_within, split_clip

MAX_K = int(limits.of(SearchConfig, "k").maximum)
_SCORES = limits.of(SearchConfig, "min_score")
_DECIMALS = 4
"""Decimals of a score. The next one depends on the batch that a vector was computed in."""


@dataclass(frozen=True)
class Query:
    """A vector to search with, its model, and the clip that it belongs to, if any."""

    values: Sequence[float]
    model: str
    clip_id: str = ""


def check_config(config: SearchConfig) -> SearchConfig:
    """Raises FIELD_INVALID unless library name, k and min_score are valid."""
    check_library(config.parent, "config.parent")
    if config.HasField("k") and not 1 <= config.k <= MAX_K:
        raise ServiceError(
            Reason.FIELD_INVALID, f"k: {config.k} is not from 1 to {MAX_K:,}", {"field": "k"}
        )
    if math.isnan(config.min_score) or not _SCORES.minimum <= config.min_score <= _SCORES.maximum:
        raise ServiceError(
            Reason.FIELD_INVALID,
            f"min_score: {config.min_score} is not from {_SCORES.minimum:g} to {_SCORES.maximum:g}",
            {"field": "min_score"},
        )
    return config


async def searchable(upstream: Upstream, library: Library, clip: Clip) -> Sequence[float]:
    """The vector of a clip; STATE_CONFLICT if it is not searchable."""
    _, clip_id = split_clip(clip.name)
    found = await whole_vectors(upstream.index, library, [clip_id])
    if clip.state != Clip.STATE_ACTIVE or clip_id not in found:
        state = Clip.State.Name(clip.state).removeprefix("STATE_")
        raise ServiceError(Reason.STATE_CONFLICT, f"{clip.name} is not searchable: it is {state}")
    return found[clip_id]


class Search:
    """Finds the clips of a library most like a query."""

    def __init__(
        self, upstream: Upstream, libraries: Libraries, default_k: int, log: SearchLog
    ) -> None:
        """Works on the services of `upstream`. A search without k finds `default_k` clips."""
        self._log = log
        self._upstream = upstream
        self._libraries = libraries
        self._default_k = default_k

    async def by_audio(
        self, config: SearchConfig, chunks: AsyncIterable[bytes], pcm: PcmFormat | None = None
    ) -> SearchClipsResponse:
        """Searches with audio, encoded or raw."""
        parent = check_config(config).parent
        with self._log.search(parent, by_clip=False) as watch:
            with watch.step("embedding"):
                library, heard = await self._open_and_embed(parent, chunks, pcm)
            query = Query(heard.embedding.values, heard.embedding.model)
            matches = await self._matches(library, config, query, watch)
        return SearchClipsResponse(matches=matches, query_audio=heard.audio, model=library.model)

    async def _open_and_embed(
        self, parent: str, chunks: AsyncIterable[bytes], pcm: PcmFormat | None
    ) -> tuple[Library, EmbedAudioResponse]:
        """The library, read while the audio is embedded. Its own errors come at once."""
        embedding = asyncio.create_task(embed(self._upstream, "", chunks, pcm))
        try:
            library = await self._libraries.open(parent)
            heard = await embedding
        finally:
            embedding.cancel()
            await asyncio.gather(embedding, return_exceptions=True)
        if heard.embedding.model != library.model:
            raise await mismatch(self._upstream, library.model)
        return library, heard

    async def by_clip(self, config: SearchConfig, name: str) -> SearchClipsResponse:
        """Searches with a clip of the library. That clip itself is left out."""
        parent = check_config(config).parent
        clip_id = clip_within(parent, name, "clip")
        with self._log.search(parent, by_clip=True) as watch:
            with watch.step("catalog"):
                library = await self._libraries.open(parent)
            query = await self._stored(library, name, clip_id, watch)
            matches = await self._matches(library, config, query, watch)
        return SearchClipsResponse(matches=matches, model=library.model)

    async def _stored(self, library: Library, name: str, clip_id: str, watch: Stopwatch) -> Query:
        """The query for a clip; STATE_CONFLICT if the clip is not searchable."""
        with watch.step("catalog"):
            clip = await self._upstream.clips.GetClip(GetClipRequest(name=name))
        with watch.step("index"):
            values = await searchable(self._upstream, library, clip)
        return Query(values, library.model, clip_id)

    async def _matches(
        self, library: Library, config: SearchConfig, query: Query, watch: Stopwatch
    ) -> list[Match]:
        """Joins neighbors with clips, and asks for more while deleted clips leave too few."""
        k = config.k if config.HasField("k") else self._default_k
        # Not more, because more costs the index more, and few neighbors are of deleted clips.
        reach = min(k + bool(query.clip_id), MAX_K)
        while True:
            with watch.step("index"):
                neighbors = await self._neighbors(library, config, query, reach)
            with watch.step("catalog"):
                matches = (await self._join(library, neighbors, query))[:k]
            watch.match_count = len(matches)
            if len(matches) == k or len(neighbors) < reach or reach == MAX_K:
                return matches
            reach = min(2 * reach, MAX_K)

    async def _neighbors(
        self, library: Library, config: SearchConfig, query: Query, reach: int
    ) -> Sequence[Neighbor]:
        request = SearchVectorsRequest(
            index_id=present(library).windows,
            model=query.model,
            k=reach,
            queries=[SearchVectorsRequest.Query(values=query.values)],
        )
        if not config.HasField("min_score"):
            return (await self._upstream.index.SearchVectors(request)).results[0].neighbors
        least = round(config.min_score, _DECIMALS)
        request.min_score = max(_SCORES.minimum, least - 10**-_DECIMALS)  # the index's are finer
        neighbors = (await self._upstream.index.SearchVectors(request)).results[0].neighbors
        return [each for each in neighbors if round(each.score, _DECIMALS) >= least]

    async def _join(
        self, library: Library, neighbors: Sequence[Neighbor], query: Query
    ) -> list[Match]:
        best: dict[str, float] = {}  # the neighbors come best first
        for neighbor in neighbors:
            best.setdefault(split_window(neighbor.id)[0], neighbor.score)
        others = [(id_, score) for id_, score in best.items() if id_ != query.clip_id]
        if not others:
            return []
        answer = await self._upstream.clips.LookupClips(
            LookupClipsRequest(parent=library.name, clip_ids=[id_ for id_, _ in others])
        )
        return [
            Match(clip=answer.clips[id_], score=round(score, _DECIMALS))
            for id_, score in others
            if id_ in answer.clips
        ]
