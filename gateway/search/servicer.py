"""The RPCs about searching: checks, delegates and translates each request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
from audiosearch.catalog.v1 import query_pb2
from audiosearch.catalog.v1.clip_pb2 import Failure, GetAudioResponse
from audiosearch.embedding.v1.embedding_pb2 import TimeRange
from audiosearch.gateway.v1 import search_pb2, search_service_pb2_grpc

from gateway.access.rights import Right, authorize, caller
from gateway.clips.audio import require_no_channel, split
from gateway.clips.streams import audio_chunks, first_config
from gateway.search.search import Search
from gateway.upstream import Upstream
from serving import limits
from serving.calls.messages import let_go
from serving.errors import Reason, ServiceError
from serving.names import check_library

_AT_ONCE = 4
"""Searches of one batch at a time."""

_BatchSearch = search_pb2.BatchSearchClipsRequest


class SearchServicer(search_service_pb2_grpc.SearchServiceServicer):
    """audiosearch.gateway.v1.SearchService."""

    def __init__(self, search: Search, upstream: Upstream) -> None:
        """Delegates to the parts given."""
        self._search = search
        self._upstream = upstream

    async def SearchClips(
        self, request: search_pb2.SearchClipsRequest, context: grpc.aio.ServicerContext
    ) -> search_pb2.SearchClipsResponse:
        searching = self._one(request, sent=let_go)
        del request  # its audio may be large, and the search goes on for long
        return await searching

    async def BatchSearchClips(
        self, request: search_pb2.BatchSearchClipsRequest, context: grpc.aio.ServicerContext
    ) -> search_pb2.BatchSearchClipsResponse:
        count, limit = len(request.requests), limits.of(_BatchSearch, "requests")
        if not limit.min_items <= count <= limit.max_items:
            raise ServiceError(
                Reason.FIELD_INVALID,
                f"requests: {count} searches, which must be from 1 to {limit.max_items}",
                {"field": "requests"},
            )
        busy = asyncio.Semaphore(_AT_ONCE)

        async def outcome(
            one: search_pb2.SearchClipsRequest,
        ) -> search_pb2.BatchSearchClipsResponse.Outcome:
            try:
                async with busy:
                    authorize(caller.get(), check_library(one.config.parent), Right.read)
                    return _Outcome(response=await self._one(one))
            except ServiceError as error:
                return _Outcome(failure=_failure(error))

        outcomes = await asyncio.gather(*(outcome(one) for one in request.requests))
        return search_pb2.BatchSearchClipsResponse(outcomes=outcomes)

    def _one(
        self, request: search_pb2.SearchClipsRequest, sent: Callable[[], None] = lambda: None
    ) -> Awaitable[search_pb2.SearchClipsResponse]:
        """Checks a search. The one that is returned to be awaited keeps nothing of the request.

        Args:
            request: the search.
            sent: called when nothing is needed any more of the request's audio.
        """
        config, part, query = search_pb2.SearchConfig(), None, request.WhichOneof("query")
        config.CopyFrom(request.config)  # a part of a message keeps the whole
        _authorize_more(config)
        if request.HasField("range"):
            part = TimeRange()
            part.CopyFrom(request.range)
        if query is None:
            raise ServiceError(
                Reason.FIELD_INVALID,
                "query: set clip, audio, kept_query, vector, examples or words",
                {"field": "query"},
            )
        if query != "audio":
            _require_none(request, "channel", query)
        if query in ("vector", "examples", "words"):
            _require_none(request, "range", query)
        if query == "clip":
            return self._search.by_clip(config, request.clip, part)
        if query == "kept_query":
            return self._search.by_kept_query(config, request.kept_query, part)
        if query == "vector":
            return self._search.by_vector(config, request.vector)
        if query == "examples":
            return self._search.by_examples(config, request.examples)
        if query == "words":
            return self._search.by_words(config, request.words)
        chunks = split(request.audio, sent)
        return self._search.by_audio(config, chunks, channel=request.channel, part=part)

    async def CreateQuery(
        self,
        request_iterator: AsyncIterator[query_pb2.CreateQueryRequest],
        context: grpc.aio.ServicerContext,
    ) -> query_pb2.Query:
        return await self._upstream.queries.CreateQuery(request_iterator)

    async def GetQuery(
        self, request: query_pb2.GetQueryRequest, context: grpc.aio.ServicerContext
    ) -> query_pb2.Query:
        return await self._upstream.queries.GetQuery(request)

    async def DownloadQuery(
        self, request: query_pb2.DownloadQueryRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[GetAudioResponse]:
        async for response in self._upstream.queries.DownloadQuery(request):
            yield response

    async def StreamSearchClips(
        self,
        request_iterator: AsyncIterator[search_pb2.StreamSearchClipsRequest],
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[search_pb2.StreamSearchClipsResponse]:
        config = (await first_config(request_iterator)).config
        _authorize_more(config.search)
        part = config.range if config.HasField("range") else None
        chunks = audio_chunks(request_iterator)
        if config.words:
            _require_none_of(config, "words", "clip", "kept_query", "pcm", "range", "channel")
            await _require_no_audio(chunks, "words")
            answer = await self._search.by_words(config.search, config.words)
        elif config.kept_query:
            _require_none_of(config, "kept_query", "clip", "pcm", "channel")
            await _require_no_audio(chunks, "a kept query")
            answer = await self._search.by_kept_query(config.search, config.kept_query, part)
        elif config.clip:
            require_no_channel(config.channel)
            await _require_no_audio(chunks, "a clip")
            answer = await self._search.by_clip(config.search, config.clip, part)
        else:
            pcm = config.pcm if config.HasField("pcm") else None
            answer = await self._search.by_audio(config.search, chunks, pcm, config.channel, part)
        matches = list(answer.matches)
        answer.ClearField("matches")
        yield search_pb2.StreamSearchClipsResponse(summary=answer)
        for match in matches:
            yield search_pb2.StreamSearchClipsResponse(match=match)


_Outcome = search_pb2.BatchSearchClipsResponse.Outcome


def _authorize_more(config: search_pb2.SearchConfig) -> None:
    """Raises RIGHT_MISSING unless the caller may read the libraries beside `parent`, too."""
    for name in config.more_libraries:
        authorize(caller.get(), check_library(name, "config.more_libraries"), Right.read)


async def _require_no_audio(chunks: AsyncIterator[bytes], query: str) -> None:
    async for _ in chunks:
        raise ServiceError(
            Reason.FIELD_INVALID,
            f"audio_chunk: none may follow when the query is {query}",
            {"field": "audio_chunk"},
        )


def _require_none_of(config: search_pb2.StreamSearchClipsConfig, query: str, *others: str) -> None:
    """Raises FIELD_INVALID for a field that does not go with the query."""
    there = {field.name for field, _ in config.ListFields()}
    for field in (each for each in others if each in there):
        raise ServiceError(
            Reason.FIELD_INVALID, f"{field}: a search with {query} has none", {"field": field}
        )


def _require_none(request: search_pb2.SearchClipsRequest, field: str, query: str) -> None:
    there = request.HasField("range") if field == "range" else request.channel
    if there:
        raise ServiceError(
            Reason.FIELD_INVALID,
            f"{field}: a search with {query} has none",
            {"field": field},
        )


def _failure(error: ServiceError) -> Failure:
    return Failure(reason=error.reason.value, message=limits.cut(Failure, "message", error.message))
