"""Wires the embedding service. It listens only after the models are loaded."""

from __future__ import annotations

import signal

from audiosearch.embedding.v1 import embedding_service_pb2_grpc as rpc
from audiosearch.embedding.v1.embedding_service_pb2 import DESCRIPTOR

from embedding_service.checkpoints.archive import CheckpointError
from embedding_service.decoding.decoders import Decoders
from embedding_service.decoding.spool import Spools
from embedding_service.models import Models
from embedding_service.network.batching import Batcher
from embedding_service.network.model import load_models
from embedding_service.room import Room
from embedding_service.servicer import EmbeddingServicer
from embedding_service.settings import EmbeddingSettings
from serving import server, settings
from serving.errors import Reason
from serving.monitoring import metrics


async def main(config: EmbeddingSettings) -> None:
    """Loads the models and serves until a signal ends the process."""
    try:
        loaded = load_models(config)
    except CheckpointError as error:
        raise SystemExit(f"embedding_service: {error}") from error
    with (
        Spools() as spools,
        Decoders(config.decoder_processes, config.decode_seconds, spools.folder) as decoders,
        Batcher(loaded) as batcher,
    ):
        for model in loaded:
            info = model.info
            purpose, precision = info.traits.purpose.value, info.measured.precision.value
            metrics.MODEL.labels(info.name, purpose, precision, info.source.value).set(1)
        room = Room.of(config.encoder_queue, config.max_streams)
        models = Models.of(loaded, batcher, decoders, spools, room, config)
        servicer = EmbeddingServicer(models, spools, config.max_audio_bytes)

        async def check() -> None:
            decoders.check()

        name = DESCRIPTOR.services_by_name["EmbeddingService"].full_name
        add = rpc.add_EmbeddingServiceServicer_to_server
        await server.serve(
            config,
            [name],
            lambda grpc: add(servicer, grpc),
            check,
            busy=Reason.ENCODER_BUSY,
        )


def start() -> None:
    """Reads the settings and runs the service until it ends."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    loaded = settings.load(EmbeddingSettings, "embedding_service")
    server.run("embedding", loaded, lambda: main(loaded))
