"""The outline of a clip's audio: kept, or made from the stored audio and kept from then on."""

from __future__ import annotations

from collections.abc import AsyncIterator

from audiosearch.catalog.v1.clip_pb2 import (
    ActivateClipRequest,
    Clip,
    GetClipRequest,
    GetPeaksRequest,
    Peaks,
)
from audiosearch.embedding.v1.embedding_service_pb2 import (
    EmbedAudioConfig,
    EmbedWindowsConfig,
    MeasurePeaksRequest,
)

from gateway.clips.audio import stored
from gateway.upstream import Upstream
from serving.errors import Reason, ServiceError

PEAKS = 300


async def read(upstream: Upstream, request: GetPeaksRequest) -> Peaks:
    """The outline of a clip.

    Raises:
        ServiceError: CLIP_NOT_FOUND, AUDIO_NOT_FOUND, and those of the services.
    """
    kept = await upstream.clips.GetPeaks(request)
    if kept.values:
        return kept
    clip = await upstream.clips.GetClip(GetClipRequest(name=request.name))
    if clip.state != Clip.STATE_ACTIVE or not clip.HasField("audio"):
        why = f"{clip.name} has no audio to draw"
        raise ServiceError(Reason.AUDIO_NOT_FOUND, why, {"clip": clip.name})
    made = await upstream.embedding.MeasurePeaks(_requests(upstream, clip))
    # A clip that is ACTIVE stays as it is, but for its outline.
    await upstream.clips.ActivateClip(
        ActivateClipRequest(name=clip.name, audio=clip.audio, peaks=made.peaks)
    )
    return Peaks(values=made.peaks)


async def _requests(upstream: Upstream, clip: Clip) -> AsyncIterator[MeasurePeaksRequest]:
    config = EmbedWindowsConfig(audio=EmbedAudioConfig(channel=clip.channel), max_peaks=PEAKS)
    yield MeasurePeaksRequest(config=config)
    async for chunk in stored(upstream, clip.name):
        yield MeasurePeaksRequest(audio_chunk=chunk)
