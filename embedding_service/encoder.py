"""Turns audio into an embedding: decodes it, checks it and runs the model on it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog

from embedding_service.decoding.decoding import Decoded, Heard, Order, compact
from embedding_service.decoding.parts import WHOLE, Part
from embedding_service.decoding.readers import AudioError
from embedding_service.network.batching import Embedded, Work
from serving.caller import caller
from serving.errors import Reason, ServiceError
from serving.monitoring import metrics
from serving.monitoring.stages import stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from embedding_service.decoding.decoders import Decoders
    from embedding_service.decoding.readers import Pcm
    from embedding_service.decoding.spool import Spool, Spools
    from embedding_service.network.batching import Batcher
    from embedding_service.network.model import Model
    from embedding_service.room import Room
    from embedding_service.settings import EmbeddingSettings

PIECE_SECONDS = 60
"""Longest audio that the model embeds in one piece."""

SHORTEST_SECONDS = 0.02
"""Shortest audio that is embedded at all; below it there is no sound to tell from another."""

log = structlog.get_logger()


class Recording:
    """A decoded piece of audio, its samples in memory or in a spool.

    Attributes:
        heard: Properties of the audio.
        sound: Tells of the samples that are silent; None when they are left out.
        work: Its place among all that is embedded.
    """

    def __init__(self, decoded: Decoded, sink: Spool, owner: str, model: Model) -> None:
        """Takes the result of the decoder, the spool that it wrote to, caller and model."""
        self.heard = decoded.heard
        self.sound = decoded.sound
        self.samples = decoded.heard.samples
        """Number of samples."""
        self.work = Work(owner, self.samples, model)
        self._inline = decoded.samples
        self._sink = sink

    def read(self, start: int, end: int) -> NDArray[np.float32]:
        """Reads the samples from number start to end (exclusive), shape (end - start,)."""
        if self._inline is not None:
            return self._inline[start:end]
        return self._sink.read_samples(start, end)

    def peaks(self, most: int) -> bytes:
        """The outline: the loudest sample of each of at most so many parts of equal length.

        Returns:
            A byte for each; 255 is the loudest of all.
        """
        count = min(most, self.samples)
        edges = [self.samples * index // count for index in range(count + 1)]
        loudest = np.array([np.abs(self.read(*part)).max() for part in itertools.pairwise(edges)])
        return (255 * loudest / (loudest.max() or 1)).round().astype(np.uint8).tobytes()

    def leave_silence_out(self) -> None:
        """Drops the silent samples. Those that were read before must not be needed any more."""
        if self.sound is None:
            return
        if self._inline is not None:
            self._inline = self.sound.of(0, self._inline)
            self.samples = len(self._inline)
        elif not self.sound.audible.all():
            path = str(self._sink.path)
            self.samples = compact(path, self.sound.audible, self.sound.length)
        self.sound = None


class Encoder:
    """Embeds audio by one model, in the room that all models share.

    Attributes:
        sample_rate: Sample rate of its samples, Hz.
        min_seconds: Shortest window that is embedded. A shorter piece of audio as a whole is
            padded with zeros to it.
        decision_seconds: As in `Traits`: None if all sound is heard, and not speech alone.
    """

    def __init__(
        self,
        model: Model,
        batcher: Batcher,
        decoders: Decoders,
        spools: Spools,
        room: Room,
        limits: EmbeddingSettings,
    ) -> None:
        """Takes the model, the batches, decoders, spools and room of all, and limits of audio."""
        traits = model.info.traits
        self.sample_rate = traits.sample_rate
        self.min_seconds = max(limits.min_audio_seconds, traits.min_seconds)
        self.decision_seconds = traits.decision_seconds
        self._model = model
        self._spools = spools
        self._decoders = decoders
        self._limits = limits
        self._room = room
        self._batcher = batcher

    async def embed(
        self, audio: Spool, pcm: Pcm | None, channel: int = 0
    ) -> tuple[Embedded, Heard]:
        """Embeds one piece of audio, or one of its channels, counted from 1.

        Returns:
            The embedding with its tags, and the properties of the audio.

        Raises:
            ServiceError: As `hear`.
        """
        async with self.hear(audio, pcm, channel) as recording:
            return await self.average(recording), recording.heard

    @contextlib.asynccontextmanager
    async def hear(
        self,
        audio: Spool,
        pcm: Pcm | None,
        channel: int = 0,
        part: Part = WHOLE,
        *,
        on_time_line: bool = False,
    ) -> AsyncIterator[Recording]:
        """Decodes and checks a piece of audio, and keeps its samples until the block ends.

        Args:
            audio: The bytes.
            pcm: Layout of raw samples; None for an encoded file.
            channel: The channel to hear, counted from 1; 0 for all, mixed to one.
            part: The part that is wanted; all else counts as not there.
            on_time_line: If silent samples stay in their place; else they are left out. For a
                model of voices all but speech counts as silent, where there is speech.

        Raises:
            ServiceError: AUDIO_UNDECODABLE, AUDIO_TOO_SHORT, AUDIO_TOO_LONG, AUDIO_SILENT,
                AUDIO_CHANNEL_MISSING, ENCODER_BUSY, or FIELD_INVALID for the part.
        """
        owner = caller.get()
        async with contextlib.AsyncExitStack() as stack:
            pieces = self._room.pieces
            if not pieces.take(owner, 1):
                raise _busy(pieces.most - pieces.free)
            stack.callback(pieces.give_back, owner, 1)
            sink = stack.enter_context(self._spools.open())
            sink.reserve()
            source = audio.inline
            order = Order(
                str(audio.path) if source is None else source,
                str(sink.path),
                self.sample_rate,
                self._limits.max_audio_seconds,
                self._limits.silence_dbfs,
                pcm,
                channel,
                part,
                on_time_line,
                self.decision_seconds,
            )
            start = time.monotonic()
            try:
                with stage("decode"):
                    decoded = await self._decoders.decode_quickly(order, owner)
                    if decoded is None:
                        await stack.enter_async_context(self._room.long.place(owner))
                        decoded = await self._decoders.decode(order, owner)
            except AudioError as error:
                raise ServiceError(Reason[error.reason], error.message) from error
            log.info("decoded", ms=round((time.monotonic() - start) * 1000, 2))
            self._judge(decoded.heard)
            yield Recording(decoded, sink, owner, self._model)

    def submit(
        self, count: int, read: Callable[[], NDArray[np.float32]], work: Work
    ) -> Future[Embedded]:
        """Puts samples that were checked already in line, as `Batcher.submit` does."""
        return self._batcher.submit(count, read, work)

    async def embed_samples(self, samples: NDArray[np.float32]) -> Embedded:
        """Embeds samples that were checked already. They wait their turn like all other audio.

        Args:
            samples: Mono, shape (n,), at the model's rate, at most 60 s, without silence.
        """
        work = Work(caller.get(), len(samples), self._model)
        return await asyncio.wrap_future(self.submit(len(samples), lambda: samples, work))

    def _judge(self, heard: Heard) -> None:
        limits = self._limits
        if heard.seconds < SHORTEST_SECONDS:
            raise ServiceError(
                Reason.AUDIO_TOO_SHORT,
                f"{heard.seconds:.3g} s; at least {SHORTEST_SECONDS:g} s is needed",
                {"min_seconds": f"{SHORTEST_SECONDS:g}"},
            )
        if heard.active_seconds == 0:
            constant = heard.level_dbfs > limits.silence_dbfs
            raise ServiceError(
                Reason.AUDIO_SILENT,
                "the audio holds a constant level (DC) and no sound"
                if constant
                else f"nothing in the audio is louder than {limits.silence_dbfs:g} "
                f"dBFS; its level is {heard.level_dbfs:.0f} dBFS",
                {"silence_dbfs": f"{limits.silence_dbfs:g}"},
            )

    async def average(self, recording: Recording) -> Embedded:
        """Embeds a recording without silence: the mean of pieces of at most 60 s.

        The pieces are equal, so that none is short. Each waits for its turn, so that a long clip
        does not block short ones. A tag is as sure as it is in the piece where it is surest.
        """
        if recording.heard.seconds < self.min_seconds:
            return await self._padded(recording)
        count = math.ceil(recording.samples / (PIECE_SECONDS * self.sample_rate))
        edges = [recording.samples * index // count for index in range(count + 1)]
        results = []
        for start, end in itertools.pairwise(edges):
            read = functools.partial(recording.read, start, end)
            recording.work.left = recording.samples - start
            piece = self.submit(end - start, read, recording.work)
            results.append(await asyncio.wrap_future(piece))
        if count == 1:
            return results[0]
        vectors, tags = zip(*results, strict=True)
        mean = np.average(vectors, axis=0, weights=np.diff(edges))
        return Embedded(unit(mean), np.max(tags, axis=0))

    async def _padded(self, recording: Recording) -> Embedded:
        """Embeds a recording shorter than `min_seconds`, with zeros behind its sound."""
        length = round(self.min_seconds * self.sample_rate)

        def read() -> NDArray[np.float32]:
            samples = recording.read(0, recording.samples)
            return np.pad(samples, (0, max(length - len(samples), 0)))

        recording.work.left = length
        return await asyncio.wrap_future(self.submit(length, read, recording.work))


def _busy(taken: int) -> ServiceError:
    metrics.QUEUE_REFUSALS.labels("encoder").inc()
    return ServiceError(
        Reason.ENCODER_BUSY,
        f"{taken} pieces of audio are embedded already, and this caller has its share: try again "
        "in a moment",
    )


def unit(vector: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Scales a vector to L2 norm 1."""
    scaled: NDArray[np.float32] = (vector / np.linalg.norm(vector)).astype(np.float32)
    return scaled
