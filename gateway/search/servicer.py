"""The RPCs about searching: checks, delegates and translates each request."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
from audiosearch.gateway.v1 import search_pb2, search_service_pb2_grpc

from gateway.clips.audio import split
from gateway.clips.streams import audio_chunks, first_config
from gateway.search.search import Search
from serving.errors import Reason, ServiceError


class SearchServicer(search_service_pb2_grpc.SearchServiceServicer):
    """audiosearch.gateway.v1.SearchService."""

    def __init__(self, search: Search) -> None:
        """Delegates to the part given."""
        self._search = search

    async def SearchClips(
        self, request: search_pb2.SearchClipsRequest, context: grpc.aio.ServicerContext
    ) -> search_pb2.SearchClipsResponse:
        query = request.WhichOneof("query")
        if query is None:
            raise ServiceError(Reason.FIELD_INVALID, "query: set clip or audio", {"field": "query"})
        if query == "clip":
            return await self._search.by_clip(request.config, request.clip)
        return await self._search.by_audio(request.config, split(request.audio))

    async def StreamSearchClips(
        self,
        request_iterator: AsyncIterator[search_pb2.StreamSearchClipsRequest],
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[search_pb2.StreamSearchClipsResponse]:
        config = (await first_config(request_iterator)).config
        chunks = audio_chunks(request_iterator)
        if config.clip:
            async for _ in chunks:
                raise ServiceError(
                    Reason.FIELD_INVALID,
                    "audio_chunk: none may follow when the query is a clip",
                    {"field": "audio_chunk"},
                )
            answer = await self._search.by_clip(config.search, config.clip)
        else:
            pcm = config.pcm if config.HasField("pcm") else None
            answer = await self._search.by_audio(config.search, chunks, pcm)
        matches = list(answer.matches)
        answer.ClearField("matches")
        yield search_pb2.StreamSearchClipsResponse(summary=answer)
        for match in matches:
            yield search_pb2.StreamSearchClipsResponse(match=match)
