"""Audio for the embedding service, in chunks."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable

from audiosearch.catalog.v1.clip_pb2 import GetAudioRequest
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.query_pb2 import DownloadQueryRequest
from audiosearch.embedding.v1.embedding_pb2 import PcmFormat
from audiosearch.embedding.v1.embedding_service_pb2 import (
    EmbedAudioConfig,
    EmbedAudioRequest,
    EmbedAudioResponse,
    EmbedWindowsConfig,
    EmbedWindowsRequest,
    EmbedWindowsResponse,
    ListModelsRequest,
)

from gateway.upstream import Upstream
from serving.errors import Reason, ServiceError

CHUNK_BYTES = 256 * 1024


def split(audio: bytes, sent: Callable[[], None] = lambda: None) -> AsyncIterator[bytes]:
    """Audio in memory, in chunks that are not kept. Calls `sent` after the last one."""
    pieces = deque(
        audio[start : start + CHUNK_BYTES] for start in range(0, len(audio), CHUNK_BYTES)
    )

    async def chunks() -> AsyncIterator[bytes]:
        while pieces:
            yield pieces.popleft()
        sent()

    return chunks()


async def stored(upstream: Upstream, clip: str) -> AsyncIterator[bytes]:
    """The stored audio of a clip in chunks."""
    async for message in upstream.clips.GetAudio(GetAudioRequest(name=clip)):
        if message.WhichOneof("response") == "chunk":
            yield message.chunk


async def kept(upstream: Upstream, query: str) -> AsyncIterator[bytes]:
    """The audio of a kept query in chunks."""
    async for message in upstream.queries.DownloadQuery(DownloadQueryRequest(name=query)):
        if message.WhichOneof("response") == "chunk":
            yield message.chunk


def require_no_channel(channel: int) -> None:
    """Raises FIELD_INVALID for a channel beside a clip, which is heard as it is stored."""
    if channel:
        raise ServiceError(
            Reason.FIELD_INVALID,
            "channel: a clip is heard as it is stored; a channel goes with audio alone",
            {"field": "channel"},
        )


async def embed(
    upstream: Upstream,
    model: str,
    chunks: AsyncIterable[bytes],
    pcm: PcmFormat | None = None,
    channel: int = 0,
    max_tags: int = 0,
) -> EmbedAudioResponse:
    """Embeds audio, or one channel of it, counted from 1.

    Args:
        upstream: the services.
        model: of a library; the default model if it is empty.
        chunks: the audio.
        pcm: layout of raw samples; None for an encoded file.
        channel: the channel to hear; 0 for all, mixed to one.
        max_tags: most tags to answer.

    Raises:
        ServiceError: MODEL_MISMATCH if the embedding service does not run that model, and the
            errors of that service.
    """

    async def requests() -> AsyncIterator[EmbedAudioRequest]:
        config = EmbedAudioConfig(model=model, pcm=pcm, channel=channel, max_tags=max_tags)
        yield EmbedAudioRequest(config=config)
        async for chunk in chunks:
            yield EmbedAudioRequest(audio_chunk=chunk)

    try:
        return await upstream.embedding.EmbedAudio(requests())
    except ServiceError as error:
        if error.reason is not Reason.MODEL_NOT_FOUND:
            raise
        raise await mismatch(upstream, model) from error


async def embed_windows(
    upstream: Upstream, config: EmbedWindowsConfig, chunks: AsyncIterable[bytes]
) -> AsyncIterator[EmbedWindowsResponse]:
    """The windows of audio as they are embedded, in order of start, then the summary.

    Raises:
        ServiceError: as `embed`.
    """

    async def requests() -> AsyncIterator[EmbedWindowsRequest]:
        yield EmbedWindowsRequest(config=config)
        async for chunk in chunks:
            yield EmbedWindowsRequest(audio_chunk=chunk)

    try:
        async for response in upstream.embedding.EmbedWindows(requests()):
            yield response
    except ServiceError as error:
        if error.reason is not Reason.MODEL_NOT_FOUND:
            raise
        raise await mismatch(upstream, config.audio.model) from error


async def mismatch(upstream: Upstream, model: str) -> ServiceError:
    """The error for a library whose model the embedding service does not run."""
    running = (await upstream.embedding.ListModels(ListModelsRequest())).models
    names = " and ".join(each.name for each in running)
    return ServiceError(
        Reason.MODEL_MISMATCH,
        f"the library holds embeddings of {model}, but the embedding service runs {names}. Give "
        "it one of these by `audiosearch library migrate NAME --for voices`, or `--for sounds`, or "
        "start the service with the checkpoint of its own. Searches by stored clip still work",
        {"library_model": model, "running_model": running[0].name},
    )


def no_audio(library: Library) -> ServiceError:
    """The error for audio and a library for vectors."""
    return ServiceError(
        Reason.MODEL_MISMATCH,
        f"{library.name} holds vectors of {library.model}, which runs elsewhere, and no audio; "
        "UploadVectors adds to it, and it is searched by vector or by clip",
        {"library_model": library.model},
    )
