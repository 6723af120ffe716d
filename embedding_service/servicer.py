"""The RPCs of the embedding service: checks a request, delegates it, translates the result."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from audiosearch.embedding.v1 import (
    embedding_service_pb2,
    embedding_service_pb2_grpc,
    model_pb2,
)

from embedding_service.decoding.decoding import Heard
from embedding_service.messages import (
    invalid,
    to_channel,
    to_cut,
    to_embedding,
    to_max_tags,
    to_pcm,
    to_properties,
    to_summary,
    to_tags,
    to_whole,
    to_window,
    to_windowing,
)
from embedding_service.recordings import Summary
from serving.audio_size import too_large
from serving.errors import Reason, ServiceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc

    from embedding_service.decoding.spool import Spool, Spools
    from embedding_service.models import Models, Served
    from embedding_service.streams import Answer


class EmbeddingServicer(embedding_service_pb2_grpc.EmbeddingServiceServicer):
    """Serves audiosearch.embedding.v1.EmbeddingService."""

    def __init__(self, models: Models, spools: Spools, max_bytes: int) -> None:
        """Takes the models, the spools and the most bytes of one piece of audio."""
        self._models = models
        self._spools = spools
        self._max_bytes = max_bytes

    async def EmbedAudio(
        self,
        request_iterator: AsyncIterator[embedding_service_pb2.EmbedAudioRequest],
        context: grpc.aio.ServicerContext,
    ) -> embedding_service_pb2.EmbedAudioResponse:
        config = await self._config(request_iterator)
        served = self._models.find(config.model)
        pcm = to_pcm(config.pcm) if config.HasField("pcm") else None
        channel, most_tags = to_channel(config), to_max_tags(config)
        with self._spools.open() as audio:
            await self._receive(request_iterator, audio)
            embedded, heard = await served.encoder.embed(audio, pcm, channel)
        return embedding_service_pb2.EmbedAudioResponse(
            embedding=to_embedding(embedded.vector, served.message),
            audio=to_properties(heard),
            tags=to_tags(embedded.tags, served.traits.tags, most_tags),
        )

    async def EmbedWindows(
        self,
        request_iterator: AsyncIterator[embedding_service_pb2.EmbedWindowsRequest],
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[embedding_service_pb2.EmbedWindowsResponse]:
        config = await self._config(request_iterator)
        served = self._models.find(config.audio.model)
        most_tags = to_max_tags(config.audio)
        windowing = to_windowing(config, served.traits.window_rule, served.encoder.min_seconds)
        with self._spools.open() as audio:
            await self._receive(request_iterator, audio)
            async with aclosing(served.recordings.embed(audio, windowing)) as answers:
                async for answer in answers:
                    yield _windows_response(answer, served, most_tags)

    async def MeasurePeaks(
        self,
        request_iterator: AsyncIterator[embedding_service_pb2.MeasurePeaksRequest],
        context: grpc.aio.ServicerContext,
    ) -> embedding_service_pb2.MeasurePeaksResponse:
        config = await self._config(request_iterator)
        served = self._models.find(config.audio.model)
        rule, least = served.traits.window_rule, served.encoder.min_seconds
        windowing = to_windowing(config, rule, least)
        with self._spools.open() as audio:
            await self._receive(request_iterator, audio)
            peaks = await served.recordings.peaks(audio, windowing)
        return embedding_service_pb2.MeasurePeaksResponse(peaks=peaks)

    async def StreamEmbeddings(
        self,
        request_iterator: AsyncIterator[embedding_service_pb2.StreamEmbeddingsRequest],
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[embedding_service_pb2.StreamEmbeddingsResponse]:
        config = await self._config(request_iterator)
        served = self._models.find(config.model)
        cut = to_cut(config, served.traits.window_rule, served.encoder.min_seconds)
        count = 0
        async with aclosing(served.streams.embed(_chunks(request_iterator), cut)) as answers:
            async for answer in answers:
                if isinstance(answer, Heard):
                    summary = to_summary(answer, count)
                    yield embedding_service_pb2.StreamEmbeddingsResponse(summary=summary)
                else:
                    count += 1
                    window = to_window(answer, served.message)
                    yield embedding_service_pb2.StreamEmbeddingsResponse(window=window)

    async def GetModel(
        self, request: embedding_service_pb2.GetModelRequest, context: grpc.aio.ServicerContext
    ) -> model_pb2.Model:
        if not request.name.startswith("models/"):
            raise invalid(f"name must be models/{{model}}, not {request.name!r}")
        return self._models.find(request.name).message

    async def ListModels(
        self,
        request: embedding_service_pb2.ListModelsRequest,
        context: grpc.aio.ServicerContext,
    ) -> embedding_service_pb2.ListModelsResponse:
        return embedding_service_pb2.ListModelsResponse(models=self._models.messages)

    async def _config(self, requests: AsyncIterator[Any]) -> Any:
        first = await anext(requests, None)
        if first is None or first.WhichOneof("request") != "config":
            raise invalid("the first message must hold config")
        return first.config

    async def _receive(self, requests: AsyncIterator[Any], audio: Spool) -> None:
        async for chunk in _chunks(requests):
            await audio.write(chunk)
            if audio.size > self._max_bytes:
                raise too_large(self._max_bytes)
        if not audio.size:
            raise ServiceError(Reason.AUDIO_UNDECODABLE, "no audio was sent: all chunks are empty")
        await audio.finish()


async def _chunks(requests: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    """Yields the bytes of all messages after the first."""
    async for request in requests:
        if request.WhichOneof("request") != "audio_chunk":
            raise invalid("every message after the first must hold audio_chunk")
        yield request.audio_chunk


def _windows_response(
    answer: Answer | Summary, served: Served, most_tags: int
) -> embedding_service_pb2.EmbedWindowsResponse:
    """Writes a window, or the summary with at most so many tags."""
    if isinstance(answer, Summary):
        tags = to_tags(answer.embedded.tags, served.traits.tags, most_tags)
        summary = to_whole(answer, served.message, tags)
        return embedding_service_pb2.EmbedWindowsResponse(summary=summary)
    window = to_window(answer, served.message)
    return embedding_service_pb2.EmbedWindowsResponse(window=window)
