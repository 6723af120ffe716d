"""/v1/models."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from audiosearch.embedding.v1 import embedding_service_pb2 as embedding_pb2
from audiosearch.embedding.v1.model_pb2 import Model
from fastapi import APIRouter, Request, Response

from gateway.rest.http.streaming import Events, event
from gateway.rest.messages.json import answer, to_json
from gateway.rest.messages.openapi import AUDIO, document
from gateway.rest.messages.query import Query, refuse_others
from gateway.rest.messages.sound import Sound, read_sound
from gateway.rest.parts import Parts

_PCM = ("pcm.sampleRate", "pcm.channels", "pcm.sampleType")
_EMBED = Query(embedding_pb2.EmbedAudioConfig, "model", "channel", "maxTags", *_PCM)
_STREAM = Query(embedding_pb2.StreamEmbeddingsConfig, "model", "channel", "window", "hop", *_PCM)


def router(parts: Parts) -> APIRouter:
    """The routes of models."""
    api = APIRouter(tags=["models"])

    @api.get("/v1/models", **document(answer=embedding_pb2.ListModelsResponse))
    async def list_models(request: Request) -> Response:
        """Lists the running models, the default model first."""
        refuse_others(request)
        return answer(await parts.ask(request, "ListModels", embedding_pb2.ListModelsRequest()))

    @api.get("/v1/models/{model}", **document(answer=Model))
    async def get_model(request: Request, model: str) -> Response:
        """Describes a model. `default` is the first one, `voices` and `sounds` the first for it."""
        refuse_others(request)
        message = embedding_pb2.GetModelRequest(name=f"models/{model}")
        return answer(await parts.ask(request, "GetModel", message))

    @api.post(
        "/v1/models:embedAudio",
        **document(_EMBED, body=AUDIO, answer=embedding_pb2.EmbedAudioResponse),
    )
    async def embed_audio(request: Request) -> Response:
        """Embeds a recording: answers its vector and the model that made it. Nothing is stored.

        The body is the recording itself, or a form with it in its field `audio`. `maxTags` asks for
        the kinds of sound heard in it, too.
        """
        sound = await read_sound(request, _EMBED)
        requests = _requests(embedding_pb2.EmbedAudioRequest, sound)
        return answer(await parts.ask(request, "EmbedAudio", requests))

    @api.post(
        "/v1/models:streamEmbeddings",
        **document(_STREAM, body=AUDIO, events=embedding_pb2.StreamEmbeddingsResponse),
    )
    async def stream_embeddings(request: Request) -> Response:
        """Embeds audio of any length window by window, while it arrives, and stores nothing.

        The answer is server-sent events: each `window`, then `summary`, then `done`. After a
        failure the last event is `error`.
        """
        sound = await read_sound(request, _STREAM)
        requests = _requests(embedding_pb2.StreamEmbeddingsRequest, sound)
        return Events(_events(parts.stream(request, "StreamEmbeddings", requests)))

    return api


def _requests(kind: type[Any], sound: Sound) -> AsyncIterator[Any]:
    """The requests of a stream; FIELD_INVALID at once if the parameters do not fit."""
    first = kind()
    first.config.SetInParent()
    sound.configure(first.config)
    return _stream(kind, first, sound)


async def _stream(kind: type[Any], first: Any, sound: Sound) -> AsyncIterator[Any]:
    yield first
    async for chunk in sound.chunks:
        yield kind(audio_chunk=chunk)


async def _events(responses: AsyncGenerator[Any, None]) -> AsyncIterator[bytes]:
    async with contextlib.aclosing(responses):
        async for response in responses:
            kind = response.WhichOneof("response")
            yield event(kind, to_json(getattr(response, kind)))
    yield event("done", b"{}")
