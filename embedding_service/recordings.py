"""Embeds a recording as a whole and window by window, all of it in bounded memory."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedding_service.encoder import PIECE_SECONDS, unit
from embedding_service.network.batching import MOST_PIECES, MOST_SECONDS, Embedded
from embedding_service.streams import Answer, Omission
from embedding_service.windows import to_samples

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from concurrent.futures import Future

    from embedding_service.decoding.decoding import Heard
    from embedding_service.decoding.parts import Part
    from embedding_service.decoding.readers import Pcm
    from embedding_service.decoding.spool import Spool
    from embedding_service.encoder import Encoder, Recording
    from embedding_service.windows import Rule

PEAKS = 300
"""Peaks of an outline, if nothing else is asked for."""


@dataclass(frozen=True)
class Windowing:
    """Layout of raw samples (None if encoded), channel, rule, part, most peaks to answer."""

    pcm: Pcm | None
    channel: int
    rule: Rule
    part: Part
    peaks: int = 0


@dataclass(frozen=True)
class Summary:
    """The whole of a recording.

    Attributes:
        embedded: Its embedding, and its tags: each as sure as in the window where it is surest.
        heard: Properties of its audio.
        windows: Number of its windows.
        peaks: Its outline, as `Recording.peaks`; empty if none was asked for.
    """

    embedded: Embedded
    heard: Heard
    windows: int
    peaks: bytes = b""


class Recordings:
    """Embeds recordings."""

    def __init__(self, encoder: Encoder) -> None:
        """Takes the encoder."""
        self._encoder = encoder
        self._rate = encoder.sample_rate
        self._least = round(encoder.min_seconds * encoder.sample_rate)

    async def embed(
        self, audio: Spool, windowing: Windowing
    ) -> AsyncGenerator[Answer | Summary, None]:
        """Yields an answer for each window, in order of start, then the summary.

        A recording of which no window holds enough sound has the embedding of all sound in its last
        window.

        Raises:
            ServiceError: As `Encoder.hear`.
        """
        first = round(windowing.part.start * self._rate)
        async with self._encoder.hear(
            audio, windowing.pcm, windowing.channel, windowing.part, on_time_line=True
        ) as recording:
            samples, heard = recording.samples, recording.heard
            peaks = b""
            if windowing.peaks:
                peaks = await asyncio.to_thread(recording.peaks, windowing.peaks)
            total, surest, found, windows = np.zeros(1, np.float32), np.zeros(1, np.float32), 0, 0
            whole: Embedded | None = None
            async with aclosing(self._windows(recording, windowing.rule)) as results:
                async for start, end, result in results:
                    windows += 1
                    if not isinstance(result, Omission):
                        total, found = total + result.vector, found + 1
                        surest = np.maximum(surest, result.tags)
                    elif end == samples and not found:
                        result = whole = await self._whole(recording)  # noqa: PLW2901
                    if windows == 1 and end == samples and not isinstance(result, Omission):
                        whole = result
                    yield Answer(first + start, first + end, None, result)
            if whole is None and heard.seconds <= PIECE_SECONDS:
                whole = await self._whole(recording)
            if whole is None:
                whole = Embedded(unit(total), surest)
            elif found:
                whole = whole._replace(tags=surest)
            yield Summary(whole, heard, windows, peaks)

    async def peaks(self, audio: Spool, windowing: Windowing) -> bytes:
        """The outline of a recording, as `Recording.peaks`; nothing of it is embedded.

        Raises:
            ServiceError: As `Encoder.hear`.
        """
        async with self._encoder.hear(
            audio, windowing.pcm, windowing.channel, windowing.part, on_time_line=True
        ) as recording:
            return await asyncio.to_thread(recording.peaks, windowing.peaks or PEAKS)

    async def _windows(
        self, recording: Recording, rule: Rule
    ) -> AsyncGenerator[tuple[int, int, Embedded | Omission], None]:
        """Yields start, end and result of each window. Few are in work at a time.

        Two batches of the model: one runs while the next one waits, beside audio of other calls.
        """
        fit = MOST_SECONDS * self._rate // to_samples(rule.window, self._rate)
        most = 2 * min(max(fit, 1), MOST_PIECES)
        at_work: deque[tuple[int, int, Future[Embedded] | Omission]] = deque()

        async def oldest() -> tuple[int, int, Embedded | Omission]:
            start, end, result = at_work[0]
            if not isinstance(result, Omission):
                return start, end, await asyncio.wrap_future(result)
            return start, end, result

        try:
            for start, end in rule.spans(recording.samples, self._rate):
                at_work.append((start, end, self._begin(recording, start, end)))
                if len(at_work) == most:
                    yield await oldest()
                    at_work.popleft()
            while at_work:
                yield await oldest()
                at_work.popleft()
        finally:
            for _, _, result in at_work:
                if not isinstance(result, Omission):
                    result.cancel()

    def _begin(self, recording: Recording, start: int, end: int) -> Future[Embedded] | Omission:
        """Puts the sound of a window in line for the model. Its samples are read on its turn."""
        sound = recording.sound
        assert sound is not None  # noqa: S101  the recording was decoded on its time line
        if not sound.is_loud(start, end):
            return Omission.SILENT
        count = sound.count(start, end)
        if count < self._least:
            return Omission.TOO_SHORT
        recording.work.left = recording.samples - start
        return self._encoder.submit(
            count, lambda: sound.of(start, recording.read(start, end)), recording.work
        )

    async def _whole(self, recording: Recording) -> Embedded:
        """Embeds all sound. Needs the samples for itself: no window may be in work any more."""
        await asyncio.to_thread(recording.leave_silence_out)
        return await self._encoder.average(recording)
