"""A running embedding service, sounds, and files of every format to send it."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import paddle
import pytest
import soundfile
from audiosearch.embedding.v1 import embedding_service_pb2 as messages
from audiosearch.embedding.v1.embedding_service_pb2_grpc import EmbeddingServiceStub
from numpy.typing import NDArray
from paddlespeech.vector.models.ecapa_tdnn import EcapaTdnn

from embedding_service.network.features import FeatureSettings, log_mel
from serving.errors import ServiceError, from_rpc_error
from tests.encoding import encode_with_ffmpeg
from tools.servers.checkpoints import write_checkpoint
from tools.servers.processes import wait_for_port

RATE = 16000
CHUNK = 64 * 1024
SHAPE = {
    "input_size": 80,
    "channels": [32, 32, 32, 32, 96],
    "kernel_sizes": [5, 3, 3, 3, 1],
    "dilations": [1, 2, 3, 4, 1],
    "attention_channels": 16,
    "lin_neurons": 192,
    "se_channels": 16,
}
Response = messages.EmbedAudioResponse


def make_voice(seconds: float = 2.0, seed: int = 0, rate: int = RATE) -> NDArray[np.float32]:
    """A sound of gliding harmonics over a little noise, mono, below full scale."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    pitch = random.uniform(90, 250) * (1 + 0.1 * np.sin(2 * np.pi * random.uniform(2, 5) * time))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    parts = [random.uniform(0.1, 1) / n * np.sin(n * phase) for n in range(1, 13)]
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * random.uniform(1, 3) * time)
    sound = np.sum(parts, axis=0) * swell + 0.02 * random.standard_normal(len(time))
    return (0.4 * sound / np.abs(sound).max(initial=1e-9)).astype(np.float32)


def encode_sound(
    samples: NDArray[np.float32], rate: int = RATE, kind: str = "WAV", subtype: str | None = None
) -> bytes:
    """A file as libsndfile writes it; samples of shape (frames,) or (frames, channels)."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def make_checkpoint(folder: Path) -> Path:
    """A small checkpoint with weights drawn by lot, in PaddleSpeech's layout.

    Its last layer takes away the mean embedding of a few sounds, so that unlike sounds
    get unlike embeddings.
    """
    random = np.random.default_rng(7)
    network = EcapaTdnn(**SHAPE)
    network.eval()
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    for name, value in state.items():
        if value.ndim == 3:  # a convolution's kernel: (channels out, channels in, taps)
            spread = np.sqrt(2 / np.prod(value.shape[1:]))
            state[name] = (spread * random.standard_normal(value.shape)).astype(np.float32)
    state["fc.conv.bias"] = np.zeros(SHAPE["lin_neurons"], np.float32)
    network.set_state_dict(state)
    sounds = [make_voice(seed=seed) for seed in range(100, 110)]
    with paddle.no_grad():
        features = np.stack([log_mel(sound, FeatureSettings()) for sound in sounds])
        state["fc.conv.bias"] = -network(paddle.to_tensor(features)).numpy().mean(axis=(0, 2))
    network.set_state_dict(state)
    return write_checkpoint(folder, SHAPE, network.state_dict())


def stream_config(
    window: float | None = None, hop: float | None = None, **config: Any
) -> messages.StreamEmbeddingsRequest:
    """First message of StreamEmbeddings; window and hop in seconds."""
    made = messages.StreamEmbeddingsConfig(**config)
    for duration, seconds in ((made.window, window), (made.hop, hop)):
        if seconds is not None:
            duration.SetInParent()
            duration.FromNanoseconds(round(seconds * 10**9))
    return messages.StreamEmbeddingsRequest(config=made)


def windows_config(
    rule: tuple[float, float, float] | None = None,
    start: float | None = None,
    end: float | None = None,
    max_peaks: int = 0,
    **config: Any,
) -> messages.EmbedWindowsRequest:
    """First message of EmbedWindows; window, hop and single, start and end in seconds."""
    audio = messages.EmbedAudioConfig(**config)
    made = messages.EmbedWindowsConfig(audio=audio, max_peaks=max_peaks)
    wanted = {"start_offset": (made.range, start), "end_offset": (made.range, end)}
    if rule:
        names = zip(("window", "hop", "single"), rule, strict=True)
        wanted |= {name: (made.window_rule, seconds) for name, seconds in names}
    for name, (message, seconds) in wanted.items():
        if seconds is not None:
            getattr(message, name).FromNanoseconds(round(seconds * 10**9))
            getattr(message, name).SetInParent()
    return messages.EmbedWindowsRequest(config=made)


@dataclass
class Running:
    """A service that runs as a process of its own."""

    process: subprocess.Popen[bytes]
    channel: grpc.Channel
    log: Path
    spools: Path
    port: int

    @property
    def stub(self) -> EmbeddingServiceStub:
        """Its client."""
        return EmbeddingServiceStub(self.channel)

    def send(self, requests: list[messages.EmbedAudioRequest]) -> Response:
        """Makes one EmbedAudio call with exactly these messages.

        Raises:
            ServiceError: The call failed with a reason.
        """
        try:
            return self.stub.EmbedAudio(iter(requests), timeout=60)
        except grpc.RpcError as error:
            known = from_rpc_error(error)
            if known is None:
                raise
            raise known from None

    def embed(self, audio: bytes, **config: Any) -> Response:
        """Embeds audio as a client does."""
        first = messages.EmbedAudioRequest(config=messages.EmbedAudioConfig(**config))
        parts = [audio[start : start + CHUNK] for start in range(0, len(audio), CHUNK)]
        return self.send([first, *(messages.EmbedAudioRequest(audio_chunk=p) for p in parts)])

    def stream(
        self, audio: bytes, chunk: int = CHUNK, **config: Any
    ) -> Iterator[messages.StreamEmbeddingsResponse]:
        """Embeds audio window by window; gives the answers as they come.

        Raises:
            ServiceError: The call failed with a reason.
        """
        parts = [audio[start : start + chunk] for start in range(0, len(audio), chunk)]
        chunks = (messages.StreamEmbeddingsRequest(audio_chunk=part) for part in parts)
        return self.converse(iter([stream_config(**config), *chunks]))

    def converse(
        self, requests: Iterator[messages.StreamEmbeddingsRequest]
    ) -> Iterator[messages.StreamEmbeddingsResponse]:
        """Makes one StreamEmbeddings call with exactly these messages; otherwise as `stream`."""
        try:
            yield from self.stub.StreamEmbeddings(requests, timeout=120)
        except grpc.RpcError as error:
            known = from_rpc_error(error)
            if known is None:
                raise
            raise known from None

    def windows(
        self, audio: bytes, **config: Any
    ) -> tuple[list[messages.EmbeddedWindow], messages.EmbedWindowsSummary]:
        """Embeds a recording window by window; gives the windows and the summary.

        Raises:
            ServiceError: The call failed with a reason.
        """
        parts = [audio[start : start + CHUNK] for start in range(0, len(audio), CHUNK)]
        chunks = (messages.EmbedWindowsRequest(audio_chunk=part) for part in parts)
        try:
            requests = iter([windows_config(**config), *chunks])
            *windows, last = self.stub.EmbedWindows(requests, timeout=120)
        except grpc.RpcError as error:
            known = from_rpc_error(error)
            if known is None:
                raise
            raise known from None
        assert {w.WhichOneof("response") for w in windows} == {"window"}
        assert last.WhichOneof("response") == "summary"
        return [w.window for w in windows], last.summary

    def refuse_windows(self, audio: bytes, **config: Any) -> ServiceError:
        """Embeds a recording that must be refused before its first window; returns the error."""
        with pytest.raises(ServiceError) as failure:
            self.windows(audio, **config)
        return failure.value

    def refuse(self, audio: bytes, **config: Any) -> ServiceError:
        """Embeds audio that must be refused; returns the error."""
        with pytest.raises(ServiceError) as failure:
            self.embed(audio, **config)
        return failure.value


Start = Callable[..., Running]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small checkpoint."""
    return make_checkpoint(tmp_path_factory.mktemp("checkpoints") / "drawn by lot")


@pytest.fixture(scope="package")
def start(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts services with the given environment on top; they end with the tests."""
    started: list[Running] = []

    def launch(**environment: str) -> Running:
        folder = tmp_path_factory.mktemp("service")
        log, spools = folder / "log", folder / "spools"
        spools.mkdir()
        settings = {
            "AUDIOSEARCH_CHECKPOINT": str(checkpoint),
            "AUDIOSEARCH_EMBEDDING_PORT": "0",
            "AUDIOSEARCH_DRAIN_SECONDS": "0",
            "AUDIOSEARCH_LOG_FORMAT": "json",
            "TMPDIR": str(spools),
            **environment,
        }
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "embedding_service"],
                env=os.environ | settings,
                stderr=file,
                cwd=Path(__file__).parents[3],
            )
        port = wait_for_port(process, log)
        channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        running = Running(process, channel, log, spools, port)
        started.append(running)
        return running

    yield launch
    for running in started:
        running.channel.close()
        running.process.send_signal(signal.SIGTERM)
    for running in started:
        running.process.wait(120)


@pytest.fixture(scope="package")
def service(start: Start) -> Running:
    """A service with the default settings."""
    return start()


@pytest.fixture(scope="session")
def voice() -> Callable[..., NDArray[np.float32]]:
    """Makes sounds."""
    return make_voice


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """Writes sounds as libsndfile does."""
    return encode_sound


@pytest.fixture(scope="session")
def ffmpeg() -> Callable[..., bytes]:
    """Writes sounds as FFmpeg does."""
    return encode_with_ffmpeg


@pytest.fixture(scope="session")
def first_windows() -> Callable[..., messages.EmbedWindowsRequest]:
    """Writes the first message of EmbedWindows."""
    return windows_config


@pytest.fixture(scope="session")
def first() -> Callable[..., messages.StreamEmbeddingsRequest]:
    """Writes the first message of a stream."""
    return stream_config
