"""The gRPC face of the embedding service: check, delegate, translate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audiosearch.embedding.v1 import (
    embedding_pb2,
    embedding_service_pb2,
    embedding_service_pb2_grpc,
    model_pb2,
)
from google.protobuf.duration_pb2 import Duration

from embedding_service.checkpoint import Source
from embedding_service.model import DIMENSION
from embedding_service.readers import MAX_CHANNELS, MAX_RATE, MIN_RATE, Pcm
from serving.errors import Reason, ServiceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc

    from embedding_service.decoding import Heard
    from embedding_service.encoder import Encoder
    from embedding_service.model import ModelInfo
    from embedding_service.settings import EmbeddingSettings
    from embedding_service.spool import Spool, Spools

DEFAULT_MODEL = "models/default"
_SOURCES = {source: model_pb2.Model.Source.Value(f"SOURCE_{source.name}") for source in Source}
_OFFICIAL = "PaddleSpeech's official ECAPA-TDNN, trained on the speakers of VoxCeleb 1 and 2."
_DESCRIPTIONS = {
    Source.SETTING: "ECAPA-TDNN with the weights that AUDIOSEARCH_CHECKPOINT names.",
    Source.CACHE: _OFFICIAL,
    Source.DOWNLOAD: _OFFICIAL,
    Source.BUNDLED: "A small ECAPA-TDNN that comes with Audiosearch, for trying things out. "
    "Less accurate than the official model, and not comparable with it.",
}
_SAMPLE_TYPES = {
    embedding_pb2.SAMPLE_TYPE_UNSPECIFIED: "<i2",
    embedding_pb2.SAMPLE_TYPE_INT16: "<i2",
    embedding_pb2.SAMPLE_TYPE_FLOAT32: "<f4",
}


def _invalid(message: str) -> ServiceError:
    return ServiceError(Reason.FIELD_INVALID, message)


class EmbeddingServicer(embedding_service_pb2_grpc.EmbeddingServiceServicer):
    """Answers for audiosearch.embedding.v1.EmbeddingService."""

    def __init__(
        self, encoder: Encoder, info: ModelInfo, spools: Spools, limits: EmbeddingSettings
    ) -> None:
        """Takes the encoder, what its model is, room for audio, and the limits of audio."""
        self._spools = spools
        self._encoder = encoder
        self._max_bytes = limits.max_audio_bytes
        self._model = model_pb2.Model(
            name=info.name,
            display_name=info.display_name,
            dimension=DIMENSION,
            sample_rate=info.sample_rate,
            parameter_count=info.parameter_count,
            weights_sha256=info.weights_sha256,
            source=_SOURCES[info.source],
            description=_DESCRIPTIONS[info.source],
            min_audio_seconds=limits.min_audio_seconds,
            max_audio_seconds=limits.max_audio_seconds,
        )

    async def EmbedAudio(
        self,
        request_iterator: AsyncIterator[embedding_service_pb2.EmbedAudioRequest],
        context: grpc.aio.ServicerContext,
    ) -> embedding_service_pb2.EmbedAudioResponse:
        config = await self._config(request_iterator)
        with self._spools.open() as audio:
            await self._receive(request_iterator, audio)
            vector, heard = await self._encoder.embed(audio, config)
        return embedding_service_pb2.EmbedAudioResponse(
            embedding=embedding_pb2.Embedding(values=vector.tolist(), model=self._model.name),
            audio=_properties(heard),
        )

    async def GetModel(
        self, request: embedding_service_pb2.GetModelRequest, context: grpc.aio.ServicerContext
    ) -> model_pb2.Model:
        if not request.name.startswith("models/"):
            raise _invalid(f"name must be models/{{model}}, not {request.name!r}")
        self._require_model(request.name)
        return self._model

    async def ListModels(
        self,
        request: embedding_service_pb2.ListModelsRequest,
        context: grpc.aio.ServicerContext,
    ) -> embedding_service_pb2.ListModelsResponse:
        return embedding_service_pb2.ListModelsResponse(models=[self._model])

    async def _config(
        self, requests: AsyncIterator[embedding_service_pb2.EmbedAudioRequest]
    ) -> Pcm | None:
        first = await anext(requests, None)
        if first is None or first.WhichOneof("request") != "config":
            raise _invalid("the first message must hold config")
        if first.config.model:
            self._require_model(first.config.model)
        return _pcm(first.config.pcm) if first.config.HasField("pcm") else None

    def _require_model(self, name: str) -> None:
        if name not in {self._model.name, DEFAULT_MODEL}:
            raise ServiceError(
                Reason.MODEL_NOT_FOUND,
                f"no model {name!r} here; this service runs {self._model.name}",
            )

    async def _receive(
        self, requests: AsyncIterator[embedding_service_pb2.EmbedAudioRequest], audio: Spool
    ) -> None:
        async for request in requests:
            if request.WhichOneof("request") != "audio_chunk":
                raise _invalid("every message after the first must hold audio_chunk")
            await audio.write(request.audio_chunk)
            if audio.size > self._max_bytes:
                raise ServiceError(
                    Reason.AUDIO_TOO_LONG,
                    f"at most {self._max_bytes} bytes of audio are taken: "
                    "cut it into shorter clips, or send it compressed",
                    {"max_bytes": str(self._max_bytes)},
                )
        if not audio.size:
            raise ServiceError(Reason.AUDIO_UNDECODABLE, "no audio was sent: all chunks are empty")
        await audio.flush()


def _pcm(layout: embedding_pb2.PcmFormat) -> Pcm:
    if not MIN_RATE <= layout.sample_rate <= MAX_RATE:
        raise _invalid(
            f"config.pcm.sample_rate must be {MIN_RATE} to {MAX_RATE} Hz, not {layout.sample_rate}"
        )
    if not 0 <= layout.channels <= MAX_CHANNELS:
        raise _invalid(f"config.pcm.channels must be 1 to {MAX_CHANNELS}, not {layout.channels}")
    if layout.sample_type not in _SAMPLE_TYPES:
        raise _invalid(f"config.pcm.sample_type {layout.sample_type} is unknown")
    return Pcm(layout.sample_rate, layout.channels or 1, _SAMPLE_TYPES[layout.sample_type])


def _properties(heard: Heard) -> embedding_pb2.AudioProperties:
    return embedding_pb2.AudioProperties(
        duration=_duration(heard.seconds),
        active_duration=_duration(heard.active_seconds),
        sample_rate=heard.sample_rate,
        channels=heard.channels,
        format=heard.format,
        level_dbfs=heard.level_dbfs,
    )


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration
