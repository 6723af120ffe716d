"""The voice in question, from audio or from a clip of the library."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np
from audiosearch.catalog.v1.clip_pb2 import GetClipRequest
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1.embedding_pb2 import AudioProperties

from gateway.clips.audio import embed, require_no_channel
from gateway.search.queries import searchable
from gateway.speakers.voiceprints import Values
from gateway.upstream import Upstream
from serving.errors import Reason, ServiceError
from serving.names import clip_within
from serving.speech import JUDGED_SECONDS


@dataclass(frozen=True)
class Voice:
    """A voice to be judged."""

    values: Values
    """Its embedding, a unit vector."""

    audio: AudioProperties | None = None
    """Properties of the audio; None for a clip."""

    clip_id: str = ""
    """Id of its clip, if it comes from one."""

    enrolled: str = ""
    """Name of the speaker that the clip is an enrollment of, if any."""

    speech: float = 0.0
    """Its speech in seconds."""

    @property
    def short(self) -> bool:
        """True if there is too little speech to tell much of a voice."""
        return self.speech < JUDGED_SECONDS


async def hear(
    upstream: Upstream, library: Library, clip: str, chunks: AsyncIterator[bytes], channel: int
) -> Voice:
    """The voice in a clip if one is named, and otherwise in audio or one channel of it.

    Raises:
        ServiceError: FIELD_INVALID for both, for a clip of another library, or for a channel of a
            clip; CLIP_NOT_FOUND, STATE_CONFLICT; errors of the embedding service.
    """
    if not clip:
        heard = await embed(upstream, library.model, chunks, channel=channel)
        speech = heard.audio.active_duration.ToNanoseconds() / 1e9
        return Voice(np.array(heard.embedding.values, np.float32), heard.audio, speech=speech)
    async for _ in chunks:
        raise ServiceError(
            Reason.FIELD_INVALID,
            "audio_chunk: none may follow when a clip is to be judged",
            {"field": "audio_chunk"},
        )
    require_no_channel(channel)
    clip_id = clip_within(library.name, clip, "config.clip")
    row = await upstream.clips.GetClip(GetClipRequest(name=clip))
    vector = await searchable(upstream, library, row)
    speech = row.audio.active_duration.ToNanoseconds() / 1e9
    return Voice(np.array(vector, np.float32), None, clip_id, row.enrolled_speaker, speech)
