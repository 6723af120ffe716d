"""Runs the embedding service of this checkout, or of another one, as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from audiosearch.embedding.v1 import embedding_service_pb2 as messages
from audiosearch.embedding.v1.embedding_service_pb2_grpc import EmbeddingServiceStub

from tools.servers.processes import wait_for_port

HERE = Path(__file__).parents[2]
"""This checkout."""

_CHUNK = 64 * 1024


@dataclass(frozen=True)
class Service:
    """A running embedding service."""

    process: int
    stub: EmbeddingServiceStub

    def embed(self, audio: bytes, model: str = "") -> messages.EmbedAudioResponse:
        """Makes one call, for the default model if none is named."""
        parts = [audio[start : start + _CHUNK] for start in range(0, len(audio), _CHUNK)]
        first = messages.EmbedAudioRequest(config=messages.EmbedAudioConfig(model=model))
        chunks = [messages.EmbedAudioRequest(audio_chunk=part) for part in parts]
        return self.stub.EmbedAudio(iter([first, *chunks]), timeout=300)


@contextmanager
def running(settings: Mapping[str, str], checkout: Path = HERE) -> Iterator[Service]:
    """Starts a service, and ends it afterwards.

    Args:
        settings: Environment of the service, beside this process's own.
        checkout: Folder of the project. Another one than this has an environment in `.venv`.
    """
    python = sys.executable if checkout == HERE else str(checkout / ".venv/bin/python")
    fixed = {"AUDIOSEARCH_EMBEDDING_PORT": "0", "AUDIOSEARCH_LOG_FORMAT": "json"}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [python, "-m", "embedding_service"],
                cwd=checkout,
                env=os.environ | fixed | settings,
                stderr=file,
            )
        try:
            port = wait_for_port(process, log)
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield Service(process.pid, EmbeddingServiceStub(channel))
        finally:
            process.terminate()
            process.wait(60)
