"""The RPCs of the embedding service: checks a request, delegates it, translates the result."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from audiosearch.embedding.v1 import (
    embedding_service_pb2,
    embedding_service_pb2_grpc,
    model_pb2,
)

from embedding_service.checkpoints.checkpoint import Source
from embedding_service.decoding.decoding import Heard
from embedding_service.messages import (
    invalid,
    to_channel,
    to_cut,
    to_embedding,
    to_max_tags,
    to_pcm,
    to_properties,
    to_rule,
    to_summary,
    to_tags,
    to_whole,
    to_window,
    to_windowing,
)
from embedding_service.network.family import Purpose
from embedding_service.recordings import Summary
from serving.audio_size import too_large
from serving.errors import Reason, ServiceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc

    from embedding_service.decoding.spool import Spool, Spools
    from embedding_service.encoder import Encoder
    from embedding_service.network.engine import Measured
    from embedding_service.network.model import ModelInfo
    from embedding_service.recordings import Recordings
    from embedding_service.settings import EmbeddingSettings
    from embedding_service.streams import Answer, Streams

DEFAULT_MODEL = "models/default"
_SOURCES = {source: model_pb2.Model.Source.Value(f"SOURCE_{source.name}") for source in Source}
_PURPOSES = {purpose: model_pb2.Purpose.Value(f"PURPOSE_{purpose.name}") for purpose in Purpose}
_OFFICIAL = "PaddleSpeech's official ECAPA-TDNN, trained on the speakers of VoxCeleb 1 and 2."
_DESCRIPTIONS = {
    Source.SETTING: "ECAPA-TDNN with the weights that AUDIOSEARCH_CHECKPOINT names.",
    Source.CACHE: _OFFICIAL,
    Source.DOWNLOAD: _OFFICIAL,
    Source.BUNDLED: "A small ECAPA-TDNN that comes with Audiosearch, for trying things out. "
    "Less accurate than the official model, and not comparable with it.",
}


def _computed(measured: Measured) -> str:
    return (
        f"Computed in {measured.precision.value}; lowest cosine to PaddleSpeech's own vectors "
        f"{measured.lowest_cosine:.6f}; {measured.speed_ratio:.1f} times as fast as its network."
    )


class EmbeddingServicer(embedding_service_pb2_grpc.EmbeddingServiceServicer):
    """Serves audiosearch.embedding.v1.EmbeddingService."""

    def __init__(
        self,
        encoder: Encoder,
        recordings: Recordings,
        streams: Streams,
        info: ModelInfo,
        spools: Spools,
        limits: EmbeddingSettings,
    ) -> None:
        """Takes the ways to embed, the model's description, the spools and the limits."""
        self._spools = spools
        self._recordings = recordings
        self._streams = streams
        self._min_seconds = max(limits.min_audio_seconds, info.traits.min_seconds)
        self._encoder = encoder
        self._max_bytes = limits.max_audio_bytes
        traits = info.traits
        self._rule = traits.window_rule
        self._tags = traits.tags
        self._model = model_pb2.Model(
            name=info.name,
            display_name=info.display_name,
            dimension=traits.dimension,
            sample_rate=traits.sample_rate,
            parameter_count=traits.parameter_count,
            weights_sha256=info.weights_sha256,
            source=_SOURCES[info.source],
            precision=info.measured.precision.value,
            description=f"{_DESCRIPTIONS[info.source]} {_computed(info.measured)}",
            min_audio_seconds=self._min_seconds,
            max_audio_seconds=limits.max_audio_seconds,
            max_audio_bytes=limits.max_audio_bytes,
            window_rule=to_rule(traits.window_rule),
            family=traits.family,
            purpose=_PURPOSES[traits.purpose],
            features=traits.features,
            tag_count=len(traits.tags),
            min_score=traits.min_score,
        )

    async def EmbedAudio(
        self,
        request_iterator: AsyncIterator[embedding_service_pb2.EmbedAudioRequest],
        context: grpc.aio.ServicerContext,
    ) -> embedding_service_pb2.EmbedAudioResponse:
        config = await self._config(request_iterator)
        self._require_model(config.model)
        pcm = to_pcm(config.pcm) if config.HasField("pcm") else None
        channel, most_tags = to_channel(config), to_max_tags(config)
        with self._spools.open() as audio:
            await self._receive(request_iterator, audio)
            embedded, heard = await self._encoder.embed(audio, pcm, channel)
        return embedding_service_pb2.EmbedAudioResponse(
            embedding=to_embedding(embedded.vector, self._model),
            audio=to_properties(heard),
            tags=to_tags(embedded.tags, self._tags, most_tags),
        )

    async def EmbedWindows(
        self,
        request_iterator: AsyncIterator[embedding_service_pb2.EmbedWindowsRequest],
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[embedding_service_pb2.EmbedWindowsResponse]:
        config = await self._config(request_iterator)
        self._require_model(config.audio.model)
        windowing = to_windowing(config, self._rule, self._min_seconds)
        most_tags = to_max_tags(config.audio)
        with self._spools.open() as audio:
            await self._receive(request_iterator, audio)
            async with aclosing(self._recordings.embed(audio, windowing)) as answers:
                async for answer in answers:
                    yield self._windows_response(answer, most_tags)

    async def StreamEmbeddings(
        self,
        request_iterator: AsyncIterator[embedding_service_pb2.StreamEmbeddingsRequest],
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[embedding_service_pb2.StreamEmbeddingsResponse]:
        config = await self._config(request_iterator)
        self._require_model(config.model)
        cut = to_cut(config, self._rule, self._min_seconds)
        count = 0
        async with aclosing(self._streams.embed(_chunks(request_iterator), cut)) as answers:
            async for answer in answers:
                if isinstance(answer, Heard):
                    summary = to_summary(answer, count)
                    yield embedding_service_pb2.StreamEmbeddingsResponse(summary=summary)
                else:
                    count += 1
                    window = to_window(answer, self._model)
                    yield embedding_service_pb2.StreamEmbeddingsResponse(window=window)

    async def GetModel(
        self, request: embedding_service_pb2.GetModelRequest, context: grpc.aio.ServicerContext
    ) -> model_pb2.Model:
        if not request.name.startswith("models/"):
            raise invalid(f"name must be models/{{model}}, not {request.name!r}")
        self._require_model(request.name)
        return self._model

    async def ListModels(
        self,
        request: embedding_service_pb2.ListModelsRequest,
        context: grpc.aio.ServicerContext,
    ) -> embedding_service_pb2.ListModelsResponse:
        return embedding_service_pb2.ListModelsResponse(models=[self._model])

    async def _config(self, requests: AsyncIterator[Any]) -> Any:
        first = await anext(requests, None)
        if first is None or first.WhichOneof("request") != "config":
            raise invalid("the first message must hold config")
        return first.config

    def _windows_response(
        self, answer: Answer | Summary, most_tags: int
    ) -> embedding_service_pb2.EmbedWindowsResponse:
        if isinstance(answer, Summary):
            tags = to_tags(answer.embedded.tags, self._tags, most_tags)
            summary = to_whole(answer, self._model, tags)
            return embedding_service_pb2.EmbedWindowsResponse(summary=summary)
        window = to_window(answer, self._model)
        return embedding_service_pb2.EmbedWindowsResponse(window=window)

    def _require_model(self, name: str) -> None:
        if name not in {"", self._model.name, DEFAULT_MODEL}:
            raise ServiceError(
                Reason.MODEL_NOT_FOUND,
                f"there is no model {name!r} here; this service runs {self._model.name}",
            )

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
