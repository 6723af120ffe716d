"""The RPCs about queries: checks, delegates and translates each request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from audiosearch.catalog.v1 import clip_pb2, query_pb2, query_service_pb2_grpc
from audiosearch.catalog.v1.clip_pb2 import AudioObject
from sqlalchemy import Row

from catalog_service import fields, names
from catalog_service.queries.queries import Queries


class QueryServicer(query_service_pb2_grpc.QueryServiceServicer):
    """Serves audiosearch.catalog.v1.QueryService."""

    def __init__(self, queries: Queries) -> None:
        """Takes the queries."""
        self._queries = queries

    async def CreateQuery(
        self, request_iterator: AsyncIterator[query_pb2.CreateQueryRequest], context: Any
    ) -> query_pb2.Query:
        stream = request_iterator.__aiter__()
        config = await _config(stream)
        library = names.parse_library("config.parent", config.parent)
        display_name = fields.text("config.query.display_name", config.query)
        channel = fields.channel("config.query.channel", config.query)
        row = await self._queries.create(library, display_name, channel, _chunks(stream))
        return _query(library, row)

    async def GetQuery(self, request: query_pb2.GetQueryRequest, context: Any) -> query_pb2.Query:
        name = names.parse_query("name", request.name)
        return _query(name.library, await self._queries.get(name))

    async def DownloadQuery(
        self, request: query_pb2.DownloadQueryRequest, context: Any
    ) -> AsyncIterator[clip_pb2.GetAudioResponse]:
        row, chunks = await self._queries.audio(names.parse_query("name", request.name))
        yield clip_pb2.GetAudioResponse(audio_object=_audio_object(row))
        async for chunk in chunks:
            yield clip_pb2.GetAudioResponse(chunk=chunk)


async def _config(
    stream: AsyncIterator[query_pb2.CreateQueryRequest],
) -> query_pb2.CreateQueryConfig:
    async for message in stream:
        if message.WhichOneof("request") == "config":
            return message.config
        break
    raise fields.invalid("config", "", "must come first, alone in the first message of the stream")


async def _chunks(stream: AsyncIterator[query_pb2.CreateQueryRequest]) -> AsyncIterator[bytes]:
    async for message in stream:
        if message.WhichOneof("request") != "audio_chunk":
            rule = "must be set in every message but the first"
            raise fields.invalid("audio_chunk", "no bytes", rule)
        yield message.audio_chunk


def _query(library: str, row: Row[Any]) -> query_pb2.Query:
    return query_pb2.Query(
        name=names.query_name(library, row.id),
        display_name=row.display_name,
        channel=row.channel,
        audio_object=_audio_object(row),
        create_time=row.create_time,
        expire_time=row.expire_time,
    )


def _audio_object(row: Row[Any]) -> AudioObject:
    return AudioObject(
        size_bytes=row.size_bytes, sha256=row.content_sha256, content_type=row.content_type
    )
