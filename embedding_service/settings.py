"""Settings of the embedding service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from embedding_service.checkpoints.wanted import parse
from serving.audio_size import MAX_AUDIO_BYTES, MAX_AUDIO_SECONDS
from serving.settings import ServerSettings


class EmbeddingSettings(ServerSettings):
    """Turns audio into embeddings, over gRPC."""

    port: int = Field(
        50051,
        ge=0,
        le=65535,
        alias="AUDIOSEARCH_EMBEDDING_PORT",
        description="port to listen on; 0 takes a free one",
    )
    models: str = Field(
        "voices,sounds",
        alias="AUDIOSEARCH_MODELS",
        description="models to run, with commas between them; the first is the default one. "
        "`voices` is that of AUDIOSEARCH_CHECKPOINT, else ecapatdnn_voxceleb12-16k from "
        "PaddleSpeech's cache or its download, else the bundled ecapatdnn_small-16k. `sounds` is "
        "panns_cnn10-32k from there, else the bundled panns_small-32k. Else a name of these, "
        "panns_cnn14-32k, panns_cnn6-32k, or NAME=PATH for a folder or tar.gz of one's own",
    )
    checkpoint: Path | None = Field(
        None,
        alias="AUDIOSEARCH_CHECKPOINT",
        description="folder with conf/model.yaml and model/model.pdparams, or a tar.gz of them: "
        "the model `voices`",
    )
    offline: bool = Field(
        default=False, alias="AUDIOSEARCH_OFFLINE", description="never try to download a checkpoint"
    )
    max_audio_bytes: int = Field(
        MAX_AUDIO_BYTES,
        ge=2**16,
        le=2**34,
        alias="AUDIOSEARCH_MAX_AUDIO_BYTES",
        description="most bytes of one piece of audio, as it is sent",
    )
    min_audio_seconds: float = Field(
        0.1,
        ge=0.05,
        alias="AUDIOSEARCH_MIN_AUDIO_SECONDS",
        description="shorter audio, from 0.02 s on, is padded with zeros to this length; shorter "
        "windows are left out",
    )
    max_audio_seconds: float = Field(
        MAX_AUDIO_SECONDS,
        gt=0,
        le=24 * 3600,
        alias="AUDIOSEARCH_MAX_AUDIO_SECONDS",
        description="longest audio that is embedded",
    )
    silence_dbfs: float = Field(
        -70,
        ge=-120,
        le=0,
        alias="AUDIOSEARCH_SILENCE_DBFS",
        description="audio whose loudest 25 ms stay below this level, in dB "
        "relative to full scale, is silent",
    )
    encoder_queue: int = Field(
        96,
        ge=1,
        alias="AUDIOSEARCH_ENCODER_QUEUE",
        description="pieces of audio being decoded and embedded at a time, by all models; one "
        "caller has three quarters of them at most; more are refused with ENCODER_BUSY",
    )
    max_streams: int = Field(
        16,
        ge=1,
        le=1024,
        alias="AUDIOSEARCH_MAX_STREAMS",
        description="streams at a time, of all models, each with a decoder process of some 50 MB; "
        "one caller has three quarters of them at most; more are refused with ENCODER_BUSY",
    )
    encoder_threads: int = Field(
        0,
        ge=0,
        le=1024,
        alias="AUDIOSEARCH_ENCODER_THREADS",
        description="processor threads of all models, which take turns; 0 takes all cores, or as "
        "many as a container's quota allows",
    )
    encoder_runs: int = Field(
        0,
        ge=0,
        le=64,
        alias="AUDIOSEARCH_ENCODER_RUNS",
        description="runs of a network at a time while much audio waits, each with its share of "
        "the threads; 0 takes one for each of more than two threads, up to 8; 1 gives every run "
        "all threads",
    )
    device: str = Field(
        "auto",
        alias="AUDIOSEARCH_DEVICE",
        pattern="^(auto|cpu|cuda)$",
        description="device of the networks: cuda is a GPU of NVIDIA by the package "
        "onnxruntime-gpu, in fp32; auto takes one where that package is installed, and else the "
        "processor",
    )
    encoder_precision: str = Field(
        "auto",
        alias="AUDIOSEARCH_ENCODER_PRECISION",
        pattern="^(auto|fp32|mixed|bf16|paddle)$",
        description="auto takes the fastest of fp32, mixed and bf16 that gives PaddleSpeech's "
        "vectors, and stays with it; a named one is used or refused; paddle runs PaddleSpeech's "
        "own network",
    )
    encoder_cache: Path | None = Field(
        None,
        alias="AUDIOSEARCH_ENCODER_CACHE",
        description="folder for the converted network, its check and the chosen precision: by it "
        "the next start is quicker and needs no Paddle; without it the user's cache folder",
    )
    decoder_processes: int = Field(
        2,
        ge=1,
        le=64,
        alias="AUDIOSEARCH_DECODER_PROCESSES",
        description="processes that decode long audio; one more decodes only what is short",
    )
    decode_seconds: float = Field(
        120,
        gt=0,
        alias="AUDIOSEARCH_DECODE_SECONDS",
        description="longest that decoding one piece of audio may take",
    )

    @field_validator("models")
    @classmethod
    def _known(cls, value: str) -> str:
        parse(value)
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.device == "cuda" and self.encoder_precision not in {"auto", "fp32"}:
            raise ValueError(
                "AUDIOSEARCH_DEVICE=cuda computes in fp32: set AUDIOSEARCH_ENCODER_PRECISION to "
                "auto or fp32"
            )
        if self.min_audio_seconds >= self.max_audio_seconds:
            msg = (
                "AUDIOSEARCH_MIN_AUDIO_SECONDS must be below AUDIOSEARCH_MAX_AUDIO_SECONDS "
                f"({self.min_audio_seconds:g} and {self.max_audio_seconds:g})"
            )
            raise ValueError(msg)
        return self
