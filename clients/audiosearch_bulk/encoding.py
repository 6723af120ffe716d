"""The encoder of the embedding service, in this process: a file gets the vectors of an upload."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, AsyncIterator
from typing import cast

import grpc
from audiosearch.embedding.v1.embedding_service_pb2 import (
    EmbedAudioConfig,
    EmbedWindowsConfig,
    EmbedWindowsRequest,
    EmbedWindowsResponse,
)
from audiosearch.embedding.v1.model_pb2 import Model
from typing_extensions import Self

from embedding_service.checkpoints.archive import CheckpointError
from embedding_service.checkpoints.checkpoint import choose
from embedding_service.decoding.decoders import Decoders
from embedding_service.decoding.spool import Spools
from embedding_service.models import Models
from embedding_service.network.batching import Batcher
from embedding_service.network.model import load_models, name_of
from embedding_service.room import Room
from embedding_service.servicer import EmbeddingServicer
from embedding_service.settings import EmbeddingSettings
from serving.conditions import MOST_TAGS
from serving.errors import Reason, ServiceError

_NO_CONTEXT = cast("grpc.aio.ServicerContext", None)
"""The servicer asks its context for nothing."""


def find(settings: EmbeddingSettings) -> str:
    """The name of the first model of the settings, `models/{model}`, which is not loaded.

    Raises:
        ServiceError: MODEL_NOT_FOUND if its checkpoint can't be used.
    """
    try:
        return name_of(next(iter(choose(settings))))
    except (CheckpointError, StopIteration) as error:
        raise ServiceError(Reason.MODEL_NOT_FOUND, str(error)) from error


class Encoder:
    """The first model of some settings, loaded. It is made and used on one event loop."""

    def __init__(self, settings: EmbeddingSettings) -> None:
        """Loads the model, and starts the processes that decode.

        Raises:
            CheckpointError: It can't be loaded.
        """
        loaded = load_models(settings)
        with contextlib.ExitStack() as stack:
            spools = stack.enter_context(Spools())
            decoders = stack.enter_context(
                Decoders(settings.decoder_processes, settings.decode_seconds, spools.folder)
            )
            batcher = stack.enter_context(Batcher(loaded))
            room = Room.of(settings.encoder_queue, settings.max_streams)
            models = Models.of(loaded, batcher, decoders, spools, room, settings)
            self.model: Model = models.messages[0]
            self._servicer = EmbeddingServicer(models, spools, settings.max_audio_bytes)
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the threads and the decoders' processes."""
        self._stack.close()

    async def embed(
        self, audio: AsyncIterable[bytes], channel: int = 0
    ) -> list[EmbedWindowsResponse]:
        """The windows of a recording by the rule of the model, and at the end its summary.

        Raises:
            ServiceError: as EmbedWindows, and what `audio` raises.
        """
        config = EmbedWindowsConfig(
            audio=EmbedAudioConfig(model=self.model.name, channel=channel, max_tags=MOST_TAGS),
            window_rule=self.model.window_rule,
        )

        async def requests() -> AsyncIterator[EmbedWindowsRequest]:
            yield EmbedWindowsRequest(config=config)
            async for chunk in audio:
                yield EmbedWindowsRequest(audio_chunk=chunk)

        answers = self._servicer.EmbedWindows(requests(), _NO_CONTEXT)
        return [answer async for answer in answers]
