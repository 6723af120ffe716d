"""/v1/libraries/{library}/clips:search and :streamSearch."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from audiosearch.gateway.v1 import search_pb2
from fastapi import APIRouter, Request, Response

from gateway.rest.http.streaming import Events, event
from gateway.rest.messages.json import answer, to_json
from gateway.rest.messages.openapi import AUDIO, document
from gateway.rest.messages.query import Query
from gateway.rest.messages.sound import Sound, read_sound
from gateway.rest.parts import Parts

_SEARCH = Query(
    search_pb2.StreamSearchClipsConfig,
    "clip",
    "channel",
    "pcm.sampleRate",
    "pcm.channels",
    "pcm.sampleType",
    k="search.k",
    minScore="search.minScore",
)


def router(parts: Parts) -> APIRouter:
    """The routes of searches."""
    api = APIRouter(tags=["search"])
    path = "/v1/libraries/{library}/clips"

    @api.post(
        path + ":search",
        **document(_SEARCH, body=AUDIO, answer=search_pb2.SearchClipsResponse),
    )
    async def search_clips(request: Request, library: str) -> Response:
        """Finds the clips most like a sound, or most like a clip of the library.

        The body is the sound itself, or a form with it in its field `audio`. With `clip` there is
        no body. Raw samples need `pcm.sampleRate`. `channel` is `mix`, `left`, `right` or a number.
        """
        found = search_pb2.SearchClipsResponse()
        responses = await _search(parts, request, library)
        async with contextlib.aclosing(responses):
            async for response in responses:
                if response.HasField("summary"):
                    found.MergeFrom(response.summary)
                else:
                    found.matches.append(response.match)
        return answer(found)

    @api.post(
        path + ":streamSearch",
        **document(_SEARCH, body=AUDIO, events=search_pb2.StreamSearchClipsResponse),
    )
    async def stream_search_clips(request: Request, library: str) -> Response:
        """Searches like `:search`, with the answer in server-sent events.

        The events are `summary`, then each `match`, the most similar first, then `done`. After a
        failure the last event is `error`.
        """
        return Events(_events(await _search(parts, request, library)))

    return api


async def _search(parts: Parts, request: Request, library: str) -> AsyncGenerator[Any, None]:
    sound = await read_sound(request, _SEARCH)
    config = search_pb2.StreamSearchClipsConfig()
    sound.configure(config)
    config.search.parent = f"libraries/{library}"
    return parts.stream(request, "StreamSearchClips", _requests(config, sound))


async def _requests(
    config: search_pb2.StreamSearchClipsConfig, sound: Sound
) -> AsyncIterator[search_pb2.StreamSearchClipsRequest]:
    yield search_pb2.StreamSearchClipsRequest(config=config)
    async for chunk in sound.chunks:
        yield search_pb2.StreamSearchClipsRequest(audio_chunk=chunk)


async def _events(
    responses: AsyncGenerator[search_pb2.StreamSearchClipsResponse, None],
) -> AsyncIterator[bytes]:
    async with contextlib.aclosing(responses):
        async for response in responses:
            kind = response.WhichOneof("response") or "summary"
            yield event(kind, to_json(getattr(response, kind)))
    yield event("done", b"{}")
