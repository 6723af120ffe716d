"""Wires the embedding service. It listens only after the model is loaded."""

from __future__ import annotations

import signal

from audiosearch.embedding.v1 import embedding_service_pb2_grpc as rpc
from audiosearch.embedding.v1.embedding_service_pb2 import DESCRIPTOR

from embedding_service.checkpoints.archive import CheckpointError
from embedding_service.decoding.decoders import Decoders
from embedding_service.decoding.spool import Spools
from embedding_service.encoder import Encoder
from embedding_service.network.batching import Batcher
from embedding_service.network.model import load_model
from embedding_service.recordings import Recordings
from embedding_service.servicer import EmbeddingServicer
from embedding_service.settings import EmbeddingSettings
from embedding_service.streams import Streams
from serving import server, settings
from serving.errors import Reason


async def main(config: EmbeddingSettings) -> None:
    """Loads the model and serves until a signal ends the process."""
    try:
        model = load_model(config)
    except CheckpointError as error:
        raise SystemExit(f"embedding_service: {error}") from error
    with (
        Spools() as spools,
        Decoders(config.decoder_processes, config.decode_seconds, spools.folder) as decoders,
        Batcher(model) as batcher,
    ):
        encoder = Encoder(batcher, decoders, spools, config)
        streams = Streams(encoder, model.info.traits.sample_rate, config)
        recordings = Recordings(encoder, model.info.traits.sample_rate, config)
        servicer = EmbeddingServicer(encoder, recordings, streams, model.info, spools, config)
        name = DESCRIPTOR.services_by_name["EmbeddingService"].full_name
        add = rpc.add_EmbeddingServiceServicer_to_server
        await server.serve(
            config,
            [name],
            lambda grpc: add(servicer, grpc),
            encoder.check,
            busy=Reason.ENCODER_BUSY,
        )


def start() -> None:
    """Reads the settings and runs the service until it ends."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    loaded = settings.load(EmbeddingSettings, "embedding_service")
    server.run("embedding", loaded, lambda: main(loaded))
