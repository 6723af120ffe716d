"""/v1/libraries/{library}/clips:search, :streamSearch, :query and :batchSearch."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from audiosearch.gateway.v1 import search_pb2
from fastapi import APIRouter, Request, Response

from gateway.rest.http.streaming import Events, event
from gateway.rest.messages.json import answer, parse_body, to_json
from gateway.rest.messages.openapi import AUDIO, document
from gateway.rest.messages.query import Query, refuse_others
from gateway.rest.messages.sound import Sound, read_sound
from gateway.rest.parts import Parts

_SEARCH = Query(
    search_pb2.StreamSearchClipsConfig,
    "clip",
    "keptQuery",
    "words",
    "channel",
    "pcm.sampleRate",
    "pcm.channels",
    "pcm.sampleType",
    "range.startOffset",
    "range.endOffset",
    k="search.k",
    minScore="search.minScore",
    detail="search.detail",
    segmentsPerMatch="search.segmentsPerMatch",
    groupBy="search.groupBy",
    groupSize="search.groupSize",
    pageToken="search.pageToken",
    moreLibraries="search.moreLibraries",
    **{
        f"filter.{field}": f"search.filter.{field}"
        for field in (
            "label",
            "speaker",
            "displayNamePrefix",
            "createTimeFrom",
            "createTimeBefore",
            "enrolledSpeaker",
            "conditions",
        )
    },
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
        no body, nor with `keptQuery`, nor with `words`, which find clips by their tags and names.
        Raw samples need `pcm.sampleRate`. `channel` is `mix`, `left`, `right` or a number. Each
        `filter.conditions` is a JSON object `Condition`. A field `config` of a form may hold a
        JSON object `StreamSearchClipsConfig`.
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

    @api.post(
        path + ":query",
        **document(body=search_pb2.SearchClipsRequest, answer=search_pb2.SearchClipsResponse),
    )
    async def query_clips(request: Request, library: str) -> Response:
        """Searches with a vector, examples, a clip or a kept query; the body is JSON."""
        refuse_others(request)
        message = await parse_body(request, search_pb2.SearchClipsRequest())
        message.config.parent = f"libraries/{library}"
        return answer(await parts.ask(request, "SearchClips", message))

    @api.post(
        path + ":batchSearch",
        **document(
            body=search_pb2.BatchSearchClipsRequest, answer=search_pb2.BatchSearchClipsResponse
        ),
    )
    async def batch_search_clips(request: Request, library: str) -> Response:
        """Makes many searches in one call. One that fails does not affect the others.

        Each is a JSON object as in `:query`, of this library unless its config names another.
        """
        refuse_others(request)
        message = await parse_body(request, search_pb2.BatchSearchClipsRequest())
        for each in message.requests:
            each.config.parent = each.config.parent or f"libraries/{library}"
        return answer(await parts.ask(request, "BatchSearchClips", message))

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
