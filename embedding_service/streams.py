"""Turns a stream of audio into an embedding for each of its windows, as it arrives."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from embedding_service.decoding.decoding import Heard, with_speech
from embedding_service.decoding.loudness import Loudness
from embedding_service.decoding.readers import Remark
from embedding_service.decoding.silence import Frames, kept_samples
from embedding_service.decoding.stream_decoder import StreamDecoder, decode_stream
from embedding_service.decoding.stream_decoding import StreamOrder
from embedding_service.speech.activity import Activity
from embedding_service.windows import Cutter
from serving.caller import caller
from serving.errors import Reason, ServiceError
from serving.monitoring import metrics

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from numpy.typing import NDArray

    from embedding_service.decoding.readers import Pcm
    from embedding_service.decoding.stream_decoding import Source
    from embedding_service.encoder import Encoder
    from embedding_service.network.batching import Embedded
    from embedding_service.room import Room
    from embedding_service.settings import EmbeddingSettings
    from embedding_service.windows import Window


class Omission(Enum):
    """Reason for a window without an embedding."""

    SILENT = "SILENT"
    TOO_SHORT = "TOO_SHORT"


@dataclass(frozen=True)
class Cut:
    """The windows of a stream.

    Attributes:
        pcm: Layout of raw samples; None if the stream is an encoded file.
        channel: The channel to hear, counted from 1; 0 for all, mixed to one.
        window_ns: Length of a window.
        hop_ns: Time between the starts of windows.
    """

    pcm: Pcm | None
    channel: int
    window_ns: int
    hop_ns: int


@dataclass(frozen=True)
class Answer:
    """The result of a window.

    Attributes:
        start: Number of its first sample in the audio, at the model's rate.
        end: Number of the sample after its last.
        heard: Properties of its audio, where they are measured.
        result: Its embedding, or the reason for having none.
    """

    start: int
    end: int
    heard: Heard | None
    result: Embedded | Omission


class Streams:
    """Embeds a limited number of streams at a time, each in bounded memory."""

    def __init__(self, encoder: Encoder, room: Room, limits: EmbeddingSettings) -> None:
        """Takes the encoder, the room that all models share, and the limits of audio."""
        self._encoder = encoder
        self._rate = encoder.sample_rate
        self._limits = limits
        self._room = room.streams

    async def embed(
        self, chunks: AsyncIterator[bytes], cut: Cut
    ) -> AsyncGenerator[Answer | Heard, None]:
        """Yields an answer for each window as soon as it is full, then the whole's properties.

        Raises:
            ServiceError: AUDIO_UNDECODABLE, AUDIO_CHANNEL_MISSING, ENCODER_BUSY, or the error of
                the chunks.
        """
        order = StreamOrder(self._rate, self._limits.silence_dbfs, cut.pcm, cut.channel)
        cutter = Cutter(self._rate, cut.window_ns, cut.hop_ns)
        needed = self._encoder.decision_seconds
        speech = None if needed is None else _Speech(self._rate, needed)
        owner = caller.get()
        if not self._room.take(owner, 1):
            raise _busy(self._room.most - self._room.free)
        try:
            async with decode_stream(chunks, order) as decoder:
                source = await decoder.source()
                async for item in _windows(decoder, cutter):
                    if isinstance(item, Heard):
                        yield item if speech is None else speech.told(item)
                    else:
                        yield await self._answer(item, source, speech)
        finally:
            self._room.give_back(owner, 1)

    async def _answer(self, window: Window, source: Source, speech: _Speech | None) -> Answer:
        heard, found = await asyncio.to_thread(self._judge, window, source, speech)
        result = found if isinstance(found, Omission) else await self._encoder.embed_samples(found)
        return Answer(window.start, window.end, heard, result)

    def _judge(
        self, window: Window, source: Source, speech: _Speech | None
    ) -> tuple[Heard, NDArray[np.float32] | Omission]:
        """Measures a window; gives what of it is to be embedded, or why nothing is."""
        loudness = Loudness(self._rate, self._limits.silence_dbfs)
        loudness.add(window.samples)
        loudness.finish()
        heard = Heard(
            seconds=loudness.samples / self._rate,
            active_seconds=loudness.active_seconds,
            level_dbfs=loudness.level_dbfs,
            samples=loudness.samples,
            sample_rate=source.sample_rate,
            channels=source.channels,
            format=source.format,
        )
        if heard.seconds < self._encoder.min_seconds:
            return heard, Omission.TOO_SHORT
        frames = Frames(self._rate)
        frames.add(window.samples)
        frames.finish()
        kept = frames.audible()
        if not heard.active_seconds or not kept.any():
            return heard, Omission.SILENT
        if speech is not None:
            heard, spoken = speech.hear(window, frames, heard)
            if spoken is None:
                return heard, Omission.SILENT
            kept = spoken
        samples = kept_samples(window.samples, kept, frames.length)
        if len(samples) < self._encoder.min_seconds * self._rate:
            return heard, Omission.TOO_SHORT
        return heard, samples


class _Speech:
    """Finds the speech of each window of a stream, and counts that of the stream.

    Windows without any are embedded only while the stream has had none at all.
    """

    def __init__(self, sample_rate: int, needed: float) -> None:
        """Takes the sample rate in Hz and the speech from which on a decision is sure."""
        self._rate = sample_rate
        self._needed = needed
        self._seconds = 0.0
        self._counted = 0

    def hear(
        self, window: Window, frames: Frames, heard: Heard
    ) -> tuple[Heard, NDArray[np.bool_] | None]:
        """Tells of each frame of a window if it is embedded; None if nothing of it is."""
        activity = Activity(self._rate)
        activity.add(window.samples)
        activity.finish()
        audible = frames.audible()
        spoken = activity.among(audible, frames.seconds)
        if spoken is None:
            silent = replace(heard, remarks=(Remark.NO_SPEECH.value,))
            return silent, None if self._seconds else audible
        new = spoken[max(self._counted - window.start, 0) // frames.length :]
        self._seconds += float(np.count_nonzero(new)) * frames.seconds
        self._counted = window.end
        seconds = float(np.count_nonzero(spoken)) * frames.seconds
        return with_speech(heard, min(seconds, heard.seconds), needed=0), spoken

    def told(self, heard: Heard) -> Heard:
        """Tells of the whole stream how much speech it had."""
        if self._seconds:
            return with_speech(heard, min(self._seconds, heard.seconds), self._needed)
        if not heard.active_seconds:
            return heard
        return replace(heard, remarks=(*heard.remarks, Remark.NO_SPEECH.value))


def _busy(taken: int) -> ServiceError:
    metrics.QUEUE_REFUSALS.labels("streams").inc()
    return ServiceError(
        Reason.ENCODER_BUSY,
        f"{taken} streams are embedded already, and this caller has its share: try again in a "
        "moment",
    )


async def _windows(decoder: StreamDecoder, cutter: Cutter) -> AsyncIterator[Window | Heard]:
    """Yields the windows as they fill, the last shorter one, and the whole's properties."""
    while True:
        news = await decoder.read()
        if isinstance(news, Heard):
            break
        for window in cutter.add(news):
            yield window
    last = cutter.finish()
    if last:
        yield last
    yield news
