"""Turns audio into an embedding: decodes it, checks it and runs the model on it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import math
import time
from typing import TYPE_CHECKING

import numpy as np
import structlog

from embedding_service.decoding.decoding import Decoded, Heard, Order
from embedding_service.decoding.readers import AudioError
from serving.errors import Reason, ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from embedding_service.decoding.decoders import Decoders
    from embedding_service.decoding.readers import Pcm
    from embedding_service.decoding.spool import Spool, Spools
    from embedding_service.network.batching import Batcher
    from embedding_service.settings import EmbeddingSettings

PIECE_SECONDS = 60
"""Longest audio that the model embeds in one piece."""

log = structlog.get_logger()


class Encoder:
    """Embeds a limited number of pieces of audio at a time."""

    def __init__(
        self, batcher: Batcher, decoders: Decoders, spools: Spools, limits: EmbeddingSettings
    ) -> None:
        """Takes the model's batches, the decoders, the spools and the limits of audio."""
        self._rate = batcher.sample_rate
        self._spools = spools
        self._decoders = decoders
        self._limits = limits
        self._in_work = 0
        self._batcher = batcher

    async def check(self) -> None:
        """Checks that the decoders run, and starts new ones if they do not."""
        self._decoders.check()

    async def embed(
        self, audio: Spool, pcm: Pcm | None, channel: int = 0
    ) -> tuple[NDArray[np.float32], Heard]:
        """Embeds one piece of audio, or one of its channels, counted from 1.

        Returns:
            The embedding, shape (192,), L2 norm 1, and the properties of the audio.

        Raises:
            ServiceError: AUDIO_UNDECODABLE, AUDIO_TOO_SHORT, AUDIO_TOO_LONG, AUDIO_SILENT,
                AUDIO_CHANNEL_MISSING or ENCODER_BUSY.
        """
        with self._place(), self._spools.open() as sink:
            sink.reserve()
            source = audio.inline
            order = Order(
                str(audio.path) if source is None else source,
                str(sink.path),
                self._rate,
                self._limits.max_audio_seconds,
                self._limits.silence_dbfs,
                pcm,
                channel,
            )
            start = time.monotonic()
            try:
                decoded = await self._decoders.decode(order)
            except AudioError as error:
                raise ServiceError(Reason[error.reason], error.message) from error
            log.info("decoded", ms=round((time.monotonic() - start) * 1000, 2))
            self._judge(decoded.heard)
            return await self._average(decoded, sink), decoded.heard

    async def embed_samples(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embeds samples that were checked already. They wait their turn like all other audio.

        Args:
            samples: Mono, shape (n,), at the model's rate, at most 60 s, without silence.

        Returns:
            The embedding, shape (192,), L2 norm 1.
        """
        return await asyncio.wrap_future(self._batcher.submit(len(samples), lambda: samples))

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        if self._in_work >= self._limits.encoder_queue:
            raise ServiceError(
                Reason.ENCODER_BUSY,
                f"{self._in_work} pieces of audio are embedded already: try again in a moment",
            )
        self._in_work += 1
        try:
            yield
        finally:
            self._in_work -= 1

    def _judge(self, heard: Heard) -> None:
        limits = self._limits
        if heard.seconds < limits.min_audio_seconds:
            raise ServiceError(
                Reason.AUDIO_TOO_SHORT,
                f"{heard.seconds:.3g} s; at least {limits.min_audio_seconds:g} s is needed",
                {"min_seconds": f"{limits.min_audio_seconds:g}"},
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

    async def _average(self, decoded: Decoded, sink: Spool) -> NDArray[np.float32]:
        """Embeds equal pieces of at most 60 s, so that none is short, and returns their mean.

        Each piece waits for its turn, so that a long clip does not block short ones.
        """
        if decoded.samples is not None:  # samples in memory are never longer than one piece
            return await self.embed_samples(decoded.samples)
        total = decoded.heard.samples
        count = math.ceil(total / (PIECE_SECONDS * self._rate))
        edges = [total * index // count for index in range(count + 1)]
        vectors = []
        for start, end in itertools.pairwise(edges):
            read = functools.partial(sink.read_samples, start, end)
            vectors.append(await asyncio.wrap_future(self._batcher.submit(end - start, read)))
        mean = np.average(vectors, axis=0, weights=np.diff(edges))
        scaled: NDArray[np.float32] = (mean / np.linalg.norm(mean)).astype(np.float32)
        return scaled
