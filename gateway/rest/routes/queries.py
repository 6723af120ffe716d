"""/v1/libraries/{library}/queries: sounds that are searched with, kept for links."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from audiosearch.catalog.v1 import query_pb2
from fastapi import APIRouter, Request, Response

from gateway.rest.http.streaming import Streaming
from gateway.rest.messages.json import answer
from gateway.rest.messages.openapi import AUDIO, document, document_audio
from gateway.rest.messages.query import Query, refuse_others
from gateway.rest.messages.sound import Sound, display_name, read_sound
from gateway.rest.parts import Parts
from gateway.rest.routes.audio import described

_CREATE = Query(
    query_pb2.CreateQueryConfig, displayName="query.displayName", channel="query.channel"
)


def router(parts: Parts) -> APIRouter:
    """The routes of queries."""
    api = APIRouter(tags=["search"])
    path = "/v1/libraries/{library}/queries"

    @api.post(path, **document(_CREATE, body=AUDIO, answer=query_pb2.Query))
    async def create_query(request: Request, library: str) -> Response:
        """Keeps a sound for a time, so that a link to a search with it works for others.

        It is no clip of the library. The body is as in an upload of a clip.
        """
        sound = await read_sound(request, _CREATE)
        config = query_pb2.CreateQueryConfig()
        sound.configure(config)
        config.query.display_name = config.query.display_name or display_name(sound.file_name)
        config.parent = f"libraries/{library}"
        return answer(await parts.ask(request, "CreateQuery", _requests(config, sound)))

    @api.get(path + "/{query}", **document(answer=query_pb2.Query))
    async def get_query(request: Request, library: str, query: str) -> Response:
        """Reads what is known of a query, as long as it is kept."""
        refuse_others(request)
        message = query_pb2.GetQueryRequest(name=f"libraries/{library}/queries/{query}")
        return answer(await parts.ask(request, "GetQuery", message))

    @api.get(path + "/{query}/audio", **document_audio(ranges=False))
    async def download_query(request: Request, library: str, query: str) -> Response:
        """Sends the audio of a query as it came in."""
        refuse_others(request)
        name = f"libraries/{library}/queries/{query}"
        known = await parts.ask(request, "GetQuery", query_pb2.GetQueryRequest(name=name))
        headers = described(known.audio_object, known.display_name or query)
        headers["content-length"] = str(known.audio_object.size_bytes)
        return Streaming(_chunks(parts, request, name), 200, headers)

    return api


async def _requests(
    config: query_pb2.CreateQueryConfig, sound: Sound
) -> AsyncIterator[query_pb2.CreateQueryRequest]:
    yield query_pb2.CreateQueryRequest(config=config)
    async for chunk in sound.chunks:
        yield query_pb2.CreateQueryRequest(audio_chunk=chunk)


async def _chunks(parts: Parts, request: Request, name: str) -> AsyncIterator[bytes]:
    message = query_pb2.DownloadQueryRequest(name=name)
    async with contextlib.aclosing(parts.stream(request, "DownloadQuery", message)) as responses:
        async for response in responses:
            if response.chunk:
                yield response.chunk
